//! Where rows are missing, as far as it can be known.

use std::collections::BTreeSet;

/// More damaged rows than this are counted as one stretch.
const KEYS_MAX: usize = 100_000;

/// Between which keys rows are missing, and which are damaged.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// Behind the first, before the second; `None`: to the end.
    between: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub(super) damaged: BTreeSet<Vec<u8>>,
}

impl Gaps {
    pub(super) fn gap(&mut self, after: &[u8], before: Option<&[u8]>) {
        match self.between.last_mut() {
            Some((_, end)) if self.damaged.len() + 1 > KEYS_MAX => *end = before.map(<[u8]>::to_vec),
            _ => self.between.push((after.to_vec(), before.map(<[u8]>::to_vec))),
        }
    }

    pub(super) fn damaged(&mut self, key: &[u8]) {
        if self.damaged.len() < KEYS_MAX {
            self.damaged.insert(key.to_vec());
        } else {
            self.gap(key, None);
        }
    }

    pub(super) fn is_none(&self) -> bool {
        self.between.is_empty() && self.damaged.is_empty()
    }

    /// The same, but for rows that are there and damaged.
    pub(super) fn is_unbroken(&self, (from, to): &(Vec<u8>, Vec<u8>)) -> bool {
        !self.between.iter().any(|(after, before)| after < to && before.as_ref().is_none_or(|before| before > from))
    }

    /// Whether no row with a key in `from..to` can be missing.
    pub(super) fn is_whole(&self, (from, to): &(Vec<u8>, Vec<u8>)) -> bool {
        self.last_in(from, to).is_none()
    }

    /// The last key in `from..to` at or before which a row can be missing; the key that ends the last gap, or `to`.
    pub(super) fn last_in<'a>(&'a self, from: &[u8], to: &'a [u8]) -> Option<&'a [u8]> {
        let overlaps = |(after, before): &&(Vec<u8>, Option<Vec<u8>>)| {
            after.as_slice() < to && before.as_deref().is_none_or(|before| before > from)
        };
        let ends = self.between.iter().filter(overlaps).map(|(_, before)| before.as_deref().unwrap_or(to).min(to));
        let damaged = self.damaged.iter().map(Vec::as_slice).filter(|key| (from..to).contains(key));
        ends.chain(damaged).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_whole_where_nothing_of_it_can_be_missing() {
        let mut gaps = Gaps::default();
        gaps.gap(b"B1", Some(b"B4"));
        gaps.gap(b"Y9", None);
        gaps.damaged(b"M2");
        let whole = |from: &[u8], to: &[u8]| gaps.is_whole(&(from.to_vec(), to.to_vec()));
        assert!(whole(b"A", b"B") && whole(b"B4", b"M2") && whole(b"M3", b"Y") && whole(b"A", b"B1"));
        assert!(!whole(b"B", b"C") && !whole(b"B2", b"B3") && !whole(b"M", b"N") && !whole(b"Z", b"["));
        let unbroken = |from: &[u8], to: &[u8]| gaps.is_unbroken(&(from.to_vec(), to.to_vec()));
        assert!(unbroken(b"M", b"N") && !unbroken(b"B", b"C") && !unbroken(b"Z", b"["));
        assert_eq!(gaps.last_in(b"B", b"C"), Some(&b"B4"[..]));
        assert_eq!(gaps.last_in(b"Y", b"Z"), Some(&b"Z"[..]));
        assert_eq!(gaps.last_in(b"M", b"N"), Some(&b"M2"[..]));
    }
}
