//! Message numbers or UIDs as sorted ranges: small for what clients ask, quick to look up in.

use imap_proto::{MessageSet, SequenceSet};
use std::ops::RangeInclusive;
use store::Uid;

/// Numbers in ranges that ascend and do not touch each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers(Vec<RangeInclusive<u32>>);

impl Numbers {
    /// What a client's set means when `max` is the largest number.
    pub(crate) fn of(set: &SequenceSet, max: u32) -> Self {
        Self(set.resolve(max))
    }

    /// The UIDs of a set when `max` is the largest; of `$` those that were saved.
    pub(crate) fn of_uids(set: &MessageSet, max: u32, saved: &[Uid]) -> Self {
        match set {
            MessageSet::Numbers(set) => Self::of(set, max),
            MessageSet::Saved => Self::from_sorted(saved.iter().map(|uid| uid.0)),
        }
    }

    /// `numbers` ascend.
    pub(crate) fn from_sorted(numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut all = Self::default();
        numbers.into_iter().for_each(|number| all.push(number));
        all
    }

    /// Adds a number that is not below the last one.
    pub(crate) fn push(&mut self, number: u32) {
        match self.0.last_mut() {
            Some(range) if number <= range.end().saturating_add(1) => *range = *range.start()..=number,
            Some(_) | None => self.0.push(number..=number),
        }
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        let after = self.0.partition_point(|range| *range.start() <= number);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|range| range.contains(&number))
    }

    pub(crate) fn ranges(&self) -> &[RangeInclusive<u32>] {
        &self.0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().cloned().flatten()
    }

    /// As it is sent to the client.
    pub(crate) fn to_set(&self) -> SequenceSet {
        SequenceSet::from_ranges(self.0.iter().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_next_to_each_other_are_one_range() {
        let check = |numbers: &[u32], expected: &str| {
            let all = Numbers::from_sorted(numbers.iter().copied());
            assert_eq!(all.to_set().to_string(), expected);
            let most = numbers.iter().max().copied().unwrap_or(0).saturating_add(2);
            for number in 0..=most.min(40) {
                assert_eq!(all.contains(number), numbers.contains(&number), "{number} in {expected}");
            }
        };
        check(&[], "");
        check(&[1], "1");
        check(&[1, 2, 3, 5, 7, 8], "1:3,5,7:8");
        check(&[2, 2, 3, 3], "2:3");
        check(&[u32::MAX - 1, u32::MAX], "4294967294:4294967295");
    }

    #[test]
    fn sets_of_clients_and_saved_ones() {
        let set = SequenceSet::parse(b"5:*,1", 9).unwrap();
        assert_eq!(Numbers::of(&set, 7).iter().collect::<Vec<_>>(), [1, 5, 6, 7]);
        let saved = [Uid(4), Uid(5), Uid(9)];
        assert_eq!(Numbers::of_uids(&MessageSet::Saved, 1, &saved).ranges(), [4..=5, 9..=9]);
    }
}
