//! Flags and keywords of a message.
//!
//! In an index a message's flags are one [`FlagBits`]: five system flags and a bit for each keyword of its mailbox, whose
//! names stand in the mailbox's [`Keywords`] table. Between crates they travel as [`Flags`], with the keywords' names.
//! Keywords compare without regard to ASCII case (RFC 9051 §2.3.2); the spelling that came first is kept, because
//! clients compare `$Label1` exactly.

use crate::codec::{Corrupt, Reader, Writer};

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

/// A message's flags as bits: system flags below bit 8, keyword `n` of the mailbox at bit `8 + n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct FlagBits(pub u64);

const KEYWORD_SHIFT: usize = 8;

impl FlagBits {
    /// Whether a system flag is set.
    #[must_use]
    pub fn has(self, flag: SystemFlag) -> bool {
        self.0 & flag as u64 != 0
    }

    /// Whether keyword number `n` of the mailbox's table is set.
    #[must_use]
    pub(crate) fn has_keyword(self, n: usize) -> bool {
        n < KEYWORDS_MAX && self.0 & (1 << (KEYWORD_SHIFT + n)) != 0
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

    /// Those of both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` are set.
    #[must_use]
    pub fn has_all(self, other: Self) -> bool {
        other.minus(self) == Self::default()
    }

    /// Whether none of `other` is set.
    #[must_use]
    pub fn has_none(self, other: Self) -> bool {
        self.minus(other) == self
    }

    /// The system flags alone.
    #[must_use]
    pub fn system(self) -> Self {
        Self(self.0 & 0x1f)
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
    /// The flags of a message that had `before`, after a change by `bits`.
    #[must_use]
    pub fn apply(self, before: FlagBits, bits: FlagBits) -> FlagBits {
        match self {
            Self::Add => before.union(bits),
            Self::Remove => before.minus(bits),
            Self::Replace => bits,
        }
    }
}

/// A mailbox has at most this many different keywords.
pub const KEYWORDS_MAX: usize = 64 - KEYWORD_SHIFT;
/// A keyword is at most this long.
pub const KEYWORD_BYTES_MAX: usize = 100;

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
pub struct Keywords(Vec<String>);

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
        self.0.len() < KEYWORDS_MAX
    }

    /// The names of the keywords that are set in `bits`.
    pub fn set_in(&self, bits: FlagBits) -> impl Iterator<Item = &str> {
        self.0.iter().enumerate().filter(move |(n, _)| bits.has_keyword(*n)).map(|(_, name)| name.as_str())
    }

    /// Flags by name.
    #[must_use]
    pub fn flags(&self, bits: FlagBits) -> Flags {
        Flags { system: bits.system(), keywords: self.set_in(bits).map(str::to_owned).collect() }
    }

    /// The bits of those keywords that the table knows.
    #[must_use]
    pub fn known_bits(&self, flags: &Flags) -> FlagBits {
        let keywords = flags.keywords.iter().filter_map(|name| self.number(name));
        FlagBits(keywords.fold(flags.system.system().0, |bits, n| bits | 1 << (KEYWORD_SHIFT + n)))
    }

    /// The bits of `flags`, new keywords added to the table; the first one that finds no room, or is too long or empty,
    /// is the error.
    pub(crate) fn bits(&mut self, flags: &Flags) -> Result<FlagBits, String> {
        for name in &flags.keywords {
            if self.number(name).is_none() {
                if !self.has_room() || name.is_empty() || name.len() > KEYWORD_BYTES_MAX {
                    return Err(name.clone());
                }
                self.0.push(name.clone());
            }
        }
        Ok(self.known_bits(flags))
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.number(self.0.len() as u64);
        for name in &self.0 {
            w.text(name);
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let names = r.list(Reader::text)?;
        if names.len() > KEYWORDS_MAX { Err(Corrupt) } else { Ok(Self(names)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_after_a_change() {
        let (a, b, c) = (FlagBits(0b001), FlagBits(0b010), FlagBits(0b100));
        let before = a.union(b);
        let check = |mode: FlagMode, bits: FlagBits, expected: u64| {
            assert_eq!(mode.apply(before, bits), FlagBits(expected), "{mode:?}");
        };
        check(FlagMode::Add, b.union(c), 0b111);
        check(FlagMode::Remove, b.union(c), 0b001);
        check(FlagMode::Replace, c, 0b100);
        assert!(before.has_all(a) && before.has_all(FlagBits(0)) && !before.has_all(a.union(c)));
        assert!(before.has_none(c) && before.has_none(FlagBits(0)) && !before.has_none(a.union(c)));
    }

    #[test]
    fn keywords_keep_the_spelling_that_came_first() {
        let mut keywords = Keywords::default();
        let first = keywords.bits(&Flags { keywords: vec!["$Label1".into()], ..Flags::default() }).unwrap();
        let again = keywords.bits(&Flags { keywords: vec!["$LABEL1".into()], ..Flags::default() }).unwrap();
        assert_eq!(first, again);
        assert_eq!(keywords.flags(first).keywords, ["$Label1"]);
    }

    #[test]
    fn the_table_takes_keywords_max_and_not_one_more() {
        let mut keywords = Keywords::default();
        let one = |n: usize| Flags { keywords: vec![format!("k{n}")], ..Flags::default() };
        for n in 0..KEYWORDS_MAX {
            assert!(keywords.bits(&one(n)).unwrap().has_keyword(n));
        }
        assert!(!keywords.has_room());
        assert_eq!(keywords.bits(&one(KEYWORDS_MAX)), Err(format!("k{KEYWORDS_MAX}")));
        assert_eq!(keywords.bits(&one(3)).map(|bits| bits.has_keyword(3)), Ok(true));
    }
}
