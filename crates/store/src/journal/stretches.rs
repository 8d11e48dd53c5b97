//! Entries of the journal that stand between those of one act and are not its own.

use crate::codec::{Corrupt, Reader, Writer};
use crate::ids::ModSeq;
use std::ops::RangeInclusive;

/// Stretches of the journal, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretches(Vec<(ModSeq, ModSeq)>);

impl Stretches {
    /// Whether an entry is in one of them.
    #[must_use]
    pub fn contain(&self, modseq: ModSeq) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= modseq);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, last)| modseq <= *last)
    }

    /// The number of a kind of change without any, or of the same with some.
    pub(super) fn kind(&self, without: u8, with: u8) -> u8 {
        if self.0.is_empty() { without } else { with }
    }

    pub(super) fn write_if_any(&self, w: &mut Writer) {
        if !self.0.is_empty() {
            self.write(w);
        }
    }

    /// Adds one behind all others.
    pub(crate) fn push(&mut self, stretch: RangeInclusive<ModSeq>) {
        let (first, last) = stretch.into_inner();
        match self.0.last_mut() {
            Some((_, before)) if before.0 + 1 >= first.0 => *before = last,
            _ => self.0.push((first, last)),
        }
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.number(self.0.len() as u64);
        for (first, last) in &self.0 {
            w.number(first.0).number(last.0.saturating_sub(first.0));
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let stretch = |r: &mut Reader<'_>| {
            let first = r.number()?;
            Ok((ModSeq(first), ModSeq(first.checked_add(r.number()?).ok_or(Corrupt)?)))
        };
        r.list(stretch).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one_and_nothing_else_is_in_them() {
        let mut stretches = Stretches::default();
        for (first, last) in [(2, 3), (4, 4), (7, 9)] {
            stretches.push(ModSeq(first)..=ModSeq(last));
        }
        let inside: Vec<u64> = (0..12).filter(|modseq| stretches.contain(ModSeq(*modseq))).collect();
        assert_eq!((inside, stretches.0.len()), (vec![2, 3, 4, 7, 8, 9], 2));
    }
}
