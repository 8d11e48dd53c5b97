//! A table of the server beside the accounts: ordered keys and values with atomic, durable changes.
//!
//! The directory of addresses and the outbound queue are tables. What they mean is the business of their crates. Changes
//! that come at once share a commit (`turns`), as the operations on an account do.

mod copy;
mod turns;

pub(crate) use copy::MARK as COPY_MARK;

use crate::engine::{EngineError, Snapshot};
use crate::error::Error;
use crate::ids::{AccountId, ModSeq};
use crate::key;
use crate::store::Store;
use crate::table_id::TableId;
use crate::watch::Watch;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Waker;
pub(crate) use turns::Turns;
use turns::{CONFLICTS_MAX, Change, Verdict};

/// A table. Cheap to clone.
#[derive(Clone)]
pub struct Table {
    id: TableId,
    store: Store,
    turns: Arc<Turns>,
}

/// A change of a table in the making.
pub struct TableTx<'a> {
    snapshot: &'a dyn Snapshot,
    /// Of changes that came before, and that are committed with this one or before it; older ones first.
    before: &'a [&'a Rows],
    changes: Rows,
    logins: BTreeSet<AccountId>,
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Keys and their new values; `None`: it is removed.
pub type Rows = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

impl Table {
    pub(crate) fn new(id: TableId, store: Store, turns: Arc<Turns>) -> Self {
        Self { id, store, turns }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// Faults.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.read(|table| Ok(table.get(key)?))
    }

    /// The values of several keys, as of one version.
    ///
    /// # Errors
    /// Faults, also where they concern one of the keys only.
    pub fn get_all(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.read(|table| keys.iter().map(|key| Ok(table.get(key)?)).collect())
    }

    /// The rows whose keys begin with `prefix` (not empty, not all 0xff) and are at or above `from`, at most `limit`, in
    /// key order.
    ///
    /// # Errors
    /// Faults.
    pub fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, Error> {
        self.read(|table| scan((table, &[]), prefix, from, limit))
    }

    /// All rows that begin with one of some prefixes, as of one version, and which.
    ///
    /// # Errors
    /// Faults.
    pub fn scan_all(&self, prefixes: &[&[u8]]) -> Result<(ModSeq, Vec<Row>), Error> {
        self.read(|table| {
            let mut rows = Vec::new();
            for prefix in prefixes {
                rows.append(&mut scan((table, &[]), prefix, prefix, usize::MAX)?);
            }
            Ok((table.head(), rows))
        })
    }

    /// Counts up with every commit of changes.
    ///
    /// # Errors
    /// Faults.
    pub fn version(&self) -> Result<ModSeq, Error> {
        match self.store.engine().head(self.id.keyspace()) {
            Ok(version) => Ok(version),
            // A copy may have it.
            Err(EngineError::Damaged { .. }) => self.read(|table| Ok(table.head())),
            Err(error) => Err(error.into()),
        }
    }

    /// What has changed from one version to another, oldest first; `None` where that is not known here (another process
    /// has changed it, or it is long ago): then it has to be read.
    #[must_use]
    pub fn changed(&self, since: ModSeq, to: ModSeq) -> Option<Vec<Arc<Rows>>> {
        self.turns.changed(since, to)
    }

    /// As [`Store::changed_by_others`].
    #[must_use]
    pub fn changed_by_others(&self) -> u64 {
        self.turns.foreign()
    }

    /// Wakes `waker` after every change, as long as the result lives.
    #[must_use]
    pub fn watch(&self, waker: Waker) -> Watch {
        self.store.watches().watch(self.id.keyspace(), waker)
    }

    /// Whether something of others should be added: [`Store::takes_mail`].
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`].
    pub fn takes_mail(&self) -> Result<(), Error> {
        self.store.takes_mail()
    }

    /// Changes the table as a whole and durably, or not at all. `change` may run several times; its last run counts.
    ///
    /// # Errors
    /// What `change` gives; [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn change<T, E: From<Error>>(&self, mut change: impl FnMut(&mut TableTx<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut alone = false;
        for _ in 0..CONFLICTS_MAX {
            let (done, verdict) = self.turns.take(self, alone, |before| self.attempt(before, &mut change));
            match verdict {
                Verdict::Durable => {
                    let (result, logins) = done?;
                    logins.into_iter().for_each(|account| self.store.logins_changed(account));
                    return Ok(result);
                }
                Verdict::Again => {}
                Verdict::Alone => alone = true,
                Verdict::Refused(error) => return Err(error.into()),
            }
        }
        Err(Error::fault(format_args!("{} is written by too many at once", self.id)).into())
    }

    /// Runs a change on what is committed and `before`; what it wants to write, and what it gives.
    #[expect(clippy::type_complexity, reason = "a result of a result: the table's and the caller's")]
    fn attempt<T, E: From<Error>>(
        &self,
        before: &[&Rows],
        change: &mut impl FnMut(&mut TableTx<'_>) -> Result<T, E>,
    ) -> (Option<Change>, Result<(T, BTreeSet<AccountId>), E>) {
        let snapshot = match self.snapshot() {
            Ok(snapshot) => snapshot,
            Err(error) => return (None, Err(error.into())),
        };
        let mut tx = TableTx { snapshot: &*snapshot, before, changes: Rows::new(), logins: BTreeSet::new() };
        let result = change(&mut tx);
        let TableTx { changes, logins, .. } = tx;
        let changes = if result.is_ok() { changes } else { Rows::new() };
        (Some(Change { on: snapshot.head(), changes }), result.map(|result| (result, logins)))
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, Error> {
        self.store.engine().snapshot(self.id.keyspace()).map_err(|error| match error {
            EngineError::Damaged { what } => Error::damaged(format_args!("{}: {what}", self.id)),
            EngineError::Failed { .. } => error.into(),
        })
    }
}

impl TableTx<'_> {
    /// The value of a key as this change sees it.
    ///
    /// # Errors
    /// Faults.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let mut newest_first = std::iter::once(&self.changes).chain(self.before.iter().rev().copied());
        match newest_first.find_map(|rows| rows.get(key)) {
            Some(changed) => Ok(changed.clone()),
            None => Ok(self.snapshot.get(key)?),
        }
    }

    /// As [`Table::scan`], as the table was before this change.
    ///
    /// # Errors
    /// Faults.
    pub fn scan_before(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, Error> {
        scan((self.snapshot, self.before), prefix, from, limit)
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

fn scan(
    (snapshot, changed): (&dyn Snapshot, &[&Rows]),
    prefix: &[u8],
    from: &[u8],
    limit: usize,
) -> Result<Vec<Row>, Error> {
    let (first, end) = key::all(prefix);
    let first = first.max(from.to_vec());
    if limit == 0 || first >= end {
        return Ok(Vec::new());
    }
    let changed = || changed.iter().flat_map(|rows| rows.range(first.clone()..end.clone()));
    // What was removed leaves a place to the next one.
    let wanted = limit.saturating_add(changed().count());
    let mut rows = Vec::new();
    snapshot.scan(&first, &end, &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        if rows.len() < wanted { std::ops::ControlFlow::Continue(()) } else { std::ops::ControlFlow::Break(()) }
    })?;
    if changed().next().is_some() {
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = rows.into_iter().collect();
        for (key, value) in changed() {
            match value {
                Some(value) => drop(merged.insert(key.clone(), value.clone())),
                None => drop(merged.remove(key)),
            }
        }
        rows = merged.into_iter().take(limit).collect();
    }
    Ok(rows)
}
