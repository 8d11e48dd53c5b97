//! A table of the server beside the accounts: ordered keys and values with atomic, durable changes.
//!
//! The directory of addresses and the outbound queue are tables. What they mean is the business of their crates.

use crate::engine::{Commit, CommitError, Snapshot, Write};
use crate::error::Error;
use crate::ids::{AccountId, ModSeq};
use crate::key;
use crate::store::Store;
use crate::watch::Watch;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// A change is tried again this often after conflicts with other writers of the table.
const CONFLICTS_MAX: u32 = 100;

/// A table. Cheap to clone.
#[derive(Clone)]
pub struct Table {
    id: AccountId,
    store: Store,
    /// Changes from this process wait for each other instead of conflicting.
    turn: Arc<Mutex<()>>,
}

/// A change of a table in the making.
pub struct TableTx<'a> {
    snapshot: &'a dyn Snapshot,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    logins: BTreeSet<AccountId>,
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

impl Table {
    pub(crate) fn new(id: AccountId, store: Store, turn: Arc<Mutex<()>>) -> Self {
        Self { id, store, turn }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// Faults.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.store.engine().snapshot(self.id)?.get(key)?)
    }

    /// The rows whose keys begin with `prefix` (not empty, not all 0xff) and are at or above `from`, at most `limit`, in
    /// key order.
    ///
    /// # Errors
    /// Faults.
    pub fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, Error> {
        scan(&*self.store.engine().snapshot(self.id)?, prefix, from, limit)
    }

    /// Counts up with every change of the table.
    ///
    /// # Errors
    /// Faults.
    pub fn version(&self) -> Result<ModSeq, Error> {
        Ok(self.store.engine().snapshot(self.id)?.head())
    }

    /// Wakes `waker` after every change, as long as the result lives.
    #[must_use]
    pub fn watch(&self, waker: Waker) -> Watch {
        self.store.watches().watch(self.id, waker)
    }

    /// Why nothing of others should be added, for want of room on the disk: [`Store::refuses_mail`].
    #[must_use]
    pub fn refuses_mail(&self) -> Option<String> {
        self.store.refuses_mail()
    }

    /// Changes the table as a whole and durably, or not at all. `change` may run several times; its last run counts.
    ///
    /// # Errors
    /// What `change` gives; [`Error::NoSpace`], faults.
    pub fn change<T, E: From<Error>>(&self, mut change: impl FnMut(&mut TableTx<'_>) -> Result<T, E>) -> Result<T, E> {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..CONFLICTS_MAX {
            let (result, commit, logins) = {
                let snapshot = self.store.engine().snapshot(self.id).map_err(Error::from)?;
                let mut tx = TableTx { snapshot: &*snapshot, changes: BTreeMap::new(), logins: BTreeSet::new() };
                let result = change(&mut tx)?;
                (result, commit(self.id, snapshot.head(), tx.changes), tx.logins)
            };
            if commit.writes.is_empty() {
                return Ok(result);
            }
            match self.store.engine().commit(commit) {
                Ok(()) => {
                    self.store.watches().wake(self.id);
                    drop(turn);
                    logins.into_iter().for_each(|account| self.store.logins_changed(account));
                    return Ok(result);
                }
                Err(CommitError::Conflict { .. }) => {}
                Err(CommitError::Full { .. }) if self.store.space().make_room() => {}
                Err(CommitError::Full { what }) => return Err(Error::NoSpace(what).into()),
                Err(CommitError::Damaged { what }) => return Err(Error::damaged(what).into()),
                Err(error @ CommitError::Failed { .. }) => return Err(Error::fault(error).into()),
            }
        }
        Err(Error::fault(format_args!("table {} is written by too many at once", self.id)).into())
    }
}

impl TableTx<'_> {
    /// The value of a key as this change sees it.
    ///
    /// # Errors
    /// Faults.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.changes.get(key) {
            Some(changed) => Ok(changed.clone()),
            None => Ok(self.snapshot.get(key)?),
        }
    }

    /// As [`Table::scan`], as the table was before this change.
    ///
    /// # Errors
    /// Faults.
    pub fn scan_before(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, Error> {
        scan(self.snapshot, prefix, from, limit)
    }

    /// Sets a key.
    pub fn put(&mut self, key: &[u8], value: Vec<u8>) {
        self.changes.insert(key.to_vec(), Some(value));
    }

    /// Once this change is committed, what logins of `account` rest on may be another: its sessions look, and from the
    /// return of [`Table::change`] on nothing is committed on behalf of one that found it gone ([`crate::Permit`]).
    pub fn concerns_logins_of(&mut self, account: AccountId) {
        self.logins.insert(account);
    }

    /// Removes a key, if it is there.
    pub fn delete(&mut self, key: &[u8]) {
        self.changes.insert(key.to_vec(), None);
    }
}

fn commit(account: AccountId, expected: ModSeq, changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Commit {
    let write = |(key, value)| match value {
        Some(value) => Write::Put { key, value },
        None => Write::Delete { key },
    };
    Commit { account, expected, next: ModSeq(expected.0 + 1), writes: changes.into_iter().map(write).collect() }
}

fn scan(snapshot: &dyn Snapshot, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    let (first, end) = key::all(prefix);
    let first = first.max(from.to_vec());
    if limit == 0 || first >= end {
        return Ok(rows);
    }
    snapshot.scan(&first, &end, &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        if rows.len() < limit { std::ops::ControlFlow::Continue(()) } else { std::ops::ControlFlow::Break(()) }
    })?;
    Ok(rows)
}
