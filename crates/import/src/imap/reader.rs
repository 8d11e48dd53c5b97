//! What an IMAP server sends, cut into responses, sans-io.
//!
//! Invariant: for any split of the octets into pushes the responses are the same.
//! Invariant: of all that a command is answered with at most [`COMMAND_BYTES_MAX`] octets of text and the octets of literals that
//! somebody asked for are kept; a literal beyond that is passed over as it comes.

/// The text of all responses to a command: a SEARCH that names a million messages is about as long.
pub(super) const COMMAND_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Literals in a response; more are no response of ours.
pub(super) const LITERALS_MAX: usize = 100;

/// A part of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Text without the line's end, and without the announcement of the literal behind it.
    Text(Vec<u8>),
    /// RFC 9051 §4.3: a literal.
    Literal(Vec<u8>),
    /// A literal that was larger than it may be.
    TooLarge,
}

/// More than a response or a command's answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

/// Cuts octets into responses.
#[derive(Debug, Default)]
pub(super) struct Reader {
    buffer: Vec<u8>,
    at: usize,
    parts: Vec<Part>,
    text: Vec<u8>,
    /// Of all responses since the command was sent.
    text_bytes: usize,
    literal: Option<Literal>,
    /// All literals that are kept until somebody says otherwise have at most so many octets.
    room: u64,
}

#[derive(Debug)]
struct Literal {
    left: u64,
    /// `None`: it is passed over.
    kept: Option<Vec<u8>>,
}

impl Reader {
    /// A command begins. Of what it is answered with literals of so many octets in all are kept.
    pub(super) fn begin(&mut self, bytes: u64) {
        self.room = bytes;
        self.text_bytes = 0;
    }

    /// Whether all that came was read: nothing may stand behind the answer to STARTTLS.
    pub(super) fn is_empty(&self) -> bool {
        self.at == self.buffer.len() && self.text.is_empty() && self.parts.is_empty()
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        if self.at == self.buffer.len() {
            self.buffer.clear();
            self.at = 0;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// The next response that is there as a whole.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Part>>, TooMuch> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            if let Some(literal) = &mut self.literal {
                let count = usize::try_from(literal.left).unwrap_or(usize::MAX).min(rest.len());
                if let Some(kept) = &mut literal.kept {
                    kept.extend_from_slice(rest.get(..count).unwrap_or_default());
                }
                literal.left -= count as u64;
                self.at += count;
                if literal.left > 0 {
                    return Ok(None);
                }
                let kept = self.literal.take().and_then(|literal| literal.kept);
                self.parts.push(kept.map_or(Part::TooLarge, Part::Literal));
                continue;
            }
            let end = rest.iter().position(|octet| *octet == b'\n').map(|at| at + 1);
            let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            self.text.extend_from_slice(line);
            self.at += line.len();
            self.text_bytes += line.len();
            if self.text_bytes > COMMAND_BYTES_MAX {
                return Err(TooMuch);
            }
            if end.is_none() {
                return Ok(None);
            }
            if let Some(response) = self.line()? {
                return Ok(Some(response));
            }
        }
    }

    /// A line has ended: the response with it, or only up to a literal.
    fn line(&mut self) -> Result<Option<Vec<Part>>, TooMuch> {
        let mut text = std::mem::take(&mut self.text);
        while text.last().is_some_and(|octet| matches!(octet, b'\r' | b'\n')) {
            text.pop();
        }
        let announced = if self.parts.is_empty() && is_of_people(&text) { None } else { announced(&text) };
        let Some((at, bytes)) = announced else {
            self.parts.push(Part::Text(text));
            return Ok(Some(std::mem::take(&mut self.parts)));
        };
        if self.parts.len() >= 2 * LITERALS_MAX {
            return Err(TooMuch);
        }
        text.truncate(at);
        self.parts.push(Part::Text(text));
        let kept = (bytes <= self.room).then(Vec::new);
        if kept.is_some() {
            self.room -= bytes;
        }
        self.literal = Some(Literal { left: bytes, kept });
        Ok(None)
    }
}

/// RFC 9051 §7.1: the text of a status response is for people, and may end as it likes.
fn is_of_people(text: &[u8]) -> bool {
    let word = text.split(|octet| *octet == b' ').nth(1).unwrap_or_default();
    ["OK", "NO", "BAD", "BYE", "PREAUTH"].iter().any(|status| word.eq_ignore_ascii_case(status.as_bytes()))
        || text.starts_with(b"+")
}

/// RFC 9051 §4.3: `{n}` or, for binary content, `~{n}` at the end of a line; where it begins, and `n`.
fn announced(text: &[u8]) -> Option<(usize, u64)> {
    let inner = text.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|octet| *octet == b'{')?;
    let digits = inner.get(open + 1..)?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let bytes = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let at = if open > 0 && text.get(open - 1) == Some(&b'~') { open - 1 } else { open };
    Some((at, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Part {
        Part::Text(text.as_bytes().to_vec())
    }

    fn all(octets: &[u8], room: u64, step: usize) -> Result<Vec<Vec<Part>>, TooMuch> {
        let mut reader = Reader::default();
        reader.begin(room);
        let mut responses = Vec::new();
        for piece in octets.chunks(step) {
            reader.push(piece);
            while let Some(response) = reader.next()? {
                responses.push(response);
            }
        }
        Ok(responses)
    }

    #[test]
    fn responses_are_the_same_however_they_come() {
        let octets = b"* OK hello {3}\r\n* 1 FETCH (UID 7 BODY[] {5}\r\na)\r\nb FLAGS (\\Seen))\r\n* 2 FETCH (X ~{0}\r\n)\na1 OK done\r\n";
        let expected = vec![
            vec![text("* OK hello {3}")],
            vec![text("* 1 FETCH (UID 7 BODY[] "), Part::Literal(b"a)\r\nb".to_vec()), text(" FLAGS (\\Seen))")],
            vec![text("* 2 FETCH (X "), Part::Literal(Vec::new()), text(")")],
            vec![text("a1 OK done")],
        ];
        for step in 1..octets.len() {
            assert_eq!(all(octets, 100, step), Ok(expected.clone()), "{step}");
        }
    }

    #[test]
    fn a_literal_that_is_too_large_is_passed_over() {
        let octets = b"* 1 FETCH (A {3}\r\nabc B {2}\r\nde C {1}\r\nf)\r\n* 2 FETCH (A {9223372036854775807}\r\n";
        let expected = vec![text("* 1 FETCH (A "), Part::Literal(b"abc".to_vec()), text(" B "), Part::TooLarge];
        let expected = [expected, vec![text(" C "), Part::Literal(b"f".to_vec()), text(")")]].concat();
        assert_eq!(all(octets, 4, 5), Ok(vec![expected]));
    }

    #[test]
    fn text_of_a_command_and_literals_of_a_response_have_limits() {
        let line = |bytes: usize| [vec![b'x'; bytes - 2], b"\r\n".to_vec()].concat();
        assert_eq!(all(&line(COMMAND_BYTES_MAX), 0, 1 << 16).map(|all| all.len()), Ok(1));
        assert_eq!(all(&line(COMMAND_BYTES_MAX + 1), 0, 1 << 16), Err(TooMuch));
        let lines = |last: usize| [line(1024).repeat(COMMAND_BYTES_MAX / 1024 - 1), line(last)].concat();
        let many = all(&lines(1024), 0, 1 << 16).map(|all| all.len());
        assert_eq!(many, Ok(COMMAND_BYTES_MAX / 1024));
        assert_eq!(all(&lines(1025), 0, 1 << 16), Err(TooMuch), "all responses of a command together");
        let literals = |count: usize| [b"* LIST {0}\r\n".repeat(count), b"\r\n".to_vec()].concat();
        assert_eq!(all(&literals(LITERALS_MAX), 0, 1 << 16).map(|all| all.len()), Ok(1));
        assert_eq!(all(&literals(LITERALS_MAX + 1), 0, 1 << 16), Err(TooMuch));
    }
}
