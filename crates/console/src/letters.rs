//! Letters of the server itself: to people who have no account yet, and to owners of accounts. What strangers wrote is in the
//! body only, wrapped; every header is ours but for the address, which was found to be one (no blanks, no control
//! characters). Each is in the language that its thread speaks.

use crate::usage::Clearable;
use crate::words::{self, sentences};
use auth::{Accepted, Declined};
use letter::{Head, moment, spoken, wrapped};
use store::hold::{AsksOwner, Hold};
use store::{Account, LanguageTag, Protocol, Timestamp, Usage};
use wording::{Language, Later, speaking, tr, trn};

/// Lines of a letter have at most so many columns, unless a word is longer.
const COLUMNS_MAX: usize = 78;

/// Who writes, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'a> {
    /// The server's name.
    pub(crate) hostname: &'a str,
    /// The time.
    pub(crate) now: Timestamp,
}

/// Who writes to owners of accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letterhead {
    /// The server's name.
    pub hostname: String,
    /// Where its pages are, with the port if it is not the usual one: `https://mail.example.org`.
    pub pages: String,
    /// What is spoken to owners who have chosen no language.
    pub language: Language,
}

impl Letterhead {
    fn sender(&self, now: Timestamp) -> Sender<'_> {
        Sender { hostname: &self.hostname, now }
    }

    /// What `writer` writes to the owner of an account is in their language.
    pub(crate) fn writing_to<R>(&self, account: &Account, writer: impl FnOnce() -> R) -> R {
        let chosen = account.settings().ok().and_then(|settings| spoken(settings.language));
        speaking(chosen.unwrap_or(self.language), writer)
    }
}

impl AsksOwner for Letterhead {
    /// What was wanted, by whom, and where the answer is given.
    fn letter(&self, hold: &Hold, device: &Later, held_mailbox: &str, language: Option<LanguageTag>) -> Vec<u8> {
        speaking(spoken(language).unwrap_or(self.language), || self.question(hold, device, held_mailbox))
    }
}

impl Letterhead {
    fn question(&self, hold: &Hold, device: &Later, held_mailbox: &str) -> Vec<u8> {
        let (id, count, pages) = (hold.id, hold.messages, &self.pages);
        let (over, place) = match hold.protocol {
            Protocol::Imap => (
                "IMAP",
                tr!(
                    "They lie in the mailbox \"{mailbox}\" now, where all your devices find them.",
                    mailbox = held_mailbox
                ),
            ),
            _ => ("POP", tr!("They are where they were, for all your other devices.").to_owned()),
        };
        let asked = tr!("It has never deleted nearly as many before. So Pillarbox deleted nothing and asks you first.");
        let text = [
            trn!(
                count,
                "Your device \"{device}\" wanted to delete {n} message, over {over}, on {date}.",
                "Your device \"{device}\" wanted to delete {n} messages, over {over}, on {date}.",
                device = device,
                over = over,
                date = moment(hold.began_at)
            ),
            sentences(&[asked, &place]),
            tr!("You did not want that? Keep the messages: they go back to where they were.").to_owned(),
            tr!("It was what you wanted? Let them be deleted; even that can be taken back for some time.").to_owned(),
            tr!("Answer with one click on this page:").to_owned(),
            format!("    {pages}/held"),
            tr!("or tell whoever runs this server, who can do it, too: it is number {id} of what is held for you.", id = id),
            tr!(
                "As long as you do not answer the messages are kept. What this device deletes in the next hours may be held with \
                 them, without another message."
            )
            .to_owned(),
        ];
        let subject = trn!(count, "May it delete {n} message?", "May it delete {n} messages?");
        let at = hold.began_at;
        compose("", &subject, &format!("hold.{id}.{}", at.unix_seconds()), &paragraphs(&text), self.sender(at))
    }
}

/// "There is an account", with `url`, the link to choose the password with.
pub(crate) fn accepted_letter(accepted: &Accepted, url: &str, sender: &Sender<'_>) -> Vec<u8> {
    let text = [
        tr!("Hello {name},", name = accepted.name),
        tr!("you asked for an account, and it is there: {address}", address = accepted.address),
        tr!("Choose its password here. The link is good once, within a week:").to_owned(),
        format!("    {url}"),
        signature(sender.hostname),
    ];
    letter(&accepted.contact, tr!("Your account"), &text, sender)
}

/// "There will be no account", with the reason.
pub(crate) fn declined_letter(declined: &Declined, sender: &Sender<'_>) -> Vec<u8> {
    let text = [
        tr!("Hello {name},", name = declined.name),
        tr!("you asked for the account {address}. It will not be made.", address = declined.address),
        declined.reason.clone(),
        signature(sender.hostname),
    ];
    letter(&declined.contact, tr!("Your request for an account"), &text, sender)
}

/// The message (RFC 5322) that tells the owner that the mailbox fills up.
pub(crate) fn filling_letter(
    usage: &Usage,
    clearable: Option<&Clearable>,
    head: &Letterhead,
    now: Timestamp,
) -> Vec<u8> {
    let full = words::usage(usage);
    let then = tr!(
        "When it is full, new mail has to wait outside, and after some days its senders are told that it did not arrive."
    );
    let offer = match clearable {
        Some(clearable) => sentences(&[
            &clearable.text,
            tr!(
                "Your POP devices keep their copies, and the mailbox keeps what is flagged. This page does it, and even that can \
                 be taken back for some time:"
            ),
        ]),
        None => tr!(
            "Delete what you do not need any more, or ask whoever runs this server for more room. This page shows how full it is:"
        )
        .to_owned(),
    };
    let text = [sentences(&[&full, then]), offer, format!("    {}/", head.pages)];
    let subject = tr!("Your mailbox is {percent} % full", percent = usage.percent().unwrap_or(0));
    to_owner(&subject, "full", &paragraphs(&text), head.sender(now))
}

/// The message that tells the owner that removed mail cannot be brought back as long as usual.
pub(crate) fn shorter_retention_letter(since: Option<Timestamp>, head: &Letterhead, now: Timestamp) -> Vec<u8> {
    let gone = tr!(
        "The disk of this server is nearly full. To make room, mail that you had removed is gone for good now, earlier than \
         usual, the oldest first."
    );
    let rest = match since {
        Some(since) => tr!("What was removed since {date} can still be put back.", date = moment(since)),
        None => tr!("None of what was removed before today can be put back any more.").to_owned(),
    };
    let untouched = tr!(
        "Nothing that is in your mailbox was touched. Whoever runs this server knows of it; new mail may have to wait outside \
         until there is room."
    );
    let text = [sentences(&[gone, &rest]), untouched.to_owned(), format!("    {}/", head.pages)];
    to_owner(tr!("Removed mail is kept for a shorter time"), "room", &paragraphs(&text), head.sender(now))
}

/// Asks an address elsewhere whether it wants the mail of an account here.
pub(crate) fn forward_code_letter(to: &str, own: &str, code: &str, sender: &Sender<'_>) -> Vec<u8> {
    let text = [
        tr!("Hello,").to_owned(),
        tr!(
            "{own} wants to have mail forwarded to this address. If that is you, or you want that mail, this is the code to enter \
             there, on the page Forwarding, within three days:",
            own = own
        ),
        format!("    {code}"),
        tr!("If not, do nothing: without the code nothing is forwarded.").to_owned(),
        signature(sender.hostname),
    ];
    letter(to, tr!("Do you want this mail?"), &text, sender)
}

/// Asks somebody whether they want to be a member of a list.
pub(crate) fn list_invitation_letter(
    (list, title): (&str, &str),
    (to, by): (&str, &str),
    (page, mail): (&str, &str),
    sender: &Sender<'_>,
) -> Vec<u8> {
    let name = if title.is_empty() { list.to_owned() } else { format!("{title} ({list})") };
    let text = [
        tr!("Hello,").to_owned(),
        tr!("{by} asks whether this address is to get what is written to this list:", by = by),
        format!("    {name}"),
        tr!("If you want that, say so within 14 days, on this page:").to_owned(),
        format!("    {page}"),
        tr!("or by a mail to").to_owned(),
        format!("    {mail}"),
        tr!(
            "If not, do nothing: without your word nothing of it comes here. Whatever comes from a list has a way out of it."
        )
        .to_owned(),
        signature(sender.hostname),
    ];
    letter(to, tr!("Do you want the mail of a list?"), &text, sender)
}

/// Tells the owner of an account that mail is forwarded, or no longer.
pub(crate) fn forward_changed_letter(what: &str, sender: &Sender<'_>) -> Vec<u8> {
    let text = [
        what.to_owned(),
        tr!(
            "You did not want that? Then somebody else is logged in as you: change your password, end the other sessions, and have \
             nothing forwarded, on the page My account."
        )
        .to_owned(),
        signature(sender.hostname),
    ];
    to_owner(tr!("Where your mail is forwarded to"), "forward", &paragraphs(&text), *sender)
}

/// To somebody who has no account, and maybe another server.
fn letter(to: &str, subject: &str, text: &[String], sender: &Sender<'_>) -> Vec<u8> {
    let sum = to.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    // One letter to an address in a millisecond.
    let id = format!("people.{}.{sum}", sender.now.0);
    compose(to, subject, &id, &paragraphs(text), *sender)
}

/// Into the INBOX of an account.
fn to_owner(subject: &str, kind: &str, text: &str, sender: Sender<'_>) -> Vec<u8> {
    compose("", subject, &format!("{kind}.{}", sender.now.0), text, sender)
}

fn compose(to: &str, subject: &str, id: &str, text: &str, sender: Sender<'_>) -> Vec<u8> {
    let Sender { hostname, now } = sender;
    let (from, id) = (format!("Pillarbox <pillarbox@{hostname}>"), format!("{id}@{hostname}"));
    Head { from: &from, to, subject, id: &id, at: now }.letter(text)
}

fn signature(hostname: &str) -> String {
    tr!("Pillarbox at {hostname}", hostname = hostname)
}

/// In lines that are short enough for every server, with an empty one between paragraphs. A line that begins with a blank is ours and
/// stays as it is.
fn paragraphs(all: &[String]) -> String {
    let all: Vec<&str> = all.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    wrapped(&all.join("\n\n"), COLUMNS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Summary;

    const SENDER: Sender<'static> = Sender { hostname: "mail.example.org", now: Timestamp(1_790_000_000_000) };

    /// As the store makes it: 320 messages of a device that uses IMAP.
    fn held() -> Hold {
        let world = crate::testing::administration(1);
        let account = world.auth.store().account(store::AccountId(16));
        let credential = store::device::Credential::ApplicationPassword { hash: [1; 32] };
        let device = account.add_device(crate::testing::ADMIN, "pc", credential, None).unwrap();
        let actor = store::Actor { device, protocol: Protocol::Imap, now: SENDER.now };
        for n in 0..320 {
            let body = format!("Subject: {n}\r\n\r\nx\r\n").into_bytes();
            let message = store::NewMessage {
                body,
                flags: store::Flags::system(&[store::SystemFlag::Deleted]),
                internal_date: SENDER.now,
            };
            account.append(crate::testing::ADMIN, store::Target::Inbox, message).unwrap();
        }
        let inbox = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
        account.expunge(actor, inbox, store::Expunge::AllDeleted).unwrap();
        account.holds().unwrap().remove(0)
    }

    fn declined(name: &str, reason: &str) -> Declined {
        let (address, contact) = ("carol@example.org".to_owned(), "carol@example.com".to_owned());
        Declined { address, name: name.to_owned(), contact, reason: reason.to_owned() }
    }

    #[test]
    fn a_letter_says_what_and_to_whom_and_its_lines_are_short() {
        let letter = declined_letter(&declined("Carol", "Only members of the choir get one.\nSorry!"), &SENDER);
        let summary = Summary::parse(&letter);
        assert_eq!(summary.envelope.subject.as_deref(), Some(&b"Your request for an account"[..]));
        let text = String::from_utf8(letter).unwrap();
        for part in ["To: <carol@example.com>\r\n", "\r\nSorry!\r\n", "carol@example.org", "Auto-Submitted"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_strangers_wrote_stays_in_the_body_in_lines_that_servers_take() {
        let long = format!("{}\r\nBcc: all@example.org\r\n.\r\n{}", "ä".repeat(1000), "word ".repeat(200));
        let letter = declined_letter(&declined("Eve\r\n\r\nSubject: x", &long), &SENDER);
        let text = String::from_utf8(letter).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("Bcc") && !head.contains("Eve") && head.matches("Subject").count() == 1, "{head}");
        assert!(body.lines().all(|line| line.len() <= 998) && !text.replace("\r\n", "").contains('\n'));
        assert!(body.contains("word word") && body.lines().any(|line| line.chars().count() == 200));
    }

    #[test]
    fn the_letter_named_the_usual_port_whatever_the_pages_listened_on() {
        let (hostname, pages) = ("mail.example.org".to_owned(), "https://mail.example.org:8443".to_owned());
        let head = Letterhead { hostname, pages, ..Letterhead::default() };
        let full = Usage { bytes: 900, messages: 3, quota: store::Quota::of_bytes(1000) };
        let offer = Clearable { messages: 2, bytes: 800, oldest_at: None, text: words::clearable(2, 800) };
        let offered = "2 messages (800 B) have been taken by every POP device of yours. Clear them?";
        for (offer, expected) in [(Some(&offer), offered), (None, "Delete what you do not need")] {
            let letter = filling_letter(&full, offer, &head, SENDER.now);
            let letter = String::from_utf8(letter).unwrap();
            let unwrapped = letter.replace("\r\n", " ");
            for text in ["holds 900 B of 1000 B (90 %).", "\r\n    https://mail.example.org:8443/\r\n", expected] {
                assert!(letter.contains(text) || unwrapped.contains(text), "{text}: {letter}");
            }
            assert!(letter.lines().all(|line| line.len() <= 80) && !letter.replace("\r\n", "").contains('\n'));
            let summary = Summary::parse(letter.as_bytes());
            assert_eq!(summary.envelope.subject.as_deref(), Some(&b"Your mailbox is 90 % full"[..]));
        }
    }
    #[test]
    fn an_owner_is_asked_in_their_language_and_else_in_that_of_the_server() {
        let hold = held();
        let head =
            Letterhead { hostname: "mail.example.org".into(), language: Language::German, ..Letterhead::default() };
        for (tag, subject, part) in [
            (None, "Dürfen 320 Nachrichten gelöscht werden?", "21.9.2026, 14:13 UTC"),
            (Some("x-later"), "Dürfen 320 Nachrichten gelöscht werden?", "Ihr Gerät „pc“"),
            (Some("ja"), "320通のメールを削除してよいですか？", "2026年9月21日"),
            (
                Some("en"),
                "May it delete 320 messages?",
                "Your device \"pc\" wanted to delete 320 messages, over IMAP, on",
            ),
        ] {
            let letter = head.letter(&hold, &"pc".into(), "Held", tag.and_then(LanguageTag::new));
            let found = Summary::parse(&letter).envelope.subject.unwrap();
            assert_eq!(message::encoded_word::decode(&found), subject);
            let text = String::from_utf8(letter).unwrap();
            assert!(text.contains(part) && text.lines().all(|line| line.len() <= 250), "{text}");
        }
    }

    /// What of a letter is in no catalogue: outside of the marks of the language that only tests speak.
    fn outside(letter: &[u8]) -> String {
        let text = std::str::from_utf8(letter).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        let subject = message::encoded_word::decode(&Summary::parse(letter).envelope.subject.unwrap());
        let mut depth = 0;
        let said = format!("{subject}\n{}", body.replace("\r\n", "\n"));
        let left = said.chars().filter(|c| {
            depth += i32::from(*c == '⟦') - i32::from(*c == '⟧');
            depth == 0 && *c != '⟧'
        });
        left.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn no_letter_says_a_word_that_is_in_no_catalogue() {
        let head =
            Letterhead { hostname: "h.example".into(), pages: "https://h.example".into(), ..Letterhead::default() };
        let (now, full) = (SENDER.now, Usage { bytes: 900, messages: 3, quota: store::Quota::of_bytes(1000) });
        let mut pop = held();
        pop.protocol = Protocol::Pop3;
        wording::pseudo(|| {
            let clearable = Clearable { messages: 2, bytes: 800, oldest_at: None, text: words::clearable(2, 800) };
            for (letter, left) in [
                (head.question(&held(), &"pc".into(), "Held"), "https://h.example/held"),
                (head.question(&pop, &"pc".into(), "Held"), "https://h.example/held"),
                (declined_letter(&declined("Carol", ""), &SENDER), ""),
                (filling_letter(&full, Some(&clearable), &head, now), "https://h.example/"),
                (filling_letter(&full, None, &head, now), "https://h.example/"),
                (shorter_retention_letter(Some(now), &head, now), "https://h.example/"),
                (shorter_retention_letter(None, &head, now), "https://h.example/"),
                (forward_code_letter("a@b.example", "c@h.example", "code", &SENDER), "code"),
                (forward_changed_letter("", &SENDER), ""),
                (
                    list_invitation_letter(
                        ("l@h.example", ""),
                        ("a@b.example", "c@h.example"),
                        ("page", "mail"),
                        &SENDER,
                    ),
                    "l@h.example page mail",
                ),
            ] {
                assert_eq!(outside(&letter), left, "{}", String::from_utf8_lossy(&letter));
            }
        });
    }
}
