//! Dot-stuffing (RFC 5321 §4.5.2): the other direction of [`crate::data`].
//!
//! The message must be canonical ([`crate::canonicalise`]): a bare CR or LF would be sent as it is.

use memchr::memmem::Finder;

/// Appends a whole message, stuffed and closed with CRLF.CRLF; a line end is added where the last line has none.
pub fn stuff(message: &[u8], output: &mut Vec<u8>) {
    let mut stuffer = Stuffer::new();
    let mut rest = message;
    while !rest.is_empty() {
        let taken = stuffer.write(rest, output);
        rest = rest.get(taken..).unwrap_or_default();
    }
    stuffer.finish(output);
}

/// How many octets of a message [`Stuffer::write`] takes at once.
pub(crate) const PIECE_BYTES_MAX: usize = 32 * 1024;

/// Stuffs a message piece by piece.
#[derive(Debug)]
pub(crate) struct Stuffer {
    last_two: [u8; 2],
}

impl Stuffer {
    pub(crate) fn new() -> Self {
        Self { last_two: *b"\r\n" }
    }

    /// Appends at most [`PIECE_BYTES_MAX`] octets of `message`, stuffed. Gives how many were taken.
    pub(crate) fn write(&mut self, message: &[u8], output: &mut Vec<u8>) -> usize {
        let piece = message.get(..PIECE_BYTES_MAX).unwrap_or(message);
        let mut copied = 0;
        for at in self.dots_in(piece) {
            output.extend_from_slice(piece.get(copied..at).unwrap_or_default());
            output.push(b'.');
            copied = at;
        }
        output.extend_from_slice(piece.get(copied..).unwrap_or_default());
        for octet in piece.iter().skip(piece.len().saturating_sub(2)) {
            self.last_two = [self.last_two[1], *octet];
        }
        piece.len()
    }

    /// Where in `piece` a line begins with a dot.
    fn dots_in(&self, piece: &[u8]) -> Vec<usize> {
        let mut dots = Vec::new();
        // The line end may be in the piece before, whole or half.
        match (self.last_two, piece) {
            ([b'\r', b'\n'], [b'.', ..]) => dots.push(0),
            ([_, b'\r'], [b'\n', b'.', ..]) => dots.push(1),
            _ => {}
        }
        dots.extend(Finder::new(b"\r\n.").find_iter(piece).map(|at| at + 2));
        dots
    }

    /// Appends the end of the data.
    pub(crate) fn finish(self, output: &mut Vec<u8>) {
        if self.last_two != *b"\r\n" {
            output.extend_from_slice(b"\r\n");
        }
        output.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expected: &str) {
        let mut whole = Vec::new();
        stuff(message.as_bytes(), &mut whole);
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
    fn dots_are_doubled_at_line_starts_only() {
        check("", ".\r\n");
        check("a", "a\r\n.\r\n");
        check("a\r\n", "a\r\n.\r\n");
        check(".", "..\r\n.\r\n");
        check(".\r\n..\r\na.b\r\n", "..\r\n...\r\na.b\r\n.\r\n");
        check("\r\n.\r\n", "\r\n..\r\n.\r\n");
        check("\r\n", "\r\n.\r\n");
    }

    #[test]
    fn pieces_fit_together() {
        let message = "x\r\n.".repeat(PIECE_BYTES_MAX);
        let mut output = Vec::new();
        stuff(message.as_bytes(), &mut output);
        assert_eq!(output, format!("{}\r\n.\r\n", message.replace("\r\n.", "\r\n..")).as_bytes());
    }
}
