//! The base subject: what messages of one conversation have in common in their subjects (RFC 5256 §2.1).
//!
//! Work is linear in the subject, of which at most [`SUBJECT_BYTES_MAX`] octets count.

use crate::encoded_word;

/// So many octets of a decoded subject count.
const SUBJECT_BYTES_MAX: usize = 1000;

/// A subject without what answering and forwarding put around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseSubject {
    /// In UTF-8, with its case; empty where nothing is left.
    pub text: String,
    /// Whether something of an answer or a forward was taken away.
    pub is_answer: bool,
}

impl BaseSubject {
    /// Of an unfolded `Subject` field, as it was sent.
    #[must_use]
    pub fn of(value: &[u8]) -> Self {
        let subject = one_space_each(&encoded_word::decode(value));
        let (mut rest, mut is_answer) = (subject.as_str(), false);
        loop {
            // RFC 5256 §2.1 (2)
            rest = rest.trim_end_matches(' ');
            while let Some(shorter) = strip_end(rest, "(fwd)") {
                rest = shorter.trim_end_matches(' ');
                is_answer = true;
            }
            // (3) to (5)
            loop {
                rest = rest.trim_start_matches(' ');
                if let Some(shorter) = after_leader(rest) {
                    rest = shorter;
                    is_answer = true;
                    continue;
                }
                // What is no leader with these blobs is none without the first of them.
                let shorter = without_blobs(rest);
                if shorter.len() == rest.len() {
                    break;
                }
                rest = shorter;
            }
            // (6)
            match strip_start(rest, "[fwd:").and_then(|inner| inner.strip_suffix(']')) {
                Some(inner) => rest = inner,
                None => return Self { text: rest.to_owned(), is_answer },
            }
            is_answer = true;
        }
    }
}

/// RFC 5256 §2.1 (1): tabs and continuations are spaces, and several are one.
fn one_space_each(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len().min(SUBJECT_BYTES_MAX));
    for character in text.chars() {
        let character = if matches!(character, '\t' | '\r' | '\n') { ' ' } else { character };
        if character == ' ' && spaced.ends_with(' ') {
            continue;
        }
        if spaced.len() + character.len_utf8() > SUBJECT_BYTES_MAX {
            break;
        }
        spaced.push(character);
    }
    spaced
}

/// `*subj-blob subj-refwd` taken away.
fn after_leader(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(shorter) = after_blob(rest) {
        rest = shorter;
    }
    let rest = strip_start(rest, "re").or_else(|| strip_start(rest, "fwd")).or_else(|| strip_start(rest, "fw"))?;
    let rest = rest.trim_start_matches(' ');
    after_blob(rest).unwrap_or(rest).strip_prefix(':')
}

/// RFC 5256 §2.1 (4): as many blobs taken away as leave something.
fn without_blobs(text: &str) -> &str {
    let mut rest = text;
    while let Some(shorter) = after_blob(rest).filter(|shorter| !shorter.trim_matches(' ').is_empty()) {
        rest = shorter;
    }
    rest
}

/// `subj-blob`: `[` anything but brackets `]` and white space.
fn after_blob(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    let end = inner.find(['[', ']'])?;
    inner.get(end..)?.strip_prefix(']').map(|rest| rest.trim_start_matches(' '))
}

fn strip_start<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

fn strip_end<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (rest, end) = text.split_at_checked(text.len().checked_sub(word.len())?)?;
    end.eq_ignore_ascii_case(word).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(subject: &str, text: &str, is_answer: bool) {
        let base = BaseSubject::of(subject.as_bytes());
        assert_eq!(base, BaseSubject { text: text.to_owned(), is_answer }, "{subject}");
    }

    #[test]
    fn what_answering_and_forwarding_put_around_a_subject_is_taken_away() {
        check("", "", false);
        check("Hello", "Hello", false);
        check("  Hello \t there  ", "Hello there", false);
        check("Re: Hello", "Hello", true);
        check("RE: re : Fw: FWD: Hello", "Hello", true);
        check("Re[2]: Hello", "Hello", true);
        check("Re [list]: Hello", "Hello", true);
        check("[list] Re: [list] Hello", "Hello", true);
        check("[a] [b] Hello", "Hello", false);
        check("[a] [b]", "[b]", false);
        check("[a]", "[a]", false);
        check("Re: [a]", "[a]", true);
        check("Hello (fwd) (FWD) ", "Hello", true);
        check("(fwd)", "", true);
        check("[Fwd: Hello]", "Hello", true);
        check("[fwd: Re: Hello (fwd)]", "Hello", true);
        check("[Fwd: [fwd: Hello]]", "Hello", true);
        check("Re: Re:", "", true);
        check("Reply: Hello", "Reply: Hello", false);
        check("Research", "Research", false);
        check("Re", "Re", false);
        check("AW: Hello", "AW: Hello", false);
        check("=?utf-8?Q?Re=3A_Caf=C3=A9?=", "Caf\u{e9}", true);
        check("\u{fc}r", "\u{fc}r", false);
    }

    #[test]
    fn a_subject_of_brackets_takes_no_longer_than_others() {
        check(&"[a]".repeat(100_000), "[", false);
        check(&"Re:".repeat(100_000), "R", true);
        check(&"x".repeat(SUBJECT_BYTES_MAX + 1), &"x".repeat(SUBJECT_BYTES_MAX), false);
    }
}
