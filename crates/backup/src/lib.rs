//! Backups: copies of all that a server keeps, while it runs, and the way back.
//!
//! A repository is a directory:
//!
//! ```text
//! pillarbox-backup   says what it is, and in which format
//! chunks/ab/abcd…    rows of one keyspace that follow each other, or the names of its large bodies
//! bodies/ab/abcd…    a large body
//! snapshots/2026-11-28T20-15-00-000Z   what was kept at that time: for each keyspace its head and its chunks
//! ```
//!
//! Everything but a snapshot is named by the BLAKE3 of its content, is written once, and lies there once, however many
//! snapshots hold it. Rows are cut into chunks where their keys say, so that what has not changed gives the same chunks
//! again; an account whose head is that of the last snapshot is not read at all.
//!
//! Invariant: a snapshot is written last, when all that it names is durable.
//! Invariant: each keyspace is as it was after one of its commits; different ones may be of different moments.
//! Invariant: nothing comes back that is not what was copied: all content is compared with its name.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod bodies;
mod check;
mod chunks;
mod files;
mod prune;
mod restore;
mod snapshot;
mod take;
mod transfer;

pub use bodies::{compare_bodies, transfer_bodies};
pub use check::Checked;
pub use prune::Pruned;
pub use restore::Restored;
pub use snapshot::Taken;
pub use take::{Beside, Step};
pub use transfer::{compare, transfer};

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

const MARKER: &str = "pillarbox-backup";
const FORMAT: &str = "pillarbox backup 1\n";

/// A directory with backups of one server.
#[derive(Clone, Debug)]
pub struct Repository {
    root: PathBuf,
}

/// Why a backup was not made, or not brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// What was asked for cannot be: a sentence with what to do.
    Refused(String),
    /// The disk, the system or what is kept: a sentence with what was tried, and where.
    Fault(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(what) | Self::Fault(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Fault(error.to_string())
    }
}

impl Repository {
    /// Opens a repository, and makes it in a directory that is empty or not there.
    ///
    /// # Errors
    /// The directory holds something else, or cannot be written.
    pub fn create(root: &Path) -> Result<Self, Error> {
        files::make_private(root)?;
        let is_empty = fs::read_dir(root).map_err(|error| files::fault("read", root, &error))?.next().is_none();
        let marker = root.join(MARKER);
        if is_empty {
            ["chunks", "bodies", "snapshots"].iter().try_for_each(|name| files::make_private(&root.join(name)))?;
            files::write(&marker, FORMAT.as_bytes())?;
        }
        Self::open(root)
    }

    /// Opens a repository that is there.
    ///
    /// # Errors
    /// There is none, or one that this version cannot read.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let place = root.display();
        match fs::read(root.join(MARKER)) {
            Ok(format) if format == FORMAT.as_bytes() => Ok(Self { root: root.to_owned() }),
            Ok(_) => Err(Error::Refused(format!(
                "the backups in {place} are of another version of Pillarbox; use that one, or another directory"
            ))),
            Err(_) => Err(Error::Refused(format!(
                "there are no backups of Pillarbox in {place}; name the directory to which they were made, or for a new one \
                 an empty directory"
            ))),
        }
    }

    fn content(&self, kind: files::Kind, hash: &blake3::Hash) -> PathBuf {
        let name = hash.to_hex();
        self.root.join(kind.directory()).join(name.get(..2).unwrap_or_default()).join(name.as_str())
    }
}
