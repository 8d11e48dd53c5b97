//! The small pieces that structured header fields share: white space, comments, tokens, quoted strings.
//!
//! A cursor over an unfolded value. It always moves forward, so reading a value is linear; what is not closed at the
//! end is closed by the end.

use memchr::memchr3;

/// A reader over the bytes of an unfolded field value.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.input.len());
    }

    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let start = self.at;
        self.skip(count);
        &self.input[start..self.at]
    }

    pub(crate) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let count = rest.iter().position(|&byte| !wanted(byte)).unwrap_or(rest.len());
        self.take(count)
    }

    /// Skips white space and comments (RFC 5322 §3.2.2).
    pub(crate) fn skip_cfws(&mut self) {
        loop {
            self.take_while(|byte| byte.is_ascii_whitespace());
            if self.peek() != Some(b'(') {
                return;
            }
            self.comment();
        }
    }

    /// The text of the comment that begins here, nested parentheses kept, quoted pairs resolved.
    pub(crate) fn comment(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut depth = 1_usize;
        self.skip(1);
        while let Some(byte) = self.peek() {
            self.skip(1);
            match byte {
                b'\\' => text.extend_from_slice(self.take(1)),
                b'(' => {
                    depth += 1;
                    text.push(byte);
                }
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                    text.push(byte);
                }
                _ => text.push(byte),
            }
        }
        text
    }

    /// The content of the quoted string that begins here, quoted pairs resolved (RFC 5322 §3.2.4).
    pub(crate) fn quoted(&mut self) -> Vec<u8> {
        self.skip(1);
        let mut text = Vec::new();
        loop {
            let rest = self.rest();
            let plain = memchr3(b'"', b'\\', 0, rest).unwrap_or(rest.len());
            text.extend_from_slice(self.take(plain));
            match self.take(1) {
                b"\\" => text.extend_from_slice(self.take(1)),
                b"\0" => {}
                _ => return text,
            }
        }
    }

    /// A MIME token (RFC 2045 §5.1), generously: up to white space, a control or a byte that separates.
    pub(crate) fn token(&mut self) -> &'a [u8] {
        self.take_while(|byte| {
            byte > b' ' && byte != 0x7f && !matches!(byte, b';' | b'=' | b'/' | b'"' | b'(' | b')' | b',' | b'<' | b'>')
        })
    }
}

/// The value of a hexadecimal digit.
pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_nest_and_quoted_strings_escape() {
        let check = |input: &[u8], expected: &[u8], rest: &[u8]| {
            let mut cursor = Cursor::new(input);
            let got = if input.first() == Some(&b'(') { cursor.comment() } else { cursor.quoted() };
            assert_eq!((got.as_slice(), cursor.rest()), (expected, rest));
        };
        check(b"(a (b) \\) c) d", b"a (b) ) c", b" d");
        check(b"(open", b"open", b"");
        check(b"(open\\", b"open", b"");
        check(b"\"a \\\"b\\\" c\" d", b"a \"b\" c", b" d");
        check(b"\"open", b"open", b"");
        check(b"\"open\\", b"open", b"");
    }
}
