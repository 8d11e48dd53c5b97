//! Message numbers or UIDs as sorted ranges: small for what clients ask, quick to look up in.

use std::ops::RangeInclusive;
use store::{Entry, Index};

/// Numbers in ranges that ascend and do not touch each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(Vec<RangeInclusive<u32>>);

impl Numbers {
    /// `ranges` ascend, and do not touch each other.
    #[must_use]
    pub fn from_ranges(ranges: Vec<RangeInclusive<u32>>) -> Self {
        Self(ranges)
    }

    /// `numbers` ascend.
    pub fn from_sorted(numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut all = Self::default();
        numbers.into_iter().for_each(|number| all.push(number));
        all
    }

    /// Adds a number that is not below the last one.
    pub fn push(&mut self, number: u32) {
        match self.0.last_mut() {
            Some(range) if number <= range.end().saturating_add(1) => *range = *range.start()..=number,
            Some(_) | None => self.0.push(number..=number),
        }
    }

    /// Whether it is among them.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        let after = self.0.partition_point(|range| *range.start() <= number);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|range| range.contains(&number))
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[RangeInclusive<u32>] {
        &self.0
    }

    /// All of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().cloned().flatten()
    }
}

/// The messages with these numbers, positions in `index` from 1 that ascend; those that are not there are left out.
pub(crate) fn entries<'i>(index: &'i Index, numbers: &'i [u32]) -> impl Iterator<Item = (u32, &'i Entry)> {
    // As a rule the next one is the one behind.
    let mut ahead = index.positions(0..0);
    numbers.iter().filter_map(move |number| {
        let position = (*number as usize).checked_sub(1)?;
        if let Some((_, entry)) = ahead.next().filter(|(at, _)| *at == position) {
            return Some((*number, entry));
        }
        ahead = index.positions(position..index.len());
        ahead.next().map(|(_, entry)| (*number, entry))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_next_to_each_other_are_one_range() {
        let check = |numbers: &[u32], expected: &[RangeInclusive<u32>]| {
            let all = Numbers::from_sorted(numbers.iter().copied());
            assert_eq!(all.ranges(), expected);
            let most = numbers.iter().max().copied().unwrap_or(0).saturating_add(2);
            for number in 0..=most.min(40) {
                assert_eq!(all.contains(number), numbers.contains(&number), "{number} in {expected:?}");
            }
        };
        check(&[], &[]);
        check(&[1], &[1..=1]);
        check(&[1, 2, 3, 5, 7, 8], &[1..=3, 5..=5, 7..=8]);
        check(&[2, 2, 3, 3], &[2..=3]);
        check(&[u32::MAX - 1, u32::MAX], &[u32::MAX - 1..=u32::MAX]);
    }
}
