//! Finds the parts of a message in one pass over its bytes.
//!
//! The pass goes from delimiter line to delimiter line. A line that begins with `--` is compared with the boundaries
//! of all multiparts that are open, inner ones first; a delimiter of an outer one closes everything inside it, with or
//! without its own closing delimiter (RFC 2046 §5.1.2).
//!
//! Deviates from RFC 2046 §5.1.1: a line that only begins with a boundary is not a delimiter, the whole line must
//! match (white space may follow), because programs make boundaries that begin like others (`Apple-Mail-1`,
//! `Apple-Mail-12`).

use memchr::{memchr_iter, memmem};

use crate::entity::{DefaultType, EntityFields, boundary, is_message, is_readable_message, opaque};
use crate::envelope::Envelope;
use crate::header::{self, known_fields};
use crate::limits::{MIME_DEPTH_MAX, PARTS_MAX};
use crate::line::{blank_line_len, line_end, without_line_end};
use crate::span::Span;
use crate::structure::{Content, Embedded, Part, Structure};

impl Structure {
    /// Reads the structure of a message. Any bytes have one.
    #[must_use]
    pub fn parse(message: &[u8]) -> Self {
        Self { root: self::message(message).part }
    }
}

/// Reads a whole message.
pub(crate) fn message(input: &[u8]) -> Embedded {
    let mut parser = Parser {
        input,
        at: 0,
        pending: None,
        boundaries: Vec::new(),
        parts: 0,
        dashes: memmem::Finder::new(b"\n--"),
        line_ends: LineEnds { input, at: 0, count: 0 },
    };
    let (embedded, _ending) = parser.message(0);
    embedded
}

/// Where a content ended, and by what.
#[derive(Clone, Copy, Debug)]
struct Ending {
    content_end: usize,
    /// None: the end of the message.
    delimiter: Option<Delimiter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Delimiter {
    /// Index into the open boundaries.
    level: usize,
    close: bool,
}

struct Parser<'a> {
    input: &'a [u8],
    /// Where to read on: a header, a body or the line after a delimiter.
    at: usize,
    /// A delimiter that was met inside a header: the body after it is empty.
    pending: Option<Ending>,
    boundaries: Vec<Vec<u8>>,
    parts: usize,
    dashes: memmem::Finder<'static>,
    line_ends: LineEnds<'a>,
}

impl Parser<'_> {
    /// A message: an entity whose header has an envelope too.
    fn message(&mut self, depth: usize) -> (Embedded, Ending) {
        let header = self.header();
        let mut envelope = Envelope::default();
        let mut fields = EntityFields::default();
        for field in known_fields(header.of(self.input)) {
            if !fields.read(field.name, field.value) {
                envelope.read(&field);
            }
        }
        envelope.fill_in();
        let (part, ending) = self.entity(header, fields.entity(DefaultType::Text), depth);
        (Embedded { envelope, part }, ending)
    }

    /// A part of a multipart.
    fn body_part(&mut self, default: DefaultType, depth: usize) -> (Part, Ending) {
        let header = self.header();
        let mut fields = EntityFields::default();
        for field in known_fields(header.of(self.input)) {
            fields.read(field.name, field.value);
        }
        self.entity(header, fields.entity(default), depth)
    }

    /// The body after a header, and the part made of both.
    fn entity(&mut self, header: Span, mut part: Part, depth: usize) -> (Part, Ending) {
        self.parts += 1;
        let lines_before = self.line_ends.before(header.end);
        let may_open = depth < MIME_DEPTH_MAX && self.parts < PARTS_MAX;
        let mut inside = Vec::new();
        let ending = match boundary(&part) {
            Some(boundary) if may_open => self.multipart(boundary, &part, depth, &mut inside),
            _ if may_open && is_readable_message(&part) => {
                let (embedded, ending) = self.message(depth + 1);
                part.content = Content::Message(Box::new(embedded));
                ending
            }
            _ => self.scan(header.end),
        };
        part.header = header;
        part.body = Span { start: header.end, end: ending.content_end };
        part.lines = self.line_ends.before(ending.content_end) - lines_before;
        if part.media_type == "multipart" {
            if inside.is_empty() {
                inside.push(opaque(&part));
            }
            part.content = Content::Multipart(inside);
        } else if is_message(&part) && part.content == Content::Leaf {
            let embedded = Embedded { envelope: Envelope::default(), part: opaque(&part) };
            part.content = Content::Message(Box::new(embedded));
        }
        (part, ending)
    }

    /// RFC 2046 §5.1.1: preamble, parts, epilogue.
    fn multipart(&mut self, boundary: Vec<u8>, part: &Part, depth: usize, inside: &mut Vec<Part>) -> Ending {
        let level = self.boundaries.len();
        // RFC 2046 §5.1.5.
        let default = if part.subtype == "digest" { DefaultType::Message } else { DefaultType::Text };
        self.boundaries.push(boundary);
        let mut ending = self.scan(self.at);
        while ending.delimiter == Some(Delimiter { level, close: false }) {
            let (child, child_ending) = self.body_part(default, depth + 1);
            inside.push(child);
            ending = child_ending;
        }
        self.boundaries.truncate(level);
        if ending.delimiter == Some(Delimiter { level, close: true }) {
            // An outer delimiter may share the line end of this one.
            let floor = without_line_end(&self.input[..self.at]).len();
            ending = self.scan(floor);
        }
        ending
    }

    /// The header that begins here. It ends with its empty line, or before a delimiter where that is missing.
    fn header(&mut self) -> Span {
        let start = self.at;
        if let Some(ending) = self.pending {
            return Span { start: ending.content_end, end: ending.content_end };
        }
        if self.boundaries.is_empty() {
            self.at = header::end_from(self.input, start);
            return Span { start, end: self.at };
        }
        while let Some(rest) = self.input.get(self.at..).filter(|rest| !rest.is_empty()) {
            if let Some(len) = blank_line_len(rest) {
                self.at += len;
                break;
            }
            if let Some((delimiter, after)) = self.delimiter(self.at) {
                let content_end = self.at;
                self.pending = Some(Ending { content_end, delimiter: Some(delimiter) });
                self.at = after;
                return Span { start, end: content_end };
            }
            self.at = line_end(self.input, self.at);
        }
        Span { start, end: self.at }
    }

    /// Goes to the next delimiter of an open multipart, or to the end. The content ends not before `floor`.
    fn scan(&mut self, floor: usize) -> Ending {
        if let Some(ending) = self.pending.take() {
            return ending;
        }
        let from = self.at;
        let mut candidate = if self.boundaries.is_empty() { None } else { self.dashes_at_or_after(from) };
        while let Some(line) = candidate {
            if let Some((delimiter, after)) = self.delimiter(line) {
                self.at = after;
                return Ending { content_end: self.before_line(line, floor), delimiter: Some(delimiter) };
            }
            candidate = self.dashes_after(line);
        }
        self.at = self.input.len();
        Ending { content_end: self.at, delimiter: None }
    }

    /// The first line that begins with `--`, from the line start `from` on.
    fn dashes_at_or_after(&self, from: usize) -> Option<usize> {
        if self.input[from..].starts_with(b"--") { Some(from) } else { self.dashes_after(from) }
    }

    fn dashes_after(&self, from: usize) -> Option<usize> {
        self.dashes.find(&self.input[from..]).map(|at| from + at + 1)
    }

    /// The end of a content that is closed by the delimiter in `line`.
    /// RFC 2046 §5.1.1: the line end before a delimiter belongs to the delimiter.
    fn before_line(&self, line: usize, floor: usize) -> usize {
        floor + without_line_end(&self.input[floor..line]).len()
    }

    /// Which delimiter the line at `line` is, if any, and the offset after it.
    fn delimiter(&self, line: usize) -> Option<(Delimiter, usize)> {
        // Once there are too many parts, the last one takes the rest of the message.
        if self.parts >= PARTS_MAX || !self.input[line..].starts_with(b"--") {
            return None;
        }
        let after = line_end(self.input, line);
        let text = self.input[line + 2..after].trim_ascii_end();
        let level = |wanted: &[u8]| self.boundaries.iter().rposition(|boundary| boundary == wanted);
        if let Some(level) = level(text) {
            return Some((Delimiter { level, close: false }, after));
        }
        let level = level(text.strip_suffix(b"--")?)?;
        Some((Delimiter { level, close: true }, after))
    }
}

/// Counts line ends up to offsets that grow, so that nested bodies are counted once.
struct LineEnds<'a> {
    input: &'a [u8],
    at: usize,
    count: usize,
}

impl LineEnds<'_> {
    fn before(&mut self, offset: usize) -> usize {
        if let Some(passed) = self.input.get(self.at..offset) {
            self.count += memchr_iter(b'\n', passed).count();
            self.at = offset;
        }
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `type/subtype size/lines`, children in parentheses.
    fn shown(part: &Part) -> String {
        let mut text = format!("{}/{} {}/{}", part.media_type, part.subtype, part.size(), part.lines);
        if !part.children().is_empty() {
            let children: Vec<_> = part.children().iter().map(shown).collect();
            text.push_str(&format!(" ({})", children.join(", ")));
        }
        text
    }

    fn check(input: &str, expected: &str) {
        assert_eq!(shown(&message(input.as_bytes()).part), expected, "{input}");
    }

    const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

    fn check_mixed(body: &str, expected: &str) {
        let root = format!("multipart/mixed {}/{}", body.len(), body.matches('\n').count());
        check(&format!("{MIXED}{body}"), &format!("{root} ({expected})"));
    }

    #[test]
    fn a_message_without_mime_is_plain_text() {
        check("", "text/plain 0/0");
        check("\r\nbody", "text/plain 4/0");
        check("Subject: a\r\n\r\none\r\ntwo\r\n", "text/plain 10/2");
        check("Content-Type: nonsense\n\nx\n", "text/plain 2/1");
        check("Content-Type: TEXT/Html (x); charset=a\n\nx", "text/html 1/0");
    }

    #[test]
    fn the_line_end_before_a_boundary_is_the_boundarys() {
        check_mixed("--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n\r\n--b--\r\n", "text/plain 3/0, text/plain 5/1");
        check_mixed("--b\n\none\n--b--\n", "text/plain 3/0");
        check_mixed("pre\r\n--b\r\n\r\n--b--\r\npost\r\n--b\r\n\r\nno", "text/plain 0/0");
    }

    #[test]
    fn boundaries_match_whole_lines() {
        check_mixed("--b  \t\r\n\r\nx\r\n--bb\r\n --b\r\n--b-- \r\n", "text/plain 13/2");
        check_mixed("--B\r\n\r\nx\r\n--b\r\n\r\ny", "text/plain 1/0");
        check(
            "Content-Type: multipart/mixed; boundary=\"a b \"\r\n\r\n--a b\r\n\r\nx\r\n--a b--\r\n",
            "multipart/mixed 21/4 (text/plain 1/0)",
        );
        check(
            "Content-Type: multipart/mixed; boundary*0=\"a\"; boundary*1=b\r\n\r\n--ab\r\n\r\nx\r\n--ab--",
            "multipart/mixed 17/3 (text/plain 1/0)",
        );
    }

    #[test]
    fn what_is_not_closed_is_closed_by_what_is_around_it() {
        check_mixed("--b\r\n\r\nx", "text/plain 1/0");
        check_mixed(
            "--b\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--",
            "multipart/mixed 8/2 (text/plain 1/0), text/plain 1/0",
        );
        // A header without an empty line, and nothing at all.
        check_mixed("--b\r\nContent-Type: text/html\r\n--b\r\n--b--", "text/html 0/0, text/plain 0/0");
        check_mixed(
            "--b\r\nContent-Type: message/rfc822\r\n--b\r\n\r\ny\r\n--b--",
            "message/rfc822 0/0 (text/plain 0/0), text/plain 1/0",
        );
        // The same boundary inside: the inner one has it until it is closed.
        check_mixed(
            "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\ny\r\n--b--",
            "multipart/mixed 15/3 (text/plain 1/0), text/plain 1/0",
        );
    }

    #[test]
    fn a_multipart_always_has_a_part() {
        check_mixed("nothing\r\nhere\r\n", "text/plain 15/2");
        check_mixed("x\r\n--b--\r\n", "text/plain 10/2");
        check("Content-Type: multipart/mixed\r\n\r\n--b\r\n", "multipart/mixed 5/1 (text/plain 5/1)");
        check("Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n", "multipart/mixed 4/1 (text/plain 4/1)");
    }

    #[test]
    fn a_digest_is_of_messages() {
        check(
            "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\none\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\ntwo\r\n--b--\r\n",
            "multipart/digest 71/10 (message/rfc822 17/2 (text/plain 3/0), text/plain 3/0)",
        );
        let root = message(b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\none").part;
        let Content::Message(embedded) = root.content else { panic!("{:?}", root.content) };
        assert_eq!(embedded.envelope.subject.as_deref(), Some(b"x".as_slice()));
    }

    #[test]
    fn a_message_in_base64_is_not_opened() {
        let root =
            message(b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: BASE64\r\n\r\nU3ViamVjdDogeA==\r\n");
        assert_eq!(shown(&root.part), "message/rfc822 18/1 (text/plain 18/1)");
        assert_eq!(root.part.children()[0].encoding, "base64");
    }

    #[test]
    fn the_fields_of_mime_are_kept() {
        let part = message(
            b"Content-Type: Text/Plain; Charset=\"UTF-8\"\r\nContent-ID: <a@b>\r\ncontent-description: =?x?=\r\n \
              two\r\nContent-Transfer-Encoding: Quoted-Printable (x)\r\nContent-MD5: Q2hlY2s=\r\n\
              Content-Disposition: Attachment; filename=a b.txt\r\nContent-Language: en, de (x)\r\n\
              Content-Location: http://a/b\r\nContent-ID: <second>\r\n\r\n",
        )
        .part;
        assert_eq!(part.parameter("charset"), Some(b"UTF-8".as_slice()));
        assert_eq!(part.id.as_deref(), Some(b"<a@b>".as_slice()));
        assert_eq!(part.description.as_deref(), Some(b"=?x?= two".as_slice()));
        assert_eq!(part.encoding, "quoted-printable");
        assert_eq!(part.md5.as_deref(), Some(b"Q2hlY2s=".as_slice()));
        let disposition = part.disposition.unwrap();
        assert_eq!(
            (disposition.kind.as_str(), disposition.parameters[0].value.as_slice()),
            ("attachment", &b"a b.txt"[..])
        );
        assert_eq!(part.languages, [b"en".to_vec(), b"de".to_vec()]);
        assert_eq!(part.location.as_deref(), Some(b"http://a/b".as_slice()));
    }

    #[test]
    fn depth_ends_at_the_limit() {
        let depth = |levels: usize| {
            let text: String = (0..levels)
                .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
                .collect();
            let mut deepest = 0;
            let root = message(text.as_bytes()).part;
            let mut part = &root;
            while let Some(child) = part.children().first() {
                deepest += 1;
                part = child;
            }
            deepest
        };
        assert_eq!(depth(MIME_DEPTH_MAX), MIME_DEPTH_MAX);
        // The last multipart is not opened: its one part is made up.
        assert_eq!(depth(MIME_DEPTH_MAX + 1), MIME_DEPTH_MAX + 1);
        assert_eq!(depth(MIME_DEPTH_MAX + 2), MIME_DEPTH_MAX + 1);
        let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(MIME_DEPTH_MAX * 3);
        assert_eq!(message(messages.as_bytes()).part.walk().count(), MIME_DEPTH_MAX + 2);
    }

    #[test]
    fn parts_end_at_the_limit() {
        let parts = |count: usize| {
            let text = format!("{MIXED}{}", "--b\r\n\r\nx\r\n".repeat(count));
            let root = message(text.as_bytes()).part;
            (root.children().len(), root.children().last().map(Part::size))
        };
        assert_eq!(parts(PARTS_MAX - 1), (PARTS_MAX - 1, Some(3)));
        // One more: its bytes belong to the last part.
        assert_eq!(parts(PARTS_MAX), (PARTS_MAX - 1, Some(13)));
    }
}
