//! Who sends, where several servers have one queue: the one that leads, for a term, of which the number is a row of the queue. A
//! later term makes it another one; from then on nothing is begun in an earlier term.
//!
//! What was begun before may have happened all the same. Invariant: a host has taken a message, and whoever heard it writes that down,
//! in whatever term; so a later one, if it has not begun that message yet, does not send it. What can be asked for again (a refusal) is
//! written down in a later term only where that is of the same process, and no other one had one in between.

use super::Queue;
use crate::error::Error;
use crate::hands::Hands;
use std::sync::{Arc, PoisonError};
use store::TableTx;

const KEY: &[u8] = b"l";

/// Terms of this process without one of another in between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Led {
    since: u64,
    last: u64,
}

impl Queue {
    /// A handle to send with, in a term: from now on those of earlier terms are refused ([`Error::Superseded`]).
    ///
    /// # Errors
    /// [`Error::Superseded`]: a later one has begun; [`store::Error::NoSpace`], faults.
    pub fn lead(&self, term: u64) -> Result<Self, Error> {
        self.table.change(|tx| match current(tx)? {
            current if current > term => Err(Error::Superseded),
            _ => {
                tx.put(KEY, term.to_be_bytes().to_vec());
                Ok(())
            }
        })?;
        let mut led = self.led.lock().unwrap_or_else(PoisonError::into_inner);
        let since = led.as_ref().filter(|led| led.last == term || led.last + 1 == term).map_or(term, |led| led.since);
        *led = Some(Led { since, last: term });
        drop(led);
        Ok(Self { term: Some(term), ..self.clone() })
    }

    /// Whether nobody but this process has led since the term of this handle began.
    pub(super) fn was_alone(&self, tx: &TableTx<'_>) -> Result<bool, Error> {
        let Some(term) = self.term else { return Ok(true) };
        let led = *self.led.lock().unwrap_or_else(PoisonError::into_inner);
        let current = current(tx)?;
        Ok(led.is_some_and(|led| led.since <= term && led.last == current))
    }

    /// Changes the table, in this term only.
    pub(super) fn change_table<T>(
        &self,
        mut change: impl FnMut(&mut TableTx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.table.change(|tx| {
            if self.term.is_some() && self.term != Some(current(tx)?) {
                return Err(Error::Superseded);
            }
            change(tx)
        })
    }

    /// What threads of this process have in their hands.
    pub(crate) fn hands(&self) -> &Arc<Hands> {
        &self.hands
    }

    /// Whether it is this handle that sends.
    ///
    /// # Errors
    /// [`Error::Superseded`], faults.
    pub(super) fn must_lead(&self) -> Result<(), Error> {
        let Some(key) = self.term_key() else { return Ok(()) };
        if self.is_of_term(self.table.get(&key)?.as_deref()) { Ok(()) } else { Err(Error::Superseded) }
    }

    /// What is read beside a message that is to be sent, to know whether it is this handle that sends it.
    pub(super) fn term_key(&self) -> Option<Vec<u8>> {
        self.term.map(|_| KEY.to_vec())
    }

    /// Whether that says so.
    pub(super) fn is_of_term(&self, row: Option<&[u8]>) -> bool {
        self.term.is_none_or(|term| row == Some(&term.to_be_bytes()))
    }
}

fn current(tx: &TableTx<'_>) -> Result<u64, Error> {
    let Some(row) = tx.get(KEY)? else { return Ok(0) };
    row.try_into().map(u64::from_be_bytes).map_err(|_| Error::damaged("the row that says who sends"))
}

#[cfg(test)]
mod tests;
