//! The tag of a command (RFC 9051 §2.2.1).

use std::fmt;

use crate::atom::is_astring_char;

/// What the client put before its command and finds again before the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag(Box<str>);

impl Tag {
    /// The tag `text`, unless it is empty or has a character no tag may have.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        Self::from_bytes(text.as_bytes())
    }

    /// RFC 9051 §9: `tag = 1*<any ASTRING-CHAR except "+">`.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let valid = !bytes.is_empty() && bytes.iter().all(|&b| b.is_ascii() && is_astring_char(b) && b != b'+');
        let text = std::str::from_utf8(bytes).ok()?;
        valid.then(|| Self(text.into()))
    }

    /// The tag as sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_has_no_plus_and_no_specials() {
        for (text, valid) in
            [("a1", true), ("A.]x", true), ("", false), ("a+b", false), ("a b", false), ("é", false), ("*", false)]
        {
            assert_eq!(Tag::new(text).is_some(), valid, "{text}");
        }
    }
}
