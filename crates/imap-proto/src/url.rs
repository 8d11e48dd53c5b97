//! IMAP URLs (RFC 5092) of a message or a part of one, as CATENATE has them (RFC 4469): relative to the server and the
//! user of the session; with PARTIAL (RFC 5550 §5.7.1).

use crate::command::{BodySection, Partial, Section};
use crate::cursor::Cursor;
use crate::limits::Limits;
use crate::mailbox::{Dialect, MailboxName};
use std::borrow::Cow;

/// The address of a message or of a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageUrl {
    /// Where the message is; `None`: in the selected mailbox.
    pub mailbox: Option<MailboxName>,
    /// What that mailbox must have, if it is said.
    pub uid_validity: Option<u32>,
    /// Never 0.
    pub uid: u32,
    /// What of the message; nothing said is all of it.
    pub section: BodySection,
}

impl MessageUrl {
    /// An address without a server. What is relative begins in the selected mailbox, or beside it. `None` for what is no
    /// address of a message (RFC 5092 §11).
    #[must_use]
    pub fn relative(url: &str, selected: Option<&MailboxName>, limits: &Limits) -> Option<Self> {
        match url.strip_prefix('/') {
            Some(path) if path.starts_with('/') => None,
            Some(path) => Self::path(path, limits).filter(|url| url.mailbox.is_some()),
            None => {
                let url = Self::path(url, limits)?;
                // RFC 3986 §5.3: beside the last segment of the base.
                let name = match (&url.mailbox, selected.map(MailboxName::parent)) {
                    (None, _) | (Some(_), Some(None) | None) => return Some(url),
                    (Some(name), Some(Some(parent))) => format!("{parent}/{name}"),
                };
                Some(Self { mailbox: MailboxName::new(&name).ok(), ..url })
            }
        }
    }

    /// RFC 5092 §11: imailbox-ref iuid [isection] [ipartial], or the same without the mailbox.
    fn path(path: &str, limits: &Limits) -> Option<Self> {
        let at = path.char_indices().find(|(at, _)| is_segment(path, *at, ";UID=")).map(|(at, _)| at)?;
        let (before, rest) = (path.get(..at)?, path.get(at..)?);
        let mut segments = rest.split('/');
        let uid = number(parameter(segments.next()?, ";UID=")?)?;
        let mut segment = segments.next();
        let mut take = |name: &str| {
            let value = segment.and_then(|segment| parameter(segment, name));
            if value.is_some() {
                segment = segments.next();
            }
            value
        };
        let (section, partial) = (take(";SECTION="), take(";PARTIAL="));
        if segment.is_some() {
            return None;
        }
        let section = match section {
            Some(text) => Section::of_url(&decoded(text)?, limits)?,
            None => Section::default(),
        };
        let partial = match partial {
            Some(text) => Some(range(text)?),
            None => None,
        };
        let (mailbox, uid_validity) = match before.strip_suffix('/') {
            Some(place) => place_of(place)?,
            None if before.is_empty() => (None, None),
            None => return None,
        };
        Some(Self { mailbox, uid_validity, uid, section: BodySection { section, peek: true, partial } })
    }
}

/// Whether a segment of a path begins at `at`, with `name` in any case.
fn is_segment(path: &str, at: usize, name: &str) -> bool {
    let is_start = at == 0 || path.as_bytes().get(at - 1) == Some(&b'/');
    is_start && path.get(at..).is_some_and(|rest| parameter(rest, name).is_some())
}

/// What follows a name; RFC 5092 §11: in any case.
fn parameter<'a>(segment: &'a str, name: &str) -> Option<&'a str> {
    let (head, value) = segment.split_at_checked(name.len())?;
    head.eq_ignore_ascii_case(name).then_some(value)
}

/// A mailbox, with its UIDVALIDITY or without.
fn place_of(place: &str) -> Option<(Option<MailboxName>, Option<u32>)> {
    let (name, uid_validity) = match place.split_once(';') {
        Some((name, rest)) => (name, Some(number(parameter(rest, "UIDVALIDITY=")?)?)),
        None => (place, None),
    };
    Some((Some(MailboxName::new(&decoded(name)?).ok()?), uid_validity))
}

/// RFC 5092 §11: partial-range.
fn range(text: &str) -> Option<Partial> {
    let (offset, length) = match text.split_once('.') {
        Some((offset, length)) => (offset, length.parse().ok().filter(|length| *length > 0)?),
        None => (text, u64::MAX),
    };
    Some(Partial { offset: offset.parse().ok()?, length })
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number > 0)
}

/// Without the percent encoding of octets (RFC 3986 §2.1).
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            octets.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        rest = after;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        octets.push(digit(digits[0])? << 4 | digit(digits[1])?);
    }
    String::from_utf8(octets).ok().map(Cow::Owned)
}

impl Section {
    /// RFC 5092 §11: enc-section, decoded.
    fn of_url(text: &str, limits: &Limits) -> Option<Self> {
        let mut cursor = Cursor::new(text.as_bytes(), Vec::new(), limits, Dialect::Utf8);
        let section = Self::parse(&mut cursor).ok()?;
        cursor.end().ok().map(|()| section)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::SectionText;

    fn parse(url: &str, selected: Option<&str>) -> Option<MessageUrl> {
        let selected = selected.map(|name| MailboxName::new(name).unwrap());
        MessageUrl::relative(url, selected.as_ref(), &Limits::after_login(1 << 20))
    }

    fn check(url: &str, selected: Option<&str>, place: (Option<&str>, Option<u32>, u32), section: BodySection) {
        let (mailbox, uid_validity, uid) = place;
        let mailbox = mailbox.map(|name| MailboxName::new(name).unwrap());
        assert_eq!(parse(url, selected), Some(MessageUrl { mailbox, uid_validity, uid, section }), "{url}");
    }

    fn section(part: &[u32], text: SectionText, partial: Option<(u64, u64)>) -> BodySection {
        let partial = partial.map(|(offset, length)| Partial { offset, length });
        BodySection { section: Section { part: part.to_vec(), text }, peek: true, partial }
    }

    #[test]
    fn addresses_of_messages_and_parts() {
        use SectionText::{Header, HeaderFields, Mime, Whole};
        // RFC 4469 appendix A.
        check(
            "/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER",
            None,
            (Some("Drafts"), Some(385_759_045), 20),
            section(&[], Header, None),
        );
        check("/Drafts/;uid=20/;section=1.2.MIME", None, (Some("Drafts"), None, 20), section(&[1, 2], Mime, None));
        check("/a/b/;UID=3", None, (Some("a/b"), None, 3), section(&[], Whole, None));
        check(
            "/Entw%C3%BCrfe/;UID=3/;PARTIAL=10.5",
            None,
            (Some("Entw\u{fc}rfe"), None, 3),
            section(&[], Whole, Some((10, 5))),
        );
        check(";UID=3/;SECTION=1/;PARTIAL=7", Some("a/b"), (None, None, 3), section(&[1], Whole, Some((7, u64::MAX))));
        check("c/;UID=3", Some("a/b"), (Some("a/c"), None, 3), section(&[], Whole, None));
        check("c/;UID=3", Some("a"), (Some("c"), None, 3), section(&[], Whole, None));
        let fields = HeaderFields(vec!["To".into(), "Cc".into()]);
        check("/a/;UID=3/;SECTION=HEADER.FIELDS%20(To%20Cc)", None, (Some("a"), None, 3), section(&[], fields, None));
    }

    #[test]
    fn what_is_no_address_of_a_message() {
        for url in [
            "",
            "/",
            "/INBOX",
            "/INBOX/",
            "/;UID=1",
            "/INBOX/;UID=0",
            "/INBOX/;UID=x",
            "/INBOX/;UID=1/",
            "/INBOX/;UID=1/;SECTION=",
            "/INBOX/;UID=1/;SECTION=WHAT",
            "/INBOX/;UID=1/;SECTION=HEADER%20x",
            "/INBOX/;UID=1/;PARTIAL=1.0",
            "/INBOX/;UID=1/;PARTIAL=1/;SECTION=1",
            "/INBOX;UID=1",
            "/INBOX;UIDVALIDITY=0/;UID=1",
            "/%ZZ/;UID=1",
            "/%FF/;UID=1",
            "/a%/;UID=1",
            "//host/INBOX/;UID=1",
            "imap://me@host/INBOX/;UID=1",
            "/INBOX?SUBJECT%20x",
        ] {
            // A section of nothing is the whole.
            let expected = url.ends_with("SECTION=");
            assert_eq!(parse(url, Some("INBOX")).is_some(), expected, "{url}");
        }
    }
}
