//! PARTIAL (RFC 9394): a page of what was found.

use crate::cursor::{Cursor, Parse};
use crate::malformed::Reason;
use std::fmt;
use std::ops::Range;

/// `1:500`: the first results; `-1:-500`: the last ones (RFC 9394 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialRange {
    /// Both from 1, in the client's order.
    ends: (u32, u32),
    /// Whether 1 is the last result.
    from_end: bool,
}

impl PartialRange {
    /// RFC 9394 §4: both ends count from the same side.
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        const WHAT: &str = "a range of results";
        let from_end = cursor.eat(b'-');
        let first = cursor.nz_number()?;
        cursor.expect(b':', WHAT)?;
        if cursor.eat(b'-') != from_end {
            return Err(Reason::Expected(WHAT));
        }
        Ok(Self { ends: (first, cursor.nz_number()?), from_end })
    }

    /// Which of `count` results, counted from 0, are on the page; a page that lies past all of them is empty.
    #[must_use]
    pub fn of(&self, count: usize) -> Range<usize> {
        let (one, other) = self.ends;
        // RFC 9394 §4: 500:400 is 400:500.
        let (start, end) = ((one.min(other) as usize - 1).min(count), (one.max(other) as usize).min(count));
        if self.from_end { count - end..count - start } else { start..end }
    }
}

impl fmt::Display for PartialRange {
    /// What the client asked for; RFC 9394 §4: 500:400 is the same as 400:500, and is told so, as others do (imaptest).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, other) = self.ends;
        match self.from_end {
            true => write!(f, "-{one}:-{other}"),
            false => write!(f, "{}:{}", one.min(other), one.max(other)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::tests::{parse_one, refuse_one};

    pub(crate) fn range(text: &str) -> PartialRange {
        let Command::Search(search) = parse_one(&format!("SEARCH RETURN (PARTIAL {text}) ALL")) else {
            panic!("{text}")
        };
        search.returns.unwrap().partial.unwrap()
    }

    #[test]
    fn a_page_counts_from_either_end() {
        let check = |text: &str, count: usize, expected: Range<usize>| {
            assert_eq!(range(text).of(count), expected, "{text} of {count}");
            let told = if text == "3:1" { "1:3" } else { text };
            assert_eq!(range(text).to_string(), told);
        };
        check("1:3", 5, 0..3);
        check("3:1", 5, 0..3);
        check("4:9", 5, 3..5);
        check("6:9", 5, 5..5);
        check("-1:-2", 5, 3..5);
        check("-2:-1", 5, 3..5);
        check("-4:-9", 5, 0..2);
        check("-6:-9", 5, 0..0);
        check("1:4294967295", 0, 0..0);
        check("-1:-4294967295", 3, 0..3);
    }

    #[test]
    fn refused() {
        for text in ["1", "1:", "-1:2", "1:-2", "1:*", ""] {
            assert!(matches!(refused_reason(text), Reason::Expected(_)), "{text}");
        }
        refuse_one("SEARCH RETURN (PARTIAL 0:1) ALL", Reason::Number);
        refuse_one("SEARCH RETURN (PARTIAL 1:4294967296) ALL", Reason::Number);
        for options in ["PARTIAL 1:2 ALL", "ALL PARTIAL 1:2", "PARTIAL 1:2 PARTIAL 3:4"] {
            refuse_one(&format!("SEARCH RETURN ({options}) ALL"), Reason::Expected("one of PARTIAL and ALL"));
        }
    }

    fn refused_reason(text: &str) -> Reason {
        let limits = crate::Limits::after_login(0);
        let mut cursor = Cursor::new(text.as_bytes(), Vec::new(), &limits, crate::Dialect::Rev1);
        PartialRange::parse(&mut cursor).unwrap_err()
    }
}
