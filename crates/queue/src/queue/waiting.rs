//! What waits for an answer of its account's owner (`pace`): shown, let go, thrown away.

use super::{Queue, delete, due_now, entry, news, put_entry};
use crate::entry::Entry;
use crate::error::Error;
use crate::pace::{self, Waiting};
use store::{AccountId, TableTx, Timestamp};

/// More messages of one account do not wait: its share of the queue ends before ([`Limits::account_entries`]).
const WAITING_MAX: usize = 1_000_000;
/// Messages that are let go, or thrown away, in one commit.
const ANSWERED_AT_ONCE: usize = 100;

impl Queue {
    /// Whether an account has written to an address elsewhere, of the last some thousand that it has written to.
    ///
    /// # Errors
    /// Faults.
    pub fn has_written_to(&self, account: AccountId, address: &str) -> Result<bool, store::Error> {
        pace::knows(&self.table, account, address)
    }

    /// What of an account waits for an answer, and the oldest messages of that, at most `limit`.
    ///
    /// # Errors
    /// Faults.
    pub fn waiting(&self, account: AccountId, limit: usize) -> Result<(Waiting, Vec<Entry>), Error> {
        let (waiting, ids) = pace::waiting(&self.table, account, WAITING_MAX)?;
        let entries = ids.into_iter().take(limit).filter_map(|id| self.show(id).ok()).collect();
        Ok((waiting, entries))
    }

    /// Accounts of which messages wait for an answer, at most `limit`.
    ///
    /// # Errors
    /// Faults.
    pub fn accounts_waiting(&self, limit: usize) -> Result<Vec<AccountId>, Error> {
        pace::accounts(&self.table, limit)
    }

    /// Whoever is to know knows that messages of an account wait.
    ///
    /// # Errors
    /// [`store::Error::NoSpace`], faults.
    pub fn told(&self, account: AccountId) -> Result<(), Error> {
        let (waiting, _) = pace::waiting(&self.table, account, WAITING_MAX)?;
        self.change_table(|tx| pace::tell(tx, account, &waiting))
    }

    /// Lets go what of an account waits for an answer; how many messages. What comes meanwhile waits anew.
    ///
    /// # Errors
    /// [`store::Error::NoSpace`], faults; some may be gone then.
    pub fn let_go(&self, account: AccountId, now: Timestamp) -> Result<u64, Error> {
        self.answer(account, |tx, entries| {
            news::count_change(tx)?;
            for before in entries {
                let mut after = before.clone();
                (after.held, after.is_asked, after.asked_of) = (false, false, None);
                due_now(&mut after, now);
                pace::forget(tx, before);
                put_entry(tx, &after)?;
            }
            pace::allow(tx, account, entries, now)
        })
    }

    /// Throws away what of an account waits for an answer; how many messages.
    ///
    /// # Errors
    /// [`store::Error::NoSpace`], faults; some may be gone then.
    pub fn throw_away(&self, account: AccountId) -> Result<u64, Error> {
        self.answer(account, |tx, entries| {
            entries.iter().try_for_each(|entry| delete(tx, entry))?;
            pace::begin_anew(tx, account, entries)
        })
    }

    fn answer(
        &self,
        account: AccountId,
        answer: impl Fn(&mut TableTx<'_>, &[Entry]) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let (_, ids) = pace::waiting(&self.table, account, WAITING_MAX)?;
        let mut answered = 0;
        for some in ids.chunks(ANSWERED_AT_ONCE) {
            answered += self.change_table(|tx| {
                let entries: Vec<Entry> = some.iter().filter_map(|id| entry(tx, *id).ok().flatten()).collect();
                let waiting: Vec<Entry> = entries.into_iter().filter(|entry| entry.is_asked).collect();
                answer(tx, &waiting)?;
                Ok::<_, Error>(waiting.len() as u64)
            })?;
            some.iter().for_each(|id| self.news.touch(*id));
            self.news.spread();
        }
        Ok(answered)
    }
}

#[cfg(test)]
mod tests;
