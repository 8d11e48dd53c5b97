//! What follows the first line of an answer: lines, then a dot alone (RFC 1939 §3).
//!
//! A message goes out as it is stored, whatever its line ends. Two things are added: a CRLF where it does not end
//! with one, and a dot before each line that begins with one.
// Deviates from RFC 1939 §3: a dot after a bare LF is stuffed too, though no line begins there, because many clients
// (Python's poplib and what is built on it) read lines up to LF and would take `LF.CRLF` inside a message for its end;
// a stranger's message could then answer for the server. A client that is strict sees one dot more in such a message.

use memchr::memchr_iter;
use std::fmt::Display;
use std::io::Write;

/// Appends one line of LIST, UIDL, CAPA or AUTH. The text must not have a line end.
pub fn encode_line(line: impl Display, output: &mut Vec<u8>) {
    let start = output.len();
    // A Vec takes every write.
    let _ = write!(output, "{line}\r\n");
    if output.get(start) == Some(&b'.') {
        output.insert(start, b'.');
    }
}

/// Appends the dot that ends the answer.
pub fn encode_end(output: &mut Vec<u8>) {
    output.extend_from_slice(b".\r\n");
}

/// Appends a whole message (or the part of it that [`top`] gives) and the dot that ends the answer.
pub fn encode_message(message: &[u8], output: &mut Vec<u8>) {
    let mut stuffer = Stuffer::new();
    stuffer.write(message, output);
    stuffer.finish(output);
}

/// Encodes a message piece by piece, so that a large one is never held twice.
#[derive(Debug)]
pub struct Stuffer {
    last_two: [u8; 2],
}

impl Default for Stuffer {
    fn default() -> Self {
        Self { last_two: *b"\r\n" }
    }
}

impl Stuffer {
    /// At the beginning of a message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the next piece of the message, of any length.
    pub fn write(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        output.reserve(piece.len() + piece.len() / 64);
        if self.last_two[1] == b'\n' && piece.first() == Some(&b'.') {
            output.push(b'.');
        }
        let mut copied = 0;
        for line_start in memchr_iter(b'\n', piece).map(|at| at + 1) {
            if piece.get(line_start) == Some(&b'.') {
                output.extend_from_slice(piece.get(copied..line_start).unwrap_or_default());
                output.push(b'.');
                copied = line_start;
            }
        }
        output.extend_from_slice(piece.get(copied..).unwrap_or_default());
        for octet in piece.iter().skip(piece.len().saturating_sub(2)) {
            self.last_two = [self.last_two[1], *octet];
        }
    }

    /// Appends a line end, if the message lacks it, and the dot that ends the answer.
    pub fn finish(self, output: &mut Vec<u8>) {
        if self.last_two != *b"\r\n" {
            output.extend_from_slice(b"\r\n");
        }
        encode_end(output);
    }
}

/// What TOP shows of a message (RFC 1939 §7): the header, the empty line after it, and the first `lines` lines of the
/// body. A message without an empty line is all header. Lines end with LF, with or without CR.
#[must_use]
pub fn top(message: &[u8], lines: u64) -> &[u8] {
    let mut line_start = 0;
    let mut body_lines_left = None;
    for line_end in memchr_iter(b'\n', message).map(|at| at + 1) {
        body_lines_left = match body_lines_left {
            Some(left) => Some(left - 1),
            None if matches!(message.get(line_start..line_end), Some(b"\r\n" | b"\n")) => Some(lines),
            None => None,
        };
        if body_lines_left == Some(0) {
            return message.get(..line_end).unwrap_or(message);
        }
        line_start = line_end;
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expected: &str) {
        let mut whole = Vec::new();
        encode_message(message.as_bytes(), &mut whole);
        assert_eq!(String::from_utf8(whole).unwrap(), expected);
        let mut output = Vec::new();
        let mut stuffer = Stuffer::new();
        for octet in message.as_bytes() {
            stuffer.write(&[*octet], &mut output);
        }
        stuffer.finish(&mut output);
        assert_eq!(String::from_utf8(output).unwrap(), expected, "octet by octet");
    }

    #[test]
    fn messages_are_stuffed_and_ended() {
        check("", ".\r\n");
        check("a\r\n", "a\r\n.\r\n");
        check("a", "a\r\n.\r\n");
        check("a\n", "a\n\r\n.\r\n");
        check("a\r", "a\r\r\n.\r\n");
        check(".", "..\r\n.\r\n");
        check(".\r\n..\r\na.b\r\n.c", "..\r\n...\r\na.b\r\n..c\r\n.\r\n");
        check("\r\n.\r\n", "\r\n..\r\n.\r\n");
    }

    #[test]
    fn a_message_cannot_end_its_own_answer() {
        check("a\n.\r\n+OK forged\r\n", "a\n..\r\n+OK forged\r\n.\r\n");
        check("a\n.\n", "a\n..\n\r\n.\r\n");
    }

    #[test]
    fn lines_are_stuffed() {
        let mut output = Vec::new();
        encode_line("1 120", &mut output);
        encode_line(format_args!("{} {}", 2, ".x"), &mut output);
        encode_line(".x", &mut output);
        encode_end(&mut output);
        assert_eq!(output, b"1 120\r\n2 .x\r\n..x\r\n.\r\n");
    }

    fn check_top(message: &str, lines: u64, expected: &str) {
        assert_eq!(str::from_utf8(top(message.as_bytes(), lines)).unwrap(), expected, "{message:?} {lines}");
    }

    #[test]
    fn top_counts_body_lines() {
        let message = "A: b\r\n c\r\n\r\none\r\n\r\nthree\r\n";
        check_top(message, 0, "A: b\r\n c\r\n\r\n");
        check_top(message, 1, "A: b\r\n c\r\n\r\none\r\n");
        check_top(message, 2, "A: b\r\n c\r\n\r\none\r\n\r\n");
        check_top(message, 3, message);
        check_top(message, 4, message);
        check_top(message, u64::MAX, message);
        check_top("A: b\r\n", 0, "A: b\r\n");
        check_top("A: b", 0, "A: b");
        check_top("\r\none\r\ntwo", 0, "\r\n");
        check_top("\r\none\r\ntwo", 1, "\r\none\r\n");
        check_top("\r\none\r\ntwo", 2, "\r\none\r\ntwo");
        check_top("A: b\n\none\ntwo\n", 1, "A: b\n\none\n");
        check_top("", 0, "");
    }
}
