//! Large bodies where they are, and new ones beside them.

use std::ops::Range;
use std::sync::Arc;

use store::AccountId;
use store::objects::{ObjectError, ObjectName, Objects, Shared};
use store_objects::DirectoryObjects;

pub(super) struct Beside {
    /// Nothing is written here.
    pub(super) old: Option<Arc<dyn Objects>>,
    pub(super) new: DirectoryObjects,
}

impl Beside {
    fn read_of<T>(&self, read: impl Fn(&dyn Objects) -> Result<T, ObjectError>) -> Result<T, ObjectError> {
        match self.old.as_deref().map_or(Err(ObjectError::Missing), &read) {
            Err(ObjectError::Missing) => read(&self.new),
            other => other,
        }
    }
}

impl Objects for Beside {
    fn put_shared(&self, account: AccountId, name: &str, content: Shared) -> Result<(), ObjectError> {
        self.new.put_shared(account, name, content)
    }

    fn read(&self, account: AccountId, name: &str) -> Result<Vec<u8>, ObjectError> {
        self.read_of(|objects| objects.read(account, name))
    }

    fn read_range(&self, account: AccountId, name: &str, range: Range<usize>) -> Result<Vec<u8>, ObjectError> {
        // Of a part it is not told whether the whole is there.
        self.read_of(|objects| {
            objects.length(account, name)?;
            objects.read_range(account, name, range.clone())
        })
    }

    fn length(&self, account: AccountId, name: &str) -> Result<u64, ObjectError> {
        self.read_of(|objects| objects.length(account, name))
    }

    fn remove(&self, account: AccountId, name: &str) -> Result<(), ObjectError> {
        self.new.remove(account, name)
    }

    /// Those that were there: what is new somebody refers to.
    fn list(&self, account: AccountId) -> Result<Vec<(ObjectName, i64)>, ObjectError> {
        self.old.as_deref().map_or(Ok(Vec::new()), |old| old.list(account))
    }
}
