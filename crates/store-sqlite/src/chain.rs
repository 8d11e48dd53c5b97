//! Writing the rows of accounts with their checksums, each linked to the next.
//!
//! A row that is new between two others changes the link of the first of them. Where many rows follow each other in a
//! commit, which is the rule (keys come sorted, journals grow at their end), looking for neighbours and linking twice
//! would double the work; so the place of the last write is kept as a [`Gap`], whose first row is written, or linked,
//! only when it is known what follows it. From one commit to the next [`Ends`] remembers where rows were added.

use crate::fault::Fault;
use crate::shard::INLINE_BYTES_MAX;
use crate::sum::{self, Place};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use std::ops::Bound;
use store::ids::AccountId;

/// A shard remembers so many places where rows were added, of some hundred octets each.
const ENDS_MAX: usize = 4096;

/// The rows of a shard within one transaction.
pub(crate) struct Chain<'c> {
    connection: &'c Connection,
    ends: &'c mut Ends,
    at_or_before: Lazy<'c>,
    before: Lazy<'c>,
    after: Lazy<'c>,
    insert: Lazy<'c>,
    update: Lazy<'c>,
    update_short: Lazy<'c>,
    relink: Lazy<'c>,
    relink_proved: Lazy<'c>,
    delete: Lazy<'c>,
    add_large: Lazy<'c>,
    unset_large: Lazy<'c>,
    gap: Option<Gap>,
}

/// A statement that is taken out of the connection's cache when it is needed first.
struct Lazy<'c> {
    connection: &'c Connection,
    sql: &'static str,
    statement: Option<CachedStatement<'c>>,
}

/// The rows that were added last, and what followed each: where a journal grows it grows again, and need not be looked
/// for. Whoever builds on it proves it by the link of the row, so that what is not true any more only costs the look.
#[derive(Debug, Default)]
pub(crate) struct Ends(BTreeMap<(AccountId, Place), Option<Vec<u8>>>);

/// Between two rows that follow each other, and the link of the first of them is not written yet.
struct Gap {
    account: AccountId,
    first: Place,
    /// What `first` holds when it is new and not written at all yet.
    new: Option<New>,
    /// `None`: the end of the account.
    next: Option<Vec<u8>>,
}

struct New {
    value: Stored,
    sum: i64,
}

/// What the column `value` holds.
enum Stored {
    Inline(Vec<u8>),
    /// The number in `large`.
    Large(i64),
}

/// The row at a key or before it.
struct Found {
    place: Place,
    /// The number in `large`, if the value is a long one.
    large: Option<i64>,
    sum: i64,
    link: i64,
}

impl Gap {
    fn covers(&self, account: AccountId, key: &[u8]) -> bool {
        self.account == account && self.is_behind_first(key) && self.next.as_deref().is_none_or(|next| key < next)
    }

    fn ends_at(&self, account: AccountId, key: &[u8]) -> bool {
        self.account == account && self.next.as_deref() == Some(key)
    }

    fn is_behind_first(&self, key: &[u8]) -> bool {
        match &self.first {
            Place::Start => true,
            Place::Key(first) => first.as_slice() < key,
        }
    }
}

impl<'c> Lazy<'c> {
    fn new(connection: &'c Connection, sql: &'static str) -> Self {
        Self { connection, sql, statement: None }
    }

    fn get(&mut self) -> rusqlite::Result<&mut CachedStatement<'c>> {
        Ok(match &mut self.statement {
            Some(statement) => statement,
            none => none.insert(self.connection.prepare_cached(self.sql)?),
        })
    }
}

impl Ends {
    fn note(&mut self, account: AccountId, place: Place, next: Option<Vec<u8>>) {
        if self.0.len() >= ENDS_MAX {
            self.0.clear();
        }
        self.0.insert((account, place), next);
    }

    /// The two rows between which a key that is not there would lie, if that is known. Forgotten here: it will not be true.
    fn take(&mut self, account: AccountId, key: &[u8]) -> Option<(Place, Option<Vec<u8>>)> {
        let (from, to) = ((account, Place::Start), (account, Place::Key(key.to_vec())));
        let (before, next) = self.0.range((Bound::Included(&from), Bound::Excluded(&to))).next_back()?;
        if next.as_deref().is_some_and(|next| next <= key) {
            return None;
        }
        let before = before.clone();
        self.0.remove(&before).map(|next| (before.1, next))
    }
}

impl<'c> Chain<'c> {
    pub(crate) fn new(connection: &'c Connection, ends: &'c mut Ends) -> Self {
        let lazy = |sql| Lazy::new(connection, sql);
        Self {
            connection,
            ends,
            at_or_before: lazy(
                "SELECT key, value, sum, link FROM records WHERE account = ?1 AND key <= ?2 ORDER BY key DESC LIMIT 1",
            ),
            before: lazy(
                "SELECT key, value, sum, link FROM records WHERE account = ?1 AND key < ?2 ORDER BY key DESC LIMIT 1",
            ),
            after: lazy("SELECT key FROM records WHERE account = ?1 AND key > ?2 ORDER BY key LIMIT 1"),
            insert: lazy("INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5)"),
            update: lazy("UPDATE records SET value = ?3, sum = ?4 WHERE account = ?1 AND key = ?2"),
            update_short: lazy(
                "UPDATE records SET value = ?3, sum = ?4 WHERE account = ?1 AND key = ?2 AND typeof(value) = 'blob'",
            ),
            relink: lazy("UPDATE records SET link = ?3 WHERE account = ?1 AND key = ?2"),
            relink_proved: lazy("UPDATE records SET link = ?3 WHERE account = ?1 AND key = ?2 AND link = ?4"),
            delete: lazy("DELETE FROM records WHERE account = ?1 AND key = ?2"),
            add_large: lazy("INSERT INTO large (value) VALUES (?1)"),
            unset_large: lazy("DELETE FROM large WHERE number = ?1"),
            gap: None,
        }
    }

    /// Begins the rows of an account that has none.
    pub(crate) fn start(&mut self, account: AccountId) -> Result<(), Fault> {
        self.settle()?;
        let link = Place::Start.link(account, None);
        let start =
            self.insert.get()?.execute(params![account.0, Place::Start, [0_u8; 0], sum::row(account, &[], &[]), link]);
        match start {
            Ok(_) => Ok(()),
            // The account has lost its head, and not its rows.
            Err(error) if is_constraint(&error) => Err(Fault::damaged_head(account)),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets a key.
    pub(crate) fn put(&mut self, account: AccountId, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        let sum = sum::row(account, key, value);
        if self.gap.as_ref().is_some_and(|gap| gap.covers(account, key)) {
            return self.insert_into_gap(account, key, value, sum);
        }
        self.settle()?;
        if self.put_at_end(account, key, value, sum)? {
            return Ok(());
        }
        // The commonest case by itself: a short value takes the place of another.
        let is_short = value.len() <= INLINE_BYTES_MAX;
        if is_short && self.update_short.get()?.execute(params![account.0, key, value, sum])? == 1 {
            return Ok(());
        }
        let found = find(self.at_or_before.get()?, account, key)?;
        if found.place == Place::Key(key.to_vec()) {
            self.remove_large(account, key, &found)?;
            let value = self.store(value)?;
            return match value {
                Stored::Inline(value) => self.update.get()?.execute(params![account.0, key, value, sum]),
                Stored::Large(number) => self.update.get()?.execute(params![account.0, key, number, sum]),
            }
            .map(drop)
            .map_err(Fault::from);
        }
        let next = self.next(account, found.place.clone(), found.link)?;
        self.gap = Some(Gap { account, first: found.place, new: None, next });
        self.insert_into_gap(account, key, value, sum)
    }

    /// Where rows were added before. The link of the row before proves that there is none between; a next one that is lost
    /// is still named by the new row's link.
    fn put_at_end(&mut self, account: AccountId, key: &[u8], value: &[u8], sum: i64) -> Result<bool, Fault> {
        let Some((first, next)) = self.ends.take(account, key) else { return Ok(false) };
        let (was, is) = (first.link(account, next.as_deref()), first.link(account, Some(key)));
        if self.relink_proved.get()?.execute(params![account.0, first, is, was])? != 1 {
            return Ok(false);
        }
        let new = Some(New { value: self.store(value)?, sum });
        self.gap = Some(Gap { account, first: Place::Key(key.to_vec()), new, next });
        Ok(true)
    }

    /// The gap is now the one behind the new row.
    fn insert_into_gap(&mut self, account: AccountId, key: &[u8], value: &[u8], sum: i64) -> Result<(), Fault> {
        let value = self.store(value)?;
        let Some(Gap { first, new, next, .. }) = self.gap.take() else { return Ok(()) };
        self.write(account, first, new, Some(key))?;
        self.gap = Some(Gap { account, first: Place::Key(key.to_vec()), new: Some(New { value, sum }), next });
        Ok(())
    }

    /// Removes a key, if it is there.
    pub(crate) fn remove(&mut self, account: AccountId, key: &[u8]) -> Result<(), Fault> {
        match &self.gap {
            Some(gap) if gap.covers(account, key) => return Ok(()),
            Some(gap) if gap.ends_at(account, key) => {}
            Some(_) | None => self.settle()?,
        }
        let found = find(self.at_or_before.get()?, account, key)?;
        if found.place != Place::Key(key.to_vec()) {
            return self.next(account, found.place, found.link).map(drop);
        }
        let next = self.next(account, found.place.clone(), found.link)?;
        if self.gap.is_none() {
            let before = find(self.before.get()?, account, key)?;
            if before.place.link(account, Some(key)) != before.link {
                return Err(Fault::damaged(account, key));
            }
            self.gap = Some(Gap { account, first: before.place, new: None, next: None });
        }
        self.remove_large(account, key, &found)?;
        self.delete.get()?.execute(params![account.0, key])?;
        if let Some(gap) = &mut self.gap {
            gap.next = next;
        }
        Ok(())
    }

    /// Writes what is held back. To be called before anything else looks at the rows.
    pub(crate) fn settle(&mut self) -> Result<(), Fault> {
        let Some(Gap { account, first, new, next }) = self.gap.take() else { return Ok(()) };
        let added = new.is_some().then(|| first.clone());
        self.write(account, first, new, next.as_deref())?;
        if let Some(added) = added {
            self.ends.note(account, added, next);
        }
        Ok(())
    }

    /// Removes every row of an account, sound or not.
    pub(crate) fn clear(&mut self, account: AccountId) -> Result<(), Fault> {
        self.settle()?;
        let large = "DELETE FROM large WHERE number IN
                     (SELECT value FROM records WHERE account = ?1 AND typeof(value) = 'integer')";
        self.connection.execute(large, [account.0])?;
        self.connection.execute("DELETE FROM records WHERE account = ?1", [account.0])?;
        Ok(())
    }

    /// Writes a row of which it is known now what follows it.
    fn write(&mut self, account: AccountId, place: Place, new: Option<New>, next: Option<&[u8]>) -> Result<(), Fault> {
        let link = place.link(account, next);
        let written = match new {
            None => self.relink.get()?.execute(params![account.0, place, link]),
            Some(New { value: Stored::Inline(value), sum }) => {
                self.insert.get()?.execute(params![account.0, place, value, sum, link])
            }
            Some(New { value: Stored::Large(number), sum }) => {
                self.insert.get()?.execute(params![account.0, place, number, sum, link])
            }
        };
        match (written, place) {
            (Ok(_), _) => Ok(()),
            // It is there, and the row before does not say so.
            (Err(error), Place::Key(key)) if is_constraint(&error) => Err(Fault::damaged(account, &key)),
            (Err(error), _) => Err(error.into()),
        }
    }

    fn store(&mut self, value: &[u8]) -> Result<Stored, Fault> {
        if value.len() <= INLINE_BYTES_MAX {
            return Ok(Stored::Inline(value.to_vec()));
        }
        Ok(Stored::Large(self.add_large.get()?.insert([value])?))
    }

    /// Nothing may build on a link that does not hold.
    fn next(&mut self, account: AccountId, place: Place, link: i64) -> Result<Option<Vec<u8>>, Fault> {
        let next: Option<Vec<u8>> =
            self.after.get()?.query_row(params![account.0, place], |row| row.get(0)).optional()?;
        match (place.link(account, next.as_deref()) == link, place) {
            (true, _) => Ok(next),
            (false, Place::Start) => Err(Fault::damaged(account, &[])),
            (false, Place::Key(key)) => Err(Fault::damaged(account, &key)),
        }
    }

    /// A number that a flipped bit has changed may be that of another account's value: only a sound row is followed.
    fn remove_large(&mut self, account: AccountId, key: &[u8], found: &Found) -> Result<(), Fault> {
        let Some(number) = found.large else { return Ok(()) };
        let mut find = self.connection.prepare_cached("SELECT value FROM large WHERE number = ?1")?;
        let value: Option<Vec<u8>> = find.query_row([number], |row| row.get(0)).optional()?;
        if value.is_none_or(|value| sum::row(account, key, &value) != found.sum) {
            return Err(Fault::damaged(account, key));
        }
        Ok(self.unset_large.get()?.execute([number]).map(drop)?)
    }
}

/// An account that has a head has at least its first row.
fn find(statement: &mut CachedStatement<'_>, account: AccountId, key: &[u8]) -> Result<Found, Fault> {
    let mut rows = statement.query(params![account.0, key])?;
    let Some(row) = rows.next()? else { return Err(Fault::damaged(account, key)) };
    let large = match row.get_ref(1)? {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Blob(_) => None,
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) => return Err(Fault::damaged(account, key)),
    };
    match Place::read(row.get_ref(0)?) {
        Some(place) => Ok(Found { place, large, sum: row.get(2)?, link: row.get(3)? }),
        None => Err(Fault::damaged(account, key)),
    }
}

fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}
