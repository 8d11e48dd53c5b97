//! Flags and keywords of a message.
//!
//! In an index a message's flags are one [`FlagBits`]: five system flags and the keywords of its mailbox, by number, whose
//! names stand in the mailbox's [`Keywords`] table. Between crates they travel as [`Flags`], with the keywords' names.
//! Keywords compare without regard to ASCII case (RFC 9051 §2.3.2); the spelling that came first is kept, because
//! clients compare `$Label1` exactly.

use crate::codec::{Corrupt, Reader, Writer};
use std::sync::Arc;

/// The system flags of RFC 9051 §2.3.2, as bits of [`FlagBits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SystemFlag {
    /// `\Seen`
    Seen = 1,
    /// `\Answered`
    Answered = 2,
    /// `\Flagged`
    Flagged = 4,
    /// `\Deleted`
    Deleted = 8,
    /// `\Draft`
    Draft = 16,
}

impl SystemFlag {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Answered, Self::Flagged, Self::Deleted, Self::Seen, Self::Draft];

    /// The name on the wire, with the backslash.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Seen => "\\Seen",
            Self::Answered => "\\Answered",
            Self::Flagged => "\\Flagged",
            Self::Deleted => "\\Deleted",
            Self::Draft => "\\Draft",
        }
    }
}

/// A message's flags as bits: system flags below bit 5, and keywords in one of two forms.
///
/// As long as all keywords of the message are among the first `NARROW` of its mailbox, keyword `n` is bit `8 + n`. With one
/// beyond them bit `WIDE` is set: then the first `DIRECT` keywords are bits from 8 on, and of the others there are at most
/// `LISTED`, as numbers of ten bits that ascend, 0 after the last
/// (`docs/decisions/0106-a-thousand-keywords-a-mailbox.md`). One set of flags is one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct FlagBits(pub u64);

const KEYWORD_SHIFT: u32 = 8;
/// So many keywords of a mailbox have a bit of their own.
const NARROW: usize = 56;
/// The flag that the bits of keywords are numbers.
const WIDE: u64 = 1 << 7;
/// So many keywords have a bit even then: those that came first are used most.
const DIRECT: usize = 6;
/// So many others a message has then at most.
const LISTED: usize = 5;
const NUMBER_BITS: u32 = 10;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;

impl FlagBits {
    /// Whether a system flag is set.
    #[must_use]
    pub fn has(self, flag: SystemFlag) -> bool {
        self.0 & flag as u64 != 0
    }

    /// Whether keyword number `n` of the mailbox's table is set.
    #[must_use]
    pub(crate) fn has_keyword(self, n: usize) -> bool {
        if self.is_wide() { self.numbers().any(|number| number == n) } else { n < NARROW && self.0 & bit(n) != 0 }
    }

    /// With a system flag set.
    #[must_use]
    pub fn with(self, flag: SystemFlag) -> Self {
        Self(self.0 | flag as u64)
    }

    /// Without a system flag.
    #[must_use]
    pub fn without(self, flag: SystemFlag) -> Self {
        Self(self.0 & !(flag as u64))
    }

    /// Those of both; `None` where that are more keywords than a message can have.
    #[must_use]
    pub(crate) fn union(self, other: Self) -> Option<Self> {
        if !self.is_wide() && !other.is_wide() {
            return Some(Self(self.0 | other.0));
        }
        Self::of(self.system().0 | other.system().0, self.numbers().chain(other.numbers()))
    }

    /// Those that are not in `other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        if !self.is_wide() && !other.is_wide() {
            return Self(self.0 & !other.0);
        }
        let system = self.system().0 & !other.system().0;
        // Never more keywords than before.
        Self::of(system, self.numbers().filter(|n| !other.has_keyword(*n))).unwrap_or(self)
    }

    /// Whether all of `other` are set.
    #[must_use]
    pub fn has_all(self, other: Self) -> bool {
        if !self.is_wide() && !other.is_wide() {
            return other.0 & !self.0 == 0;
        }
        other.system().0 & !self.0 == 0 && other.numbers().all(|n| self.has_keyword(n))
    }

    /// Whether none of `other` is set.
    #[must_use]
    pub fn has_none(self, other: Self) -> bool {
        if !self.is_wide() && !other.is_wide() {
            return other.0 & self.0 == 0;
        }
        other.system().0 & self.0 == 0 && !other.numbers().any(|n| self.has_keyword(n))
    }

    /// The system flags alone.
    #[must_use]
    pub fn system(self) -> Self {
        Self(self.0 & 0x1f)
    }

    fn is_wide(self) -> bool {
        self.0 & WIDE != 0
    }

    /// The numbers of its keywords, ascending.
    pub(crate) fn numbers(self) -> impl Iterator<Item = usize> + Clone {
        let keywords = self.0 >> KEYWORD_SHIFT;
        let (mut direct, mut listed) =
            if self.is_wide() { (keywords & ((1 << DIRECT) - 1), keywords >> DIRECT) } else { (keywords, 0) };
        std::iter::from_fn(move || {
            if direct != 0 {
                let n = direct.trailing_zeros();
                direct &= direct - 1;
                return Some(n as usize);
            }
            let number = (listed & NUMBER_MASK) as usize;
            listed >>= NUMBER_BITS;
            (number != 0).then(|| number + DIRECT - 1)
        })
    }

    /// System flags and keywords; `None` where they are too many for a message.
    fn of(system: u64, numbers: impl Iterator<Item = usize>) -> Option<Self> {
        let mut numbers: Vec<usize> = numbers.collect();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.last().is_none_or(|last| *last < NARROW) {
            return Some(Self(numbers.iter().fold(system, |bits, n| bits | bit(*n))));
        }
        let at = numbers.partition_point(|n| *n < DIRECT);
        let (direct, listed) = numbers.split_at(at);
        if listed.len() > LISTED || listed.last().is_some_and(|last| *last >= KEYWORDS_MAX) {
            return None;
        }
        let direct = direct.iter().fold(system | WIDE, |bits, n| bits | bit(*n));
        let listed = listed.iter().rev().fold(0, |bits, n| bits << NUMBER_BITS | (n + 1 - DIRECT) as u64);
        Some(Self(direct | listed << (KEYWORD_SHIFT as usize + DIRECT)))
    }

    /// Whether it is how a set of flags is written, and of keywords below `keywords` alone.
    pub(crate) fn is_sound(self, keywords: usize) -> bool {
        self.numbers().all(|n| n < keywords) && Self::of(self.system().0, self.numbers()) == Some(self)
    }
}

/// The bit of one of the first keywords.
fn bit(n: usize) -> u64 {
    1 << (n as u32 + KEYWORD_SHIFT)
}

/// Flags that a change names: as many as it pleases, and what a mailbox knows of them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FlagSet {
    /// System flags and the first keywords.
    narrow: FlagBits,
    /// The numbers of the other keywords.
    others: Vec<usize>,
}

impl FlagSet {
    fn numbers(&self) -> impl Iterator<Item = usize> + Clone {
        self.narrow.numbers().chain(self.others.iter().copied())
    }

    /// As the flags of a message; `None` where they are too many for one.
    pub(crate) fn bits(&self) -> Option<FlagBits> {
        if self.others.is_empty() { Some(self.narrow) } else { FlagBits::of(self.narrow.system().0, self.numbers()) }
    }
}

/// How flags change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagMode {
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
    /// `FLAGS`
    Replace,
}

impl FlagMode {
    /// The flags of a message that had `before`, after a change by `flags`; `None` where it cannot have as many keywords.
    #[must_use]
    pub fn apply(self, before: FlagBits, flags: &FlagSet) -> Option<FlagBits> {
        match self {
            Self::Replace => flags.bits(),
            Self::Add if flags.others.is_empty() => before.union(flags.narrow),
            Self::Add => {
                let system = before.system().0 | flags.narrow.system().0;
                FlagBits::of(system, before.numbers().chain(flags.numbers()))
            }
            Self::Remove if flags.others.is_empty() => Some(before.minus(flags.narrow)),
            Self::Remove => {
                let left = before.minus(flags.narrow);
                FlagBits::of(left.system().0, left.numbers().filter(|n| !flags.others.contains(n)))
            }
        }
    }
}

/// A mailbox has at most this many different keywords. A message has any of the first 56 of them, or, with one beyond those,
/// any of the first 6 and at most 5 others.
pub const KEYWORDS_MAX: usize = 1000;
/// A keyword is at most this long.
pub const KEYWORD_BYTES_MAX: usize = 100;
/// The names of all keywords of a mailbox have at most so many octets: its record, which each change writes anew, holds them.
const NAMES_BYTES_MAX: usize = 32 * 1024;

/// Flags by name.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Flags {
    /// System flags; no keyword bits.
    pub system: FlagBits,
    /// Names of keywords as the client spelled them.
    pub keywords: Vec<String>,
}

impl Flags {
    /// These system flags and no keyword.
    #[must_use]
    pub fn system(flags: &[SystemFlag]) -> Self {
        Self { system: flags.iter().fold(FlagBits::default(), |bits, flag| bits.with(*flag)), keywords: Vec::new() }
    }
}

/// The keywords of a mailbox: the name of keyword `n` is the one at `n`. Names are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Keywords(Arc<Vec<String>>);

impl Keywords {
    /// All names in the order of their numbers.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The number of a keyword.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|known| known.eq_ignore_ascii_case(name))
    }

    /// Whether the mailbox takes one more keyword (RFC 9051 §7.1 `PERMANENTFLAGS` shows `\*` only then).
    #[must_use]
    pub fn has_room(&self) -> bool {
        let bytes: usize = self.0.iter().map(String::len).sum();
        self.0.len() < KEYWORDS_MAX && bytes + KEYWORD_BYTES_MAX <= NAMES_BYTES_MAX
    }

    /// The names of the keywords that are set in `bits`.
    pub fn set_in(&self, bits: FlagBits) -> impl Iterator<Item = &str> {
        bits.numbers().filter_map(|n| self.0.get(n).map(String::as_str))
    }

    /// Flags by name.
    #[must_use]
    pub fn flags(&self, bits: FlagBits) -> Flags {
        Flags { system: bits.system(), keywords: self.set_in(bits).map(str::to_owned).collect() }
    }

    /// Those of `flags` that the table knows.
    #[must_use]
    pub fn known(&self, flags: &Flags) -> FlagSet {
        let (mut narrow, mut others) = (flags.system.system(), Vec::new());
        for n in flags.keywords.iter().filter_map(|name| self.number(name)) {
            if n < NARROW {
                narrow.0 |= bit(n);
            } else {
                others.push(n);
            }
        }
        FlagSet { narrow, others }
    }

    /// One keyword, as the flags of a message; none where the table does not know it.
    #[must_use]
    pub fn one(&self, name: &str) -> Option<FlagBits> {
        FlagBits::of(0, std::iter::once(self.number(name)?))
    }

    /// What `flags` are here, new keywords added to the table; the first one that finds no room, or is too long or empty,
    /// is the error.
    pub(crate) fn learn(&mut self, flags: &Flags) -> Result<FlagSet, String> {
        for name in &flags.keywords {
            if self.number(name).is_none() {
                if !self.has_room() || name.is_empty() || name.len() > KEYWORD_BYTES_MAX {
                    return Err(name.clone());
                }
                Arc::make_mut(&mut self.0).push(name.clone());
            }
        }
        Ok(self.known(flags))
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.number(self.0.len() as u64);
        for name in self.0.iter() {
            w.text(name);
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let names = r.list(Reader::text)?;
        if names.len() > KEYWORDS_MAX { Err(Corrupt) } else { Ok(Self(Arc::new(names))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn flags_after_a_change() {
        let (a, b, c) = (FlagBits(0b001), FlagBits(0b010), FlagBits(0b100));
        let before = FlagBits(0b011);
        let check = |mode: FlagMode, bits: u64, expected: u64| {
            let change = FlagSet { narrow: FlagBits(bits), others: Vec::new() };
            assert_eq!(mode.apply(before, &change), Some(FlagBits(expected)), "{mode:?}");
        };
        check(FlagMode::Add, 0b110, 0b111);
        check(FlagMode::Remove, 0b110, 0b001);
        check(FlagMode::Replace, 0b100, 0b100);
        assert!(before.has_all(a) && before.has_all(FlagBits(0)) && !before.has_all(FlagBits(0b101)));
        assert!(before.has_none(c) && before.has_none(FlagBits(0)) && !before.has_none(FlagBits(0b101)));
        assert_eq!((before.minus(a), before.union(c)), (b, Some(FlagBits(0b111))));
    }

    #[test]
    fn keywords_keep_the_spelling_that_came_first() {
        let mut keywords = Keywords::default();
        let first = keywords.learn(&Flags { keywords: vec!["$Label1".into()], ..Flags::default() }).unwrap();
        let again = keywords.learn(&Flags { keywords: vec!["$LABEL1".into()], ..Flags::default() }).unwrap();
        assert_eq!(first, again);
        assert_eq!(keywords.flags(first.bits().unwrap()).keywords, ["$Label1"]);
    }

    fn one(n: usize) -> Flags {
        Flags { keywords: vec![format!("k{n}")], ..Flags::default() }
    }

    #[test]
    fn the_table_takes_keywords_max_and_not_one_more() {
        let mut keywords = Keywords::default();
        for n in 0..KEYWORDS_MAX {
            let bits = keywords.learn(&one(n)).unwrap().bits().unwrap();
            assert!(bits.has_keyword(n) && bits.numbers().eq([n]) && bits.is_sound(n + 1) && !bits.is_sound(n));
        }
        assert!(!keywords.has_room());
        assert_eq!(keywords.one("k1000"), None, "not that a message has none");
        assert_eq!(keywords.learn(&one(KEYWORDS_MAX)), Err(format!("k{KEYWORDS_MAX}")));
        assert_eq!(keywords.learn(&one(3)).map(|set| set.bits()), Ok(keywords.one("k3")));
        let mut w = crate::record::versioned();
        keywords.write(&mut w);
        assert_eq!(Keywords::read(&mut crate::record::open(&w.0).unwrap()), Ok(keywords));
    }

    #[test]
    fn long_names_fill_the_table_sooner() {
        let mut keywords = Keywords::default();
        let long = |n: usize| Flags { keywords: vec![format!("{n:0>100}")], ..Flags::default() };
        let taken = (0..KEYWORDS_MAX).take_while(|n| keywords.learn(&long(*n)).is_ok()).count();
        assert_eq!(taken, NAMES_BYTES_MAX / KEYWORD_BYTES_MAX);
        assert!(!keywords.has_room() && keywords.learn(&long(0)).is_ok());
    }

    #[test]
    fn what_an_earlier_version_wrote_are_the_first_56_keywords() {
        for n in 0..NARROW {
            assert!(FlagBits(1 << (8 + n) | 1).numbers().eq([n]));
        }
        assert!(FlagBits(!0xff).numbers().eq(0..NARROW) && FlagBits(!0xff).is_sound(NARROW));
    }

    #[test]
    fn a_message_with_a_late_keyword_has_the_first_six_and_five_others() {
        let of = |numbers: &[usize]| FlagBits::of(0, numbers.iter().copied());
        let most = [0, 1, 2, 3, 4, 5, 6, 55, 56, 57, 999];
        assert!(of(&most).unwrap().numbers().eq(most));
        assert_eq!(of(&[6, 7, 8, 9, 10, 56]), None);
        let full = of(&most).unwrap();
        assert_eq!(full.union(of(&[58]).unwrap()), None);
        assert_eq!(full.union(of(&[3, 999]).unwrap()), Some(full));
        let wide = of(&[56, 57, 999]).unwrap();
        assert_eq!(Some(full.minus(wide)), of(&[0, 1, 2, 3, 4, 5, 6, 55]), "back in the form of those with few");
        assert_eq!(of(&[KEYWORDS_MAX]), None);
    }

    proptest! {
        /// Sets of numbers say the same as bits, in both forms.
        #[test]
        fn bits_are_sets(
            system in 0_u64..32, other_system in 0_u64..32,
            before in prop::collection::btree_set(0_usize..70, 0..9),
            other in prop::collection::btree_set(0_usize..70, 0..9),
        ) {
            let names = |set: &BTreeSet<usize>| set.iter().map(|n| format!("k{n}")).collect::<Vec<_>>();
            let mut keywords = Keywords::default();
            for n in 0..70 {
                keywords.learn(&one(n)).unwrap();
            }
            let change = keywords.known(&Flags { system: FlagBits(other_system), keywords: names(&other) });
            let expect = |system: u64, set: BTreeSet<usize>| {
                let late = set.iter().any(|n| *n >= NARROW);
                let fits = !late || set.iter().filter(|n| **n >= DIRECT).count() <= LISTED;
                fits.then(|| (system, set.into_iter().collect::<Vec<_>>()))
            };
            let told = |bits: Option<FlagBits>| bits.map(|bits| (bits.system().0, bits.numbers().collect::<Vec<_>>()));
            prop_assert_eq!(told(change.bits()), expect(other_system, other.clone()));
            let Some(bits) = FlagBits::of(system, before.iter().copied()) else { return Ok(()) };
            prop_assert!(bits.is_sound(70));
            let added = FlagMode::Add.apply(bits, &change);
            prop_assert_eq!(told(added), expect(system | other_system, &before | &other));
            let removed = FlagMode::Remove.apply(bits, &change);
            prop_assert_eq!(told(removed), expect(system & !other_system, &before - &other));
            prop_assert!(added.into_iter().chain(removed).all(|bits| bits.is_sound(70)));
            if let Some(other_bits) = change.bits() {
                prop_assert_eq!(bits.union(other_bits), added);
                prop_assert_eq!(Some(bits.minus(other_bits)), removed);
                let all = other.is_subset(&before) && other_system & !system == 0;
                prop_assert_eq!(bits.has_all(other_bits), all);
                prop_assert_eq!(bits.has_none(other_bits), other.is_disjoint(&before) && other_system & system == 0);
            }
        }
    }
}
