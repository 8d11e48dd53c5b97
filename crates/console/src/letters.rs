//! Letters of the server itself: to people who have no account yet, and to owners of accounts. What strangers wrote is in the
//! body only, wrapped; every header is ours but for the address, which was found to be one (no blanks, no control
//! characters).

use crate::usage::Clearable;
use crate::words;
use auth::{Accepted, Declined};
use message::date::format_rfc5322;
use store::hold::{AsksOwner, Hold};
use store::{LanguageTag, Protocol, Timestamp, Usage};

/// Lines of a letter have at most so many characters, unless a word is longer.
const LINE_CHARS_MAX: usize = 72;
/// A word is broken after so many characters (RFC 5322 §2.1.1: a line has 998 octets at most).
const WORD_CHARS_MAX: usize = 200;

/// Who writes, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'a> {
    /// The server's name.
    pub(crate) hostname: &'a str,
    /// The time.
    pub(crate) now: Timestamp,
}

/// Who writes to owners of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letterhead {
    /// The server's name.
    pub hostname: String,
    /// Where its pages are, with the port if it is not the usual one: `https://mail.example.org`.
    pub pages: String,
}

impl Letterhead {
    fn sender(&self, now: Timestamp) -> Sender<'_> {
        Sender { hostname: &self.hostname, now }
    }
}

impl AsksOwner for Letterhead {
    /// What was wanted, by whom, and where the answer is given.
    fn letter(&self, hold: &Hold, device: &str, held_mailbox: &str, _: Option<LanguageTag>) -> Vec<u8> {
        let (id, count, at, pages) = (hold.id, hold.messages, hold.began_at.unix_seconds(), &self.pages);
        let (over, place) = match hold.protocol {
            Protocol::Imap => {
                ("IMAP", format!("They lie in the mailbox \"{held_mailbox}\" now,\nwhere all your devices find them."))
            }
            _ => ("POP", "They are where they were, for all your other devices.".to_owned()),
        };
        let date = format_rfc5322(at);
        let text = format!(
            "Your device \"{device}\" wanted to delete {count} messages, over {over}, on\n\
             {date}.\n\
             \n\
             It has never deleted nearly as many before. So Pillarbox deleted nothing and\n\
             asks you first.\n\
             {place}\n\
             \n\
             You did not want that? Keep the messages:\n\
             they go back to where they were.\n\
             \n\
             It was what you wanted? Let them be deleted;\n\
             even that can be taken back for some time.\n\
             \n\
             Answer with one click on this page:\n\
             \n    {pages}/held\n\
             \n\
             or tell whoever runs this server, who can do it, too: it is number {id}\n\
             of what is held for you.\n\
             \n\
             As long as you do not answer the messages are kept. What this device deletes\n\
             in the next hours may be held with them, without another message.\n"
        );
        let subject = format!("May it delete {count} messages?");
        compose("", &subject, &format!("hold.{id}.{at}"), &text, self.sender(hold.began_at))
    }
}

/// "There is an account", with `url`, the link to choose the password with.
pub(crate) fn accepted_letter(accepted: &Accepted, url: &str, sender: &Sender<'_>) -> Vec<u8> {
    let text = format!(
        "Hello {},\n\nyou asked for an account, and it is there: {}\n\nChoose its password here. The link is good once, \
         within a week:\n\n    {url}\n\n{}",
        accepted.name,
        accepted.address,
        signature(sender.hostname)
    );
    letter(&accepted.contact, "Your account", &text, sender)
}

/// "There will be no account", with the reason.
pub(crate) fn declined_letter(declined: &Declined, sender: &Sender<'_>) -> Vec<u8> {
    let reason = if declined.reason.is_empty() { String::new() } else { format!("{}\n\n", declined.reason) };
    let text = format!(
        "Hello {},\n\nyou asked for the account {}. It will not be made.\n\n{reason}{}",
        declined.name,
        declined.address,
        signature(sender.hostname)
    );
    letter(&declined.contact, "Your request for an account", &text, sender)
}

/// The message (RFC 5322) that tells the owner that the mailbox fills up.
pub(crate) fn filling_letter(
    usage: &Usage,
    clearable: Option<&Clearable>,
    head: &Letterhead,
    now: Timestamp,
) -> Vec<u8> {
    let (percent, pages) = (usage.percent().unwrap_or(0), &head.pages);
    let offer = match clearable {
        Some(clearable) => format!(
            "{}\n\
             Your POP devices keep their copies, and the mailbox keeps what is flagged.\n\
             This page does it, and even that can be taken back for some time:\n",
            clearable.text
        ),
        None => "Delete what you do not need any more, or ask whoever runs this server for more\n\
                 room. This page shows how full it is:\n"
            .to_owned(),
    };
    let text = format!(
        "{}\n\
         When it is full, new mail has to wait outside, and after some days its senders\n\
         are told that it did not arrive.\n\
         \n\
         {offer}\
         \n    {pages}/\n",
        words::usage(usage)
    );
    to_owner(&format!("Your mailbox is {percent} % full"), "full", &text, head.sender(now))
}

/// The message that tells the owner that removed mail cannot be brought back as long as usual.
pub(crate) fn shorter_retention_letter(since: Option<Timestamp>, head: &Letterhead, now: Timestamp) -> Vec<u8> {
    let pages = &head.pages;
    let rest = match since {
        Some(since) => {
            format!("What was removed since {} can still be put back.", format_rfc5322(since.unix_seconds()))
        }
        None => "None of what was removed before today can be put back any more.".to_owned(),
    };
    let text = format!(
        "The disk of this server is nearly full. To make room, mail that you had removed\n\
         is gone for good now, earlier than usual, the oldest first.\n\
         {rest}\n\
         \n\
         Nothing that is in your mailbox was touched. Whoever runs this server knows of\n\
         it; new mail may have to wait outside until there is room.\n\
         \n    {pages}/\n"
    );
    to_owner("Removed mail is kept for a shorter time", "room", &text, head.sender(now))
}

/// Asks an address elsewhere whether it wants the mail of an account here.
pub(crate) fn forward_code_letter(to: &str, own: &str, code: &str, sender: &Sender<'_>) -> Vec<u8> {
    let text = format!(
        "Hello,\n\n{own} wants to have mail forwarded to this address. If that is you, or you want that mail, this is the \
         code to enter there, on the page Forwarding, within three days:\n\n    {code}\n\nIf not, do nothing: without the \
         code nothing is forwarded.\n\n{}",
        signature(sender.hostname)
    );
    letter(to, "Do you want this mail?", &text, sender)
}

/// Asks somebody whether they want to be a member of a list.
pub(crate) fn list_invitation_letter(
    (list, title): (&str, &str),
    (to, by): (&str, &str),
    (page, mail): (&str, &str),
    sender: &Sender<'_>,
) -> Vec<u8> {
    let name = if title.is_empty() { list.to_owned() } else { format!("{title} ({list})") };
    let text = format!(
        "Hello,\n\n{by} asks whether this address is to get what is written to this list:\n\n    {name}\n\nIf you want that, say \
         so within 14 days, on this page:\n\n    {page}\n\nor by a mail to\n\n    {mail}\n\nIf not, do nothing: without your word \
         nothing of it comes here. Whatever comes from a list has a way out of it.\n\n{}",
        signature(sender.hostname)
    );
    letter(to, "Do you want the mail of a list?", &text, sender)
}

/// Tells the owner of an account that mail is forwarded, or no longer.
pub(crate) fn forward_changed_letter(what: &str, sender: &Sender<'_>) -> Vec<u8> {
    let text = format!(
        "{what}\n\nYou did not want that? Then somebody else is logged in as you: change your password, end the other \
         sessions, and have nothing forwarded, on the page My account.\n\n{}",
        signature(sender.hostname)
    );
    to_owner("Where your mail is forwarded to", "forward", &wrapped(&text), *sender)
}

/// To somebody who has no account, and maybe another server.
fn letter(to: &str, subject: &str, text: &str, sender: &Sender<'_>) -> Vec<u8> {
    let sum = to.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    // One letter to an address in a millisecond.
    let id = format!("people.{}.{sum}", sender.now.0);
    compose(&format!("To: <{to}>\n"), subject, &id, &wrapped(text), *sender)
}

/// Into the INBOX of an account.
fn to_owner(subject: &str, kind: &str, text: &str, sender: Sender<'_>) -> Vec<u8> {
    compose("", subject, &format!("{kind}.{}", sender.now.0), text, sender)
}

fn compose(to: &str, subject: &str, id: &str, text: &str, sender: Sender<'_>) -> Vec<u8> {
    let Sender { hostname, now } = sender;
    let date = format_rfc5322(now.unix_seconds());
    // RFC 3834 §5: so that nothing answers it.
    let head = format!(
        "From: Pillarbox <pillarbox@{hostname}>\n\
         {to}\
         Subject: {subject}\n\
         Date: {date}\n\
         Message-ID: <{id}@{hostname}>\n\
         Auto-Submitted: auto-generated\n\
         MIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n\n"
    );
    (head + text).replace('\n', "\r\n").into_bytes()
}

fn signature(hostname: &str) -> String {
    format!("Pillarbox at {hostname}\n")
}

/// Lines that are short enough for every server. A line that begins with a blank is ours and stays as it is.
fn wrapped(text: &str) -> String {
    let mut wrapped = String::new();
    for line in text.lines() {
        if line.starts_with(' ') {
            wrapped.push_str(line);
        } else {
            wrap(line, &mut wrapped);
        }
        wrapped.push('\n');
    }
    wrapped
}

fn wrap(line: &str, wrapped: &mut String) {
    let mut column = 0;
    for word in line.split(' ') {
        let chars = word.chars().count();
        if column > 0 && column + 1 + chars > LINE_CHARS_MAX {
            wrapped.push('\n');
            column = 0;
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        for (at, c) in word.chars().enumerate() {
            if at > 0 && at % WORD_CHARS_MAX == 0 {
                wrapped.push('\n');
            }
            wrapped.push(c);
        }
        column += chars;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Summary;

    const SENDER: Sender<'static> = Sender { hostname: "mail.example.org", now: Timestamp(1_790_000_000_000) };

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
        assert!(body.contains("word word") && body.lines().any(|line| line.chars().count() == WORD_CHARS_MAX));
    }

    #[test]
    fn the_letter_named_the_usual_port_whatever_the_pages_listened_on() {
        let (hostname, pages) = ("mail.example.org".to_owned(), "https://mail.example.org:8443".to_owned());
        let head = Letterhead { hostname, pages };
        let full = Usage { bytes: 900, messages: 3, quota: store::Quota::of_bytes(1000) };
        let offer = Clearable { messages: 2, bytes: 800, oldest_at: None, text: words::clearable(2, 800) };
        let offered = "2 messages (800 B) have been taken by every POP device of yours. Clear them?\r\n";
        for (offer, expected) in [(Some(&offer), offered), (None, "Delete what you do not need")] {
            let letter = filling_letter(&full, offer, &head, SENDER.now);
            let letter = String::from_utf8(letter).unwrap();
            for text in ["holds 900 B of 1000 B (90 %).\r\n", "\r\n    https://mail.example.org:8443/\r\n", expected] {
                assert!(letter.contains(text), "{text}: {letter}");
            }
            assert!(letter.lines().all(|line| line.len() <= 80) && !letter.replace("\r\n", "").contains('\n'));
            let summary = Summary::parse(letter.as_bytes());
            assert_eq!(summary.envelope.subject.as_deref(), Some(&b"Your mailbox is 90 % full"[..]));
        }
    }
}
