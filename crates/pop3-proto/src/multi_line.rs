//! What follows the first line of an answer: lines, then a dot alone (RFC 1939 §3).
//!
//! A message goes out stuffed and in lines that end with CRLF (RFC 1939 §3, §11). A NUL, which only what an earlier version
//! stored can have, becomes a question mark.

use line_proto::Stuffer;
use memchr::{memchr, memchr_iter};
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
    let mut encoder = MessageEncoder::new();
    encoder.write(message, output);
    encoder.finish(output);
}

/// Encodes a message piece by piece, so that a large one is never held twice.
#[derive(Debug, Default)]
pub struct MessageEncoder(Stuffer);

impl MessageEncoder {
    /// At the beginning of a message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the next piece of the message, of any length.
    pub fn write(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        let start = output.len();
        self.0.write(piece, output);
        without_nul(output.get_mut(start..).unwrap_or_default());
    }

    /// Appends a line end, if the message lacks it, and the dot that ends the answer.
    pub fn finish(self, output: &mut Vec<u8>) {
        self.0.finish(output);
    }
}

/// RFC 1939 §3 speaks of printable ASCII, and clients cut a line at a NUL.
fn without_nul(mut octets: &mut [u8]) {
    // Hardly any message has one, and all octets of all messages pass here.
    while let Some(at) = memchr(0, octets) {
        let (before, rest) = octets.split_at_mut(at + 1);
        before.last_mut().into_iter().for_each(|octet| *octet = b'?');
        octets = rest;
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

    #[test]
    fn bare_lf_and_nul_went_out_as_they_were() {
        let check = |message: &str, expected: &str| {
            let mut output = Vec::new();
            encode_message(message.as_bytes(), &mut output);
            assert_eq!(String::from_utf8(output).unwrap(), expected);
        };
        check("Subject: lf\n\nfirst\n.\nlast\n", "Subject: lf\r\n\r\nfirst\r\n..\r\nlast\r\n.\r\n");
        check("a\0b\0\r\n\0", "a?b?\r\n?\r\n.\r\n");
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
