//! `pillarbox backup`: copies of everything, made while the server works.

use std::path::PathBuf;

use backup::{Repository, Step};
use clap::Args;
use console::BackupStep;
use web::Call;

use super::failure::Failure;
use super::place::Place;
use super::show::{Format, bytes as size, counted};
use super::{Outcome, progress};

/// Copy everything to a directory of backups, while the server works; only what has changed is written
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Backup {
    #[command(flatten)]
    format: Format,
    /// The directory of the backups; a new one is made
    directory: PathBuf,
    /// Remove older backups than the newest so many
    #[arg(long, value_name = "BACKUPS")]
    keep: Option<usize>,
    /// Show the backups that are there
    #[arg(long, conflicts_with_all = ["keep", "check"])]
    list: bool,
    /// Read the newest backup, and compare all of it with its checksums
    #[arg(long, conflicts_with = "keep")]
    check: bool,
}

const EXAMPLES: &str = "\
A backup holds all mail with its flags, numbers and history, what was removed and is still kept, devices, accounts with their
passwords, the queue, and of the data directory auth-secret and tls; not the configuration file. It holds secrets: its
directory is readable for its owner only. It should lie on another disk, and a copy of it elsewhere.
Each account is as it was after one of its changes. What was copied before a backup is broken off need not be copied again.
It comes back with `pillarbox restore`.

Examples:
  pillarbox backup /mnt/backup/mail --keep 30
  pillarbox backup /mnt/backup/mail --list
  pillarbox backup /mnt/backup/mail --check";

impl Backup {
    pub(super) fn run(self, place: &Place) -> Outcome {
        if self.list {
            return self.list();
        }
        if self.check {
            return self.check();
        }
        // The server has another working directory.
        let to = std::path::absolute(&self.directory)
            .map_err(|error| Failure::Refused(format!("no such place: {error}")))?;
        let to = to.to_str().ok_or_else(|| Failure::Refused("the name of the directory is not UTF-8".to_owned()))?;
        let call = Call::new("POST /api/v1/operator/backup").with("to", to).with("keep", self.keep);
        let mut step = |step: BackupStep| match &step {
            BackupStep::Copied { done, total } => {
                progress(*done, *total, "accounts and tables");
                Ok(())
            }
            BackupStep::Taken { name, accounts, bytes, removed } => self.format.show(&step, |_| {
                let removed = if *removed > 0 { format!("; {removed} older removed") } else { String::new() };
                format!("{name}: {}, {} new{removed}\n", counted(*accounts, "account", "accounts"), size(*bytes))
            }),
        };
        place.call(&call, &mut step)
    }

    fn list(&self) -> Outcome {
        for taken in Repository::open(&self.directory)?.snapshots()? {
            let line = serde_json::json!({ "name": taken.name, "at": taken.at.0, "accounts": taken.accounts });
            self.format
                .show(&line, |_| format!("{}  {}\n", taken.name, counted(taken.accounts, "account", "accounts")))?;
        }
        Ok(())
    }

    fn check(&self) -> Outcome {
        let checked = Repository::open(&self.directory)?.check(None, &mut |Step { done, total, .. }| {
            progress(done, total, "accounts and tables");
            Ok(())
        })?;
        for finding in &checked.findings {
            self.format.show(&serde_json::json!({ "finding": finding }), |_| format!("{finding}\n"))?;
        }
        if !checked.findings.is_empty() {
            return Err(Failure::Fault(format!(
                "{} findings in {}; make another backup, into another directory, and look at the disk",
                checked.findings.len(),
                checked.name
            )));
        }
        let line = serde_json::json!({ "name": checked.name, "accounts": checked.accounts, "bytes": checked.bytes });
        self.format.show(&line, |_| {
            format!(
                "{}: all is well: {}, {} read\n",
                checked.name,
                counted(checked.accounts, "account", "accounts"),
                size(checked.bytes)
            )
        })
    }
}
