//! Which messages sets of UIDs name: ranges of positions in the index that the client knows.

use imap_proto::SequenceSet;
use std::ops::Range;
use store::{Index, Uid};

/// RFC 9051 §6.4.9: `*` is the highest UID there is; UIDs that are not there are passed over.
pub(crate) fn of_uids(set: &SequenceSet, told: &Index) -> Vec<Range<usize>> {
    let Some(last) = told.last() else { return Vec::new() };
    let positions = |first: u32, last: u32| {
        let start = told.position(Uid(first)).unwrap_or_else(|at| at);
        let end = told.position(Uid(last)).map_or_else(|at| at, |at| at + 1);
        start..end
    };
    let ranges = set.resolve(last.uid.0);
    ranges.iter().map(|range| positions(*range.start(), *range.end())).filter(|range| !range.is_empty()).collect()
}

/// RFC 9051 §6.4.4.1: what is gone is left out of `$`.
pub(crate) fn of_saved(saved: &[Uid], told: &Index) -> Vec<Range<usize>> {
    joined(saved.iter().filter_map(|uid| told.position(*uid).ok()))
}

/// Positions as ranges, in the order in which they come.
pub(crate) fn joined(positions: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for position in positions {
        match ranges.last_mut() {
            Some(range) if range.end == position => range.end = position + 1,
            Some(_) | None => ranges.push(position..position + 1),
        }
    }
    ranges
}
