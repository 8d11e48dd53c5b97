//! Reads replies of a server, line by line.

use crate::{Enhanced, Reply};
use std::borrow::Cow;

/// A reply with more lines is refused.
pub const REPLY_LINES_MAX: usize = 256;

/// The server's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// A line does not begin with three digits and a space or hyphen.
    Malformed,
    /// Lines of one reply have different codes.
    CodeChanged,
    /// More than [`REPLY_LINES_MAX`] lines.
    TooManyLines,
    /// A line is longer than the caller's limit.
    LineTooLong,
}

/// Gathers the lines of a reply.
#[derive(Debug, Default)]
pub struct ReplyReader {
    code: Option<u16>,
    lines: Vec<String>,
}

impl ReplyReader {
    /// Takes a line without its line end. Gives the reply with its last line.
    /// An enhanced code that fits the code and begins the first line is taken out of the text of all lines.
    pub fn push_line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let (code, is_last, text) = split(line).ok_or(ReplyError::Malformed)?;
        if self.code.is_some_and(|before| before != code) {
            return Err(ReplyError::CodeChanged);
        }
        if self.lines.len() == REPLY_LINES_MAX {
            return Err(ReplyError::TooManyLines);
        }
        self.code = Some(code);
        self.lines.push(text);
        if !is_last {
            return Ok(None);
        }
        self.code = None;
        Ok(Some(with_enhanced(code, std::mem::take(&mut self.lines))))
    }
}

fn split(line: &[u8]) -> Option<(u16, bool, String)> {
    let (code, rest) = line.split_at_checked(3)?;
    let code = str::from_utf8(code).ok().filter(|code| code.bytes().all(|c| c.is_ascii_digit()))?;
    let code = code.parse().ok().filter(|code| (200..600).contains(code))?;
    // RFC 5321 §4.2: a client must accept a reply line of the code alone.
    let (is_last, text) = match rest.split_first() {
        None => (true, rest),
        Some((b' ', text)) => (true, text),
        Some((b'-', text)) => (false, text),
        Some(_) => return None,
    };
    let text = String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Some((code, is_last, text))
}

fn with_enhanced(code: u16, lines: Vec<String>) -> Reply {
    let enhanced = lines.first().and_then(|line| leading_code(line)).filter(|found| u16::from(found.0) == code / 100);
    let strip = |line: String| match line.split_once(' ') {
        Some((word, text)) if enhanced.is_some() && Enhanced::parse(word) == enhanced => text.to_owned(),
        None if enhanced.is_some() && Enhanced::parse(&line) == enhanced => String::new(),
        _ => line,
    };
    Reply { code, enhanced, lines: lines.into_iter().map(strip).map(Cow::Owned).collect() }
}

fn leading_code(line: &str) -> Option<Enhanced> {
    Enhanced::parse(line.split(' ').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expected: Result<Option<Reply>, ReplyError>) {
        let mut reader = ReplyReader::default();
        let mut last = Ok(None);
        for line in lines {
            last = reader.push_line(line.as_bytes());
        }
        assert_eq!(last, expected, "{lines:?}");
    }

    #[test]
    fn replies_are_read() {
        check(&["250 Ok"], Ok(Some(Reply::plain(250, "Ok"))));
        check(&["250"], Ok(Some(Reply::plain(250, ""))));
        check(&["250-a"], Ok(None));
        check(&["250-a", "250 b"], Ok(Some(Reply::plain(250, "a").line("b"))));
        check(&["550 5.1.1 No"], Ok(Some(Reply::new(550, Enhanced(5, 1, 1), "No"))));
        check(&["550-5.1.1 No", "550 5.1.1"], Ok(Some(Reply::new(550, Enhanced(5, 1, 1), "No").line(""))));
        check(&["550 4.1.1 No"], Ok(Some(Reply::plain(550, "4.1.1 No"))));
        check(&["250 2.1.1.1 x"], Ok(Some(Reply::plain(250, "2.1.1.1 x"))));
        check(&["250 2.1000.1 x"], Ok(Some(Reply::plain(250, "2.1000.1 x"))));
    }

    #[test]
    fn what_is_no_reply() {
        for line in ["", "25", "2x0 a", "150 a", "600 a", "250_a", "+50 a", "HTTP/1.1 400 Bad Request"] {
            check(&[line], Err(ReplyError::Malformed));
        }
        check(&["250-a", "251 b"], Err(ReplyError::CodeChanged));
        check(&["250-a"; REPLY_LINES_MAX + 1], Err(ReplyError::TooManyLines));
        check(&["250-a"; REPLY_LINES_MAX], Ok(None));
    }
}
