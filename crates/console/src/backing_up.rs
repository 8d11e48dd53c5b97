//! Copies of everything, for the day when the disk is gone.

use crate::checking::Steps;
use crate::error::Error;
use crate::operations::Operations;
use backup::{Beside, Repository};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use store::Timestamp;
use wording::tr;

/// In the data directory: when the last backup began that came to its end, in milliseconds since 1970.
const LAST_BACKUP_FILE: &str = "last-backup";

/// When the last backup of a data directory began that came to its end; `None` if none is known of.
#[must_use]
pub fn last_backup(data_dir: &Path) -> Option<Timestamp> {
    fs::read_to_string(data_dir.join(LAST_BACKUP_FILE)).ok()?.trim().parse().ok().map(Timestamp)
}

/// What a backup tells as it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupStep {
    /// So much is copied.
    Copied {
        /// Accounts and tables that are done.
        done: usize,
        /// All of them.
        total: usize,
    },
    /// It is done, and durable.
    Taken {
        /// Its name: when it was taken, in UTC.
        name: String,
        /// How many accounts it holds.
        accounts: usize,
        /// Octets that were not in the backups yet.
        bytes: u64,
        /// Older ones that were removed.
        removed: usize,
    },
}

impl From<backup::Error> for Error {
    fn from(error: backup::Error) -> Self {
        match error {
            backup::Error::Refused(text) => Self::Refused(text),
            backup::Error::Fault(text) => Self::Store(store::Error::Fault(text)),
        }
    }
}

impl Operations {
    /// Copies everything to a directory of backups, while the server works; with `keep`, older ones than the newest so many
    /// are removed. What was copied before it is broken off counts for the next time.
    ///
    /// # Errors
    /// The directory is none for backups, or another backup is being made there; faults; `step` fails.
    pub fn back_up(
        &self,
        (to, keep): (&Path, Option<usize>),
        beside: &Beside<'_>,
        now: Timestamp,
        step: Steps<'_, BackupStep>,
    ) -> Result<(), Error> {
        if !to.is_absolute() {
            return Err(Error::refused(tr!(
                "Name the directory of the backups from the root on: the server has another working directory."
            )));
        }
        let repository = Repository::create(to)?;
        let mut unheard = false;
        let taken = repository.take(self.auth().store(), beside, now, &mut |at| {
            step(BackupStep::Copied { done: at.done, total: at.total }).map_err(|_| {
                unheard = true;
                backup::Error::Refused(String::new())
            })
        });
        if unheard {
            return Err(Error::Unheard);
        }
        let (taken, bytes) = taken?;
        // The backup is there also where this cannot be written; then an older one is told of.
        let _told = fs::write(beside.directory.join(LAST_BACKUP_FILE), format!("{}\n", now.0));
        let removed = keep.map(|keep| repository.prune(keep)).transpose()?.map_or(0, |pruned| pruned.snapshots);
        step(BackupStep::Taken { name: taken.name, accounts: taken.accounts, bytes, removed })
    }
}
