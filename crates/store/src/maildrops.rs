//! The locks of maildrops (RFC 1939 §4). A lock belongs to one device: a half-dead session of one never blocks another.
//!
//! Where several nodes work on the same storage a lock is a row of the account as well. It bears the number of its node, and is free
//! when that is gone; what a session does at its end is refused in the very transaction where the row is not its own any more.

use crate::codec::{Corrupt, Reader};
use crate::error::Error;
use crate::ids::{AccountId, DeviceId};
use crate::key;
use crate::known_nodes::NodeNumber;
use crate::record::{open, versioned};
use crate::transact::AccountCell;
use crate::tx::Tx;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Default)]
pub(crate) struct MaildropLocks {
    held: Mutex<HashSet<(AccountId, DeviceId)>>,
    /// Numbers of locks of this process.
    last: AtomicU64,
    /// Rows that could not be taken away.
    left: Mutex<Vec<(Arc<AccountCell>, DeviceId, LockRow)>>,
}

/// As long as it lives, no other session of the device gets its maildrop.
pub(crate) struct MaildropLock {
    locks: Arc<MaildropLocks>,
    cell: Arc<AccountCell>,
    device: DeviceId,
    /// `None`: this process is the only one that writes.
    row: Option<LockRow>,
}

/// Which lock it is: of which node, and the number that it has there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockRow {
    node: NodeNumber,
    number: u64,
}

impl MaildropLocks {
    /// The lock of a device.
    ///
    /// # Errors
    /// [`Error::MaildropInUse`], [`Error::NoSuchAccount`], [`Error::NoSpace`], faults.
    pub(crate) fn lock(self: &Arc<Self>, cell: &Arc<AccountCell>, device: DeviceId) -> Result<MaildropLock, Error> {
        if !self.held.lock().unwrap_or_else(PoisonError::into_inner).insert((cell.id, device)) {
            return Err(Error::MaildropInUse);
        }
        let mut lock = MaildropLock { locks: Arc::clone(self), cell: Arc::clone(cell), device, row: None };
        if let Some(node) = cell.nodes.me() {
            let row = LockRow { node, number: self.last.fetch_add(1, Ordering::Relaxed) };
            // Also where it is not known whether it was written: then it is taken away.
            lock.row = Some(row);
            row.write(cell, device)?;
        }
        Ok(lock)
    }

    /// Takes away what could not be taken away when its session ended.
    pub(crate) fn tidy(&self) {
        let left = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
        for (cell, device, row) in left {
            self.remove(cell, device, row);
        }
    }

    fn remove(&self, cell: Arc<AccountCell>, device: DeviceId, row: LockRow) {
        let removed = cell.transact(move |tx| {
            if row.is_held(tx, device)? {
                tx.delete(key::maildrop_lock(device));
            }
            Ok(())
        });
        if let Err(error) = removed {
            tracing::debug!(account = %cell.id, %error, "the lock of a maildrop stays for now");
            self.left.lock().unwrap_or_else(PoisonError::into_inner).push((cell, device, row));
        }
    }
}

impl MaildropLock {
    pub(crate) fn row(&self) -> Option<LockRow> {
        self.row
    }
}

impl Drop for MaildropLock {
    fn drop(&mut self) {
        // The row first: until then nobody here may write another one.
        if let Some(row) = self.row {
            self.locks.remove(Arc::clone(&self.cell), self.device, row);
        }
        let key = (self.cell.id, self.device);
        self.locks.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}

impl LockRow {
    fn write(self, cell: &Arc<AccountCell>, device: DeviceId) -> Result<(), Error> {
        let asked = Arc::clone(cell);
        cell.transact(move |tx| {
            if tx.head() == crate::ids::ModSeq(0) {
                return Err(Error::NoSuchAccount);
            }
            if let Some(held) = Self::of(tx, device)?
                // What this node holds it would know of.
                && held.node != self.node
                && !asked.is_nobodys(Some(held.node), false)?
            {
                return Err(Error::MaildropInUse);
            }
            tx.put(key::maildrop_lock(device), self.encode());
            Ok(())
        })
    }

    /// Whether the lock is still this one.
    pub(crate) fn is_held(self, tx: &mut Tx<'_>, device: DeviceId) -> Result<bool, Error> {
        Ok(Self::of(tx, device)? == Some(self))
    }

    fn of(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<Self>, Error> {
        let row = tx.get(&key::maildrop_lock(device))?;
        row.map(|row| Self::decode(&row)).transpose().map_err(Error::corrupt("the lock of a maildrop"))
    }

    fn encode(self) -> Vec<u8> {
        let mut w = versioned();
        w.number(self.node.0).number(self.number);
        w.0
    }

    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut r: Reader<'_> = open(value)?;
        let row = Self { node: NodeNumber(r.number()?), number: r.number()? };
        r.end().map(|()| row)
    }
}
