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

/// Appends a whole message (or the part of it that TOP asks for) and the dot that ends the answer.
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

/// Of a piece of a message's body, what belongs to its first `lines` lines, for TOP (RFC 1939 §7); `lines` becomes what is
/// left of them for the next piece. Lines end with LF, with or without CR.
#[must_use]
pub fn first_lines<'p>(piece: &'p [u8], lines: &mut u64) -> &'p [u8] {
    if *lines == 0 {
        return &[];
    }
    for line_end in memchr_iter(b'\n', piece) {
        *lines -= 1;
        if *lines == 0 {
            return piece.get(..=line_end).unwrap_or(piece);
        }
    }
    piece
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

    #[test]
    fn lines_of_a_body_are_counted_over_its_pieces() {
        let check = |pieces: &[&str], mut lines: u64, expected: &str| {
            let shown: Vec<u8> =
                pieces.iter().flat_map(|piece| first_lines(piece.as_bytes(), &mut lines)).copied().collect();
            assert_eq!(String::from_utf8(shown).unwrap(), expected, "{pieces:?}");
        };
        check(&["one\r\n\r\nthree\r\n"], 0, "");
        check(&["one\r\n\r\nthree\r\n"], 1, "one\r\n");
        check(&["one\r\n\r\nthree\r\n"], 2, "one\r\n\r\n");
        check(&["one\r\n\r\nthree\r\n"], 3, "one\r\n\r\nthree\r\n");
        check(&["one\r\n\r\nthree"], u64::MAX, "one\r\n\r\nthree");
        check(&["on", "e\ntw", "o\nthree\n", "four"], 2, "one\ntwo\n");
        check(&["one\n", "two\n"], 1, "one\n");
        check(&[], 1, "");
    }
}
