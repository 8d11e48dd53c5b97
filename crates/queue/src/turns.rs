//! Whose turn it is. Messages that wait for their time have a row each, by sender: `t` account time id, and `d` time id for
//! what the server itself writes (and for what an earlier version queued). Those whose time has come are let into the
//! [`crate::window`].

use crate::entry::{Entry, QueueId};
use store::{Error, Row, Table, TableTx, Timestamp};

/// So many rows are read at a time where all of a sender's are.
const LOOKED_AT_AT_ONCE: usize = 1000;

/// A sender: 0 is the server itself, others are one more than the number of their account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Turn(u64);

impl Turn {
    pub(crate) fn of(account: Option<u32>) -> Self {
        account.map_or(Self(0), |account| Self(u64::from(account) + 1))
    }

    pub(crate) fn account(self) -> Option<u32> {
        u32::try_from(self.0.checked_sub(1)?).ok()
    }
}

/// A message that is to be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at: Timestamp,
    pub(crate) id: QueueId,
    pub(crate) turn: Turn,
}

impl Due {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self { at: entry.next_at, id: entry.id, turn: Turn::of(entry.account) }
    }

    /// Of its row.
    pub(crate) fn key(&self) -> Vec<u8> {
        row_key(self.turn, self.at, self.id)
    }

    /// Where the row after it may begin.
    pub(crate) fn next(&self) -> (Timestamp, QueueId) {
        (self.at, QueueId(self.id.0.saturating_add(1)))
    }
}

/// Messages of one sender whose time has come, in order.
pub(crate) struct DueNow {
    pub(crate) messages: Vec<Due>,
    /// When the next one's comes.
    pub(crate) next_at: Option<Timestamp>,
    /// There are more.
    pub(crate) has_more: bool,
}

/// At most `limit` messages of a sender that are due now, of those from a time on, and of that time from a number on.
pub(crate) fn due_now(
    table: &Table,
    turn: Turn,
    (at, id): (Timestamp, QueueId),
    limit: usize,
    now: Timestamp,
) -> Result<DueNow, Error> {
    let rows = table.scan(&prefix(turn), &row_key(turn, at, id), limit.saturating_add(1))?;
    let has_more = rows.len() > limit;
    let (mut messages, mut next_at) = (Vec::new(), None);
    for due in rows.iter().take(limit).map(due) {
        if due.at > now {
            next_at = Some(due.at);
            break;
        }
        messages.push(due);
    }
    Ok(DueNow { messages, has_more: has_more && next_at.is_none(), next_at })
}

/// The first message of the first sender after one; of the first of all.
pub(crate) fn first_after(table: &Table, after: Option<Turn>) -> Result<Option<Due>, Error> {
    if after.is_none()
        && let Some(row) = table.scan(b"d", &[], 1)?.pop()
    {
        return Ok(Some(due(&row)));
    }
    let from = match after {
        None => Vec::new(),
        // There is no account above the last number.
        Some(Turn(turn)) if turn > u64::from(u32::MAX) => return Ok(None),
        Some(Turn(turn)) => prefix(Turn(turn + 1)),
    };
    Ok(table.scan(b"t", &from, 1)?.pop().as_ref().map(due))
}

/// Takes away what says when a message of a sender is tried, where nobody can tell any more when that is. Looks at all of the sender's.
pub(crate) fn forget(tx: &mut TableTx<'_>, turn: Turn, id: QueueId) -> Result<(), Error> {
    let mut from = Vec::new();
    loop {
        let rows = tx.scan_before(&prefix(turn), &from, LOOKED_AT_AT_ONCE)?;
        for (key, _) in rows.iter().filter(|(key, _)| key.ends_with(&id.0.to_be_bytes())) {
            tx.delete(key);
        }
        match rows.last() {
            Some((last, _)) if rows.len() >= LOOKED_AT_AT_ONCE => from = [&last[..], &[0]].concat(),
            Some(_) | None => return Ok(()),
        }
    }
}

/// The key of the row that says when a message is tried.
pub(crate) fn key(entry: &Entry) -> Vec<u8> {
    Due::of(entry).key()
}

fn row_key(turn: Turn, at: Timestamp, id: QueueId) -> Vec<u8> {
    [&prefix(turn)[..], &millis(at).to_be_bytes(), &id.0.to_be_bytes()].concat()
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.0).unwrap_or(0)
}

fn prefix(turn: Turn) -> Vec<u8> {
    match turn.account() {
        None => b"d".to_vec(),
        Some(account) => [&b"t"[..], &account.to_be_bytes()].concat(),
    }
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
    Due { at, id: QueueId(id), turn: turn_of(row) }
}
