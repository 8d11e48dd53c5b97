//! The patterns of LIST and LSUB (RFC 9051 §6.3.9.1): `*` matches anything, `%` anything but the separator.
//!
//! All positions of the pattern that a prefix of the name can have reached are kept at once, so the work is at most
//! the pattern's length times the name's; nothing backtracks.

use crate::mailbox::MailboxName;

/// A pattern of LIST, reference included, ready to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    elements: Vec<Element>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Byte(u8),
    /// `%`
    Component,
    /// `*`
    Anything,
}

/// No two wildcards are neighbours, so a pattern of this many elements has more bytes than a name can have:
/// it matches nothing, whatever follows.
const ELEMENTS_MAX: usize = MailboxName::BYTES_MAX * 2 + 2;

impl Pattern {
    /// The pattern `text` (UTF-8, both wildcards live).
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut elements: Vec<Element> = Vec::with_capacity(text.len().min(MailboxName::BYTES_MAX));
        for byte in text.bytes() {
            let element = match byte {
                b'*' => Element::Anything,
                b'%' => Element::Component,
                other => Element::Byte(other),
            };
            match (elements.last_mut(), element) {
                (Some(last @ (Element::Component | Element::Anything)), Element::Anything) => *last = element,
                (Some(Element::Component | Element::Anything), Element::Component) => {}
                (Some(_) | None, _) => elements.push(element),
            }
            if elements.len() == ELEMENTS_MAX {
                break;
            }
        }
        Self { elements }
    }

    /// Whether the pattern covers `name`. `INBOX` matches in any case (RFC 9051 §6.3.9).
    #[must_use]
    pub fn matches(&self, name: &MailboxName) -> bool {
        let text = name.as_str();
        let any_case = if text == "INBOX" || text.starts_with("INBOX/") { 5 } else { 0 };
        let mut reached = vec![false; self.elements.len() + 1];
        reached[0] = true;
        self.pass_wildcards(&mut reached);
        for (at, byte) in text.bytes().enumerate() {
            if !self.advance(&mut reached, byte, at < any_case) {
                return false;
            }
        }
        reached.last().copied().unwrap_or(false)
    }

    /// Moves every reached position over `byte`; false when none is left.
    fn advance(&self, reached: &mut [bool], byte: u8, any_case: bool) -> bool {
        // From the end, so that a position is read before it is written.
        let mut left = false;
        let mut stays_at_end = false;
        for (at, element) in self.elements.iter().enumerate().rev() {
            let here = reached[at];
            let (stay, next) = match element {
                Element::Byte(expected) if any_case => (false, expected.eq_ignore_ascii_case(&byte)),
                Element::Byte(expected) => (false, *expected == byte),
                Element::Component => (byte != b'/', false),
                Element::Anything => (true, false),
            };
            reached[at + 1] = stays_at_end || (here && next);
            left |= reached[at + 1];
            stays_at_end = here && stay;
        }
        reached[0] = stays_at_end;
        left |= stays_at_end;
        self.pass_wildcards(reached);
        left
    }

    /// A wildcard may match nothing.
    fn pass_wildcards(&self, reached: &mut [bool]) {
        for (at, element) in self.elements.iter().enumerate() {
            if reached[at] && !matches!(element, Element::Byte(_)) {
                reached[at + 1] = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, name: &str, expected: bool) {
        let name = MailboxName::new(name).unwrap();
        assert_eq!(Pattern::new(pattern).matches(&name), expected, "{pattern} {name}");
    }

    #[test]
    fn wildcards() {
        check("*", "a/b/c", true);
        check("%", "a", true);
        check("%", "a/b", false);
        check("%/%", "a/b", true);
        check("a/%", "a", false);
        check("a/%", "a/b", true);
        check("a/*", "a/b/c", true);
        check("a%c", "abc", true);
        check("a%c", "a/c", false);
        check("a*c", "a/c", true);
        check("*b", "a/b", true);
        check("%*", "a/b", true);
        check("", "a", false);
        check("inbox", "INBOX", true);
        check("InB%", "INBOX", true);
        check("inbox/*", "INBOX/a", true);
        check("inbox/A", "INBOX/a", false);
        check("A", "a", false);
        check("日*", "日本語", true);
    }

    #[test]
    fn a_pattern_made_to_explode_stays_bounded() {
        let pattern = "a*%".repeat(20_000);
        assert!(!Pattern::new(&pattern).matches(&MailboxName::new(&"a".repeat(1000)).unwrap()));
        check(&"*%".repeat(30_000), "a/b", true);
        check(&format!("{}b", "*a".repeat(400)), &"a".repeat(900), false);
    }

    fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|at| by_definition(rest, &name[at..])),
            Some((b'%', rest)) => {
                let end = name.iter().position(|&b| b == b'/').unwrap_or(name.len());
                (0..=end).any(|at| by_definition(rest, &name[at..]))
            }
            Some((byte, rest)) => name.first() == Some(byte) && by_definition(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab/*%]{0,8}", name in "[ab]{1,3}(/[ab]{1,3}){0,2}") {
            let matched = Pattern::new(&pattern).matches(&MailboxName::new(&name).unwrap());
            prop_assert_eq!(matched, by_definition(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
