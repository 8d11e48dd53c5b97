//! The contract of the place where large bodies lie: write-once objects.
//!
//! An object belongs to one message of one account and is never shared, so that removing one can never take another
//! message's body away. Its name carries the BLAKE3 of its content; the store checks it at every read.
//!
//! Invariant: when [`Objects::put_shared`] returns `Ok`, the object and its name are durable.

use crate::ids::AccountId;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The name of an object: unique, chosen by the store, out of `[0-9a-z-]`, 1 to 100 characters.
pub type ObjectName = String;

/// Octets without a copy of them: what a large body is in while several read it.
pub type Shared = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A place for large bodies. All calls block.
pub trait Objects: Send + Sync {
    /// Stores `content` durably under a name that was never used before.
    ///
    /// # Errors
    /// [`ObjectError::Full`] or [`ObjectError::Failed`]; what is under the name then is for [`Objects::remove`].
    fn put_shared(&self, account: AccountId, name: &str, content: Shared) -> Result<(), ObjectError>;

    /// The same of several; some may be stored when it fails.
    ///
    /// # Errors
    /// As [`Objects::put_shared`].
    fn put_all(&self, account: AccountId, contents: Vec<(ObjectName, Shared)>) -> Result<(), ObjectError> {
        contents.into_iter().try_for_each(|(name, content)| self.put_shared(account, &name, content))
    }

    /// The same of content that is copied.
    ///
    /// # Errors
    /// As [`Objects::put_shared`].
    fn put(&self, account: AccountId, name: &str, content: &[u8]) -> Result<(), ObjectError> {
        self.put_shared(account, name, Arc::new(content.to_vec()))
    }

    /// Reads a whole object.
    ///
    /// # Errors
    /// [`ObjectError::Missing`] only when it is certain that no such object exists.
    fn read(&self, account: AccountId, name: &str) -> Result<Vec<u8>, ObjectError>;

    /// Reads a part of an object, which must be there.
    ///
    /// # Errors
    /// As [`Objects::read`]; [`ObjectError::Failed`] where the object ends before the range does.
    fn read_range(&self, account: AccountId, name: &str, range: Range<usize>) -> Result<Vec<u8>, ObjectError>;

    /// How many octets an object has.
    ///
    /// # Errors
    /// As [`Objects::read`].
    fn length(&self, account: AccountId, name: &str) -> Result<u64, ObjectError>;

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// [`ObjectError::Failed`].
    fn remove(&self, account: AccountId, name: &str) -> Result<(), ObjectError>;

    /// The names of all objects of an account with the time each was last written (Unix milliseconds), in any order.
    ///
    /// # Errors
    /// [`ObjectError::Failed`].
    fn list(&self, account: AccountId) -> Result<Vec<(ObjectName, i64)>, ObjectError>;
}

/// Why an object could not be stored or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectError {
    /// There is no object of this name.
    Missing,
    /// No space; nothing was stored.
    Full {
        /// What was tried, where, and what the system said.
        what: String,
    },
    /// Anything else.
    Failed {
        /// What was tried, where, and what the system said.
        what: String,
    },
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the object does not exist"),
            Self::Full { what } | Self::Failed { what } => f.write_str(what),
        }
    }
}

impl std::error::Error for ObjectError {}
