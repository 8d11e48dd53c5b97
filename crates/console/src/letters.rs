//! Letters to people who have no account yet. What strangers wrote is in the body only, wrapped; every header is ours but
//! for the address, which was found to be one (no blanks, no control characters).

use auth::{Accepted, Declined};
use message::date::format_rfc5322;
use store::Timestamp;

/// Lines of a letter have at most so many characters, unless a word is longer.
const LINE_CHARS_MAX: usize = 72;
/// A word is broken after so many characters (RFC 5322 §2.1.1: a line has 998 octets at most).
const WORD_CHARS_MAX: usize = 200;

/// Who writes, and when.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The server's name.
    pub hostname: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// "There is an account", with `url`, the link to choose the password with.
#[must_use]
pub fn accepted_letter(accepted: &Accepted, url: &str, sender: &Sender<'_>) -> Vec<u8> {
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
#[must_use]
pub fn declined_letter(declined: &Declined, sender: &Sender<'_>) -> Vec<u8> {
    let reason = if declined.reason.is_empty() { String::new() } else { format!("{}\n\n", declined.reason) };
    let text = format!(
        "Hello {},\n\nyou asked for the account {}. It will not be made.\n\n{reason}{}",
        declined.name,
        declined.address,
        signature(sender.hostname)
    );
    letter(&declined.contact, "Your request for an account", &text, sender)
}

fn letter(to: &str, subject: &str, text: &str, sender: &Sender<'_>) -> Vec<u8> {
    let Sender { hostname, now } = *sender;
    let date = format_rfc5322(now.unix_seconds());
    // One letter to an address in a millisecond.
    let id = format!(
        "people.{}.{}",
        now.0,
        to.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
    );
    // RFC 3834 §5: so that nothing answers it.
    let head = format!(
        "From: Pillarbox <pillarbox@{hostname}>\n\
         To: <{to}>\n\
         Subject: {subject}\n\
         Date: {date}\n\
         Message-ID: <{id}@{hostname}>\n\
         Auto-Submitted: auto-generated\n\
         MIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n\n"
    );
    (head + &wrapped(text)).replace('\n', "\r\n").into_bytes()
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
}
