//! `pillarbox restore`: a server out of a backup, or mail of one account.

use std::path::PathBuf;

use clap::Args;
use console::{ALL_HERE, HERE, ImportStep};
use server::restoration::{Wanted, Which, restore};
use web::Call;

use super::backup::{key_of, place_of};
use super::failure::Failure;
use super::import;
use super::place::Place;
use super::show::{Format, counted};
use super::{Outcome, progress};

/// Bring a server back out of a backup, or mail of one account into a server that is in use
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Restore {
    #[command(flatten)]
    format: Format,
    /// The directory of the backups, or s3://HOST/BUCKET/PREFIX?region=REGION
    directory: PathBuf,
    /// A file whose first line is KEY:SECRET of a bucket
    #[arg(long, value_name = "FILE")]
    bucket_keys: Option<PathBuf>,
    /// Which backup, by the name that `pillarbox backup DIRECTORY --list` shows [default: the newest]
    #[arg(long, value_name = "BACKUP")]
    backup: Option<String>,
    /// The newest backup of this time or before: "2 days ago", 2026-11-27, 2026-11-27T08:30 (UTC)
    #[arg(long, value_name = "TIME", conflicts_with = "backup")]
    at: Option<String>,
    /// The file with the key of encrypted backups
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Mail that waited for other servers comes back too, and is sent; what was sent since is sent again
    #[arg(long, conflicts_with = "account")]
    with_queue: bool,
    /// Only the mail of this account, into mailboxes below Restored; nothing that is there is touched
    #[arg(long)]
    account: Option<String>,
    /// Only this mailbox of the account; may stand several times
    #[arg(long, value_name = "NAME", requires = "account")]
    mailbox: Vec<String>,
    /// Only messages that the account does not have now in any mailbox, octet by octet
    #[arg(long, requires = "account")]
    missing: bool,
    /// What the account was called in the backup, if not as now
    #[arg(long, value_name = "ADDRESS", requires = "account")]
    user: Option<String>,
}

const EXAMPLES: &str = "\
A server comes back into a data directory that is empty or not there.
Everything is compared with its checksums on the way. Mail programs read their mailboxes anew once (the mailboxes get
another UIDVALIDITY, since UIDs were given after the backup), and POP devices download nothing twice. Whoever was
logged in on the pages logs in again. The configuration file is not in the backup: --config says where the data
belongs.

With --account the server may run and is not stopped: its process reads the backup, or without it this command. Mail comes
with its flags and dates into Restored/2026-11-27 03-00-00/INBOX and so on, as a device of its own: `pillarbox undo` takes
it back.

Examples:
  pillarbox restore /mnt/backup/mail --config /etc/pillarbox.toml
  pillarbox restore /mnt/backup/mail --backup 2026-11-27T03-00-00-000Z --data-dir /tmp/yesterday
  pillarbox restore /mnt/backup/sealed --key-file /root/backup-key --at \"2 days ago\" --data-dir /tmp/then
  pillarbox restore /mnt/backup/mail --account alice@example.org --mailbox Work --missing";

impl Restore {
    pub(super) fn run(self, place: &Place) -> Outcome {
        match &self.account {
            Some(account) => self.account(place, account),
            None => self.server(place),
        }
    }

    fn server(&self, place: &Place) -> Outcome {
        let key = self.key_file.as_deref().map(key_of).transpose()?;
        let which = match (&self.backup, &self.at) {
            (Some(name), _) => Which::Named(name),
            (None, Some(at)) => Which::Until(at),
            (None, None) => Which::Newest,
        };
        let from = place_of(&self.directory, self.bucket_keys.as_deref())?;
        let wanted = Wanted { from: &from, key: key.as_ref(), which, with_queue: self.with_queue };
        let config = place.load()?;
        let restored = restore(&config, wanted, &mut |at| progress(at.done, at.total, "accounts and tables"))?;
        let queue = match restored.left_queue {
            true => "Mail that waited for other servers was left in the backup.\n",
            false => "",
        };
        let line = serde_json::json!({
            "name": restored.name, "accounts": restored.accounts, "left_queue": restored.left_queue
        });
        self.format.show(&line, |_| {
            format!(
                "{} at {}, in {}.\n{queue}",
                counted(restored.accounts, "account is back as it was", "accounts are back as they were"),
                restored.name,
                config.data_dir.display()
            )
        })
    }

    fn account(&self, place: &Place, account: &str) -> Outcome {
        let key = self.key_file.as_deref().map(key_of).transpose()?;
        let from = place_of(&self.directory, self.bucket_keys.as_deref())?;
        let call = Call::new("POST /api/v1/operator/restore").of(account.to_owned()).with("from", from);
        let call = call.with("key", key.map(|key| key.text())).with("backup", self.backup.clone());
        let call = call.with("at", self.at.clone()).with("user", self.user.clone());
        let call = call.with("mailboxes", self.mailbox.join("\n")).with("missing", self.missing);
        let mut missing = 0;
        let mut step = |step: ImportStep| {
            match &step {
                ImportStep::LeftOut { why, .. } if why != ALL_HERE => missing += 1,
                ImportStep::Refused { why, .. } if why != HERE => missing += 1,
                ImportStep::Looked { name, done, total } if !self.format.json => {
                    progress(*done, *total, &format!("messages of {name}"));
                    return Ok(());
                }
                _ => {}
            }
            self.format.show(&step, import::text)
        };
        place.call(&call, &mut step)?;
        match missing {
            0 => Ok(()),
            missing => Err(Failure::Fault(format!(
                "not all is back: {}, see above; `pillarbox backup --check` looks at the backup",
                counted(missing, "message or mailbox is missing", "messages or mailboxes are missing")
            ))),
        }
    }
}
