//! What is new in the queue, for whoever sends: messages that have come, and those that somebody has changed. How much a look costs
//! grows with what is new, not with what is there.
//!
//! Messages have ascending numbers, given inside commits, so what has come since the last look lies behind the last one that was seen;
//! also what another process has put there. How often messages were changed otherwise (by an operator, or by the owner of what waits) is
//! a row: whoever finds it changed looks at all senders.

use super::{Queue, TOTALS_KEY, Totals};
use crate::entry::{Entry, QueueId};
use crate::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;
use store::TableTx;

const CHANGES_KEY: &[u8] = b"u";
/// So many changed messages are remembered for the sender.
const TOUCHED_MAX: usize = 1000;

/// Who is told that there is something new to send.
#[derive(Default)]
pub(super) struct News {
    count: AtomicU64,
    listener: Mutex<Option<Waker>>,
    /// Messages that were changed from outside since the listener asked.
    touched: Mutex<Vec<QueueId>>,
}

/// Up to where the queue was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    /// The last message that came.
    pub(crate) id: QueueId,
    /// How often messages were changed.
    changes: u64,
}

impl Newest {
    /// Whether messages were changed since an earlier look.
    pub(crate) fn were_changed_since(&self, before: &Self) -> bool {
        self.changes != before.changes
    }

    /// Whether what there is more since an earlier look are messages that came.
    pub(crate) fn only_came_since(&self, before: &Self) -> bool {
        !self.were_changed_since(before) && self.id >= before.id
    }
}

impl Queue {
    /// Wakes `waker` from now on whenever a message comes, or an operator changes one.
    pub(crate) fn tell(&self, waker: &Waker) {
        *self.news.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }

    /// Counts what the waker is woken for.
    pub(crate) fn news(&self) -> u64 {
        self.news.count.load(Ordering::SeqCst)
    }

    /// Messages that an operator has changed since this was asked last: what is known of them may be out of date.
    pub(crate) fn take_touched(&self) -> Vec<QueueId> {
        std::mem::take(&mut self.news.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has the listener look at what is new: another process has changed the queue.
    pub(crate) fn spread_news(&self) {
        self.news.spread();
    }

    /// Whether an operator has changed messages since it was asked last which.
    pub(crate) fn has_touched(&self) -> bool {
        !self.news.touched.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Up to where the queue is looked at by who does it now; `None`: that cannot be read.
    ///
    /// # Errors
    /// Faults.
    pub(crate) fn newest(&self) -> Result<Option<Newest>, Error> {
        let rows = match self.table.get_all(&[TOTALS_KEY.to_vec(), CHANGES_KEY.to_vec()]) {
            Err(store::Error::Damaged(_)) => return Ok(None),
            rows => rows?,
        };
        let [totals, changes] = rows.as_slice() else { return Ok(None) };
        let totals = totals.as_ref().map(|json| serde_json::from_slice::<Totals>(json)).transpose();
        let newest = |totals: Option<Totals>| Newest {
            id: QueueId(totals.unwrap_or_default().next),
            changes: changes.as_deref().map_or(0, count_of),
        };
        Ok(totals.ok().map(newest))
    }

    /// At most `limit` messages that came after one, each as it is read.
    ///
    /// # Errors
    /// Faults.
    pub(crate) fn came_after(&self, after: QueueId, limit: usize) -> Result<Vec<Result<Entry, Error>>, Error> {
        let read = self.read_from(QueueId(after.0.saturating_add(1)), limit)?;
        Ok(read.into_iter().map(|(_, entry)| entry).collect())
    }
}

/// A message is changed, not only sent: whoever sends looks at it.
pub(super) fn count_change(tx: &mut TableTx<'_>) -> Result<(), Error> {
    let changes = match tx.get(CHANGES_KEY) {
        // Any other number than before will do.
        Err(store::Error::Damaged(_)) => None,
        changes => changes?,
    };
    let next = changes.as_deref().map_or(0, count_of).wrapping_add(1);
    tx.put(CHANGES_KEY, next.to_be_bytes().to_vec());
    Ok(())
}

fn count_of(row: &[u8]) -> u64 {
    row.try_into().map_or(0, u64::from_be_bytes)
}

impl News {
    /// Of more the listener finds out when it looks at all.
    pub(super) fn touch(&self, id: QueueId) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        if touched.len() < TOUCHED_MAX {
            touched.push(id);
        }
    }

    /// After what it is about is durable.
    pub(super) fn spread(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        if let Some(waker) = &*self.listener.lock().unwrap_or_else(PoisonError::into_inner) {
            waker.wake_by_ref();
        }
    }
}
