//! Copies of everything, for the day when the disk is gone.

use crate::backup_places::{IN_BUCKET, backups};
use crate::checking::Steps;
use crate::error::Error;
use crate::operations::Operations;
use backup::{Beside, Key, Pace, Reread, WallClock};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use store::Timestamp;
use wording::tr;

/// In the data directory: when the last backup began that came to its end, in milliseconds since 1970.
pub const LAST_BACKUP_FILE: &str = "last-backup";

/// When the last backup of a data directory began that came to its end; `None` if none is known of.
#[must_use]
pub fn last_backup(data_dir: &Path) -> Option<Timestamp> {
    fs::read_to_string(data_dir.join(LAST_BACKUP_FILE)).ok()?.trim().parse().ok().map(Timestamp)
}

/// What is to be backed up, and how.
#[derive(Clone, Copy)]
pub struct BackupAsk<'a> {
    /// The directory of the backups, from the root on, or the address of a bucket with its keys.
    pub to: &'a str,
    /// Older ones than the newest so many are removed.
    pub keep: Option<usize>,
    /// What a file with a key has in it, for backups that are encrypted.
    pub key: Option<&'a str>,
    /// At most so many octets a second, read and written.
    pub rate: Option<u64>,
    /// All that is used again is read and compared, not only a share.
    pub reread: bool,
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
        /// Octets of the next one that were read, and about how many it has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<(u64, u64)>,
    },
    /// It is done, and durable.
    Taken {
        /// Its name: when it was taken, in UTC.
        name: String,
        /// How many accounts it holds.
        accounts: usize,
        /// Octets that were not in the backups yet. All of them were read back, and compared.
        bytes: u64,
        /// How long that took, milliseconds.
        compared_millis: u64,
        /// Octets of earlier backups that were compared.
        reread: u64,
        /// Damaged files that were written anew.
        mended: usize,
        /// Damaged files that older backups need, and of which the server does not have the content any more.
        lost: usize,
        /// The backup before this one is damaged itself: which file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unreadable: Option<String>,
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
    /// Copies everything to a directory of backups, while the server works. What was copied before it is broken off counts for
    /// the next time.
    ///
    /// # Errors
    /// The directory is none for backups, or another backup is being made there; the key is another one; faults; `step` fails.
    pub fn back_up(
        &self,
        ask: BackupAsk<'_>,
        beside: &Beside<'_>,
        now: Timestamp,
        step: Steps<'_, BackupStep>,
    ) -> Result<(), Error> {
        if !ask.to.starts_with(IN_BUCKET) && !Path::new(ask.to).is_absolute() {
            return Err(Error::refused(tr!(
                "Name the directory of the backups from the root on: the server has another working directory."
            )));
        }
        let key = ask.key.map(Key::parse).transpose()?;
        let pace = ask.rate.map(|rate| Pace::new(rate, Box::new(WallClock::start())));
        let repository = backups(ask.to, key.as_ref(), true)?.paced(pace);
        let reread = if ask.reread { Reread::All } else { Reread::Share };
        let mut unheard = false;
        let copied = repository.take(self.auth().store(), beside, (now, reread), &mut |at| {
            let within = at.within.map(|within| (within.read, within.of));
            step(BackupStep::Copied { done: at.done, total: at.total, within }).map_err(|_| {
                unheard = true;
                backup::Error::Refused(String::new())
            })
        });
        if unheard {
            return Err(Error::Unheard);
        }
        let copied = copied?;
        // The backup is there also where this cannot be written; then an older one is told of.
        let _told = fs::write(beside.directory.join(LAST_BACKUP_FILE), format!("{}\n", now.0));
        let pruned = ask.keep.map(|keep| repository.prune(keep)).transpose();
        let removed = pruned.as_ref().map_or(0, |pruned| pruned.map_or(0, |pruned| pruned.snapshots));
        step(BackupStep::Taken {
            name: copied.taken.name,
            accounts: copied.taken.accounts,
            bytes: copied.bytes,
            compared_millis: copied.comparing_micros / 1000,
            reread: copied.reread_bytes,
            mended: copied.mended,
            lost: copied.lost,
            unreadable: copied.unreadable,
            removed,
        })?;
        pruned?;
        Ok(())
    }
}
