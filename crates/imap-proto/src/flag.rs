//! Flags and keywords (RFC 9051 §2.3.2).
//!
//! `\Recent` has no value here: the server says it of a message to one session (RFC 3501 §2.3.2; RFC 9051 drops the flag),
//! nobody can store it, and a client that sends it in STORE or APPEND means nothing by it, so parsing leaves it out.

use std::fmt;

use crate::atom::is_atom_char;

/// A flag of a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flag {
    /// `\Seen`
    Seen,
    /// `\Answered`
    Answered,
    /// `\Flagged`
    Flagged,
    /// `\Deleted`
    Deleted,
    /// `\Draft`
    Draft,
    /// A keyword, its case as the client wrote it (clients compare `$Label1` exactly).
    Keyword(String),
}

/// Why a flag cannot be stored. `Display` completes the sentence "Flag …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagError {
    /// Nothing there.
    Empty,
    /// `\Something` that RFC 9051 §2.3.2 does not define, or `\*`.
    UnknownSystem,
    /// A keyword with a character that is no ATOM-CHAR: it would break the responses to every other client.
    Character,
    /// A keyword longer than [`Flag::KEYWORD_BYTES_MAX`].
    TooLong,
}

impl Flag {
    /// The longest keyword, in bytes.
    pub const KEYWORD_BYTES_MAX: usize = 255;

    /// Parses a flag as it stands on the wire; `None` for `\Recent`.
    ///
    /// # Errors
    /// See [`FlagError`].
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, FlagError> {
        let Some(name) = bytes.strip_prefix(b"\\") else { return Self::keyword(bytes).map(Some) };
        const SYSTEM: [Flag; 5] = [Flag::Seen, Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Draft];
        if name.eq_ignore_ascii_case(b"Recent") {
            return Ok(None);
        }
        let known = SYSTEM.into_iter().find(|flag| flag.as_str().as_bytes()[1..].eq_ignore_ascii_case(name));
        known.map(Some).ok_or(FlagError::UnknownSystem)
    }

    fn keyword(bytes: &[u8]) -> Result<Self, FlagError> {
        if bytes.is_empty() {
            return Err(FlagError::Empty);
        }
        if bytes.len() > Self::KEYWORD_BYTES_MAX {
            return Err(FlagError::TooLong);
        }
        // RFC 9051 §9: flag-keyword = … / atom. A `]` would end a PERMANENTFLAGS code early.
        let text = std::str::from_utf8(bytes).map_err(|_| FlagError::Character)?;
        if !bytes.iter().all(|&byte| byte.is_ascii() && is_atom_char(byte)) {
            return Err(FlagError::Character);
        }
        Ok(Self::Keyword(text.to_owned()))
    }

    /// The flag as it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Seen => "\\Seen",
            Self::Answered => "\\Answered",
            Self::Flagged => "\\Flagged",
            Self::Deleted => "\\Deleted",
            Self::Draft => "\\Draft",
            Self::Keyword(keyword) => keyword,
        }
    }
}

impl AsRef<str> for Flag {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for FlagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::UnknownSystem => "is not a system flag this server knows",
            Self::Character => "has a character that a keyword cannot have",
            Self::TooLong => "is too long",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Option<Flag>, FlagError>) {
        assert_eq!(Flag::parse(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn flags_and_keywords() {
        check("\\seen", Ok(Some(Flag::Seen)));
        check("\\DRAFT", Ok(Some(Flag::Draft)));
        check("\\Recent", Ok(None));
        check("$Label1", Ok(Some(Flag::Keyword("$Label1".into()))));
        check("NonJunk", Ok(Some(Flag::Keyword("NonJunk".into()))));
        check("a&b!#'+-./:;<=>?@[^_`|}~", Ok(Some(Flag::Keyword("a&b!#'+-./:;<=>?@[^_`|}~".into()))));
        check("", Err(FlagError::Empty));
        check("\\*", Err(FlagError::UnknownSystem));
        check("\\Sent", Err(FlagError::UnknownSystem));
        check("a]b", Err(FlagError::Character));
        check("é", Err(FlagError::Character));
        check(&"k".repeat(255), Ok(Some(Flag::Keyword("k".repeat(255)))));
        check(&"k".repeat(256), Err(FlagError::TooLong));
    }
}
