//! Replies (RFC 5321 §4.2) with enhanced status codes (RFC 2034, RFC 3463).

use std::borrow::Cow;
use std::fmt;

/// The longest line written, CRLF included (RFC 5321 §4.5.3.1.5). Longer text is cut.
pub const REPLY_LINE_OCTETS_MAX: usize = 512;

/// An enhanced status code: class (2, 4 or 5), subject, detail (RFC 3463 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enhanced(pub u8, pub u16, pub u16);

impl Enhanced {
    /// Reads `class.subject.detail`, each of the latter 1 to 3 digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        let is_short_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_digit());
        if parts.next().is_some()
            || !matches!(class, "2" | "4" | "5")
            || ![subject, detail].into_iter().all(is_short_number)
        {
            return None;
        }
        Some(Self(class.parse().ok()?, subject.parse().ok()?, detail.parse().ok()?))
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// An answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Three digits, 200 to 559.
    pub code: u16,
    /// Goes before the text of every line. RFC 2034 §4: none in the greeting and in replies to HELO, EHLO and LHLO.
    pub enhanced: Option<Enhanced>,
    /// The text, line by line; a reply always has one line at least.
    pub lines: Vec<Cow<'static, str>>,
}

impl Reply {
    /// A reply with an enhanced code.
    pub fn new(code: u16, enhanced: Enhanced, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: Some(enhanced), lines: vec![text.into()] }
    }

    /// A reply without: greeting, HELO, EHLO, LHLO, 334 and 354.
    pub fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: None, lines: vec![text.into()] }
    }

    /// The same with one more line.
    #[must_use]
    pub fn line(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.lines.push(text.into());
        self
    }

    /// 2xx: done.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 5xx: will not work.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// All text in one line, for logs and for the status of a delivery.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// Appends the reply as it goes on the wire. Control characters in the text become spaces, so that no text,
    /// wherever it came from, can make a second reply.
    pub fn encode(&self, output: &mut Vec<u8>) {
        let enhanced = self.enhanced.map(|enhanced| format!("{enhanced} ")).unwrap_or_default();
        let last = self.lines.len().saturating_sub(1);
        let empty = [Cow::Borrowed("")];
        let lines = if self.lines.is_empty() { &empty[..] } else { &self.lines };
        for (number, line) in lines.iter().enumerate() {
            let separator = if number == last { ' ' } else { '-' };
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let whole = format!("{}{separator}{enhanced}{line}", self.code);
            let length = whole.floor_char_boundary(REPLY_LINE_OCTETS_MAX - 2);
            output.extend(whole.bytes().take(length));
            output.extend_from_slice(b"\r\n");
        }
    }
}

/// `550 5.1.1 No such mailbox`: one line.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.enhanced {
            Some(enhanced) => write!(f, "{} {enhanced} {}", self.code, self.text()),
            None => write!(f, "{} {}", self.code, self.text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reply: &Reply, expected: &str) {
        let mut output = Vec::new();
        reply.encode(&mut output);
        assert_eq!(String::from_utf8(output).unwrap(), expected);
    }

    #[test]
    fn replies_are_encoded() {
        check(&Reply::plain(220, "mx.example ESMTP"), "220 mx.example ESMTP\r\n");
        check(&Reply::new(250, Enhanced(2, 1, 0), "Ok"), "250 2.1.0 Ok\r\n");
        check(&Reply::plain(250, "mx").line("PIPELINING").line("SIZE 1"), "250-mx\r\n250-PIPELINING\r\n250 SIZE 1\r\n");
        check(&Reply::new(550, Enhanced(5, 7, 1), "No").line("Never"), "550-5.7.1 No\r\n550 5.7.1 Never\r\n");
        check(&Reply::plain(334, ""), "334 \r\n");
        check(&Reply { code: 250, enhanced: None, lines: vec![] }, "250 \r\n");
    }

    #[test]
    fn text_cannot_make_a_second_reply() {
        check(&Reply::plain(550, "no\r\n250 yes\0"), "550 no  250 yes \r\n");
        let mut output = Vec::new();
        Reply::plain(550, "ä".repeat(400)).encode(&mut output);
        assert_eq!(output.len(), REPLY_LINE_OCTETS_MAX);
        output.clear();
        Reply::plain(550, "x".repeat(507)).encode(&mut output);
        assert_eq!(output.len(), REPLY_LINE_OCTETS_MAX);
    }
}
