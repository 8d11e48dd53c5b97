//! A message of the queue while it is sent: read row by row, so that of a long one no more is in memory than a row.

use super::{BODY_ROW_BYTES, Queue};
use crate::entry::Entry;
use crate::error::Error;
use std::io;

/// So many octets are sent at once.
const PIECE_BYTES_MAX: usize = 128 * 1024;

/// The message of an entry. It may be read more than once: another host, another transaction.
pub(crate) struct Body<'a> {
    queue: &'a Queue,
    entry: &'a Entry,
    /// The row that was read last, its number, and where in the message it begins.
    row: Vec<u8>,
    number: u32,
    begin: u64,
    /// Why it could not be read on.
    error: Option<Error>,
}

impl<'a> Body<'a> {
    /// What can be known of it before anybody is talked to is known then: that its beginning can be read. `first`: its first row,
    /// where that was read with the entry.
    pub(crate) fn open(queue: &'a Queue, entry: &'a Entry, first: Option<Vec<u8>>) -> Result<Self, Error> {
        let mut body = Self { queue, entry, row: Vec::new(), number: 0, begin: 0, error: None };
        match first {
            _ if entry.size_bytes == 0 => {}
            Some(row) => body.take_row(0, row)?,
            None => body.read_row(0)?,
        }
        Ok(body)
    }

    /// Octets from a place on, as many as are at hand.
    pub(crate) fn piece_at(&mut self, position: u64) -> io::Result<&[u8]> {
        if let Err(error) = self.go_to(position) {
            let told = io::Error::other(format!("the message cannot be read: {error}"));
            self.error = Some(error);
            return Err(told);
        }
        let rest = self.rest_at(position);
        Ok(rest.get(..PIECE_BYTES_MAX).unwrap_or(rest))
    }

    /// The rest of the row in which a place is.
    pub(crate) fn row_at(&mut self, position: u64) -> Result<&[u8], Error> {
        self.go_to(position)?;
        Ok(self.rest_at(position))
    }

    fn rest_at(&self, position: u64) -> &[u8] {
        let from = usize::try_from(position - self.begin).unwrap_or(usize::MAX);
        self.row.get(from..).unwrap_or_default()
    }

    /// Whether it has octets beyond ASCII: of a message that an earlier version queued nobody has looked.
    pub(crate) fn is_eight_bit(&mut self) -> Result<bool, Error> {
        let mut position = 0;
        while position < self.entry.size_bytes {
            let row = self.row_at(position)?;
            if !row.is_ascii() {
                return Ok(true);
            }
            position += row.len() as u64;
        }
        Ok(false)
    }

    /// Why it could not be read to its end.
    pub(crate) fn into_error(self) -> Option<Error> {
        self.error
    }

    fn go_to(&mut self, position: u64) -> Result<(), Error> {
        if position < self.begin {
            self.begin = 0;
            self.read_row(0)?;
        }
        while position >= self.begin + self.row.len() as u64 {
            self.begin += self.row.len() as u64;
            self.read_row(self.number + 1)?;
        }
        Ok(())
    }

    fn read_row(&mut self, number: u32) -> Result<(), Error> {
        let row = self.queue.body_row(self.entry.id, number)?.unwrap_or_default();
        self.take_row(number, row)
    }

    fn take_row(&mut self, number: u32, row: Vec<u8>) -> Result<(), Error> {
        let Entry { id, size_bytes, .. } = *self.entry;
        let end = self.begin + row.len() as u64;
        // All but the last are full, so what is cut off shows before anybody is talked to.
        let is_cut = end < size_bytes && !row.len().is_multiple_of(BODY_ROW_BYTES);
        if row.is_empty() || end > size_bytes || is_cut {
            // It may have gone since it was looked at.
            self.queue.show(id)?;
            return Err(Error::damaged(format_args!("message {id} has {end} octets instead of {size_bytes}")));
        }
        (self.row, self.number) = (row, number);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::tests::{message, open};
    use store::Timestamp;
    use store::sim::SimEngine;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    #[test]
    fn a_long_message_is_read_row_by_row_and_again_from_its_beginning() {
        let queue = open(&SimEngine::new());
        let content: Vec<u8> = (0..BODY_ROW_BYTES * 2 + 5).map(|n| (n / 7) as u8).collect();
        let id = queue.enqueue(message("me@x", &["a@y"], &content), NOW).unwrap().id;
        let entry = queue.show(id).unwrap();
        let mut body = Body::open(&queue, &entry, None).unwrap();
        for _ in 0..2 {
            let mut read = Vec::new();
            while read.len() < content.len() {
                read.extend_from_slice(body.piece_at(read.len() as u64).unwrap());
                assert!(body.row.len() <= BODY_ROW_BYTES);
            }
            assert!(read == content);
        }
        assert!(body.is_eight_bit().unwrap() && entry.eight_bit == Some(true));
        assert_eq!(body.into_error(), None);
    }

    #[test]
    fn what_is_missing_of_a_message_is_damage_unless_all_of_it_has_gone() {
        let queue = open(&SimEngine::new());
        let content = vec![b'x'; BODY_ROW_BYTES + 1];
        let id = queue.enqueue(message("me@x", &["a@y"], &content), NOW).unwrap().id;
        let mut entry = queue.show(id).unwrap();
        entry.size_bytes = 3;
        assert!(matches!(Body::open(&queue, &entry, None), Err(Error::Damaged(_))), "more than there should be");
        entry.size_bytes = content.len() as u64 + 1;
        let mut body = Body::open(&queue, &entry, None).unwrap();
        assert!(body.piece_at(BODY_ROW_BYTES as u64).is_err());
        let why = format!("outbound queue: message {id} has {} octets instead of {}", content.len(), content.len() + 1);
        assert_eq!(body.into_error(), Some(Error::Damaged(why)));
        let mut body = Body::open(&queue, &entry, None).unwrap();
        queue.remove(id).unwrap();
        assert!(body.piece_at(BODY_ROW_BYTES as u64).is_err());
        assert_eq!(body.into_error(), Some(Error::NoSuchEntry));
    }
}
