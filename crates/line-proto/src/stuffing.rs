//! Dot-stuffing (RFC 5321 §4.5.2, RFC 1939 §3): how a message travels in lines, and where it ends.
//!
//! Lines go out with CRLF: a bare LF becomes one, and a last line without an end gets one. So nothing in a message looks
//! like its end, also to peers that read lines up to LF. A bare CR is an octet like others.

use memchr::memchr_iter;

/// Stuffs a message piece by piece, so that a large one is never held twice.
#[derive(Debug)]
pub struct Stuffer {
    /// The last octet of what came so far, as it came.
    last: u8,
}

impl Default for Stuffer {
    fn default() -> Self {
        Self { last: b'\n' }
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
        if self.last == b'\n' && piece.first() == Some(&b'.') {
            output.push(b'.');
        }
        let mut copied = 0;
        for line_end in memchr_iter(b'\n', piece) {
            let before = line_end.checked_sub(1).map_or(Some(self.last), |at| piece.get(at).copied());
            let is_bare = before != Some(b'\r');
            let begins_with_dot = piece.get(line_end + 1) == Some(&b'.');
            if is_bare || begins_with_dot {
                output.extend_from_slice(piece.get(copied..line_end).unwrap_or_default());
                output.extend_from_slice(if is_bare { b"\r\n" } else { b"\n" });
                output.extend_from_slice(if begins_with_dot { b"." } else { b"" });
                copied = line_end + 1;
            }
        }
        output.extend_from_slice(piece.get(copied..).unwrap_or_default());
        self.last = piece.last().copied().unwrap_or(self.last);
    }

    /// Appends a line end, if the message lacks it, and the dot that ends it.
    pub fn finish(self, output: &mut Vec<u8>) {
        if self.last != b'\n' {
            output.extend_from_slice(b"\r\n");
        }
        output.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expected: &str) {
        for piece in [1, 2, 3, message.len().max(1)] {
            let mut output = Vec::new();
            let mut stuffer = Stuffer::new();
            for octets in message.as_bytes().chunks(piece) {
                stuffer.write(octets, &mut output);
            }
            stuffer.finish(&mut output);
            assert_eq!(String::from_utf8(output).unwrap(), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn dots_are_doubled_at_line_starts_only() {
        check("", ".\r\n");
        check("a", "a\r\n.\r\n");
        check("a\r\n", "a\r\n.\r\n");
        check(".", "..\r\n.\r\n");
        check(".\r\n..\r\na.b\r\n.c", "..\r\n...\r\na.b\r\n..c\r\n.\r\n");
        check("\r\n.\r\n", "\r\n..\r\n.\r\n");
        check("\r\n", "\r\n.\r\n");
    }

    #[test]
    fn a_message_cannot_end_itself() {
        check("a\n.\r\n+OK forged\r\n", "a\r\n..\r\n+OK forged\r\n.\r\n");
        check("a\n.\n", "a\r\n..\r\n.\r\n");
        check("a\r\n.\n", "a\r\n..\r\n.\r\n");
        check("\n\n", "\r\n\r\n.\r\n");
        check("a\r", "a\r\r\n.\r\n");
        check("a\rb\r\n", "a\rb\r\n.\r\n");
    }
}
