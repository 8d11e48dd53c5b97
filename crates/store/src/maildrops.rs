//! The locks of maildrops (RFC 1939 §4). A lock belongs to one device: a half-dead session of one never blocks another.

use crate::ids::{AccountId, DeviceId};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Default)]
pub(crate) struct MaildropLocks(Mutex<HashSet<(AccountId, DeviceId)>>);

/// As long as it lives, no other session of the device gets its maildrop.
pub(crate) struct MaildropLock {
    locks: Arc<MaildropLocks>,
    key: (AccountId, DeviceId),
}

impl MaildropLocks {
    pub(crate) fn lock(self: &Arc<Self>, account: AccountId, device: DeviceId) -> Option<MaildropLock> {
        let key = (account, device);
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        free.then(|| MaildropLock { locks: Arc::clone(self), key })
    }
}

impl Drop for MaildropLock {
    fn drop(&mut self) {
        self.locks.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
