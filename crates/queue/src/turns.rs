//! Whose turn it is. Messages that wait for their time have a row each, by sender: `t` account time id, and `d` time id for
//! what the server itself writes (and for what an earlier version queued). Senders take turns, one message each, so that
//! whoever has a hundred thousand waiting delays nobody by more than one; within a sender the oldest goes first.

use crate::entry::{Entry, QueueId};
use crate::outgoing::Destination;
use std::collections::HashMap;
use store::{Error, Row, Table, Timestamp};

/// A sender: 0 is the server itself, others are one more than the number of their account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Turn(u64);

/// A message that is to be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at: Timestamp,
    pub(crate) id: QueueId,
    pub(crate) turn: Turn,
    /// Its row.
    pub(crate) key: Vec<u8>,
}

/// So many messages stand before destinations that have no place for them ...
const PARKED_MAX: usize = 1024;
/// ... and so many of one sender. One that has more waits with all its mail.
const PARKED_PER_SENDER_MAX: usize = 256;

/// What is under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy {
    messages: HashMap<QueueId, Turn>,
    /// Messages that wait for a place at a destination, in memory only.
    parked: HashMap<QueueId, (Turn, Destination)>,
    /// Who was served last.
    last: Turn,
}

impl Busy {
    /// Takes a message; false if another thread was quicker.
    pub(crate) fn take(&mut self, due: &Due) -> bool {
        if self.has(due.id) {
            return false;
        }
        self.messages.insert(due.id, due.turn);
        self.last = due.turn;
        true
    }

    pub(crate) fn done(&mut self, id: QueueId) {
        self.messages.remove(&id);
    }

    /// Has a message that was taken wait for a place. False: too many wait.
    pub(crate) fn park(&mut self, id: QueueId, destination: &Destination) -> bool {
        let Some(turn) = self.messages.get(&id).copied() else { return false };
        if self.parked.len() >= PARKED_MAX || self.parked_of(turn) >= PARKED_PER_SENDER_MAX {
            return false;
        }
        self.parked.insert(id, (turn, destination.clone()));
        true
    }

    /// There is place at a destination again: those who wait for it have their turn as before.
    pub(crate) fn unpark(&mut self, destination: &Destination) {
        self.parked.retain(|_, (_, other)| other != destination);
    }

    fn of(&self, turn: Turn) -> usize {
        self.messages.values().filter(|other| **other == turn).count()
    }

    fn parked_of(&self, turn: Turn) -> usize {
        self.parked.values().filter(|(other, _)| *other == turn).count()
    }

    fn has(&self, id: QueueId) -> bool {
        self.messages.contains_key(&id) || self.parked.contains_key(&id)
    }
}

/// The message that is to be tried next: one that is due, of the sender whose turn it is; else the one that is due first.
/// A sender that has `per_sender_max` under way is passed over. Looks at one row of each sender, a few more of those that
/// have something under way.
pub(crate) fn next(table: &Table, busy: &Busy, per_sender_max: usize, now: Timestamp) -> Result<Option<Due>, Error> {
    let mut first: Option<Due> = None;
    // From the one after the last to the end, then from the beginning up to the last.
    let mut after = Some(busy.last);
    let mut wrapped = false;
    loop {
        let Some(row) = first_row_after(table, after)? else {
            if wrapped {
                return Ok(first);
            }
            (wrapped, after) = (true, None);
            continue;
        };
        let turn = turn_of(&row);
        if wrapped && turn > busy.last {
            return Ok(first);
        }
        after = Some(turn);
        let due = match (busy.of(turn), busy.parked_of(turn)) {
            (0, 0) => Some(due(&row)),
            (under_way, parked) if under_way >= per_sender_max || parked >= PARKED_PER_SENDER_MAX => None,
            _ => first_idle(table, turn, busy)?,
        };
        match due {
            Some(due) if due.at <= now => return Ok(Some(due)),
            Some(due) if first.as_ref().is_none_or(|known| due.at < known.at) => first = Some(due),
            Some(_) | None => {}
        }
    }
}

/// The key of the row that says when a message is tried.
pub(crate) fn key(entry: &Entry) -> Vec<u8> {
    let at = u64::try_from(entry.next_at.0).unwrap_or(0);
    let turn = entry.account.map_or(Turn(0), |account| Turn(u64::from(account) + 1));
    [&prefix(turn)[..], &at.to_be_bytes(), &entry.id.0.to_be_bytes()].concat()
}

fn prefix(turn: Turn) -> Vec<u8> {
    match turn.0.checked_sub(1).and_then(|account| u32::try_from(account).ok()) {
        None => b"d".to_vec(),
        Some(account) => [&b"t"[..], &account.to_be_bytes()].concat(),
    }
}

/// The first row of the first sender after one; of the first of all.
fn first_row_after(table: &Table, after: Option<Turn>) -> Result<Option<Row>, Error> {
    if after.is_none()
        && let Some(row) = table.scan(b"d", &[], 1)?.pop()
    {
        return Ok(Some(row));
    }
    let from = match after {
        None => Vec::new(),
        // There is no account above the last number.
        Some(Turn(turn)) if turn > u64::from(u32::MAX) => return Ok(None),
        Some(Turn(turn)) => prefix(Turn(turn + 1)),
    };
    Ok(table.scan(b"t", &from, 1)?.pop())
}

/// The first message of a sender that is not under way.
fn first_idle(table: &Table, turn: Turn, busy: &Busy) -> Result<Option<Due>, Error> {
    let rows = table.scan(&prefix(turn), &[], busy.of(turn) + busy.parked_of(turn) + 1)?;
    Ok(rows.iter().map(due).find(|due| !busy.has(due.id)))
}

fn turn_of((key, _): &Row) -> Turn {
    match key.split_first() {
        Some((b't', rest)) => Turn(rest.first_chunk().map_or(0, |account| u64::from(u32::from_be_bytes(*account)) + 1)),
        Some(_) | None => Turn(0),
    }
}

fn due(row: &Row) -> Due {
    let (key, _) = row;
    let mut numbers = key.rchunks(8).map(|chunk| u64::from_be_bytes(chunk.try_into().unwrap_or_default()));
    let (id, at) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let at = Timestamp(i64::try_from(at).unwrap_or(i64::MAX));
    Due { at, id: QueueId(id), turn: turn_of(row), key: key.clone() }
}
