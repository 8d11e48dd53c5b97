//! IMAP URLs (RFC 5092) of a message or a part of one: as CATENATE has them (RFC 4469), relative to the server and the user of
//! the session, and as URLAUTH has them (RFC 4467), which say who may fetch them; with PARTIAL (RFC 5550 §5.7.1).

use crate::command::{BodySection, Partial, Section};
use crate::cursor::Cursor;
use crate::datetime::DateTime;
use crate::limits::Limits;
use crate::mailbox::{Dialect, MailboxName};
use message::percent;
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

/// The address of a message or of a part of one that says who may fetch it: as it is to be authorized, or authorized (RFC 5092
/// §11: authimapurlrump, authimapurlfull).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedUrl<'a> {
    /// All but the verifier, as it was written.
    pub rump: &'a str,
    /// Whose mailbox it is, as at a login.
    pub user: String,
    /// The server, without its port.
    pub host: &'a str,
    /// Which mailbox.
    pub mailbox: MailboxName,
    /// Which message of it.
    pub message: MessageUrl,
    /// The last second at which it counts, since 1970-01-01T00:00:00Z.
    pub expires_at: Option<i64>,
    /// Who may fetch it.
    pub access: UrlAccess,
    /// That it is authorized.
    pub verifier: Option<UrlVerifier<'a>>,
}

/// Who may fetch what an address leads to (RFC 4467 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlAccess {
    /// `submit+user`: a server that takes mail of that user.
    Submit(String),
    /// `user+user`: that user.
    User(String),
    /// `authuser`: whoever has logged in.
    AuthUser,
    /// `anonymous`: anybody.
    Anonymous,
}

/// What proves that an address is authorized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlVerifier<'a> {
    /// How it was made.
    pub mechanism: &'a str,
    /// Hexadecimal digits.
    pub token: &'a str,
}

impl<'a> AuthorizedUrl<'a> {
    /// An absolute address with `;URLAUTH=`; `None` for any other.
    #[must_use]
    pub fn parse(url: &'a str, limits: &Limits) -> Option<Self> {
        let (before, value) = url.split_at_checked(last(url, ";URLAUTH=")?)?;
        let value = parameter(value, ";URLAUTH=")?;
        let (access, verifier) = match value.split_once(':') {
            Some((access, verifier)) => {
                let (mechanism, token) = verifier.split_once(':')?;
                (access, Some(UrlVerifier { mechanism, token }))
            }
            None => (value, None),
        };
        let rump = url.get(..url.len() - (value.len() - access.len()))?;
        let (before, expires_at) = match last(before, ";EXPIRE=") {
            Some(at) => {
                let moment = parameter(before.get(at..)?, ";EXPIRE=").and_then(DateTime::parse_internet)?;
                (before.get(..at)?, Some(moment.unix_seconds()))
            }
            None => (before, None),
        };
        let (authority, path) = parameter(before, "imap://")?.split_once('/')?;
        let (user, host) = authority.rsplit_once('@')?;
        let host = host.split_once(':').map_or(host, |(host, _)| host);
        // RFC 5092 §11: iauth, which says how to log in, means nothing to whoever has.
        let user = decoded(user.split_once(';').map_or(user, |(user, _)| user))?.into_owned();
        let message = MessageUrl::path(path, limits)?;
        let mailbox = message.mailbox.clone()?;
        let access = UrlAccess::parse(access)?;
        let is_whole = !user.is_empty() && !host.is_empty();
        is_whole.then_some(Self { rump, user, host, mailbox, message, expires_at, access, verifier })
    }
}

impl UrlAccess {
    fn parse(text: &str) -> Option<Self> {
        let user = |name| {
            let user = parameter(text, name).and_then(decoded)?;
            (!user.is_empty()).then(|| user.into_owned())
        };
        if text.eq_ignore_ascii_case("authuser") {
            return Some(Self::AuthUser);
        }
        if text.eq_ignore_ascii_case("anonymous") {
            return Some(Self::Anonymous);
        }
        user("submit+").map(Self::Submit).or_else(|| user("user+").map(Self::User))
    }
}

/// Where a parameter of an address begins, at the end.
fn last(url: &str, name: &str) -> Option<usize> {
    url.char_indices()
        .rev()
        .map(|(at, _)| at)
        .find(|at| url.get(*at..).and_then(|rest| parameter(rest, name)).is_some())
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
    String::from_utf8(percent::decode(text.as_bytes())?).ok().map(Cow::Owned)
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
    use proptest::prelude::*;

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

    #[test]
    fn addresses_that_say_who_may_fetch_them() {
        let limits = Limits::after_login(1 << 20);
        let rump = "imap://joe;AUTH=*@example.com/INBOX/;uid=20/;section=1.2;EXPIRE=2007-01-01T01:00:00+01:00;urlauth=user+fr%40ed";
        for (url, verifier) in [
            (rump.to_owned(), None),
            (format!("{rump}:internal:0123"), Some(UrlVerifier { mechanism: "internal", token: "0123" })),
        ] {
            let parsed = AuthorizedUrl::parse(&url, &limits).unwrap();
            assert_eq!((parsed.rump, parsed.user.as_str(), parsed.host), (rump, "joe", "example.com"));
            assert_eq!((parsed.mailbox.as_str(), parsed.message.uid), ("INBOX", 20));
            assert_eq!(parsed.message.section, section(&[1, 2], SectionText::Whole, None));
            assert_eq!((parsed.expires_at, parsed.access), (Some(1_167_609_600), UrlAccess::User("fr@ed".into())));
            assert_eq!(parsed.verifier, verifier);
        }
        let access = |access: &str| {
            let url = format!("IMAP://joe@host:143/a/;UID=1;URLAUTH={access}");
            AuthorizedUrl::parse(&url, &limits).map(|parsed| parsed.access)
        };
        assert_eq!(access("AuthUser"), Some(UrlAccess::AuthUser));
        assert_eq!(access("anonymous"), Some(UrlAccess::Anonymous));
        assert_eq!(access("submit+fred"), Some(UrlAccess::Submit("fred".into())));
        for wrong in ["", "user+", "fred", "authuser:INTERNAL"] {
            assert_eq!(access(wrong), None, "{wrong}");
        }
        for wrong in [
            "imap://joe@host/a/;UID=1",
            "imap://host/a/;UID=1;URLAUTH=authuser",
            "imap://@host/a/;UID=1;URLAUTH=authuser",
            "imap://joe@host/a;URLAUTH=authuser",
            "imap://joe@host/;UID=1;URLAUTH=authuser",
            "http://joe@host/a/;UID=1;URLAUTH=authuser",
            "/a/;UID=1;URLAUTH=authuser",
            "imap://joe@host/a/;UID=1;EXPIRE=tomorrow;URLAUTH=authuser",
            "imap://joe@host/a/;UID=1;EXPIRE=2007-02-29T00:00:00Z;URLAUTH=authuser",
        ] {
            assert_eq!(AuthorizedUrl::parse(wrong, &limits), None, "{wrong}");
        }
    }

    proptest! {
        /// Whatever a client writes is an address or none, and what is proven of it is all that stands before the proof.
        #[test]
        fn no_text_is_too_strange(
            parts in prop::collection::vec(
                prop_oneof![
                    prop::sample::select(vec![
                        "imap://", "a@b", "/", "INBOX", ";UIDVALIDITY=1", ";UID=1", ";SECTION=1.TEXT", ";PARTIAL=1.2",
                        ";EXPIRE=2026-01-01T00:00:00Z", ";URLAUTH=user+c", ":INTERNAL:01", "%", "%C3%BC", "\u{fc}",
                    ]).prop_map(str::to_owned),
                    any::<String>(),
                ],
                0..12,
            ),
        ) {
            let (url, limits) = (parts.concat(), Limits::after_login(1 << 20));
            let _ = MessageUrl::relative(&url, Some(&MailboxName::new("a/b").unwrap()), &limits);
            if let Some(parsed) = AuthorizedUrl::parse(&url, &limits) {
                let proof = parsed.verifier.map_or_else(String::new, |v| format!(":{}:{}", v.mechanism, v.token));
                prop_assert_eq!(format!("{}{proof}", parsed.rump), url);
            }
        }
    }
}
