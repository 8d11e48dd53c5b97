//! `pillarbox backup`: copies of everything, made while the server works.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use backup::{Key, Pace, Repository, SHARES, WallClock};
use clap::Args;
use console::{BackupStep, backups};
use web::Call;

use super::failure::Failure;
use super::import;
use super::place::Place;
use super::show::{Format, bytes as size, counted};
use super::size::parse_rate;
use super::{Outcome, progress, say};

/// Copy everything to a directory of backups, while the server works; only what has changed is written
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Backup {
    #[command(flatten)]
    format: Format,
    /// The directory of the backups; a new one is made. Or s3://HOST/BUCKET/PREFIX?region=REGION
    #[arg(required_unless_present = "new_key")]
    directory: Option<PathBuf>,
    /// A file whose first line is KEY:SECRET of a bucket
    #[arg(long, value_name = "FILE")]
    bucket_keys: Option<PathBuf>,
    /// Remove older backups than the newest so many
    #[arg(long, value_name = "BACKUPS")]
    keep: Option<usize>,
    /// Encrypt them with the key in this file; it must be there each time
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Read and write at most so many octets a second, as 20M; no account waits longer than a minute
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    rate: Option<u64>,
    /// Compare all that is used again of earlier backups, not only a sixteenth each time
    #[arg(long)]
    compare_all: bool,
    /// Show the backups that are there
    #[arg(long, conflicts_with_all = ["keep", "check", "rate", "compare_all"])]
    list: bool,
    /// Read the newest backup, or that of --backup, and compare all of it with its checksums
    #[arg(long, conflicts_with_all = ["keep", "compare_all"])]
    check: bool,
    /// Which one to check, by its name
    #[arg(long, value_name = "BACKUP", requires = "check")]
    backup: Option<String>,
    /// Write a new key into a file instead, for its owner only
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["directory", "bucket_keys", "keep", "key_file", "rate", "compare_all", "list", "check", "json"]
    )]
    new_key: Option<PathBuf>,
}

const EXAMPLES: &str = "\
A backup holds all mail with its flags, numbers and history, what was removed and is still kept, devices, accounts with their
passwords, the queue, and of the data directory auth-secret and tls; not the configuration file. It holds secrets: its
directory is readable for its owner only. It should lie on another disk, and a copy of it elsewhere.
Each account is as it was after one of its changes. What was copied before a backup is broken off need not be copied again.
What is written is read back and compared before the backup counts. Of what is used again of earlier ones each backup
compares a sixteenth, and writes anew what is damaged: after 16 of them all was looked at.
It comes back with `pillarbox restore`.

With --key-file all but the name of each backup is encrypted. Without the key nobody reads it, you neither: keep a copy of it
where the backups are not.

Examples:
  pillarbox backup /mnt/backup/mail --keep 30
  pillarbox backup /mnt/backup/mail --list
  pillarbox backup /mnt/backup/mail --check
  pillarbox backup --new-key /etc/pillarbox-backup-key
  pillarbox backup /mnt/backup/sealed --key-file /etc/pillarbox-backup-key --rate 20M
  pillarbox backup s3://s3.example.org/mail/backup --bucket-keys /root/keys --key-file /etc/pillarbox-backup-key";

// It is said above.
const _: () = assert!(SHARES == 16);

impl Backup {
    /// Whether it is for no data at all.
    pub(super) fn makes_a_key(&self) -> bool {
        self.new_key.is_some()
    }

    pub(super) fn run(self, place: &Place) -> Outcome {
        if let Some(file) = &self.new_key {
            Key::write_new(file)?;
            say(&format!(
                "The key is in {file}, for its owner only. Keep a copy of it elsewhere: not with the backups, and not on this \
                 machine alone. Without it nobody can read what is encrypted with it.\n",
                file = file.display()
            ));
            return Ok(());
        }
        let to = place_of(&self.directory.clone().unwrap_or_default(), self.bucket_keys.as_deref())?;
        if self.list {
            return self.list(&to);
        }
        if self.check {
            return self.check(&to);
        }
        let key = self.key_file.as_deref().map(key_of).transpose()?;
        let call = Call::new("POST /api/v1/operator/backup").with("to", to).with("keep", self.keep);
        let call = call.with("key", key.map(|key| key.text())).with("rate", self.rate).with("reread", self.compare_all);
        let mut step = |step: BackupStep| match &step {
            BackupStep::Copied { done, total, within } => {
                let within = within.map(|(read, of)| format!("; of the next {} of about {}", size(read), size(of)));
                progress(*done, *total, &format!("accounts and tables{}", within.unwrap_or_default()));
                Ok(())
            }
            BackupStep::Taken { name, lost, unreadable, .. } => {
                self.format.show(&step, |_| text(&step))?;
                match (lost, unreadable) {
                    (0, None) => Ok(()),
                    (_, Some(why)) => Err(Failure::Fault(format!("{name} is whole, but an older one is not: {why}"))),
                    (lost, None) => Err(Failure::Fault(format!(
                        "{name} is whole, but {} damaged, and the server does not have the content any more: look at the \
                         disk, and try to restore the older ones that you need",
                        counted(
                            *lost,
                            "file that only older backups need is",
                            "files that only older backups need are"
                        )
                    ))),
                }
            }
        };
        place.call(&call, &mut step)
    }

    fn open(&self, at: &str) -> Result<Repository, Failure> {
        let key = self.key_file.as_deref().map(key_of).transpose()?;
        let pace = self.rate.map(|rate| Pace::new(rate, Box::new(WallClock::start())));
        Ok(backups(at, key.as_ref(), false)?.paced(pace))
    }

    fn list(&self, at: &str) -> Outcome {
        for taken in self.open(at)?.snapshots()? {
            let taken = match taken {
                Ok(taken) => taken,
                Err(error) => {
                    let finding = serde_json::json!({ "finding": error.to_string() });
                    self.format.show(&finding, |_| format!("{error}\n"))?;
                    continue;
                }
            };
            let line = serde_json::json!({ "name": taken.name, "at": taken.at.0, "accounts": taken.accounts });
            self.format
                .show(&line, |_| format!("{}  {}\n", taken.name, counted(taken.accounts, "account", "accounts")))?;
        }
        Ok(())
    }

    fn check(&self, at: &str) -> Outcome {
        let checked = self.open(at)?.check(self.backup.as_deref(), &mut |at| {
            progress(at.done, at.total, "accounts and tables");
            Ok(())
        })?;
        for finding in &checked.findings {
            self.format.show(&serde_json::json!({ "finding": finding }), |_| format!("{finding}\n"))?;
        }
        if !checked.findings.is_empty() {
            return Err(Failure::Fault(format!(
                "{} in {}; `pillarbox backup` with --compare-all writes anew what the server still has; look at the disk",
                counted(checked.findings.len(), "finding", "findings"),
                checked.name
            )));
        }
        let line = serde_json::json!({ "name": checked.name, "accounts": checked.accounts, "bytes": checked.bytes });
        self.format.show(&line, |_| {
            let accounts = counted(checked.accounts, "account", "accounts");
            format!("{}: all is well: {accounts}, {} read\n", checked.name, size(checked.bytes))
        })
    }
}

/// What became of a backup.
fn text(step: &BackupStep) -> String {
    let BackupStep::Taken { name, accounts, bytes, compared_millis, reread, mended, removed, .. } = step else {
        return String::new();
    };
    let mut text = format!(
        "{name}: {}, {} new, read back in {}.{} s; {} of the old compared",
        counted(*accounts, "account", "accounts"),
        size(*bytes),
        compared_millis / 1000,
        compared_millis % 1000 / 100,
        size(*reread)
    );
    if *removed > 0 {
        text.push_str(&format!("; {removed} older removed"));
    }
    text.push('\n');
    if *mended > 0 {
        text.push_str(&format!(
            "{mended} files of earlier backups were damaged, and are written anew: look at the disk.\n"
        ));
    }
    text
}

/// A directory from the root on, since the server has another working directory; or the address of a bucket, with its keys.
pub(super) fn place_of(directory: &Path, bucket_keys: Option<&Path>) -> Result<String, Failure> {
    let Some(rest) = directory.to_str().and_then(|text| text.strip_prefix("s3://")) else {
        return import::absolute(directory);
    };
    let Some(file) = bucket_keys else {
        return Err(Failure::Usage(
            "--bucket-keys names a file whose first line is KEY:SECRET of the bucket".to_owned(),
        ));
    };
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::Refused(format!("cannot read the keys in {}: {error}", file.display())))?;
    Ok(format!("s3://{}@{rest}", text.lines().next().unwrap_or_default().trim()))
}

/// The key in a file.
pub(super) fn key_of(file: &Path) -> Result<Key, Failure> {
    if fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o007 != 0) {
        return Err(Failure::Refused(format!(
            "everybody on this machine may open {0}, which is the key to the backups; `chmod o= {0}`, or make a new one",
            file.display()
        )));
    }
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::Refused(format!("cannot read the key in {}: {error}", file.display())))?;
    Key::parse(&text).map_err(|error| Failure::Refused(format!("{}: {error}", file.display())))
}
