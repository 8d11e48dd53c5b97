//! Content on its way in: what no door takes, what is repaired of what other servers and programs transfer, and how fields
//! are put on top of it. The one place that decides it; `docs/decisions/0013-content-at-every-door.md` says why.
//!
//! Invariant: of well-formed content no octet changes. What is repaired keeps all its octets and gets line ends only.

use crate::header::end_from;
use crate::limits::HEADER_BYTES_MAX;
use crate::line::{blank_line_len, line_end};
use crate::line_ends::with_crlf;
use memchr::memchr;
use std::borrow::Cow;
use std::ops::Deref;

/// The content has a NUL, which no message may have (RFC 5321 §2.3.8) and IMAP cannot carry (RFC 9051 §9, CHAR8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HasNul;

/// Whether the content may be kept.
///
/// # Errors
/// [`HasNul`].
pub(crate) fn check(content: &[u8]) -> Result<(), HasNul> {
    memchr(0, content).map_or(Ok(()), |_| Err(HasNul))
}

/// What came over SMTP, LMTP or submission, as it is to be kept: lines end with CRLF, and the header ends with its empty
/// line.
///
/// # Errors
/// [`HasNul`].
pub fn transferred(content: Vec<u8>) -> Result<Vec<u8>, HasNul> {
    check(&content)?;
    let content = match with_crlf(&content) {
        Cow::Borrowed(_) => content,
        Cow::Owned(made) => made,
    };
    Ok(match missing_end(&content) {
        None => content,
        Some(end) => end.put_into(&content),
    })
}

/// So much room there is for fields on top at first. Content that has it as spare capacity is not moved for it.
pub const ROOM_BYTES: usize = 2048;

/// A message with room on top, where fields are put in place: a large one is in memory once, whoever gets it with which
/// fields. They never take text into the header, nor does the content's first line go on with the last of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    octets: Vec<u8>,
    /// Where the fields on top begin.
    start: usize,
    /// Where what they stand on begins.
    below: usize,
}

impl Content {
    /// The content, and nothing on top of it yet. Its header gets its empty line where that is missing.
    #[must_use]
    pub fn new(content: Vec<u8>) -> Self {
        let mut octets = match missing_end(&content) {
            None => content,
            Some(end) => end.put_into(&content),
        };
        octets.reserve_exact(ROOM_BYTES);
        octets.splice(..0, std::iter::repeat_n(0, ROOM_BYTES));
        Self { octets, start: ROOM_BYTES, below: ROOM_BYTES }
    }

    /// Puts fields on top, each with its line end, in place of those that were there.
    pub fn set_fields(&mut self, fields: &[&[u8]]) {
        let length: usize = fields.iter().map(|field| field.len()).sum();
        if length > self.below {
            let more = length - self.below;
            self.octets.splice(..0, std::iter::repeat_n(0, more));
            self.below = length;
        }
        self.start = self.below - length;
        let mut rest = self.octets.get_mut(self.start..self.below).unwrap_or_default();
        for field in fields {
            let (place, after) = std::mem::take(&mut rest).split_at_mut(field.len());
            place.copy_from_slice(field);
            rest = after;
        }
    }

    /// Adds fields that stay: they are content from now on.
    pub fn add_fields(&mut self, fields: &[u8]) {
        self.set_fields(&[fields]);
        self.below = self.start;
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Where the empty line of a header is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MissingEnd {
    at: usize,
    /// An empty line, and the end of the line before it where that is missing too.
    octets: &'static [u8],
}

impl MissingEnd {
    fn put_into(self, content: &[u8]) -> Vec<u8> {
        let (header, text) = content.split_at(self.at);
        [header, self.octets, text].concat()
    }
}

/// A header goes on as long as its lines are fields. The first line that is none is text, and where it is not the empty line,
/// that is missing before it: so read other servers (Postfix, Exim, Sendmail) such content too.
fn missing_end(content: &[u8]) -> Option<MissingEnd> {
    let mut at = 0;
    while let Some(rest) = content.get(at..).filter(|rest| !rest.is_empty()) {
        if blank_line_len(rest).is_some() {
            return None;
        }
        // Lines that nobody reads for meaning are not told from text: only the empty line is looked for.
        if at >= HEADER_BYTES_MAX {
            let header = content.get(..end_from(content, at)).unwrap_or(content);
            if header.ends_with(b"\n\r\n") || header.ends_with(b"\n\n") {
                return None;
            }
            at = content.len();
            break;
        }
        let end = line_end(content, at);
        // RFC 5322 §2.2.3: white space goes on with the field before, of which the first line has none.
        let goes_on = at > 0 && matches!(rest, [b' ' | b'\t', ..]);
        let line = content.get(at..end).unwrap_or_default();
        if !goes_on && !is_field(line) && !is_mbox_line(line) {
            return Some(MissingEnd { at, octets: b"\r\n" });
        }
        at = end;
    }
    let is_line = content.is_empty() || content.ends_with(b"\n");
    Some(MissingEnd { at, octets: if is_line { b"\r\n" } else { b"\r\n\r\n" } })
}

/// RFC 5322 §2.2: a name of printable ASCII and a colon; white space before the colon is obsolete (§4.5) and still sent.
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = memchr(b':', line) else { return false };
    let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

/// RFC 4155 Appendix A: `From a@b Tue Aug  6 12:00:00 2002`, also with the `>` of those that quote it, or without the date.
/// Programs leave it on top of what they send; the fields are below it.
fn is_mbox_line(line: &[u8]) -> bool {
    let line = line.strip_prefix(b">").unwrap_or(line);
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let words: Vec<&[u8]> = rest.trim_ascii().split(u8::is_ascii_whitespace).collect();
    let is_time = |word: &&[u8]| word.first().is_some_and(u8::is_ascii_digit) && memchr(b':', word).is_some();
    let is_year = |word: &&[u8]| word.len() == 4 && word.iter().all(u8::is_ascii_digit);
    match words.as_slice() {
        [address] => memchr(b'@', address).is_some(),
        words => words.iter().any(is_time) && words.iter().any(is_year),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header;
    use proptest::prelude::*;

    const FIELDS: [&[u8]; 2] = [b"Return-Path: <>\r\n", b"Received: from a\r\n\tby b\r\n"];

    fn with_fields(fields: &[&[u8]], content: &[u8]) -> Vec<u8> {
        let mut content = Content::new(content.to_vec());
        content.set_fields(fields);
        content.to_vec()
    }

    /// `header` and `body`, as they are below fields that were put on top.
    fn check_below(content: &str, header: &str, body: &str) {
        let fields = FIELDS.concat();
        let kept = transferred(content.into()).unwrap();
        for made in [with_fields(&FIELDS, content.as_bytes()), with_fields(&FIELDS, &kept)] {
            let made = made.strip_prefix(fields.as_slice()).unwrap();
            assert_eq!(String::from_utf8_lossy(made), format!("{header}\r\n{body}"), "{content:?}");
        }
        let made = with_fields(&FIELDS, content.as_bytes());
        assert_eq!(header::end(&made), fields.len() + header.len() + 2, "{content:?}");
        let below: Vec<_> = header::fields(&made).skip(2).map(|field| field.span.of(&made)).collect();
        assert_eq!(below.concat(), header.as_bytes(), "{content:?}");
    }

    #[test]
    fn trace_fields_swallowed_the_text() {
        let text = "Battery is low on UPS 3.\r\nRuntime left: 4 min\r\n\r\nSecond paragraph.\r\n";
        check_below(text, "", text);
        let text = "No blank line was sent before this text\r\nand it goes on.\r\n";
        check_below(&format!("Subject: Alarm\r\n{text}"), "Subject: Alarm\r\n", text);
        check_below(
            &format!("Subject: Alarm\r\n{text}\r\nX: y\r\n"),
            "Subject: Alarm\r\n",
            &format!("{text}\r\nX: y\r\n"),
        );
        check_below("Subject: only header\r\n", "Subject: only header\r\n", "");
        check_below("Subject: cut", "Subject: cut\r\n", "");
        check_below("", "", "");
        check_below("just text", "", "just text");
        check_below(" begins with white space\r\nA: b\r\n", "", " begins with white space\r\nA: b\r\n");
        check_below("\t\r\nA: b\r\n\r\nc", "", "\t\r\nA: b\r\n\r\nc");
        check_below("Тема: x\r\n\r\nb\r\n", "", "Тема: x\r\n\r\nb\r\n");
        check_below("From now on, it is 10 o'clock\r\n\r\nb", "", "From now on, it is 10 o'clock\r\n\r\nb");
        check_below("two words: x\r\n\r\nb", "", "two words: x\r\n\r\nb");
        check_below(": x\r\n", "", ": x\r\n");
    }

    #[test]
    fn a_header_with_its_empty_line_stays_as_it_is() {
        check_below("\r\nbody", "", "body");
        check_below("\r\n", "", "");
        check_below("A: b\r\n\r\nc", "A: b\r\n", "c");
        check_below("A : b\r\n  c: d\r\n \r\n\r\n", "A : b\r\n  c: d\r\n \r\n", "");
        check_below("Subject: \u{fc}\r\n\r\nx", "Subject: \u{fc}\r\n", "x");
        let mbox = "From a@b Tue Aug  6 12:00:00 2002\r\nA: b\r\n>From c Tue Aug 6 12:00 2002\r\nD: e\r\n";
        check_below(&format!("{mbox}\r\nx"), mbox, "x");
        check_below("From a@b\r\nA: b\r\n\r\nx", "From a@b\r\nA: b\r\n", "x");
    }

    #[test]
    fn beyond_the_limit_a_header_of_millions_of_lines_is_looked_through_for_its_empty_line_only() {
        let field = "a: b\r\n";
        let long = field.repeat(HEADER_BYTES_MAX.div_ceil(field.len()));
        check_below(&format!("{long}\r\nx"), &long, "x");
        check_below(&format!("{long}text\r\nmore\r\n\r\nx"), &format!("{long}text\r\nmore\r\n"), "x");
        check_below(&long, &long, "");
        check_below(&format!("{long}text"), &format!("{long}text\r\n"), "");
        // Before it lines are fields or text.
        let short = field.repeat(HEADER_BYTES_MAX / field.len() - 1);
        check_below(&format!("{short}text\r\n\r\nx"), &short, "text\r\n\r\nx");
    }

    #[test]
    fn what_is_transferred_has_crlf_and_no_nul() {
        let check = |content: &str, expected: Option<&str>| {
            let kept = transferred(content.into()).ok().map(|kept| String::from_utf8(kept).unwrap());
            assert_eq!(kept.as_deref(), expected, "{content:?}");
        };
        check("A: b\n\nc\n", Some("A: b\r\n\r\nc\r\n"));
        check("A: b\r\n\r\na\rb\r", Some("A: b\r\n\r\na\rb\r"));
        check("A: b\r\n\r\na\0b\r\n", None);
        check("A: \0\r\n", None);
    }

    #[test]
    fn fields_on_top_are_exchanged_in_place() {
        let text = "A: b\r\n\r\n".to_owned() + &"x".repeat(10_000);
        let mut content = Content::new(text.clone().into());
        let place = content.as_ptr();
        let mut check = |fields: &[&str], moved: bool| {
            let octets: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
            content.set_fields(&octets);
            assert!(*content == *(fields.concat() + &text).into_bytes(), "{} octets", fields.concat().len());
            let below = content[fields.concat().len()..].as_ptr();
            assert_eq!(below != place, moved);
        };
        let long = format!("X: {}\r\n", "y".repeat(ROOM_BYTES - 5));
        check(&["X: y\r\n", "Z: z\r\n"], false);
        check(&[&long], false);
        check(&[], false);
        content.add_fields(b"D: e\r\n");
        content.set_fields(&[long.as_bytes()]);
        assert!(*content == *(long.clone() + "D: e\r\n" + &text).into_bytes(), "more than there was room for");
        content.set_fields(&[]);
        assert!(*content == *("D: e\r\n".to_owned() + &text).into_bytes());
    }

    proptest! {
        #[test]
        fn repaired_content_is_well_formed_and_keeps_its_text(content in "([aA]: b|From |x| |\t|ü|:|\r\n|\n|\r){0,12}") {
            let kept = transferred(content.clone().into()).unwrap();
            prop_assert_eq!(transferred(kept.clone()).unwrap(), kept.clone());
            prop_assert_eq!(missing_end(&kept), None);
            let text = |octets: &[u8]| octets.iter().copied().filter(|octet| !b"\r\n".contains(octet)).collect::<Vec<_>>();
            prop_assert_eq!(text(&kept), text(content.as_bytes()));
            let fields = FIELDS.concat();
            prop_assert_eq!(with_fields(&FIELDS, &kept), [fields, kept].concat());
        }
    }
}
