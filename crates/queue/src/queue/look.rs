//! Looks at messages of the queue: as few of them as there can be, because each begins a transaction of its own.

use super::{Queue, body_key, entry_key};
use crate::entry::{Entry, QueueId};
use crate::error::Error;

impl Queue {
    /// A message and the state of its recipients.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`], faults.
    pub fn show(&self, id: QueueId) -> Result<Entry, Error> {
        let bytes = self.table.get(&entry_key(id))?.ok_or(Error::NoSuchEntry)?;
        Entry::decode(id, &bytes)
    }

    /// Several at once, in their order, each with what is wrong with it.
    pub(crate) fn show_all(&self, ids: &[QueueId]) -> Vec<Result<Entry, Error>> {
        let keys: Vec<Vec<u8>> = ids.iter().map(|id| entry_key(*id)).collect();
        let Ok(rows) = self.table.get_all(&keys) else {
            // It may concern one of them only.
            return ids.iter().map(|id| self.show(*id)).collect();
        };
        let decode = |(id, row): (&QueueId, Option<Vec<u8>>)| Entry::decode(*id, &row.ok_or(Error::NoSuchEntry)?);
        ids.iter().zip(rows).map(decode).collect()
    }

    /// A message to be sent: what is known of it, and the first row of its octets, read with one look.
    pub(crate) fn show_to_send(&self, id: QueueId) -> Result<(Entry, Option<Vec<u8>>), Error> {
        let keys: Vec<Vec<u8>> = [entry_key(id), body_key(id, 0)].into_iter().chain(self.term_key()).collect();
        let Ok(mut rows) = self.table.get_all(&keys) else {
            self.must_lead()?;
            // What is wrong may be its octets, which are read when they are needed.
            return Ok((self.show(id)?, None));
        };
        if !self.is_of_term(rows.get(2).and_then(Option::as_deref)) {
            return Err(Error::Superseded);
        }
        rows.truncate(2);
        let first = rows.pop().flatten();
        let entry = rows.pop().flatten().ok_or(Error::NoSuchEntry)?;
        Ok((Entry::decode(id, &entry)?, first))
    }
}
