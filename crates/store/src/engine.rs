//! The contract of a storage engine: ordered keys and values, scoped to an account, with one compare-and-set head.
//!
//! The engine knows nothing of mail: the rules of the mailbox are written once, above it. Two engines implement it
//! (embedded SQLite, the PostgreSQL protocol), and `sim` for tests; `conformance` holds all of them to it.
//!
//! Invariant: a [`Snapshot`] shows the account as it was after exactly one commit, however long it lives.
//! Invariant: when [`Engine::commit`] returns `Ok`, the commit is durable: it survives SIGKILL and power loss.
//! Invariant: a commit whose `expected` is not the account's head changes nothing.
//! Invariant: what is read is what was written. A value, a key that is not there, or a scan that is none of it is
//! [`EngineError::Damaged`].

use crate::group_commit::Flushes;
use crate::ids::{AccountId, ModSeq};
use std::fmt;
use std::ops::ControlFlow;

/// A key is at most this long.
pub const KEY_BYTES_MAX: usize = 512;
/// A value is at most this long.
pub const VALUE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A storage engine. All calls block; none may be made while holding a lock that another caller of the engine needs.
pub trait Engine: Send + Sync {
    /// A consistent view of one account. An account that was never written has head 0 and no keys.
    ///
    /// # Errors
    /// When the engine cannot read: [`EngineError`].
    fn snapshot(&self, account: AccountId) -> Result<Box<dyn Snapshot + '_>, EngineError>;

    /// [`Snapshot::head`] as it is now, where nothing else is wanted: whether somebody has changed the account.
    ///
    /// # Errors
    /// As [`Engine::snapshot`].
    fn head(&self, account: AccountId) -> Result<ModSeq, EngineError> {
        Ok(self.snapshot(account)?.head())
    }

    /// [`Engine::head`] of several, in their order: what others have changed is looked for in this way, time and again.
    ///
    /// # Errors
    /// As [`Engine::snapshot`].
    fn heads(&self, accounts: &[AccountId]) -> Result<Vec<ModSeq>, EngineError> {
        accounts.iter().map(|account| self.head(*account)).collect()
    }

    /// Applies `commit` as a whole and durably, or not at all.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] when the head is not `expected`; [`CommitError::Full`] when there is no space, nothing
    /// was changed and the engine goes on; [`CommitError::Damaged`] and [`CommitError::ReadOnly`] likewise;
    /// [`CommitError::Failed`] when it is not known whether the commit is durable: the caller must throw away what it holds
    /// of the account and read it again.
    fn commit(&self, commit: Commit) -> Result<(), CommitError>;

    /// Every account with a head above 0, ascending, but for those of [`Engine::closed`].
    ///
    /// # Errors
    /// When the engine cannot read: [`EngineError`].
    fn accounts(&self) -> Result<Vec<AccountId>, EngineError>;

    /// Visits every row of an account that can be found, each by itself: its key, and its value where both it and what it
    /// says of the next row are sound. For checks: what is left of a damaged account.
    ///
    /// # Errors
    /// When the engine cannot read on: [`EngineError`].
    fn inspect(&self, account: AccountId, visit: &mut Inspect<'_>) -> Result<(), EngineError> {
        self.snapshot(account)?.scan(&[], &[255; KEY_BYTES_MAX], &mut |key, value| {
            visit(key, Some(value));
            ControlFlow::Continue(())
        })
    }

    /// What the engine's own check of its files finds, in a sentence for each.
    fn check_files(&self) -> Vec<String> {
        self.closed()
    }

    /// Whether what damages one account's storage leaves the other's.
    fn lie_apart(&self, _one: AccountId, _other: AccountId) -> bool {
        false
    }

    /// Octets of its files that it uses again before they grow.
    fn reusable_bytes(&self) -> u64 {
        0
    }

    /// What of the storage could not be opened, in a sentence for each part. Its accounts are
    /// [`EngineError::Damaged`]; the others work.
    fn closed(&self) -> Vec<String> {
        Vec::new()
    }

    /// Why nothing at all can be written as long as this process lives, in a sentence: the disk takes nothing. What is there
    /// can be read, and every change ends with [`CommitError::ReadOnly`].
    fn read_only(&self) -> Option<String> {
        None
    }

    /// What was counted of flushes, where commits are grouped.
    fn flushes(&self) -> Option<&Flushes> {
        None
    }

    /// Removes every key and the head of an account, durably.
    ///
    /// # Errors
    /// As [`Engine::commit`], without `Conflict`.
    fn remove_account(&self, account: AccountId) -> Result<(), CommitError>;
}

/// A consistent, unchanging view of one account.
pub trait Snapshot {
    /// The account's head: the `next` of its last commit, 0 if there was none.
    fn head(&self) -> ModSeq;

    /// The value of `key`.
    ///
    /// # Errors
    /// When the engine cannot read; never `None` for a failure.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError>;

    /// Visits what [`Snapshot::get`] gives for each of `keys`, in their order, until the visitor breaks. An engine may do it for
    /// less where they ascend and lie near each other.
    fn get_each(&self, keys: &mut dyn Iterator<Item = Vec<u8>>, visit: &mut VisitEach<'_>) {
        for key in keys {
            let value = self.get(&key);
            if visit(value.as_ref().map(Option::as_deref).map_err(Clone::clone)) == ControlFlow::Break(()) {
                return;
            }
        }
    }

    /// These ranges are read next: an engine that is far away may bring what is in them in one go. What is read is the same with it
    /// and without.
    ///
    /// # Errors
    /// As [`Snapshot::scan`].
    fn fetch_ahead(&self, _ranges: &[(Vec<u8>, Vec<u8>)]) -> Result<(), EngineError> {
        Ok(())
    }

    /// Whether a value that is read has been compared with a checksum of its own, so that nobody need do it again.
    fn compares_values(&self) -> bool {
        false
    }

    /// Visits the keys in `from..to` in ascending byte order until the visitor breaks.
    ///
    /// # Errors
    /// When the engine cannot read; never a short scan for a failure.
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError>;
}

/// Takes a key and its value, `None` where that, or what follows, is damaged.
pub type Inspect<'a> = dyn FnMut(&[u8], Option<&[u8]>) + 'a;

/// Takes a key and its value; [`ControlFlow::Break`] ends the scan.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Takes the value of a key, or why there is none to be had; [`ControlFlow::Break`] ends the visit.
pub type VisitEach<'a> = dyn FnMut(Result<Option<&[u8]>, EngineError>) -> ControlFlow<()> + 'a;

/// One atomic change of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Whose keys.
    pub account: AccountId,
    /// The head that this change was computed from.
    pub expected: ModSeq,
    /// The head afterwards; above `expected`.
    pub next: ModSeq,
    /// Applied in order: a later one wins over an earlier one on the same key.
    pub writes: Vec<Write>,
}

impl Commit {
    /// Whether an engine may take it: the head grows, and no key and no value is too long.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn check_limits(&self) -> Result<(), String> {
        let Self { account, expected, next, writes } = self;
        if next <= expected || i64::try_from(next.0).is_err() {
            return Err(format!("a commit of account {account} has the head {next} after {expected}"));
        }
        for write in writes {
            let (key_bytes, value_bytes) = match write {
                Write::Put { key, value } => (key.len(), value.len()),
                Write::Delete { key } => (key.len(), 0),
            };
            if key_bytes > KEY_BYTES_MAX || value_bytes > VALUE_BYTES_MAX {
                return Err(format!(
                    "a commit of account {account} has a key of {key_bytes} bytes with a value of {value_bytes} bytes; \
                     the limits are {KEY_BYTES_MAX} and {VALUE_BYTES_MAX}"
                ));
            }
        }
        Ok(())
    }
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets a key, whether it was there or not.
    Put {
        /// At most [`KEY_BYTES_MAX`] long.
        key: Vec<u8>,
        /// At most [`VALUE_BYTES_MAX`] long.
        value: Vec<u8>,
    },
    /// Removes a key, if it is there.
    Delete {
        /// At most [`KEY_BYTES_MAX`] long.
        key: Vec<u8>,
    },
}

/// The engine could not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// The disk or the system.
    Failed {
        /// What was tried, where, and what the system said.
        what: String,
    },
    /// What is stored is not what was written.
    Damaged {
        /// What, where, and what to do.
        what: String,
    },
}

/// A commit did not, or may not have, become durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// The head is not what the change was computed from: read again and retry.
    Conflict {
        /// The head that was found.
        head: ModSeq,
    },
    /// No space (disk, quota of the file system): nothing was changed, later commits may succeed.
    Full {
        /// What was tried, where, and what the system said.
        what: String,
    },
    /// What was to be changed is damaged on disk: nothing was changed, and other accounts are not concerned.
    Damaged {
        /// What, where, and what to do.
        what: String,
    },
    /// The disk takes nothing at the moment: nothing was changed, and what is there can be read.
    ReadOnly {
        /// What was tried, where, and what the system said.
        what: String,
    },
    /// The outcome is not known.
    Failed {
        /// What was tried, where, and what the system said.
        what: String,
    },
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { what } | Self::Damaged { what } => f.write_str(what),
        }
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { head } => write!(f, "the account has moved on to {head}"),
            Self::Full { what } | Self::Damaged { what } | Self::ReadOnly { what } | Self::Failed { what } => {
                f.write_str(what)
            }
        }
    }
}

impl std::error::Error for EngineError {}
impl std::error::Error for CommitError {}
