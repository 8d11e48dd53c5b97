//! `pillarbox restore`: a server out of a backup.

use std::path::PathBuf;

use clap::Args;
use server::restoration::{Wanted, restore};

use super::place::Place;
use super::show::counted;
use super::{Outcome, progress, say};

/// Bring a server back out of a backup, into a data directory that is empty or not there
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Restore {
    /// The directory of the backups
    directory: PathBuf,
    /// Which backup, by the name that `pillarbox backup DIRECTORY --list` shows [default: the newest]
    #[arg(long, value_name = "BACKUP")]
    backup: Option<String>,
    /// Mail that waited for other servers comes back too, and is sent; what was sent since is sent again
    #[arg(long)]
    with_queue: bool,
}

const EXAMPLES: &str = "\
Everything is compared with its checksums on the way. Mail programs read their mailboxes anew once (the mailboxes get
another UIDVALIDITY, since UIDs were given after the backup), and POP devices download nothing twice. Whoever was
logged in on the pages logs in again. The configuration file is not in the backup: --config says where the data
belongs.

Examples:
  pillarbox restore /mnt/backup/mail --config /etc/pillarbox.toml
  pillarbox restore /mnt/backup/mail --backup 2026-11-27T03-00-00-000Z --data-dir /tmp/yesterday";

impl Restore {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let wanted = Wanted { from: &self.directory, name: self.backup.as_deref(), with_queue: self.with_queue };
        let config = place.load()?;
        let restored = restore(&config, wanted, &mut |at| progress(at.done, at.total, "accounts and tables"))?;
        let queue = match restored.left_queue {
            true => "Mail that waited for other servers was left in the backup.\n",
            false => "",
        };
        say(&format!(
            "{} at {}, in {}.\n{queue}",
            counted(restored.accounts, "account is back as it was", "accounts are back as they were"),
            restored.name,
            config.data_dir.display()
        ));
        Ok(())
    }
}
