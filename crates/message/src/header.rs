//! The header block: where it ends, its fields with their places, and IMAP's selection of fields.
//!
//! A header ends with the first empty line (RFC 5322 §2.1), whatever the lines before it look like: a line without a
//! colon, such as an mbox `From ` line, is a field without a name. A line ends with LF; a CR before it belongs to it.
//! A CR alone is an ordinary byte.

use std::borrow::Cow;
use std::cmp::Ordering;

use memchr::{memchr, memchr3, memmem};

use crate::limits::{FIELD_BYTES_MAX, HEADER_BYTES_MAX, HEADER_FIELDS_MAX};
use crate::line::{blank_line_len, line_end, without_line_end};
use crate::span::Span;

/// The end of a header is looked for in so many octets first, then in twice as many, and so on.
const WINDOW_BYTES_MIN: usize = if cfg!(test) { 3 } else { 1024 };
/// At most in so many at once.
const WINDOW_BYTES_MAX: usize = 64 * 1024;

/// One header field with its folded lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as sent, without white space before the colon; empty where the line has no colon.
    pub name: &'a [u8],
    /// All after the colon, folded as sent, without the last line end.
    pub value: &'a [u8],
    /// Name, value and last line end, as offsets into the header given to [`fields`].
    pub span: Span,
}

impl<'a> Field<'a> {
    /// Whether the field is called `name`, in any case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value on one line, without white space around it (RFC 5322 §2.2.3).
    #[must_use]
    pub fn unfolded(&self) -> Cow<'a, [u8]> {
        unfold(self.value)
    }
}

/// The fields of a header, from the first line to the empty line or the end; no limit applies.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    header: &'a [u8],
    at: usize,
}

/// All fields of a header (or of a message: the body is not looked at).
#[must_use]
pub fn fields(header: &[u8]) -> Fields<'_> {
    Fields { header, at: 0 }
}

/// The fields that are read for meaning: within [`HEADER_BYTES_MAX`] and [`HEADER_FIELDS_MAX`].
pub fn known_fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    fields(header.get(..HEADER_BYTES_MAX).unwrap_or(header)).take(HEADER_FIELDS_MAX)
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let start = self.at;
        let rest = self.header.get(start..)?;
        if rest.is_empty() || blank_line_len(rest).is_some() {
            return None;
        }
        let first_line_end = line_end(self.header, start);
        let mut end = first_line_end;
        // RFC 5322 §2.2.3: a line that begins with white space goes on with the field.
        while let Some(b' ' | b'\t') = self.header.get(end) {
            end = line_end(self.header, end);
        }
        self.at = end;
        let span = Span { start, end };
        let colon = memchr(b':', &self.header[start..first_line_end]);
        let (name, value) = match colon {
            Some(colon) => (&self.header[start..start + colon], &self.header[start + colon + 1..end]),
            None => (&self.header[start..start], &self.header[start..end]),
        };
        Some(Field { name: name.trim_ascii_end(), value: without_line_end(value), span })
    }
}

/// The offset of the body: just after the empty line, or the length where there is none.
#[must_use]
pub fn end(message: &[u8]) -> usize {
    end_from(message, 0)
}

/// [`end`] of the header that begins at `start`. Not line by line, because a header may have millions of lines; in windows,
/// because the body may be long and have none of the line ends that are looked for.
pub(crate) fn end_from(bytes: &[u8], start: usize) -> usize {
    if let Some(len) = bytes.get(start..).and_then(blank_line_len) {
        return start + len;
    }
    let (mut at, mut window) = (start, WINDOW_BYTES_MIN);
    while let Some(piece) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let piece = piece.get(..window).unwrap_or(piece);
        let crlf = memmem::find(piece, b"\n\r\n").map(|found| found + b"\n\r\n".len());
        let before = piece.get(..crlf.unwrap_or(piece.len())).unwrap_or_default();
        let lf = memmem::find(before, b"\n\n").map(|found| found + b"\n\n".len());
        if let Some(found) = lf.or(crlf) {
            return at + found;
        }
        if at + piece.len() == bytes.len() {
            break;
        }
        // It may begin in the last two octets.
        at += piece.len() - 2;
        window = (2 * window).min(WINDOW_BYTES_MAX);
    }
    bytes.len()
}

/// Finds [`end`] in a message that comes in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct EndFinder {
    passed: usize,
    line: Line,
}

/// What of the line has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Nothing,
    /// A CR, which an LF may follow.
    Cr,
    Text,
}

impl EndFinder {
    /// Looks at the next piece; gives the offset of the body in the message once it is known.
    pub fn feed(&mut self, piece: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            match (self.line, byte) {
                (Line::Nothing | Line::Cr, b'\n') => return Some(self.passed + at + 1),
                (Line::Nothing, b'\r') => (self.line, at) = (Line::Cr, at + 1),
                (Line::Nothing | Line::Cr | Line::Text, _) => {
                    let line_end = memchr(b'\n', &piece[at..]);
                    self.line = if line_end.is_some() { Line::Nothing } else { Line::Text };
                    at = line_end.map_or(piece.len(), |offset| at + offset + 1);
                }
            }
        }
        self.passed += piece.len();
        None
    }
}

/// The first field called `name`.
#[must_use]
pub fn find<'a>(header: &'a [u8], name: &str) -> Option<Field<'a>> {
    known_fields(header).find(|field| field.is(name))
}

/// Every field called `name`, in order.
pub fn find_all<'a>(header: &'a [u8], name: &str) -> impl Iterator<Item = Field<'a>> {
    known_fields(header).filter(move |field| field.is(name))
}

/// A message without some fields of its header; `None` if it has none of them.
pub fn without(message: &[u8], is_to_go: impl FnMut(&Field<'_>) -> bool) -> Option<Vec<u8>> {
    let mut going = fields(message).filter(is_to_go).peekable();
    going.peek()?;
    let mut kept = Vec::with_capacity(message.len());
    let mut from = 0;
    for field in going {
        kept.extend_from_slice(message.get(from..field.span.start).unwrap_or_default());
        from = field.span.end;
    }
    kept.extend_from_slice(message.get(from..).unwrap_or_default());
    Some(kept)
}

/// A value on one line, without white space around it: line ends (with or without white space after them), stray CRs
/// and NULs go, the folding white space stays (RFC 5322 §2.2.3). Bytes over [`FIELD_BYTES_MAX`] are cut off.
#[must_use]
pub(crate) fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    let value = value.get(..FIELD_BYTES_MAX).unwrap_or(value);
    if memchr3(b'\r', b'\n', 0, value).is_none() {
        return Cow::Borrowed(value);
    }
    let kept: Vec<u8> = value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect();
    Cow::Owned(kept.trim_ascii().to_vec())
}

/// Which fields [`select`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// `HEADER.FIELDS`: those that are named.
    Named,
    /// `HEADER.FIELDS.NOT`: all others.
    Others,
}

/// The selected fields of a header, byte for byte and in their order, and its empty line where it has one
/// (RFC 9051 §6.4.5.1: "Subsetting does not exclude the RFC5322 delimiting blank line").
#[must_use]
pub fn select<N: AsRef<[u8]>>(header: &[u8], names: &[N], selection: Selection) -> Vec<u8> {
    // Sorted, so that many names in a command times many fields in a message stays cheap.
    let mut names: Vec<&[u8]> = names.iter().map(AsRef::as_ref).collect();
    names.sort_unstable_by(|a, b| compare_ignoring_case(a, b));
    let mut selected = Vec::new();
    let mut all = fields(header);
    for field in &mut all {
        let named = names.binary_search_by(|name| compare_ignoring_case(name, field.name)).is_ok();
        let named = named && !field.name.is_empty();
        if named == (selection == Selection::Named) {
            selected.extend_from_slice(field.span.of(header));
        }
    }
    selected.extend_from_slice(header.get(all.at..end(header)).unwrap_or_default());
    selected
}

fn compare_ignoring_case(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_have_the_same_end(text in "[a\r\n]{0,20}", cut in 0_usize..20) {
            let message = text.as_bytes();
            let (first, rest) = message.split_at(cut.min(message.len()));
            let mut finder = EndFinder::default();
            let found = finder.feed(first).or_else(|| finder.feed(rest));
            prop_assert_eq!(found.unwrap_or(message.len()), end(message));
        }
    }

    proptest! {
        #[test]
        fn a_header_ends_where_its_first_empty_line_does(text in "[a\r\n]{0,20}") {
            let mut at = 0;
            while at < text.len() && blank_line_len(&text.as_bytes()[at..]).is_none() {
                at = line_end(text.as_bytes(), at);
            }
            let expected = at + blank_line_len(&text.as_bytes()[at..]).unwrap_or(0);
            prop_assert_eq!(end(text.as_bytes()), expected);
        }
    }

    const HEADER: &[u8] = b"From a@b Tue Aug  6 2002\r\nFrom: a\r\nTo : b,\r\n\tc\r\nfrom: d\r\nX:\r\n\r\nbody: no\r\n";

    #[test]
    fn fields_have_names_values_and_places() {
        let got: Vec<_> = fields(HEADER).map(|field| (field.name, field.value, field.span.len())).collect();
        let expected: Vec<(&[u8], &[u8], usize)> = vec![
            (b"", b"From a@b Tue Aug  6 2002", 26),
            (b"From", b" a", 9),
            (b"To", b" b,\r\n\tc", 13),
            (b"from", b" d", 9),
            (b"X", b"", 4),
        ];
        assert_eq!(got, expected);
        assert_eq!(end(HEADER), HEADER.len() - b"body: no\r\n".len());
        assert_eq!(find(HEADER, "TO").unwrap().unfolded().as_ref(), b"b,\tc");
        assert_eq!(find_all(HEADER, "from").count(), 2);
    }

    #[test]
    fn a_header_ends_with_its_first_empty_line() {
        let check = |message: &[u8], expected: usize| assert_eq!(end(message), expected, "{message:?}");
        check(b"", 0);
        check(b"\r\n", 2);
        check(b"\nbody", 1);
        check(b"A: b", 4);
        check(b"A: b\r\n", 6);
        check(b"A: b\n\nbody", 6);
        check(b"A: b\r\n \r\n\r\nbody", 11);
        check(b"A: b\r\n\r\r\nC: d", 13);
    }

    #[test]
    fn unfolding_keeps_white_space_and_drops_line_ends() {
        let check = |value: &[u8], expected: &[u8]| assert_eq!(unfold(value).as_ref(), expected);
        check(b" a ", b"a");
        check(b" a\r\n b", b"a b");
        check(b" a\n\tb\r\n ", b"a\tb");
        check(b"a\rb\0c", b"abc");
        assert_eq!(unfold(&vec![b'x'; FIELD_BYTES_MAX]).len(), FIELD_BYTES_MAX);
        assert_eq!(unfold(&vec![b'x'; FIELD_BYTES_MAX + 1]).len(), FIELD_BYTES_MAX);
    }

    #[test]
    fn known_fields_end_at_the_limit() {
        let at_limit = b"A:\r\n".repeat(HEADER_FIELDS_MAX);
        assert_eq!(known_fields(&at_limit).count(), HEADER_FIELDS_MAX);
        let over = b"A:\r\n".repeat(HEADER_FIELDS_MAX + 1);
        assert_eq!(known_fields(&over).count(), HEADER_FIELDS_MAX);
        assert_eq!(fields(&over).count(), HEADER_FIELDS_MAX + 1);
    }

    #[test]
    fn selection_is_byte_exact_with_the_empty_line() {
        let check = |header: &[u8], names: &[&str], selection, expected: &[u8]| {
            assert_eq!(select(header, names, selection), expected);
        };
        check(HEADER, &["FROM"], Selection::Named, b"From: a\r\nfrom: d\r\n\r\n");
        check(HEADER, &["x", "to"], Selection::Named, b"To : b,\r\n\tc\r\nX:\r\n\r\n");
        check(HEADER, &["from", "to"], Selection::Others, b"From a@b Tue Aug  6 2002\r\nX:\r\n\r\n");
        check(HEADER, &[], Selection::Named, b"\r\n");
        check(b"A: b\nC: d\n\nbody", &["c"], Selection::Named, b"C: d\n\n");
        // RFC 9051 §6.4.5.1: "except in the case of a message that has no body and no blank line".
        check(b"A: b\r\nC: d\r\n", &["c"], Selection::Named, b"C: d\r\n");
        check(b"junk\r\nA: b\r\n", &[""], Selection::Named, b"");
    }
}
