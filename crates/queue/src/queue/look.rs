//! Looks at messages of the queue: as few of them as there can be, because each begins a transaction of its own.

use super::{Queue, body_key, body_prefix, entry_key, id_at_end};
use crate::entry::{Entry, QueueId};
use crate::error::Error;

/// So many numbers are tried one by one where nothing says which message is damaged.
const NEAR: usize = 64;

/// The number of a message, and what is known of it or what is wrong with that.
type Read = (QueueId, Result<Entry, Error>);

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

    /// Messages from a number on, at most `limit`, which is 1 at least; fewer where one of them is damaged. None: there are no more.
    pub(super) fn read_from(&self, from: QueueId, limit: usize) -> Result<Vec<Read>, Error> {
        let decode = |id, value: &[u8]| (id, Entry::decode(id, value));
        match self.table.scan(b"e", &entry_key(from), limit) {
            Ok(rows) => Ok(rows.iter().map(|(key, value)| decode(id_at_end(key), value)).collect()),
            // The engine does not say which; of one it is that, and its octets have its number.
            Err(store::Error::Damaged(why)) if limit <= 1 => {
                let id = match self.table.scan(b"b", &body_prefix(from), 1) {
                    Ok(octets) => octets.first().and_then(|(key, _)| key.get(1..9)?.try_into().ok()),
                    Err(store::Error::Damaged(_)) => Some(self.last_damaged(from)?.0.to_be_bytes()),
                    Err(error) => return Err(error.into()),
                };
                Ok(id.map(|id| (QueueId(u64::from_be_bytes(id)), Err(Error::Damaged(why)))).into_iter().collect())
            }
            Err(store::Error::Damaged(_)) => self.read_from(from, limit / 2),
            Err(error) => Err(error.into()),
        }
    }

    /// The first message from a number on, of which neither the entry nor the octets can be read: no key says its number, so it is the one
    /// behind which something else is found. Of several near each other the first; far from the number, one of them.
    fn last_damaged(&self, from: QueueId) -> Result<QueueId, Error> {
        let is_damaged = |read: Result<(), store::Error>| match read {
            Ok(()) => Ok(false),
            Err(store::Error::Damaged(_)) => Ok(true),
            Err(error) => Err(Error::from(error)),
        };
        for id in (from.0..=u64::MAX).take(NEAR).map(QueueId) {
            if is_damaged(self.table.get(&entry_key(id)).map(drop))? {
                return Ok(id);
            }
        }
        let is_before = |id: u64| is_damaged(self.table.scan(b"e", &entry_key(QueueId(id)), 1).map(drop));
        let (mut before, mut behind) = (from.0, u64::MAX);
        for exponent in 0..u64::BITS {
            let id = from.0.saturating_add(1 << exponent);
            if !is_before(id)? {
                behind = id;
                break;
            }
            before = id;
        }
        while behind - before > 1 {
            let id = before.midpoint(behind);
            if is_before(id)? {
                before = id;
            } else {
                behind = id;
            }
        }
        Ok(QueueId(before))
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
