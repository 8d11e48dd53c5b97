//! A copy of the tables without which nobody gets in, where another part of the storage fails than the table itself: what
//! damages the one leaves the other. It is written after each change and read only where the table is damaged; then logins
//! go on, and changes of the table are refused until it is repaired.
//!
//! Invariant: a copy that has [`MARK`] is the whole table as it was at that version.

use super::{Rows, Table};
use crate::engine::{Commit, CommitError, EngineError, KEY_BYTES_MAX, Snapshot, Write};
use crate::error::Error;
use crate::ids::{AccountId, ModSeq};
use crate::table_id::TableId;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

/// The key of the version that a copy is of. No table has keys from here on.
pub(crate) const MARK: [u8; 1] = [0xff];
/// A commit that copies a whole table holds about so many octets: commits of the accounts beside it wait.
const PIECE_BYTES: usize = 1 << 20;

impl TableId {
    /// The number of the copy, which no account has, the same in every version. With an even number of shards it is in
    /// another one.
    pub(crate) fn copy(self) -> Option<AccountId> {
        match self {
            Self::Directory | Self::People => Some(AccountId(11 - self.keyspace().0)),
            // Who waits, is logged in on the pages or was refused is not worth two flushes of each change.
            Self::Queue | Self::Sessions | Self::Reports | Self::Posts | Self::Strangers | Self::Nodes => None,
        }
    }
}

impl Table {
    /// Reads all of a view of the table, or of its copy where the table is damaged. A copy that is known to be older than the
    /// table is not read: it may let in who was shut out.
    pub(super) fn read<T>(&self, read: impl Fn(&dyn Snapshot) -> Result<T, Error>) -> Result<T, Error> {
        let table = self.snapshot();
        let head = table.as_ref().map_or(ModSeq(0), |table| table.head());
        let damage = match table.and_then(|table| read(&*table)) {
            Err(damage @ Error::Damaged(_)) => damage,
            other => return other,
        };
        let Some(copy) = self.copy() else { return Err(damage) };
        let copied = self.store.engine().snapshot(copy).map_err(Error::from).and_then(|copy| {
            let Some(version) = version(&*copy)?.filter(|version| *version >= head) else { return Ok(None) };
            read(&AtVersion { copy: &*copy, version }).map(Some)
        });
        let Some(copied) = copied.ok().flatten() else { return Err(damage) };
        if !self.turns.is_read_from_copy.swap(true, Ordering::Relaxed) {
            tracing::error!(table = %self.id, %damage, "reading the copy of a damaged table; what damage stands in cannot be changed until the shard is restored from a backup");
        }
        Ok(copied)
    }

    /// What is damaged of the table itself, and of its copy, in a sentence each: for checks, to which the one must not hide the
    /// other.
    #[must_use]
    pub fn damage(&self) -> Vec<String> {
        let all = |snapshot: Box<dyn Snapshot + '_>| rows(&*snapshot).map(drop);
        let table = self.snapshot().and_then(all).err().map(|error| format!("{}: {error}", self.id));
        let copy = |copy| self.store.engine().snapshot(copy).map_err(Error::from).and_then(all).err();
        let copy = self.copy().and_then(copy).map(|error| format!("the copy of {}: {error}", self.id));
        table.into_iter().chain(copy).collect()
    }

    /// Has the copy say what the table says: it may never have been written, or a crash came before it was. To be called once
    /// at the start.
    pub fn bring_up_copy(&self) {
        let Some(copy) = self.copy().filter(|_| self.store.engine().read_only().is_none()) else { return };
        // What a damaged table still says is no reason to touch its copy.
        let Ok(Some((now, rows))) = self.what_the_copy_lacks(copy) else { return };
        let brought = match self.copy_all(copy, now, &rows) {
            // Row by row it cannot be mended: what is damaged does not say its key.
            Err(Error::Damaged(_)) => match self.store.engine().remove_account(copy) {
                Ok(()) => self.copy_all(copy, now, &rows),
                Err(error) => Err(Error::fault(error)),
            },
            other => other,
        };
        if let Err(error) = brought {
            tracing::warn!(table = %self.id, %error, "there is no copy of the table as it is now; the next change tries again");
        }
    }

    /// The table, unless the copy is of its version already.
    fn what_the_copy_lacks(&self, copy: AccountId) -> Result<Option<(ModSeq, Rows)>, Error> {
        let table = self.snapshot()?;
        let copied = self.store.engine().snapshot(copy).map_err(Error::from);
        let copied = copied.and_then(|copied| version(&*copied));
        // A table that was lost as a whole and begins anew has nothing to say to the copy of what it was.
        let has_nothing = table.head() == ModSeq(0) && matches!(copied, Ok(Some(_)));
        if has_nothing || copied == Ok(Some(table.head())) {
            return Ok(None);
        }
        Ok(Some((table.head(), rows(&*table)?)))
    }

    /// The table has been changed; the change is durable whatever becomes of the copy.
    pub(super) fn follow_with_copy(&self, on: ModSeq, changed: &Rows) {
        let Some(copy) = self.copy() else { return };
        match self.copy_rows(copy, on, changed) {
            Ok(true) => {}
            Ok(false) => self.bring_up_copy(),
            // Not all of it anew, which would fail as well: that is for the next start.
            Err(error) => tracing::warn!(table = %self.id, %error, "a change of the table is not in its copy"),
        }
    }

    fn copy(&self) -> Option<AccountId> {
        self.id.copy().filter(|copy| self.store.engine().lie_apart(self.id.keyspace(), *copy))
    }

    /// Writes what changed after a version; false if the copy is of another one.
    fn copy_rows(&self, copy: AccountId, on: ModSeq, changed: &Rows) -> Result<bool, Error> {
        let head = {
            let snapshot = self.store.engine().snapshot(copy)?;
            if version(&*snapshot)? != Some(on) {
                return Ok(false);
            }
            snapshot.head()
        };
        let writes = changed.iter().map(|(key, value)| write(key.clone(), value.clone()));
        let writes = writes.chain([mark(ModSeq(on.0 + 1))]).collect();
        self.write_copy(copy, head, writes)?;
        Ok(true)
    }

    fn copy_all(&self, copy: AccountId, now: ModSeq, table: &Rows) -> Result<(), Error> {
        let (mut head, mut rows) = {
            let copied = self.store.engine().snapshot(copy)?;
            (copied.head(), rows(&*copied)?)
        };
        rows.values_mut().for_each(|value| *value = None);
        rows.extend(table.clone());
        // Until all of it is there it is no copy.
        let (mut piece, mut bytes) = (vec![write(MARK.to_vec(), None)], 0);
        for (key, value) in rows {
            bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            piece.push(write(key, value));
            if bytes >= PIECE_BYTES {
                head = self.write_copy(copy, head, std::mem::take(&mut piece))?;
                bytes = 0;
            }
        }
        piece.push(mark(now));
        self.write_copy(copy, head, piece).map(drop)
    }

    fn write_copy(&self, copy: AccountId, expected: ModSeq, writes: Vec<Write>) -> Result<ModSeq, Error> {
        let next = ModSeq(expected.0 + 1);
        match self.store.engine().commit(Commit { account: copy, expected, next, writes }) {
            Ok(()) => Ok(next),
            Err(CommitError::Full { what }) => Err(Error::NoSpace(what)),
            Err(CommitError::Damaged { what }) => Err(Error::damaged(what)),
            Err(error) => Err(Error::fault(error)),
        }
    }
}

/// A copy that is asked for the version of its table.
struct AtVersion<'a> {
    copy: &'a dyn Snapshot,
    version: ModSeq,
}

impl Snapshot for AtVersion<'_> {
    fn head(&self) -> ModSeq {
        self.version
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.copy.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut crate::engine::Visit<'_>) -> Result<(), EngineError> {
        self.copy.scan(from, to, visit)
    }
}

/// The version that a copy is of; `None` if it is not whole.
fn version(copy: &dyn Snapshot) -> Result<Option<ModSeq>, Error> {
    let value = copy.get(&MARK)?;
    Ok(value.and_then(|value| value.try_into().ok()).map(|octets| ModSeq(u64::from_be_bytes(octets))))
}

fn mark(version: ModSeq) -> Write {
    write(MARK.to_vec(), Some(version.0.to_be_bytes().to_vec()))
}

fn write(key: Vec<u8>, value: Option<Vec<u8>>) -> Write {
    match value {
        Some(value) => Write::Put { key, value },
        None => Write::Delete { key },
    }
}

fn rows(snapshot: &dyn Snapshot) -> Result<Rows, Error> {
    let mut rows = Rows::new();
    snapshot.scan(&[], &[0xff; KEY_BYTES_MAX], &mut |key, value| {
        if key != MARK {
            rows.insert(key.to_vec(), Some(value.to_vec()));
        }
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

#[cfg(test)]
mod tests;
