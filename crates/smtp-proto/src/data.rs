//! The content after DATA: where it ends, what is taken out of it, and what becomes of octets that SMTP forbids.
//!
//! This is the one place that deals with bare CR, bare LF and NUL (RFC 5321 §2.3.8, §4.1.1.4):
//! - The content ends with CRLF.CRLF (or with .CRLF at its very beginning) and nothing else.
//!   `LF.LF`, `LF.CRLF`, `CR.CR`, `CRLF.LF`, `CRLF.CR`, with or without NUL, are content.
//!   Whoever reads an end there lets a stranger smuggle a second message (CVE-2023-51764, 51765, 51766).
//! - A dot is taken out only after CRLF or at the beginning, so nothing the receiver does can make an end appear.
//! - Bare CR, bare LF and NUL stay in the content as they came. Whoever takes the message in must refuse or repair bare
//!   line ends before it may travel on, because the next server may be less strict (`client` repairs them again).
//! - Nothing is refused for its line length: RFC 5321 §4.5.3.1.6 says 1,000 octets, real mail does not care.

use memchr::memchr;

/// Where the reader stands in the current line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the beginning of the content or after CRLF.
    LineStart,
    /// Somewhere in a line.
    Text,
    /// After a CR.
    Cr,
    /// After a dot at the line start; the dot is not stored.
    Dot,
    /// After a dot at the line start and a CR; neither is stored yet.
    DotCr,
}

/// Content is handed on in parts of this length; the last one is what is left.
pub(crate) const PART_BYTES: usize = 32 * 1024;

/// What comes of octets of content.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The next octets.
    Octets(Vec<u8>),
    /// The last octets.
    Last(Vec<u8>),
    /// The end of what was too large.
    TooBig,
}

/// Takes the content in until CRLF.CRLF.
#[derive(Debug)]
pub(crate) struct DataReader {
    place: Place,
    /// What was not handed on yet.
    bytes: Vec<u8>,
    length: usize,
    limit_bytes: usize,
    too_big: bool,
}

impl DataReader {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { place: Place::LineStart, bytes: Vec::new(), length: 0, limit_bytes, too_big: false }
    }

    /// Takes octets in. Gives how many of them belong to the content, all of them unless a part came of it.
    pub(crate) fn feed(&mut self, input: &[u8]) -> (usize, Option<Part>) {
        let mut rest = input;
        while let Some((&octet, after)) = rest.split_first() {
            if self.bytes.len() >= PART_BYTES {
                return (input.len() - rest.len(), Some(Part::Octets(std::mem::take(&mut self.bytes))));
            }
            // RFC 5321 §4.5.2: a dot that begins a line is taken out, unless the line is the dot alone: that is the end.
            match (self.place, octet) {
                (Place::LineStart, b'.') => (self.place, rest) = (Place::Dot, after),
                (Place::Dot, b'\r') => (self.place, rest) = (Place::DotCr, after),
                (Place::DotCr, b'\n') => return (input.len() - after.len(), Some(self.end())),
                (Place::DotCr, _) => {
                    self.store(b"\r");
                    self.place = Place::Cr;
                }
                (Place::Cr, b'\n') => {
                    self.store(b"\n");
                    (self.place, rest) = (Place::LineStart, after);
                }
                (Place::LineStart | Place::Dot | Place::Cr | Place::Text, _) => rest = self.take_text(rest),
            }
        }
        (input.len(), None)
    }

    /// Stores up to and including the next CR, as far as it fits into the part.
    fn take_text<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let room = PART_BYTES - self.bytes.len();
        let line = rest.get(..room).unwrap_or(rest);
        let (length, place) = match memchr(b'\r', line) {
            Some(at) => (at + 1, Place::Cr),
            None => (line.len(), Place::Text),
        };
        let (text, rest) = rest.split_at(length);
        self.store(text);
        self.place = place;
        rest
    }

    fn store(&mut self, octets: &[u8]) {
        if self.too_big {
            return;
        }
        if self.length + octets.len() > self.limit_bytes {
            self.too_big = true;
            self.bytes = Vec::new();
        } else {
            self.length += octets.len();
            self.bytes.extend_from_slice(octets);
        }
    }

    fn end(&mut self) -> Part {
        if self.too_big { Part::TooBig } else { Part::Last(std::mem::take(&mut self.bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds octet by octet and as a whole; both must agree.
    fn read(input: &[u8], limit: usize) -> (usize, Option<Part>) {
        let whole = DataReader::new(limit).feed(input);
        let mut reader = DataReader::new(limit);
        let mut used = 0;
        for octet in input {
            let (taken, end) = reader.feed(&[*octet]);
            used += taken;
            if end.is_some() {
                assert_eq!((used, end.as_ref()), (whole.0, whole.1.as_ref()));
                return whole;
            }
        }
        assert_eq!(whole, (used, None));
        whole
    }

    fn check(input: &str, expected: Option<(&str, &str)>) {
        let (used, end) = read(input.as_bytes(), 1000);
        let found = end.map(|end| (end, &input[used..]));
        let expected = expected.map(|(body, rest)| (Part::Last(body.into()), rest));
        assert_eq!(found, expected, "{input:?}");
    }

    #[test]
    fn content_ends_with_crlf_dot_crlf() {
        check("a\r\n.\r\nQUIT\r\n", Some(("a\r\n", "QUIT\r\n")));
        check(".\r\nQUIT\r\n", Some(("", "QUIT\r\n")));
        check("\r\n.\r\n", Some(("\r\n", "")));
        check("a\r\r\n.\r\n", Some(("a\r\r\n", "")));
        check("..\r\n...\r\n.x\r\n.\r\n", Some((".\r\n..\r\nx\r\n", "")));
        check(" .\r\n.\r\n", Some((" .\r\n", "")));
        check("a\r\n.\r", None);
    }

    #[test]
    fn nothing_else_ends_the_content() {
        // Each of these was read as an end by some server: SMTP smuggling.
        let table = [
            ("\n.\n", "\n.\n"),
            ("\n.\r\n", "\n.\r\n"),
            ("\n.\r", "\n.\r"),
            ("\r.\r", "\r.\r"),
            ("\r.\n", "\r.\n"),
            ("\r.\r\n", "\r.\r\n"),
            ("\r\n.\n", "\r\n\n"),
            ("\r\n.\rX", "\r\n\rX"),
            ("\r\n.\r\r\n", "\r\n\r\r\n"),
            ("\r\n\0.\r\n", "\r\n\0.\r\n"),
            ("\r\n.\0\r\n", "\r\n\0\r\n"),
            ("\r\n.\r\0\n", "\r\n\r\0\n"),
            ("\r\0\n.\r\n", "\r\0\n.\r\n"),
            ("\r\r\n.\n\r\n", "\r\r\n\n\r\n"),
            ("\n\n.\r\n", "\n\n.\r\n"),
            ("\n\r.\r\n", "\n\r.\r\n"),
            ("\r\n .\r\n", "\r\n .\r\n"),
            ("\r\n. \r\n", "\r\n \r\n"),
            ("\u{85}.\u{85}", "\u{85}.\u{85}"),
            ("\x0b.\x0c", "\x0b.\x0c"),
        ];
        for (attempt, stored) in table {
            let smuggled = "MAIL FROM:<ceo@example.com>\r\n";
            check(&format!("a{attempt}{smuggled}.\r\nNOOP\r\n"), Some((&format!("a{stored}{smuggled}"), "NOOP\r\n")));
        }
    }

    #[test]
    fn too_much_is_swallowed_up_to_the_end() {
        let end = |input: &[u8]| read(input, 4).1;
        assert_eq!(end(b"ab\r\n.\r\n"), Some(Part::Last(b"ab\r\n".to_vec())));
        assert_eq!(end(b"abc\r\n.\r\n"), Some(Part::TooBig));
        assert_eq!(end(b"....\r\n\r\n.\n\n\n\n.\r\n\r\n.\r\n"), Some(Part::TooBig));
        assert_eq!(end(b"abcdefghi"), None);
        let mut reader = DataReader::new(4);
        reader.feed(&[b'x'; 10_000]);
        assert_eq!(reader.bytes.capacity(), 0);
    }

    #[test]
    fn what_is_long_comes_in_parts_and_the_same_however_it_is_cut() {
        let content = "x\r\n..y\r.\n".repeat(2 * PART_BYTES / 10) + "\r\n";
        let wire = content.clone() + ".\r\n";
        let parts = |segment: usize| {
            let (mut reader, mut parts) = (DataReader::new(usize::MAX), Vec::new());
            for mut piece in wire.as_bytes().chunks(segment) {
                while !piece.is_empty() {
                    let (used, part) = reader.feed(piece);
                    piece = &piece[used..];
                    parts.extend(part);
                }
            }
            parts
        };
        let whole = parts(usize::MAX);
        let octets = whole.iter().flat_map(|part| match part {
            Part::Octets(octets) => octets.clone(),
            Part::Last(octets) => octets.clone(),
            Part::TooBig => panic!("nothing was too large"),
        });
        assert!(octets.eq(content.replace("\r\n..", "\r\n.").into_bytes()));
        assert!(matches!(&whole[..], [Part::Octets(first), _, ..] if first.len() == PART_BYTES));
        for segment in [1, 3, PART_BYTES - 1, PART_BYTES] {
            assert!(parts(segment) == whole, "{segment}");
        }
    }
}
