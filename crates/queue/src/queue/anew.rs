//! When messages are tried, written down anew: a row that says so is damaged, and the engine does not say which. Until it is, nothing
//! that is due is found.

use super::{LISTED_AT_ONCE, Queue, count_anew, entry, put_totals, scheduled};
use crate::damage;
use crate::entry::QueueId;
use crate::error::Error;
use crate::pace;
use crate::turns;
use store::Timestamp;

/// So many messages are written in one commit.
const WRITTEN_AT_ONCE: usize = 256;

impl Queue {
    /// Writes anew what leads to the messages of a queue of whose table rows are lost, and what counts them: when they are tried, which
    /// wait for their time or for an answer, and the next number, which no message ever had. Looks at all.
    ///
    /// # Errors
    /// [`store::Error::NoSpace`], faults.
    pub fn mend(&self, now: Timestamp) -> Result<(), Error> {
        self.change_table(|tx| {
            let totals = count_anew(tx, now)?;
            put_totals(tx, &totals)
        })?;
        self.write_due_anew()
    }

    /// Writes the row of each message that is to be tried. Looks at all.
    ///
    /// # Errors
    /// [`Error::Superseded`], [`store::Error::NoSpace`], faults.
    pub(crate) fn write_due_anew(&self) -> Result<(), Error> {
        let mut after = None;
        loop {
            let ids: Vec<QueueId> = self.list(after, LISTED_AT_ONCE)?.iter().map(|entry| entry.id).collect();
            let Some(last) = ids.last() else { return Ok(()) };
            after = Some(*last);
            for some in ids.chunks(WRITTEN_AT_ONCE) {
                self.change_table(|tx| {
                    for id in some {
                        // What was set aside stays so.
                        let is_aside = tx.get(&damage::key(*id))?.is_some();
                        let Some(entry) = entry(tx, *id)? else { continue };
                        scheduled::note(tx, &entry);
                        pace::note(tx, &entry);
                        if !entry.held && !is_aside {
                            tx.put(&turns::key(&entry), Vec::new());
                        }
                    }
                    Ok(())
                })?;
            }
        }
    }
}
