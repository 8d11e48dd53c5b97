//! Letters that the server itself writes to people: their form, and in which language somebody is written to.
//!
//! What they say stands where it happens (`console`, `mailflow`), in the macros of `wording`; whoever writes calls
//! [`wording::speaking`] with [`language_of`] first. Nothing here sends or stores anything, and nothing reads a clock.
//!
//! Invariant: a line of a text is short enough for every server (RFC 5322 §2.1.1), whatever strangers wrote in it. Invariant: a
//! subject is ASCII, so a letter goes where SMTPUTF8 is not on offer.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod lines;

use directory::{Directory, Resolution};
pub use lines::wrapped;
use message::date::format_rfc5322;
use message::surrogate;
use store::{AccountId, LanguageTag, Store, Timestamp};
use wording::{Language, tr};

/// What stands above the text of a letter.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// `Pillarbox <pillarbox@mail.example.org>`.
    pub from: &'a str,
    /// An address; empty: nobody is named.
    pub to: &'a str,
    /// In the language of the letter.
    pub subject: &'a str,
    /// Its Message-ID, without angle brackets.
    pub id: &'a str,
    /// Its date.
    pub at: Timestamp,
}

impl Head<'_> {
    /// The letter, with CRLF line ends; `text` has LF.
    #[must_use]
    pub fn letter(&self, text: &str) -> Vec<u8> {
        let Self { from, to, id, at, .. } = self;
        let to = if to.is_empty() { String::new() } else { format!("To: <{to}>\n") };
        // RFC 3834 §5: so that nothing answers it.
        let head = format!(
            "From: {from}\n{to}Subject: {}\nDate: {}\nMessage-ID: <{id}>\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n\
             Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n{}\n",
            subject(self.subject).replace("\r\n", "\n"),
            format_rfc5322(at.unix_seconds()),
            language_field().replace("\r\n", "\n"),
        );
        (head + text).replace('\n', "\r\n").into_bytes()
    }
}

/// A subject as the body of its field, folded with CRLF: encoded-words (RFC 2047) of what is not ASCII.
#[must_use]
pub fn subject(text: &str) -> String {
    let field = format!("Subject: {text}\r\n\r\n");
    let encoded = surrogate::header(field.as_bytes()).and_then(|header| String::from_utf8(header).ok());
    let field = encoded.unwrap_or(field);
    field.trim_start_matches("Subject:").trim().to_owned()
}

/// RFC 3282: the field that says in which language a letter is that this thread writes; nothing where it is English.
#[must_use]
pub fn language_field() -> String {
    match wording::language() {
        Language::English => String::new(),
        language => format!("Content-Language: {}\r\n", language.tag()),
    }
}

/// A moment in the text of a letter, in UTC.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    if wording::language() == Language::English {
        return format_rfc5322(at.unix_seconds());
    }
    let utc = jiff::Timestamp::from_second(at.unix_seconds()).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
    tr!(
        "{year}-{month}-{day} {time} UTC",
        year = utc.year(),
        month = utc.month(),
        day = utc.day(),
        time = format!("{:02}:{:02}", utc.hour(), utc.minute())
    )
}

/// The language that the owner of an account has chosen; none also where their account cannot be read: then they are written to as
/// anybody is.
#[must_use]
pub fn language_of(store: &Store, account: AccountId) -> Option<Language> {
    store.account(account).settings().ok().and_then(|settings| spoken(settings.language))
}

/// The same for the account that an address leads to, if it is one.
#[must_use]
pub fn language_to(directory: &Directory, store: &Store, address: &str) -> Option<Language> {
    let (local_part, domain) = address.rsplit_once('@')?;
    match directory.resolve(local_part, domain).ok()? {
        Resolution::Local { accounts, .. } => match accounts.as_slice() {
            [only] => language_of(store, only.account),
            _ => None,
        },
        Resolution::List(..) | Resolution::NoSuchUser | Resolution::NotLocal => None,
    }
}

/// The language of a tag; none also of one that only a later version speaks.
#[must_use]
pub fn spoken(tag: Option<LanguageTag>) -> Option<Language> {
    tag.as_ref().and_then(|tag| Language::of_tag(tag.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Summary;
    use std::sync::Arc;
    use store::sim::{SimEngine, SimObjects};
    use store::{Actor, DeviceId, Protocol, StoreOptions};
    use wording::speaking;

    const AT: Timestamp = Timestamp(1_790_000_000_000);

    #[test]
    fn a_letter_has_a_subject_in_ascii_and_says_its_language() {
        let head = Head {
            from: "Pillarbox <pillarbox@mail.example.org>",
            to: "alice@example.org",
            subject: "Ihr Postfach füllt sich, „sehr“ sogar, mit allem, was Sie je bekommen haben",
            id: "full.1@mail.example.org",
            at: AT,
        };
        let german = speaking(Language::German, || head.letter("Grüße\n"));
        let text = String::from_utf8(german.clone()).unwrap();
        let (fields, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(fields.is_ascii() && fields.contains("\r\nContent-Language: de") && body == "Grüße\r\n", "{text}");
        assert!(fields.lines().all(|line| line.len() <= 78), "{fields}");
        let summary = Summary::parse(&german);
        let subject = message::encoded_word::decode(&summary.envelope.subject.unwrap());
        assert_eq!(subject, head.subject);
        let english = String::from_utf8(Head { to: "", subject: "Hello", ..head }.letter("x\n")).unwrap();
        assert!(english.contains("Subject: Hello\r\nDate: Mon, 21 Sep 2026 14:13:20 +0000\r\n"), "{english}");
        assert!(!english.contains("To:") && !english.contains("Language"), "{english}");
    }

    #[test]
    fn a_moment_is_said_as_a_language_writes_it() {
        let said = Language::ALL.map(|language| speaking(language, || moment(AT)));
        assert_eq!(said, ["Mon, 21 Sep 2026 14:13:20 +0000", "21.9.2026, 14:13 UTC", "2026年9月21日14:13（UTC）"]);
    }

    #[test]
    fn an_owner_is_written_to_in_the_language_that_they_have_chosen() {
        let options = StoreOptions::default();
        let store = Store::with_options(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()), options);
        let account = store.create_account(AccountId(20), AT).unwrap();
        let language = || language_of(&store, AccountId(20));
        assert_eq!((language(), language_of(&store, AccountId(21))), (None, None));
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Web, now: AT };
        for (tag, expected) in [("ja", Some(Language::Japanese)), ("DE", Some(Language::German)), ("x-later", None)] {
            account.change_settings(actor, move |settings| settings.language = LanguageTag::new(tag)).unwrap();
            assert_eq!(language(), expected, "{tag}");
        }
    }
}
