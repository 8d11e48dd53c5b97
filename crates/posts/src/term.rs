//! Who hands posts on, where several servers have one storage: the one that leads, for a term, of which the number is a row. Once a later
//! term has begun, nobody notes in an earlier one what became of a post, nor begins to hand one on.

use super::Posts;
use store::{Error, TableTx};

const KEY: &[u8] = b"l";

impl Posts {
    /// A handle to hand posts on with, in a term: from now on those of earlier terms are refused.
    ///
    /// # Errors
    /// Faults; a later term has begun.
    pub fn lead(&self, term: u64) -> Result<Self, Error> {
        self.table.change(|tx| match current(tx.get(KEY)?.as_deref()) {
            current if current > term => Err(superseded()),
            _ => {
                tx.put(KEY, term.to_be_bytes().to_vec());
                Ok(())
            }
        })?;
        Ok(Self { term: Some(term), ..self.clone() })
    }

    /// To be asked before something is done with a post that cannot be noted in the same commit.
    ///
    /// # Errors
    /// Faults; a later term has begun.
    pub fn must_lead(&self) -> Result<(), Error> {
        match self.term {
            Some(term) if current(self.table.get(KEY)?.as_deref()) != term => Err(superseded()),
            Some(_) | None => Ok(()),
        }
    }

    /// Changes the table, in this term only.
    pub(super) fn change_table<T, E: From<Error>>(
        &self,
        mut change: impl FnMut(&mut TableTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.table.change(|tx| {
            if self.term.is_some() && self.term != Some(current(tx.get(KEY)?.as_deref())) {
                return Err(superseded().into());
            }
            change(tx)
        })
    }
}

/// What cannot be read is nobody's term: who leads writes it anew.
fn current(row: Option<&[u8]>) -> u64 {
    row.and_then(|row| row.try_into().ok()).map_or(0, u64::from_be_bytes)
}

fn superseded() -> Error {
    Error::Fault("another server hands posts on by now".into())
}
