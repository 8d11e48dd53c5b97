//! Sets of message numbers or UIDs (RFC 9051 §9: sequence-set).
//!
//! The numbers are plain `u32`: the same grammar serves message numbers and UIDs, and [`Numbering`] says which.

use std::fmt;
use std::ops::RangeInclusive;

/// Whether a command counts messages or names UIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// Message sequence numbers.
    Sequence,
    /// Unique identifiers (the command came with `UID`).
    Uid,
}

/// The messages that a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageSet {
    /// Numbers and ranges.
    Numbers(SequenceSet),
    /// `$`: the saved result of the last SEARCH with RETURN (SAVE) (RFC 9051 §6.4.4.1).
    Saved,
}

/// Numbers and ranges as a client wrote them, `*` included. Never empty when parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SequenceSet {
    ranges: Vec<(u32, u32)>,
}

/// `*` inside a range: zero is no message number and no UID.
const STAR: u32 = 0;

/// Why bytes are no sequence set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceError {
    /// Not the grammar of a set.
    Syntax,
    /// Zero, or more than 32 bits.
    Number,
    /// More ranges than allowed.
    TooMany,
}

impl SequenceSet {
    /// Parses `1,3:5,7:*` with at most `ranges_max` elements.
    ///
    /// # Errors
    /// See [`SequenceError`].
    pub fn parse(text: &[u8], ranges_max: usize) -> Result<Self, SequenceError> {
        let mut ranges = Vec::new();
        for element in text.split(|&byte| byte == b',') {
            if ranges.len() == ranges_max {
                return Err(SequenceError::TooMany);
            }
            let mut ends = element.split(|&byte| byte == b':');
            let first = parse_number(ends.next().unwrap_or_default())?;
            let last = ends.next().map_or(Ok(first), parse_number)?;
            if ends.next().is_some() {
                return Err(SequenceError::Syntax);
            }
            ranges.push((first, last));
        }
        Ok(Self { ranges })
    }

    /// The set of one number. `number` is not zero.
    #[must_use]
    pub fn single(number: u32) -> Self {
        Self::from_sorted([number])
    }

    /// The set of `*`.
    #[must_use]
    pub(crate) fn last() -> Self {
        Self { ranges: vec![(STAR, STAR)] }
    }

    /// The shortest set of `numbers`, which must rise strictly, or else is only good to be encoded, in their order; zeros
    /// are left out.
    #[must_use]
    pub fn from_sorted(numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for number in numbers.into_iter().filter(|&number| number != STAR) {
            match ranges.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
                _ => ranges.push((number, number)),
            }
        }
        Self { ranges }
    }

    /// The set of these ranges, in this order; empty ranges and ranges with a zero are left out.
    #[must_use]
    pub fn from_ranges(ranges: impl IntoIterator<Item = RangeInclusive<u32>>) -> Self {
        let ends = ranges.into_iter().map(RangeInclusive::into_inner);
        Self { ranges: ends.filter(|&(first, last)| first != STAR && first <= last).collect() }
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether it has a `*`.
    #[must_use]
    pub fn has_star(&self) -> bool {
        self.ranges.iter().any(|&(first, last)| first == STAR || last == STAR)
    }

    /// Whether it names a number above `max` in so many digits (RFC 9051 §9: a message number above EXISTS is an
    /// error; a UID above the highest is not).
    #[must_use]
    pub fn exceeds(&self, max: u32) -> bool {
        self.ranges.iter().any(|&(first, last)| first > max || last > max)
    }

    /// The ranges within `1..=max`, rising, merged, with `*` standing for `max`; nothing when `max` is zero.
    ///
    /// RFC 9051 §9: `*` is the largest number in use and the ends of a range may come in either order, so `9:*`
    /// contains the last message however few there are.
    #[must_use]
    pub fn resolve(&self, max: u32) -> Vec<RangeInclusive<u32>> {
        let mut ends: Vec<(u32, u32)> = self.ranges.iter().map(|&range| in_order(range, max)).collect();
        ends.retain(|&(first, _)| first <= max && first != STAR);
        ends.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ends.len());
        for (first, last) in ends {
            let last = last.min(max);
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        merged.into_iter().map(|(first, last)| first..=last).collect()
    }

    /// The numbers within `1..=max`, rising, each once.
    pub fn iter(&self, max: u32) -> impl Iterator<Item = u32> + use<> {
        self.resolve(max).into_iter().flatten()
    }

    /// Whether `number` is in it when the largest number is `max`.
    /// Linear in the ranges; for many questions use [`SequenceSet::resolve`].
    #[must_use]
    pub fn contains(&self, number: u32, max: u32) -> bool {
        self.ranges.iter().map(|&range| in_order(range, max)).any(|(first, last)| (first..=last).contains(&number))
    }

    /// Appends the set as text.
    pub(crate) fn encode(&self, output: &mut Vec<u8>) {
        use std::io::Write;
        // Writing to a vector does not fail.
        let _ = write!(output, "{self}");
    }
}

fn in_order((first, last): (u32, u32), max: u32) -> (u32, u32) {
    let first = if first == STAR { max } else { first };
    let last = if last == STAR { max } else { last };
    (first.min(last), first.max(last))
}

fn parse_number(text: &[u8]) -> Result<u32, SequenceError> {
    if text == b"*" {
        return Ok(STAR);
    }
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(SequenceError::Syntax);
    }
    let value = text.iter().try_fold(0_u32, |value, digit| value.checked_mul(10)?.checked_add(u32::from(digit - b'0')));
    value.filter(|&number| number != STAR).ok_or(SequenceError::Number)
}

impl fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, &(first, last)) in self.ranges.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write_number(f, first)?;
            if first != last {
                f.write_str(":")?;
                write_number(f, last)?;
            }
        }
        Ok(())
    }
}

fn write_number(f: &mut fmt::Formatter<'_>, number: u32) -> fmt::Result {
    if number == STAR { f.write_str("*") } else { write!(f, "{number}") }
}

impl fmt::Display for MessageSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbers(set) => set.fmt(f),
            Self::Saved => f.write_str("$"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, max: u32, expected: &[u32]) {
        let set = SequenceSet::parse(text.as_bytes(), 10).unwrap();
        assert_eq!(set.iter(max).collect::<Vec<_>>(), expected, "{text}");
        for number in 1..=max {
            assert_eq!(set.contains(number, max), expected.contains(&number), "{text} {number}");
        }
    }

    #[test]
    fn resolved_against_the_largest_number() {
        check("1", 3, &[1]);
        check("2,4:7,9,12:*", 15, &[2, 4, 5, 6, 7, 9, 12, 13, 14, 15]);
        check("5:3,4:6", 10, &[3, 4, 5, 6]);
        check("*", 4, &[4]);
        check("*:*", 4, &[4]);
        check("9:*", 4, &[4]);
        check("*:2", 4, &[2, 3, 4]);
        check("5:9", 4, &[]);
        check("1:*", 0, &[]);
        check("4294967295", 4, &[]);
    }

    #[test]
    fn what_is_no_set() {
        for (text, error) in [
            ("", SequenceError::Syntax),
            ("0", SequenceError::Number),
            ("1:0", SequenceError::Number),
            ("4294967296", SequenceError::Number),
            ("1,,2", SequenceError::Syntax),
            ("1:2:3", SequenceError::Syntax),
            ("-1", SequenceError::Syntax),
            ("1:", SequenceError::Syntax),
            ("**", SequenceError::Syntax),
            ("1,2,3,4", SequenceError::TooMany),
        ] {
            assert_eq!(SequenceSet::parse(text.as_bytes(), 3), Err(error), "{text}");
        }
        assert!(SequenceSet::parse(b"1,2,3", 3).is_ok());
    }

    #[test]
    fn facts_about_a_set() {
        let set = SequenceSet::parse(b"3:*", 1).unwrap();
        assert!(set.has_star() && !set.exceeds(3) && set.exceeds(2));
        assert_eq!(SequenceSet::from_sorted([1, 2, 3, 7, 9, 10]).to_string(), "1:3,7,9:10");
        assert_eq!(SequenceSet::from_ranges([4..=5, 2..=2, 0..=3]).to_string(), "4:5,2");
        assert!(SequenceSet::from_sorted([]).is_empty());
        let all = SequenceSet::from_sorted([u32::MAX - 1, u32::MAX]);
        assert_eq!(all.iter(u32::MAX).count(), 2);
    }

    proptest! {
        #[test]
        fn text_and_set_are_one(ranges in prop::collection::vec((0_u32..50, 0_u32..50), 1..8)) {
            let set = SequenceSet { ranges };
            prop_assert_eq!(SequenceSet::parse(set.to_string().as_bytes(), 8), Ok(set));
        }

        #[test]
        fn sorted_numbers_come_back(numbers in prop::collection::btree_set(1_u32..60, 0..40)) {
            let set = SequenceSet::from_sorted(numbers.iter().copied());
            prop_assert_eq!(set.iter(60).collect::<BTreeSet<_>>(), numbers);
        }
    }
}
