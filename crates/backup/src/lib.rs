//! Backups: copies of all that a server keeps, while it runs, and the way back.
//!
//! A repository is a directory ([`Place`]):
//!
//! ```text
//! pillarbox-backup   says what it is, in which format, and with which key it is encrypted, if it is
//! chunks/ab/abcd…    rows of one keyspace that follow each other, or the names of its large bodies
//! bodies/ab/abcd…    a large body
//! snapshots/2026-11-28T20-15-00-000Z   what was kept at that time: for each keyspace its head and its chunks
//! looked             which share of what is old the next backup reads
//! ```
//!
//! Everything but a snapshot is named by the BLAKE3 of its content, is written once, and lies there once, however many
//! snapshots hold it. Rows are cut into chunks where their keys say, so that what has not changed gives the same chunks
//! again; an account whose head is that of the last snapshot is not read at all. With a key all but the first file is encrypted, and
//! names are keyed (`key.rs`).
//!
//! Invariant: a snapshot is written last, when all that it names is durable.
//! Invariant: what has a name was read back before it got it; and of what is used again each backup reads a share, and writes anew
//! what is damaged ([`Reread`]).
//! Invariant: each keyspace is as it was after one of its commits; different ones may be of different moments.
//! Invariant: nothing comes back that is not what was copied: all content is compared with its name.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod bodies;
mod check;
mod chunks;
mod files;
mod key;
mod opened;
mod pace;
mod place;
mod prune;
mod restore;
mod snapshot;
mod take;
mod taking;
mod transfer;

pub use bodies::{compare_bodies, transfer_bodies};
pub use check::Checked;
pub use key::Key;
pub use opened::Opened;
pub use pace::{Clock, Pace, RATE_MIN, WallClock};
pub use place::{Directory, Place};
pub use prune::Pruned;
pub use restore::Restored;
pub use snapshot::Taken;
pub use take::{Beside, Copied, Step, Within};
pub use taking::{Reread, SHARES};
pub use transfer::{compare, transfer};

use blake3::Hash;
use key::Cipher;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

const MARKER: &str = "pillarbox-backup";
const MARKER_ASIDE: &str = "pillarbox-backup.new";
const PLAIN: &str = "pillarbox backup 1\n";
const ENCRYPTED: &str = "pillarbox backup 2\nencrypted aes-256-gcm, names blake3\n";

/// Backups of one server, in one place.
#[derive(Clone, Debug)]
pub struct Repository {
    place: Arc<dyn Place>,
    cipher: Option<Cipher>,
    pace: Option<Arc<Pace>>,
    /// How long what was written was read back, microseconds.
    comparing_micros: Arc<AtomicU64>,
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
    /// The directory holds something else, or cannot be written; as [`Repository::open`].
    pub fn create(root: &Path, key: Option<&Key>) -> Result<Self, Error> {
        let failed = |error| Error::Fault(format!("cannot make {}: {error}", root.display()));
        place::make_private(root).map_err(failed)?;
        // What a creation left that was broken off is nothing.
        let is_left = |entry: io::Result<fs::DirEntry>| entry.is_ok_and(|entry| entry.file_name() == MARKER_ASIDE);
        let is_empty = fs::read_dir(root).map_err(failed)?.all(is_left);
        let place: Arc<dyn Place> = Arc::new(Directory::new(root));
        // Directories in it are somebody's, too.
        if is_empty { Self::create_in(place, key) } else { Self::open_in(place, key) }
    }

    /// Opens a repository that is there.
    ///
    /// # Errors
    /// There is none, or one that this version cannot read; it is encrypted with another key, or is not encrypted and a key is given.
    pub fn open(root: &Path, key: Option<&Key>) -> Result<Self, Error> {
        Self::open_in(Arc::new(Directory::new(root)), key)
    }

    /// [`Repository::create`], in any place.
    ///
    /// # Errors
    /// As there.
    pub fn create_in(place: Arc<dyn Place>, key: Option<&Key>) -> Result<Self, Error> {
        let found =
            place.list("").map_err(|error| Error::Fault(format!("cannot list {}: {error}", place.shown(""))))?;
        if found.iter().any(|(name, _)| name != MARKER_ASIDE) {
            return Self::open_in(place, key);
        }
        let format = match key {
            None => PLAIN.to_owned(),
            Some(key) => {
                let number = Hash::from_bytes(key::random()?);
                let check = Cipher::new(key, &number).check;
                format!("{ENCRYPTED}repository {}\nkey {}\n", number.to_hex(), check.to_hex())
            }
        };
        let repository = Self::with(Arc::clone(&place), None);
        repository.write_aside(MARKER, format.as_bytes())?;
        let named = repository.place.name_once(MARKER);
        named.map_err(|error| repository.fault("write", MARKER, &error))?;
        // Somebody else may have been first.
        Self::open_in(place, key)
    }

    /// [`Repository::open`], in any place.
    ///
    /// # Errors
    /// As there.
    pub fn open_in(place: Arc<dyn Place>, key: Option<&Key>) -> Result<Self, Error> {
        let shown = place.shown("");
        let format = match place.read(MARKER) {
            Ok(format) => String::from_utf8(format).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::Refused(format!(
                    "there are no backups of Pillarbox in {shown}; name the directory to which they were made, or for a new one an \
                     empty directory"
                )));
            }
            Err(error) => return Err(Error::Refused(format!("cannot read {}: {error}", place.shown(MARKER)))),
        };
        let cipher = match (format == PLAIN, format.strip_prefix(ENCRYPTED), key) {
            (true, _, None) => None,
            (true, _, Some(_)) => {
                return Err(Error::Refused(format!(
                    "the backups in {shown} are not encrypted; leave the key out, or name an empty directory for encrypted ones"
                )));
            }
            (_, Some(_), None) => {
                return Err(Error::Refused(format!(
                    "the backups in {shown} are encrypted; --key-file names the file with their key"
                )));
            }
            (_, Some(rest), Some(key)) => Some(opened(rest, key).ok_or_else(|| {
                Error::Refused(format!(
                    "the backups in {shown} were made with another key; name the file with theirs, or an empty directory"
                ))
            })?),
            (false, None, _) => {
                return Err(Error::Refused(format!(
                    "the backups in {shown} are of another version of Pillarbox; use that one, or another directory"
                )));
            }
        };
        Ok(Self::with(place, cipher))
    }

    fn with(place: Arc<dyn Place>, cipher: Option<Cipher>) -> Self {
        Self { place, cipher, pace: None, comparing_micros: Arc::default() }
    }

    /// The same, not faster than so.
    #[must_use]
    pub fn paced(self, pace: Option<Pace>) -> Self {
        Self { pace: pace.map(Arc::new), ..self }
    }
}

/// The rest of the first file of an encrypted repository; `None`: it is of another key.
fn opened(rest: &str, key: &Key) -> Option<Cipher> {
    let (number, check) = rest.strip_prefix("repository ")?.split_once("\nkey ")?;
    let cipher = Cipher::new(key, &Hash::from_hex(number).ok()?);
    (Hash::from_hex(check.strip_suffix('\n')?).ok()? == cipher.check).then_some(cipher)
}
