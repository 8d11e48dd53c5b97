//! Rows that follow each other, as one piece of content.
//!
//! Each row is the length of its key (2 octets, the highest first), that of its value (4), the key and the value. A chunk
//! ends with its last row. Where it ends depends on keys, mostly: a row that is new, or has another length, changes the
//! chunk that it lies in and leaves the others as they are.

use crate::Error;
use crate::files::Kind;
use crate::taking::Taking;
use blake3::Hash;

/// From so many octets on a chunk ends at the next key that may end one ...
const ENDS_FROM_BYTES: usize = 64 * 1024;
/// ... which is about one of so many.
const ENDS_ONE_OF: u8 = 32;
/// It ends in any case with the row that reaches so many octets.
const ENDS_AT_BYTES: usize = 1024 * 1024;

/// Rows on their way into chunks.
#[derive(Default)]
pub(crate) struct Cutter {
    open: Vec<u8>,
    chunks: Vec<Hash>,
}

impl Cutter {
    /// The next row; keys come in their order.
    pub(crate) fn push(&mut self, taking: &mut Taking<'_>, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let too_long = |_| Error::Fault("a row is longer than a backup can hold".to_owned());
        self.open.extend(u16::try_from(key.len()).map_err(too_long)?.to_be_bytes());
        self.open.extend(u32::try_from(value.len()).map_err(too_long)?.to_be_bytes());
        self.open.extend_from_slice(key);
        self.open.extend_from_slice(value);
        let may_end = || blake3::hash(key).as_bytes().first().is_some_and(|first| first % ENDS_ONE_OF == 0);
        if self.open.len() >= ENDS_AT_BYTES || (self.open.len() >= ENDS_FROM_BYTES && may_end()) {
            self.cut(taking)?;
        }
        Ok(())
    }

    /// All chunks.
    pub(crate) fn finish(mut self, taking: &mut Taking<'_>) -> Result<Vec<Hash>, Error> {
        if !self.open.is_empty() {
            self.cut(taking)?;
        }
        Ok(self.chunks)
    }

    fn cut(&mut self, taking: &mut Taking<'_>) -> Result<(), Error> {
        self.chunks.push(taking.keep(Kind::Chunk, &self.open)?);
        self.open.clear();
        Ok(())
    }
}

/// A key and its value.
type Row<'c> = (&'c [u8], &'c [u8]);

/// The rows of a chunk.
pub(crate) fn rows(mut chunk: &[u8]) -> Result<Vec<Row<'_>>, Error> {
    let mut rows = Vec::new();
    while !chunk.is_empty() {
        let row = next(&mut chunk).ok_or_else(|| Error::Fault("a chunk of the backup ends within a row".to_owned()))?;
        rows.push(row);
    }
    Ok(rows)
}

fn next<'c>(chunk: &mut &'c [u8]) -> Option<Row<'c>> {
    let (key_bytes, rest) = chunk.split_first_chunk::<2>()?;
    let (value_bytes, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_at_checked(u16::from_be_bytes(*key_bytes).into())?;
    let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*value_bytes) as usize)?;
    *chunk = rest;
    Some((key, value))
}
