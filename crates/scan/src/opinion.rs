//! What a filter says.

use crate::edit::Edit;

/// A reason has at most so many characters: it stands in a reply (RFC 5321 §4.5.3.1.5) and in the log.
pub(crate) const REASON_CHARS_MAX: usize = 300;

/// What is to be done with a message. Ordered: of several filters the worst one counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing against it.
    #[default]
    Deliver,
    /// It is junk, or to be kept apart.
    Junk,
    /// It is to come again later.
    Later,
    /// It is refused.
    Refuse,
}

/// What filters say of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opinion {
    /// What is to be done with it.
    pub verdict: Verdict,
    /// Why, in words for the sender's postmaster: ASCII, one line, short.
    pub reason: String,
    /// What is to be changed of its header, in this order.
    pub edits: Vec<Edit>,
}

impl Opinion {
    pub(crate) fn new(verdict: Verdict, reason: &str) -> Self {
        Self { verdict, reason: plain(reason), edits: Vec::new() }
    }

    /// The same after another filter has spoken, too.
    pub(crate) fn and(mut self, next: Self) -> Self {
        self.edits.extend(next.edits);
        if next.verdict > self.verdict {
            (self.verdict, self.reason) = (next.verdict, next.reason);
        }
        self
    }
}

/// What may stand in a reply.
fn plain(reason: &str) -> String {
    let words: Vec<&str> = reason.split(|c: char| !matches!(c, '!'..='~')).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_filters_the_worst_counts_and_all_may_change_the_header() {
        let edit = |name: &str| Edit::append(name, b"x").unwrap();
        let of = |verdict, reason, name| Opinion { edits: vec![edit(name)], ..Opinion::new(verdict, reason) };
        let both = of(Verdict::Junk, "first", "A").and(of(Verdict::Deliver, "", "B"));
        assert_eq!((both.verdict, both.reason.as_str(), both.edits.len()), (Verdict::Junk, "first", 2));
        assert_eq!(both.and(of(Verdict::Refuse, "third", "C")).reason, "third");
    }

    #[test]
    fn a_reason_ends_no_line_and_is_short() {
        assert_eq!(Opinion::new(Verdict::Refuse, "a\r\n550 b\u{e9}\0c").reason, "a 550 b c");
        assert_eq!(Opinion::new(Verdict::Refuse, &"x".repeat(1000)).reason.len(), REASON_CHARS_MAX);
    }
}
