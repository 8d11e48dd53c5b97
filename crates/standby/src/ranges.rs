//! A keyspace cut into ranges of keys, each with a hash of its rows: what both sides compare before a row is sent.

use crate::copy::UNFINISHED;
use crate::wire::{In, Out};
use crate::{Error, fault};
use blake3::{Hash, Hasher};
use std::ops::ControlFlow;
use store::engine::{KEY_BYTES_MAX, Snapshot};

/// A range ends with the row that reaches so many octets.
const RANGE_BYTES: usize = 256 * 1024;
/// What a range takes at least in what is sent, and a row in a range.
const RANGE_ROW_BYTES: usize = 64;

/// Is given a row; what it returns ends the visit.
pub(crate) type OnRow<'v> = &'v mut dyn FnMut(&[u8], &[u8]) -> Result<(), Error>;

/// Visits all rows but the mark of a keyspace that is not whole.
pub(crate) fn each_row(
    snapshot: &dyn Snapshot,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    each_row_in(snapshot, (&[], &[u8::MAX; KEY_BYTES_MAX]), &mut visit)
}

/// The same in a range.
pub(crate) fn each_row_in(snapshot: &dyn Snapshot, (from, to): (&[u8], &[u8]), visit: OnRow<'_>) -> Result<(), Error> {
    let mut outcome = Ok(());
    snapshot.scan(from, to, &mut |key, value| {
        if key != UNFINISHED {
            outcome = visit(key, value);
        }
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    outcome
}

/// Rows of a range, as one number.
#[derive(Debug, Default)]
pub(crate) struct Sum(Hasher);

impl Sum {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        for part in [key, value] {
            self.0.update(&(part.len() as u64).to_be_bytes());
            self.0.update(part);
        }
    }

    pub(crate) fn take(&mut self) -> Hash {
        std::mem::take(&mut self.0).finalize()
    }
}

/// The key behind which a range ends, and its rows.
pub(crate) type Range = (Vec<u8>, Hash);

/// All rows of a keyspace. What comes behind the last range is none.
pub(crate) fn cut(snapshot: &dyn Snapshot) -> Result<Vec<Range>, Error> {
    let (mut ranges, mut sum, mut bytes, mut last) = (Vec::new(), Sum::default(), 0, Vec::new());
    each_row(snapshot, |key, value| {
        sum.add(key, value);
        bytes += key.len() + value.len() + RANGE_ROW_BYTES;
        last.clear();
        last.extend_from_slice(key);
        if bytes >= RANGE_BYTES {
            bytes = 0;
            ranges.push((end(&last), sum.take()));
        }
        Ok(())
    })?;
    if bytes > 0 {
        ranges.push((end(&last), sum.take()));
    }
    Ok(ranges)
}

/// The first key behind another one.
fn end(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

pub(crate) fn encode(ranges: &[Range]) -> Vec<u8> {
    let mut out = Out::default();
    for (end, hash) in ranges {
        out.octets(end).0.extend_from_slice(hash.as_bytes());
    }
    out.0
}

/// # Errors
/// They are cut off, or do not ascend.
pub(crate) fn decode(octets: &[u8]) -> Result<Vec<Range>, Error> {
    let (mut r, mut ranges) = (In(octets), Vec::<Range>::new());
    while !r.0.is_empty() {
        let (end, hash) = (r.octets()?.to_vec(), Hash::from_bytes(r.hash()?));
        if ranges.last().is_some_and(|(before, _)| *before >= end) {
            return Err(fault("what a standby has does not ascend"));
        }
        ranges.push((end, hash));
    }
    Ok(ranges)
}
