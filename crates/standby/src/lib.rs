//! A standby: a second copy of all that a server keeps, on another machine, kept seconds behind.
//!
//! The server ([`Source`]) tells each commit as it becomes durable ([`store::feed`]). The standby ([`Follower`]) asks for it, and applies
//! a commit only where its own head is the one that the commit was made from. Whatever else it meets (it was away, the news were
//! overrun, something came late, twice or not at all) it compares the keyspace with the server's, range by range, and takes what differs.
//! Both read one keyspace at a time, at one commit; how the two lie on disk is nobody's business here.
//!
//! What was told together is kept as a whole before it is applied, and applied as a whole: also when the standby is killed, and when
//! it is promoted without the server. Large bodies are there before rows name them.
//!
//! Deliberately not here: connections, files beside the store, and which machine is the server.
//!
//! Invariant: a keyspace without the mark `UNFINISHED` (`copy.rs`) is as it was on the server after one of its commits.
//! Invariant: a head never goes back. A server that is behind its standby has lost something, and nothing is changed any more.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod apply;
mod bring;
mod copy;
mod follower;
mod notes;
mod ranges;
#[cfg(test)]
mod simulation;
mod source;
mod succeed;
mod verify;
mod wire;

pub use follower::{Follower, Told};
pub use notes::Standing;
pub use source::{Lineage, Source};
pub use succeed::{Left, damaged, succeed};
pub use verify::{Verified, to_verify, verify};

use std::fmt;
use std::time::Duration;
use store::AccountId;
use store::backup::Kept;
use store::engine::{CommitError, EngineError};
use store::objects::{ObjectError, ObjectName};
use store::{Error as StoreError, TableId};

/// What a follower asks the server for. Each answer is whole, or an error.
pub trait Primary: Send + Sync {
    /// The heads of all keyspaces: [`Source::heads`].
    ///
    /// # Errors
    /// It cannot be asked, or refuses.
    fn heads(&self) -> Result<Vec<u8>, Error>;

    /// What was committed from a position on: [`Source::news`].
    ///
    /// # Errors
    /// As [`Primary::heads`].
    fn news(&self, place: Place, wait: Duration) -> Result<Option<Vec<u8>>, Error>;

    /// What of a keyspace differs from what `ranges` say: each piece of [`Source::compare`] in its order.
    ///
    /// # Errors
    /// As [`Primary::heads`]; what `take` returns.
    fn compare(&self, account: AccountId, ranges: &[u8], take: Take<'_>) -> Result<(), Error>;

    /// A large body; `None`: it is gone.
    ///
    /// # Errors
    /// As [`Primary::heads`].
    fn object(&self, account: AccountId, name: &ObjectName) -> Result<Option<Vec<u8>>, Error>;
}

/// Is given the pieces of an answer; what it returns ends the answer.
pub type Take<'t> = &'t mut dyn FnMut(&[u8]) -> Result<(), Error>;

/// A position in the news of one process of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which process.
    pub epoch: u64,
    /// Everything before it is here.
    pub position: u64,
}

/// How much at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// So many keyspaces are written at the same time.
    pub workers: usize,
    /// A keyspace that has changed by more octets is brought beside the old state of it, which counts until then.
    pub changed_bytes_max: usize,
    /// A keyspace that is new, or brought beside, is written in commits of about so many octets.
    pub part_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { workers: 8, changed_bytes_max: 64 * 1024 * 1024, part_bytes: 4 * 1024 * 1024 }
    }
}

/// Why a standby does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Somebody has to decide: a sentence with what to do.
    Refused(String),
    /// The network, the disk, the system: it is tried again.
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

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        fault(error)
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        fault(error)
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        fault(error)
    }
}

impl From<ObjectError> for Error {
    fn from(error: ObjectError) -> Self {
        fault(error)
    }
}

fn fault(what: impl fmt::Display) -> Error {
    Error::Fault(what.to_string())
}

/// From here on keyspaces are the standby's own: no account has such a number.
const OWN: u32 = 1 << 31;

/// Whether a standby has a keyspace. Nobody stays logged in through a change of the server, and which servers there were is of no use; copies of
/// tables are made anew.
fn is_copied(keyspace: AccountId) -> bool {
    match Kept::of(keyspace) {
        Some(Kept::Table(table)) => !matches!(table, TableId::Sessions | TableId::Nodes),
        Some(Kept::Account(account)) => account.0 < OWN,
        None => false,
    }
}
