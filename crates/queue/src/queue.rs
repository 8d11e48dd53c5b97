//! The queue in its table. Every change is one durable transaction.
//!
//! Rows: `e` id = an [`Entry`]; `b` id chunk = a part of the message; `d`, `t` = a message that waits for its time (see
//! `turns`; held ones have none); `s` = [`Totals`]; `a` = a share (see `share`); `r` id = a receipt (see `receipts`); `f` = a message
//! that waits for a time its sender chose (see `scheduled`); `x` id = a message that was set aside (see `damage`); `m` domain = its
//! policy on certificates (see [`crate::sts`]); `l` = who sends (see `term`); `u` = how often messages were changed (see `news`); `p`, `n` = what was passed on for accounts (see `passed`).

use crate::damage::{self, Damaged};
use crate::entry::{Enqueued, Entry, NewEntry, QueueId};
use crate::error::Error;
use crate::hands::Hands;
use crate::outgoing::{Via, Ways};
use crate::pace::{self, Waits};
use crate::passed;
use crate::receipts;
use crate::schedule::Policy;
use crate::share::{self, Limits, Wanted};
use crate::turns::{self, Due, DueNow, Turn};
use metrics::{Counts, Exposition};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use store::{AccountId, Claims, Store, Table, TableId, TableTx, Timestamp};

mod anew;
mod backlog;
mod body;
mod census;
mod look;
mod news;
mod passed_on;
mod policies;
mod scheduled;
mod settle;
mod term;
mod waiting;
mod ways;
pub use backlog::{Backlog, Wish};
pub(crate) use body::Body;
pub use census::{Bound, Census};
pub(crate) use news::Newest;
use news::News;
pub(crate) use settle::{Fate, Heard, Settled, too_late};

/// A message is kept in rows of this length (of 1 MiB in earlier versions): a connection holds one of them.
pub(crate) const BODY_ROW_BYTES: usize = 128 * 1024;

/// Entries that are read at once where all are looked at.
const LISTED_AT_ONCE: usize = 1000;

const TOTALS_KEY: &[u8] = b"s";

/// The outbound queue. Cheap to clone; all calls block until what they did is durable.
#[derive(Clone)]
pub struct Queue {
    table: Table,
    claims: Arc<Claims>,
    news: Arc<News>,
    policy: Policy,
    limits: Limits,
    ways: Arc<Ways>,
    pub(crate) attempts: Counts<1>,
    /// In which term of the one of several servers that sends; `None`: there is one server, or it is not for sending.
    term: Option<u64>,
    led: Arc<Mutex<Option<term::Led>>>,
    hands: Arc<Hands>,
}

/// What is in the queue, and the next number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Totals {
    next: u64,
    entries: u64,
    bytes: u64,
}

impl Queue {
    /// The queue of `store`.
    #[must_use]
    pub fn open(store: &Store, policy: Policy) -> Self {
        let table = store.table(TableId::Queue);
        let ways = Arc::new(Ways::all(Via::Mx));
        Self {
            table,
            claims: Arc::default(),
            news: Arc::default(),
            policy,
            limits: Limits::DEFAULT,
            ways,
            attempts: Counts::new(&metrics::ATTEMPTS),
            term: None,
            led: Arc::default(),
            hands: Arc::default(),
        }
    }

    /// The same queue with other limits than [`Limits::DEFAULT`].
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Puts on `told` what was counted of attempts.
    pub fn tell_metrics(&self, told: &mut Exposition) {
        self.attempts.tell(told);
    }

    /// Whether a message of an account would be taken now: to be asked before the rest of a submission is done.
    ///
    /// # Errors
    /// As [`Queue::enqueue`].
    pub fn check(&self, account: AccountId, recipients: usize, bytes: usize, now: Timestamp) -> Result<(), Error> {
        let wanted = Wanted { account, recipients: recipients as u64, bytes: bytes as u64, is_scheduled: false };
        share::check(&self.table, wanted, &self.limits, now)
    }

    /// Takes responsibility for a message: it is durable when this returns. One that came before, and whose client had no
    /// answer, is not taken twice.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Share`], [`Error::Rate`] and [`store::Error::NoSpace`] (nothing was changed), faults.
    pub fn enqueue(&self, new: NewEntry, now: Timestamp) -> Result<Enqueued, Error> {
        let enqueued = self.enqueue_all(&[new], now)?;
        enqueued.into_iter().next().ok_or(Error::NoSuchEntry)
    }

    /// Takes responsibility for several messages with one commit, all or none; in their order.
    ///
    /// # Errors
    /// As [`Queue::enqueue`].
    pub fn enqueue_all(&self, news: &[NewEntry], now: Timestamp) -> Result<Vec<Enqueued>, Error> {
        self.table.takes_mail()?;
        let mut gone = Vec::new();
        let enqueued = self.change_table(|tx| {
            // What an earlier run took does not count.
            gone.clear();
            news.iter().map(|new| self.take(tx, new, &mut gone, now)).collect::<Result<Vec<_>, Error>>()
        })?;
        self.claims.forget(&gone);
        self.news.spread();
        Ok(enqueued)
    }

    fn take(
        &self,
        tx: &mut TableTx<'_>,
        new: &NewEntry,
        gone: &mut Vec<u64>,
        now: Timestamp,
    ) -> Result<Enqueued, Error> {
        let mut entry = new.entry(now);
        if let Some(handover) = &new.handover
            && let Some(id) = receipts::known(tx, &self.claims, handover, now)?
        {
            let claim = Some(self.claims.claim(id.0));
            let waits = self::entry(tx, id)?.is_some_and(|entry| entry.is_asked);
            return Ok(Enqueued { id, claim, waits });
        }
        let mut totals = match totals(tx)? {
            Some(totals) => totals,
            None => count_anew(tx, now)?,
        };
        self.check_room(&totals, entry.size_bytes)?;
        if let Some(account) = new.account {
            let is_scheduled = entry.later.is_some();
            let recipients = if is_scheduled { 0 } else { entry.recipients.len() as u64 };
            let wanted = Wanted { account, recipients, bytes: entry.size_bytes, is_scheduled };
            share::take(tx, wanted, &self.limits, now)?;
        }
        if let Some(account) = new.account.filter(|_| new.is_submitted) {
            (entry.is_asked, entry.asked_of) =
                match pace::take(tx, (account, new.device), &entry, self.limits.strangers_min, now)? {
                    Waits::No => (false, None),
                    Waits::OfAccount => (true, None),
                    Waits::OfDevice(device) => (true, Some(device.0)),
                };
            entry.held = entry.is_asked;
        }
        totals.next += 1;
        totals.entries += 1;
        totals.bytes += entry.size_bytes;
        entry.id = QueueId(totals.next);
        for (number, row) in (*new.content).as_ref().chunks(BODY_ROW_BYTES).enumerate() {
            tx.put(&body_key(entry.id, number as u32), row.to_vec());
        }
        put_totals(tx, &totals)?;
        if let Some(passed_on) = &new.passed_on {
            entry.passed = passed::note(tx, passed_on, &entry)?;
        }
        put_entry(tx, &entry)?;
        pace::note(tx, &entry);
        scheduled::note(tx, &entry);
        let mut claim = None;
        if let Some(handover) = &new.handover {
            gone.extend(receipts::note(tx, &self.claims, entry.id, handover));
            claim = Some(self.claims.claim(entry.id.0));
        }
        Ok(Enqueued { id: entry.id, claim, waits: entry.is_asked })
    }

    /// Takes away the receipts of messages whose clients have their answers, as [`Store::tidy_receipts`] does.
    ///
    /// # Errors
    /// [`store::Error::NoSpace`], faults.
    pub fn tidy_receipts(&self, now: Timestamp) -> Result<(), Error> {
        receipts::tidy(&self.table, &self.claims, now)
    }

    /// Messages after `after` in the order of arrival, at most `limit`; without those that cannot be read
    /// ([`Queue::damaged`]).
    ///
    /// # Errors
    /// Faults.
    pub fn list(&self, after: Option<QueueId>, limit: usize) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        let mut from = QueueId(after.map_or(0, |id| id.0.saturating_add(1)));
        while entries.len() < limit {
            let read = self.read_from(from, limit - entries.len())?;
            let Some((last, _)) = read.last() else { break };
            from = QueueId(last.0.saturating_add(1));
            entries.extend(read.into_iter().filter_map(|(_, entry)| entry.ok()));
        }
        Ok(entries)
    }

    /// Messages that cannot be read, at most `limit`. Looks at all.
    ///
    /// # Errors
    /// Faults.
    pub fn damaged(&self, limit: usize) -> Result<Vec<Damaged>, Error> {
        let mut damaged: Vec<Damaged> =
            self.table.scan(damage::PREFIX, &[], limit)?.iter().map(damage::decode).collect();
        let mut from = QueueId(0);
        while damaged.len() < limit {
            let read = self.read_from(from, LISTED_AT_ONCE)?;
            let Some((last, _)) = read.last() else { break };
            from = QueueId(last.0.saturating_add(1));
            for (id, entry) in read {
                if let Err(error) = entry
                    && damaged.iter().all(|known| known.id != id)
                {
                    damaged.push(Damaged { id, at: None, why: error.to_string() });
                }
            }
        }
        damaged.truncate(limit);
        Ok(damaged)
    }

    /// The message itself.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`], faults.
    pub fn content(&self, id: QueueId) -> Result<Vec<u8>, Error> {
        self.content_of(&self.show(id)?, u64::MAX)
    }

    /// The message of an entry; of one that is longer than `bytes` its beginning, which has that much at least.
    pub(crate) fn content_of(&self, entry: &Entry, bytes: u64) -> Result<Vec<u8>, Error> {
        let (mut content, mut body) = (Vec::new(), Body::open(self, entry, None)?);
        while (content.len() as u64) < entry.size_bytes.min(bytes) {
            content.extend_from_slice(body.row_at(content.len() as u64)?);
        }
        Ok(content)
    }

    /// A part of a message, as it is kept; `None`: there is none of this number.
    pub(crate) fn body_row(&self, id: QueueId, number: u32) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.table.get(&body_key(id, number))?)
    }

    /// When the message is given up.
    #[must_use]
    pub fn expires_at(&self, entry: &Entry) -> Timestamp {
        Timestamp(entry.tried_from().0.saturating_add_unsigned(self.policy.lifetime_millis))
    }

    /// Has a message tried now.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`], [`Error::Held`], [`store::Error::NoSpace`], faults.
    pub fn retry(&self, id: QueueId, now: Timestamp) -> Result<(), Error> {
        self.change(id, |entry| {
            if entry.held {
                return Err(Error::Held);
            }
            scheduled::ask_for(entry, now);
            due_now(entry, now);
            Ok(())
        })
    }

    /// Keeps a message from being tried until [`Queue::release`]. An attempt that runs is not broken off.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`], [`store::Error::NoSpace`], faults.
    pub fn hold(&self, id: QueueId) -> Result<(), Error> {
        self.change(id, |entry| {
            entry.held = true;
            Ok(())
        })
    }

    /// Ends a hold; the message is tried now.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`], [`store::Error::NoSpace`], faults.
    pub fn release(&self, id: QueueId, now: Timestamp) -> Result<(), Error> {
        self.change(id, |entry| {
            entry.held = false;
            (entry.is_asked, entry.asked_of) = (false, None);
            due_now(entry, now);
            Ok(())
        })
    }

    /// Throws a message away; nobody is told.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`], [`store::Error::NoSpace`], faults.
    pub fn remove(&self, id: QueueId) -> Result<(), Error> {
        self.change_table(|tx| match entry(tx, id) {
            Ok(Some(entry)) => {
                passed::remove(tx, &entry)?;
                delete(tx, &entry)
            }
            Ok(None) => Err(Error::NoSuchEntry),
            Err(Error::Damaged(_)) => delete_unread(tx, id),
            Err(error) => Err(error),
        })
    }

    /// Sets a message aside that cannot be read; what is due otherwise goes on.
    pub(crate) fn set_aside(&self, due: &Due, why: &str, now: Timestamp) -> Result<(), Error> {
        self.change_table(|tx| {
            tx.delete(&due.key());
            tx.put(&damage::key(due.id), damage::encode(why, due.turn.account(), now)?);
            Ok(())
        })
    }

    /// Sets a message aside of which a host has said what can never be written down, whoever leads by now: or it would be sent again.
    pub(crate) fn put_away(&self, id: QueueId, turn: Turn, why: &str, now: Timestamp) -> Result<(), Error> {
        self.table.change(|tx| {
            match entry(tx, id) {
                Ok(Some(entry)) => tx.delete(&turns::key(&entry)),
                Ok(None) => return Ok(()),
                Err(Error::Damaged(_)) => turns::forget(tx, turn, id)?,
                Err(error) => return Err(error),
            }
            tx.put(&damage::key(id), damage::encode(why, turn.account(), now)?);
            Ok(())
        })
    }

    /// Takes away a row that says of no message that it is due.
    pub(crate) fn forget_due(&self, due: &Due) -> Result<(), Error> {
        self.change_table(|tx| {
            let is_due = |entry: &Entry| !entry.held && turns::key(entry) == due.key();
            if !entry(tx, due.id)?.as_ref().is_some_and(is_due) {
                tx.delete(&due.key());
            }
            Ok(())
        })
    }

    /// The first message that waits for its time, of the first sender after one.
    pub(crate) fn first_due_after(&self, after: Option<Turn>) -> Result<Option<Due>, Error> {
        Ok(turns::first_after(&self.table, after)?)
    }

    /// At most `limit` messages of a sender that are due now, of those from a time on, and of that time from a number on.
    pub(crate) fn due_now(
        &self,
        turn: Turn,
        from: (Timestamp, QueueId),
        limit: usize,
        now: Timestamp,
    ) -> Result<DueNow, Error> {
        Ok(turns::due_now(&self.table, turn, from, limit, now)?)
    }

    fn change(&self, id: QueueId, change: impl Fn(&mut Entry) -> Result<(), Error>) -> Result<(), Error> {
        let changed = self.change_table(|tx| {
            let before = entry(tx, id)?.ok_or(Error::NoSuchEntry)?;
            change_to(tx, &before, &change)
        });
        self.news.touch(id);
        self.news.spread();
        changed
    }

    /// Changes those that are still there, all or none.
    fn change_some(&self, ids: &[QueueId], change: &dyn Fn(&mut Entry)) -> Result<(), Error> {
        let changed = self.change_table(|tx| {
            for id in ids {
                if let Some(before) = entry(tx, *id)? {
                    change_to(tx, &before, |entry| {
                        change(entry);
                        Ok(())
                    })?;
                }
            }
            Ok(())
        });
        ids.iter().for_each(|id| self.news.touch(*id));
        self.news.spread();
        changed
    }

    fn check_room(&self, totals: &Totals, size_bytes: u64) -> Result<(), Error> {
        if totals.entries >= self.limits.entries {
            return Err(Error::Full(format!("the outbound queue holds {} messages already", totals.entries)));
        }
        if totals.bytes.saturating_add(size_bytes) > self.limits.bytes {
            return Err(Error::Full(format!("the outbound queue holds {} octets already", totals.bytes)));
        }
        Ok(())
    }
}

fn change_to(
    tx: &mut TableTx<'_>,
    before: &Entry,
    change: impl Fn(&mut Entry) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut after = before.clone();
    change(&mut after)?;
    tx.delete(&turns::key(before));
    // An operator who touches it has restored it.
    tx.delete(&damage::key(before.id));
    if !after.is_asked {
        pace::forget(tx, before);
    }
    news::count_change(tx)?;
    put_entry(tx, &after)
}

fn due_now(entry: &mut Entry, now: Timestamp) {
    entry.next_at = entry.later.as_ref().map_or(now, |later| later.at.max(now));
    entry.recipients.iter_mut().for_each(|recipient| recipient.next_at = None);
}

fn entry(tx: &TableTx<'_>, id: QueueId) -> Result<Option<Entry>, Error> {
    tx.get(&entry_key(id))?.map(|bytes| Entry::decode(id, &bytes)).transpose()
}

fn put_entry(tx: &mut TableTx<'_>, entry: &Entry) -> Result<(), Error> {
    tx.put(&entry_key(entry.id), entry.encode()?);
    if !entry.held {
        tx.put(&turns::key(entry), Vec::new());
    }
    Ok(())
}

fn delete(tx: &mut TableTx<'_>, entry: &Entry) -> Result<(), Error> {
    one_less(tx, entry.size_bytes)?;
    if let Some(account) = entry.account {
        share::give_back(tx, account, (entry.size_bytes, entry.later.is_some()))?;
    }
    tx.delete(&turns::key(entry));
    tx.delete(&damage::key(entry.id));
    tx.delete(&entry_key(entry.id));
    pace::forget(tx, entry);
    scheduled::forget(tx, entry);
    let rows = entry.size_bytes.div_ceil(BODY_ROW_BYTES as u64);
    (0..u32::try_from(rows).unwrap_or(u32::MAX)).for_each(|number| tx.delete(&body_key(entry.id, number)));
    Ok(())
}

/// Removes a message whose entry cannot be read, by what can.
fn delete_unread(tx: &mut TableTx<'_>, id: QueueId) -> Result<(), Error> {
    let rows = tx.scan_before(&body_prefix(id), &[], usize::MAX)?;
    let bytes = rows.iter().map(|(_, row)| row.len() as u64).sum();
    one_less(tx, bytes)?;
    if let Some((account, is_scheduled)) = damage::forget(tx, id)? {
        share::give_back(tx, account, (bytes, is_scheduled))?;
    }
    rows.iter().for_each(|(key, _)| tx.delete(key));
    tx.delete(&entry_key(id));
    Ok(())
}

/// The totals; `None` where they are damaged.
fn totals(tx: &TableTx<'_>) -> Result<Option<Totals>, Error> {
    match tx.get(TOTALS_KEY) {
        Ok(None) => Ok(Some(Totals::default())),
        Ok(Some(json)) => Ok(serde_json::from_slice(&json).ok()),
        Err(store::Error::Damaged(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Damaged totals, from the messages that can be read. The next number is one that no message has: they count up from 1,
/// or from the time at which they were counted anew before.
fn count_anew(tx: &TableTx<'_>, now: Timestamp) -> Result<Totals, Error> {
    let mut totals = Totals::default();
    // What lies behind damage is not counted: the queue takes a few more then.
    match count(tx, &mut totals, QueueId(0)) {
        Err(Error::Damaged(_)) => {}
        counted => counted?,
    }
    let Totals { entries, bytes, .. } = totals;
    let next = totals.next.max(u64::try_from(now.0).unwrap_or(0));
    let mut above = Totals { next, ..Totals::default() };
    count(tx, &mut above, QueueId(next))?;
    tracing::error!(entries, bytes, "the totals of the outbound queue were damaged and are counted anew");
    Ok(Totals { next: above.next, ..totals })
}

/// Adds the messages from a number on.
fn count(tx: &TableTx<'_>, totals: &mut Totals, first: QueueId) -> Result<(), Error> {
    let mut from = entry_key(first);
    loop {
        let rows = tx.scan_before(b"e", &from, LISTED_AT_ONCE)?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        from = entry_key(QueueId(id_at_end(last).0.saturating_add(1)));
        for (key, value) in &rows {
            let id = id_at_end(key);
            totals.next = totals.next.max(id.0);
            totals.entries += 1;
            totals.bytes += Entry::decode(id, value).map_or(0, |entry| entry.size_bytes);
        }
    }
}

/// A message less. Damaged totals wait for the next message that comes, which counts anew.
fn one_less(tx: &mut TableTx<'_>, size_bytes: u64) -> Result<(), Error> {
    let Some(mut totals) = totals(tx)? else { return Ok(()) };
    totals.entries = totals.entries.saturating_sub(1);
    totals.bytes = totals.bytes.saturating_sub(size_bytes);
    put_totals(tx, &totals)
}

fn put_totals(tx: &mut TableTx<'_>, totals: &Totals) -> Result<(), Error> {
    let json = serde_json::to_vec(totals).map_err(|error| Error::damaged(format_args!("totals: {error}")))?;
    tx.put(TOTALS_KEY, json);
    Ok(())
}

fn entry_key(id: QueueId) -> Vec<u8> {
    [&b"e"[..], &id.0.to_be_bytes()].concat()
}

fn body_prefix(id: QueueId) -> Vec<u8> {
    [&b"b"[..], &id.0.to_be_bytes()].concat()
}

fn body_key(id: QueueId, number: u32) -> Vec<u8> {
    [&body_prefix(id)[..], &number.to_be_bytes()].concat()
}

fn id_at_end(key: &[u8]) -> QueueId {
    QueueId(u64::from_be_bytes(key.last_chunk().copied().unwrap_or_default()))
}

#[cfg(test)]
pub(crate) mod tests;
