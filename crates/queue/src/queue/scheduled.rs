//! What waits for a time that its sender chose (RFC 4865), with a row `f` account id each: its owner sees it, sends it now, or
//! cancels it.

use super::{Queue, TOTALS_KEY, change_to, delete, due_now, entry, id_at_end, put_entry};
use crate::entry::{Entry, QueueId};
use crate::error::Error;
use crate::share::{self, Wanted};
use store::{AccountId, TableTx, Timestamp};

const PREFIX: &[u8] = b"f";

impl Queue {
    /// Whether a message of an account that is to wait for a time would be taken now.
    ///
    /// # Errors
    /// As [`Queue::enqueue`].
    pub fn check_scheduled(&self, account: AccountId, bytes: u64, now: Timestamp) -> Result<(), Error> {
        let totals = match self.table.get(TOTALS_KEY) {
            // They are counted anew with the next message.
            Err(store::Error::Damaged(_)) => None,
            totals => totals?.and_then(|json| serde_json::from_slice(&json).ok()),
        };
        self.check_room(&totals.unwrap_or_default(), bytes)?;
        let wanted = Wanted { account, recipients: 0, bytes, is_scheduled: true };
        share::check(&self.table, wanted, &self.limits, now)
    }

    /// What of an account waits for its time, in the order in which it came: no more than an account may have.
    ///
    /// # Errors
    /// Faults.
    pub fn scheduled(&self, account: AccountId) -> Result<Vec<Entry>, Error> {
        let limit = usize::try_from(self.limits.account_scheduled).unwrap_or(usize::MAX);
        let rows = self.table.scan(&prefix(account), &[], limit)?;
        let entries = rows.iter().filter_map(|(key, _)| self.show(id_at_end(key)).ok());
        Ok(entries.filter(|entry| entry.waiting().next().is_some()).collect())
    }

    /// How a message begins: 128 KiB of it, if it has that much.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`], [`Error::Damaged`], faults.
    pub fn beginning(&self, entry: &Entry) -> Result<Vec<u8>, Error> {
        self.content_of(entry, 1)
    }

    /// Has a message of an account go now.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`]: none of its number waits for a time; [`Error::Held`]: an operator holds it; faults.
    pub fn send_now(&self, account: AccountId, id: QueueId, now: Timestamp) -> Result<(), Error> {
        self.change_scheduled(account, id, |tx, before| {
            if before.held {
                return Err(Error::Held);
            }
            change_to(tx, before, |entry| {
                ask_for(entry, now);
                due_now(entry, now);
                Ok(())
            })
        })
    }

    /// Throws a message of an account away that waits for its time; whether it was tried before, so that some may have it.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`]: none of its number waits for a time; [`Error::Underway`]: it is being sent just now; faults.
    pub fn cancel(&self, account: AccountId, id: QueueId) -> Result<bool, Error> {
        self.change_scheduled(account, id, |tx, before| {
            if before.later.as_ref().is_some_and(|later| later.has_begun) {
                return Err(Error::Underway);
            }
            delete(tx, before).map(|()| before.attempts > 0)
        })
    }

    fn change_scheduled<T>(
        &self,
        account: AccountId,
        id: QueueId,
        change: impl Fn(&mut TableTx<'_>, &Entry) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let is_theirs = |entry: &Entry| {
            entry.account == Some(account.0) && entry.later.is_some() && entry.waiting().next().is_some()
        };
        let changed = self.change_table(|tx| {
            let before = entry(tx, id)?.filter(is_theirs).ok_or(Error::NoSuchEntry)?;
            change(tx, &before)
        });
        self.news.touch(id);
        self.news.spread();
        changed
    }

    /// Writes down that a message is being submitted. False: it does not wait any more.
    pub(crate) fn begin_release(&self, id: QueueId, now: Timestamp) -> Result<bool, Error> {
        self.change_table(|tx| {
            let Some(before) = entry(tx, id)?.filter(|entry| !entry.held && entry.next_at <= now) else {
                return Ok(false);
            };
            let mut after = before.clone();
            let Some(later) = &mut after.later else { return Ok(false) };
            later.has_begun = true;
            put_entry(tx, &after).map(|()| true)
        })
    }
}

/// It is released now, by the word of somebody who may say so.
pub(super) fn ask_for(entry: &mut Entry, now: Timestamp) {
    if let Some(later) = &mut entry.later {
        later.at = later.at.min(now);
        later.is_asked_for = true;
    }
}

/// Notes that a message waits for its time.
pub(super) fn note(tx: &mut TableTx<'_>, entry: &Entry) {
    if let Some(key) = key(entry) {
        tx.put(&key, Vec::new());
    }
}

/// It is gone.
pub(super) fn forget(tx: &mut TableTx<'_>, entry: &Entry) {
    if let Some(key) = key(entry) {
        tx.delete(&key);
    }
}

fn key(entry: &Entry) -> Option<Vec<u8>> {
    let account = entry.account.filter(|_| entry.later.is_some())?;
    Some([&prefix(AccountId(account))[..], &entry.id.0.to_be_bytes()].concat())
}

fn prefix(account: AccountId) -> Vec<u8> {
    [PREFIX, &account.0.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests;
