//! Mailbox names (RFC 9051 §5.1) and the special uses of mailboxes (RFC 6154).

use std::borrow::Cow;
use std::fmt;

use crate::utf7;

/// Which text the two sides agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// IMAP4rev1: mailbox names in modified UTF-7 (RFC 3501 §5.1.3), quoted strings in ASCII.
    #[default]
    Rev1,
    /// IMAP4rev2 (RFC 9051 §5.1) or UTF8=ACCEPT (RFC 6855 §3) is enabled: UTF-8 in names and quoted strings.
    Utf8,
}

/// The name of a mailbox, UTF-8, hierarchy separator `/`, `INBOX` in capitals.
///
/// Invariant: not empty, no empty component, no control character, no `*` and no `%`,
/// at most [`MailboxName::BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailboxName(String);

/// Why a mailbox cannot have this name. `Display` completes the sentence "Mailbox name …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing there.
    Empty,
    /// A leading `/`, a `//`, or nothing but separators.
    EmptyComponent,
    /// A control character or a line separator (RFC 5198 §2).
    Control,
    /// `*` or `%`, which LIST could not tell from a pattern (RFC 9051 §5.1 advises against them).
    Wildcard,
    /// Longer than [`MailboxName::BYTES_MAX`].
    TooLong,
    /// Not UTF-8.
    NotUtf8,
    /// Not modified UTF-7, or not its canonical form.
    NotModifiedUtf7,
}

impl MailboxName {
    /// The longest name, in bytes of UTF-8.
    pub const BYTES_MAX: usize = 1000;
    /// The hierarchy separator.
    const SEPARATOR: char = '/';

    /// The mailbox `name`. One trailing separator is dropped: RFC 9051 §6.3.4 lets a client add it
    /// to say that it will create children, and asks for the mailbox without it.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn new(name: &str) -> Result<Self, NameError> {
        let name = name.strip_suffix(Self::SEPARATOR).unwrap_or(name);
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > Self::BYTES_MAX {
            return Err(NameError::TooLong);
        }
        if name.split(Self::SEPARATOR).any(str::is_empty) {
            return Err(NameError::EmptyComponent);
        }
        if name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return Err(NameError::Control);
        }
        if name.contains(['*', '%']) {
            return Err(NameError::Wildcard);
        }
        Ok(Self(with_inbox_in_capitals(name)))
    }

    /// The mailbox that a client means by `wire`. Names with bytes above 127 are read as UTF-8 in both dialects.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn from_wire(wire: &[u8], dialect: Dialect) -> Result<Self, NameError> {
        Self::new(&decode(wire, dialect)?)
    }

    /// `INBOX`.
    #[must_use]
    pub fn inbox() -> Self {
        Self("INBOX".to_owned())
    }

    /// The name in UTF-8.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is INBOX itself.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        self.0 == "INBOX"
    }

    /// The mailbox above, for all but the topmost.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once(Self::SEPARATOR).map(|(parent, _)| Self(parent.to_owned()))
    }

    /// The name as it travels, before quoting.
    #[must_use]
    pub(crate) fn to_wire(&self, dialect: Dialect) -> Cow<'_, str> {
        match dialect {
            Dialect::Utf8 => Cow::Borrowed(&self.0),
            Dialect::Rev1 if self.0.bytes().all(|b| b.is_ascii() && b != b'&') => Cow::Borrowed(&self.0),
            Dialect::Rev1 => {
                let mut wire = String::with_capacity(self.0.len() + 16);
                utf7::encode_into(&self.0, &mut wire);
                Cow::Owned(wire)
            }
        }
    }
}

/// The text behind a name or a list pattern.
pub(crate) fn decode(wire: &[u8], dialect: Dialect) -> Result<Cow<'_, str>, NameError> {
    let text = std::str::from_utf8(wire).map_err(|_| NameError::NotUtf8)?;
    if dialect == Dialect::Utf8 || !text.is_ascii() || !text.contains('&') {
        return Ok(Cow::Borrowed(text));
    }
    utf7::decode(text).map(Cow::Owned).ok_or(NameError::NotModifiedUtf7)
}

/// RFC 9051 §5.1: INBOX is case-insensitive; so is it here as the first component of its children.
fn with_inbox_in_capitals(name: &str) -> String {
    let (first, rest) = name.find(MailboxName::SEPARATOR).map_or((name, ""), |at| name.split_at(at));
    if first.eq_ignore_ascii_case("INBOX") { format!("INBOX{rest}") } else { name.to_owned() }
}

impl AsRef<str> for MailboxName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::EmptyComponent => "has an empty component",
            Self::Control => "has a control character",
            Self::Wildcard => "has a wildcard",
            Self::TooLong => "is too long",
            Self::NotUtf8 => "is not UTF-8",
            Self::NotModifiedUtf7 => "is not modified UTF-7",
        })
    }
}

/// What a mailbox is for (RFC 6154 §2, RFC 8457).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpecialUse {
    /// `\All`: every message.
    All,
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Flagged`: every flagged message.
    Flagged,
    /// `\Important`
    Important,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

impl SpecialUse {
    /// Every special use.
    pub const EVERY: [Self; 8] =
        [Self::All, Self::Archive, Self::Drafts, Self::Flagged, Self::Important, Self::Junk, Self::Sent, Self::Trash];

    /// The attribute as it stands in LIST.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Important => "\\Important",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }

    /// The use that `bytes` (with its backslash) names, in any case.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Self::EVERY.into_iter().find(|special| special.as_str().as_bytes().eq_ignore_ascii_case(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(wire: &str, dialect: Dialect, expected: Result<&str, NameError>) {
        let name = MailboxName::from_wire(wire.as_bytes(), dialect);
        assert_eq!(name.as_ref().map(MailboxName::as_str), expected.as_ref().map(|s| *s), "{wire}");
    }

    #[test]
    fn names() {
        check("inbox", Dialect::Rev1, Ok("INBOX"));
        check("Inbox/Work", Dialect::Rev1, Ok("INBOX/Work"));
        check("inboxes", Dialect::Rev1, Ok("inboxes"));
        check("a/inbox", Dialect::Rev1, Ok("a/inbox"));
        check("Lists/", Dialect::Rev1, Ok("Lists"));
        check("Entw&APw-rfe", Dialect::Rev1, Ok("Entwürfe"));
        check("Entw&APw-rfe", Dialect::Utf8, Ok("Entw&APw-rfe"));
        check("Entwürfe", Dialect::Rev1, Ok("Entwürfe"));
        check("R&D", Dialect::Utf8, Ok("R&D"));
        check("R&D", Dialect::Rev1, Err(NameError::NotModifiedUtf7));
        check("", Dialect::Rev1, Err(NameError::Empty));
        check("/", Dialect::Rev1, Err(NameError::Empty));
        check("/a", Dialect::Rev1, Err(NameError::EmptyComponent));
        check("a//b", Dialect::Rev1, Err(NameError::EmptyComponent));
        check("a//", Dialect::Rev1, Err(NameError::EmptyComponent));
        check("a\u{7}", Dialect::Rev1, Err(NameError::Control));
        check("&AAc-", Dialect::Rev1, Err(NameError::Control));
        check("a*", Dialect::Rev1, Err(NameError::Wildcard));
        check(&"x".repeat(1001), Dialect::Rev1, Err(NameError::TooLong));
        assert!(MailboxName::new(&"x".repeat(1000)).is_ok());
        assert_eq!(MailboxName::from_wire(b"\xff", Dialect::Utf8), Err(NameError::NotUtf8));
    }

    #[test]
    fn parents() {
        let name = MailboxName::new("a/b/c").unwrap();
        assert_eq!(name.parent().unwrap().as_str(), "a/b");
        assert_eq!(MailboxName::inbox().parent(), None);
    }

    proptest! {
        #[test]
        fn a_name_survives_the_wire(text in "[a-zA-Zé日😀& /.-]{1,20}") {
            if let Ok(name) = MailboxName::new(&text) {
                for dialect in [Dialect::Rev1, Dialect::Utf8] {
                    let wire = name.to_wire(dialect);
                    prop_assert_eq!(MailboxName::from_wire(wire.as_bytes(), dialect), Ok(name.clone()));
                }
            }
        }
    }
}
