//! What a report on a message says (RFC 3464): about which message, and what became of it for whom.
//!
//! Two servers that say it in words of their own are understood, too: Exim (`X-Failed-Recipients`) and qmail (QSBMF). A report
//! may be forged like any message: it is told as what somebody says, and nothing follows from it.

use crate::header;
use crate::refers;
use crate::structure::{Part, Structure};
use crate::transfer::Encoding;
use std::borrow::Cow;

/// So many recipients of a report are read.
pub const RECIPIENTS_MAX: usize = 100;
/// So many characters of an address, and of a reason, are kept.
pub(crate) const TEXT_CHARS_MAX: usize = 300;
/// How qmail begins, and programs that write like it.
const QMAIL_BEGINS: &str = "Hi. This is the ";

/// What became of a message for a recipient (RFC 3464 §2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It will not be delivered.
    Failed,
    /// It takes longer.
    Delayed,
    /// It is in the mailbox, or in several.
    Delivered,
    /// A server has it that does not report.
    Relayed,
}

/// What a report says of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// Whom the sender wrote to, as far as the report says; without control characters.
    pub address: String,
    /// What became of it.
    pub action: Action,
    /// Why, as the other side said it: one line, maybe empty.
    pub reason: String,
    /// The same as a number (RFC 3463), `5.1.1`; empty if it is not said.
    pub status: String,
}

/// A report on a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryReport {
    /// The Message-ID of the message that it is about, without angle brackets.
    pub message_id: Option<Vec<u8>>,
    /// One at least, [`RECIPIENTS_MAX`] at most.
    pub recipients: Vec<Reported>,
}

impl DeliveryReport {
    /// Reads it; `None` for a message that is none.
    #[must_use]
    pub fn of(message: &[u8], structure: &Structure) -> Option<Self> {
        let report =
            standard(message, structure).or_else(|| exim(message, structure)).or_else(|| qmail(message, structure))?;
        (!report.recipients.is_empty()).then_some(report)
    }
}

/// RFC 3464, RFC 6533.
fn standard(message: &[u8], structure: &Structure) -> Option<DeliveryReport> {
    let parts = structure.root.children();
    let is_status =
        |part: &&Part| part.is("message", "delivery-status") || part.is("message", "global-delivery-status");
    let status = parts.iter().find(is_status).filter(|_| structure.root.is("multipart", "report"))?;
    let fields = decoded(message, status);
    let recipients = groups(&fields).skip(1).filter_map(recipient).take(RECIPIENTS_MAX).collect();
    let original = parts.iter().rev().find_map(|part| match (&*part.media_type, &*part.subtype) {
        ("message", "rfc822" | "global") | ("text", "rfc822-headers") | ("message", "global-headers") => {
            id_in(&decoded(message, part))
        }
        _ => None,
    });
    Some(DeliveryReport { message_id: original.or_else(|| answered(message)), recipients })
}

/// Fields of one recipient after the other, parted by empty lines.
fn groups(fields: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = fields;
    std::iter::from_fn(move || {
        while let Some(after) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
            rest = after;
        }
        if rest.is_empty() {
            return None;
        }
        let (group, after) = rest.split_at_checked(header::end(rest).max(1))?;
        rest = after;
        Some(group)
    })
}

fn recipient(group: &[u8]) -> Option<Reported> {
    let field = |name: &str| header::find(group, name).map(|field| shown(&field.unfolded()));
    // What stands before the `;` is a type.
    let typed =
        |name: &str| field(name).map(|text| text.split_once(';').map_or(text.as_str(), |(_, it)| it).trim().to_owned());
    let action = match field("action")?.trim().to_ascii_lowercase().as_str() {
        "failed" => Action::Failed,
        "delayed" => Action::Delayed,
        "delivered" | "expanded" => Action::Delivered,
        "relayed" => Action::Relayed,
        _ => return None,
    };
    let address = typed("original-recipient").filter(|it| !it.is_empty()).or_else(|| typed("final-recipient"))?;
    let reason = typed("diagnostic-code").filter(|it| !it.is_empty()).or_else(|| field("status")).unwrap_or_default();
    let said = field("status").and_then(|status| enhanced(&status)).or_else(|| enhanced(&reason));
    let address = address.trim_matches(['<', '>']).to_owned();
    Some(Reported { address, action, reason, status: said.unwrap_or_default() })
}

fn failed_for(address: String, reason: String) -> Reported {
    let status = enhanced(&reason).unwrap_or_default();
    Reported { address, action: Action::Failed, reason, status }
}

/// The first status code in a text (RFC 3463 §2).
fn enhanced(text: &str) -> Option<String> {
    let is_code = |word: &&str| {
        let parts: Vec<&str> = word.split('.').collect();
        let is_number = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit());
        parts.len() == 3 && matches!(parts[0], "2" | "4" | "5") && parts.iter().all(is_number)
    };
    text.split(|c: char| !c.is_ascii_digit() && c != '.')
        .map(|word| word.trim_end_matches('.'))
        .find(is_code)
        .map(str::to_owned)
}

/// Exim's, and what is written like it: the recipients are in the header, the reasons in the text, indented below each address.
fn exim(message: &[u8], structure: &Structure) -> Option<DeliveryReport> {
    let head = message.get(..header::end(message))?;
    let failed = shown(&header::find(head, "x-failed-recipients")?.unfolded());
    let body = decoded(message, structure.root.walk().find(|part| part.is("text", "plain"))?);
    let text = String::from_utf8_lossy(&body);
    let reason = |address: &str| {
        let mut lines = text.lines().map(str::trim).skip_while(|line| *line != address).skip(1);
        lines.by_ref().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let of = |address: &str| failed_for(address.to_owned(), shown(reason(address).as_bytes()));
    let addresses = failed.split(',').map(str::trim).filter(|address| !address.is_empty());
    let recipients = addresses.take(RECIPIENTS_MAX).map(of).collect();
    let copy = text.split_once("\n------ ").map_or("", |(_, copy)| copy);
    Some(DeliveryReport { message_id: id_after_line(copy).or_else(|| answered(message)), recipients })
}

/// QSBMF: paragraphs, one of which is a recipient if it begins with `<address>:`; the message after a line of hyphens.
fn qmail(message: &[u8], structure: &Structure) -> Option<DeliveryReport> {
    if !structure.root.is("text", "plain") {
        return None;
    }
    let body = decoded(message, &structure.root);
    let text = String::from_utf8_lossy(&body).replace("\r\n", "\n");
    if !text.trim_start().starts_with(QMAIL_BEGINS) {
        return None;
    }
    let (said, copy) = text.split_once("\n--- ").unwrap_or((&text, ""));
    let paragraph = |paragraph: &str| {
        let (address, reason) = paragraph.trim_start().strip_prefix('<')?.split_once(">:")?;
        let (address, reason) = (shown(address.as_bytes()), shown(reason.replace('\n', " ").trim().as_bytes()));
        Some(failed_for(address, reason))
    };
    let recipients = said.split("\n\n").filter_map(paragraph).take(RECIPIENTS_MAX).collect();
    Some(DeliveryReport { message_id: id_after_line(copy), recipients })
}

fn decoded<'a>(message: &'a [u8], part: &Part) -> Cow<'a, [u8]> {
    Encoding::named(&part.encoding).unwrap_or(Encoding::Identity).decode(part.body.of(message))
}

/// The message that follows what is left of a line, and empty ones.
fn id_after_line(copy: &str) -> Option<Vec<u8>> {
    let (_, message) = copy.split_once('\n')?;
    id_in(message.trim_start().as_bytes())
}

fn id_in(message: &[u8]) -> Option<Vec<u8>> {
    let id = header::find(message.get(..header::end(message)).unwrap_or(message), "message-id")?.unfolded();
    refers::message_id(&id).map(<[u8]>::to_vec)
}

fn answered(message: &[u8]) -> Option<Vec<u8>> {
    let head = message.get(..header::end(message))?;
    let id = header::find(head, "in-reply-to")?.unfolded();
    refers::message_id(&id).map(<[u8]>::to_vec)
}

/// On one line, and short.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_CHARS_MAX).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> Option<DeliveryReport> {
        let message = message.replace('\n', "\r\n");
        DeliveryReport::of(message.as_bytes(), &Structure::parse(message.as_bytes()))
    }

    fn check(message: &str, id: Option<&str>, expected: &[(&str, Action, &str)]) {
        let report = read(message).unwrap();
        assert_eq!(report.message_id.as_deref(), id.map(str::as_bytes));
        let found: Vec<_> =
            report.recipients.iter().map(|it| (it.address.as_str(), it.action, it.reason.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_status_is_found_where_it_is_said() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(enhanced(text).as_deref(), expected, "{text}");
        check("5.1.1", Some("5.1.1"));
        check("550 5.7.26 no", Some("5.7.26"));
        check("no mailbox (#5.1.1)", Some("5.1.1"));
        check("host 192.0.2.1[192.0.2.1] said: 550-5.2.2. full", Some("5.2.2"));
        for text in ["", "550 no", "5.1", "3.1.1", "5.1.1111", "5.1.1.1", "5..1"] {
            check(text, None);
        }
        assert_eq!(read(POSTFIX).unwrap().recipients[1].status, "4.4.1");
    }

    const POSTFIX: &str = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example (Mail Delivery System)\n\
        Subject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n\
        Content-Type: multipart/report; report-type=delivery-status;\n boundary=\"A/mx\"\n\nThis is MIME.\n\n--A/mx\n\
        Content-Description: Notification\nContent-Type: text/plain; charset=us-ascii\n\nsorry\n\n--A/mx\n\
        Content-Description: Delivery report\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\
        X-Postfix-Queue-ID: 4F\nX-Postfix-Sender: rfc822; a@x\nArrival-Date: Sat, 28 Nov 2026 12:00:00 +0000 (UTC)\n\n\
        Final-Recipient: rfc822; b@y\nOriginal-Recipient: rfc822;b.old@y\nAction: failed\nStatus: 5.1.1\n\
        Remote-MTA: dns; mx.y\nDiagnostic-Code: smtp; 550 5.1.1 <b@y>: Recipient address\n    rejected: unknown\n\n\
        Final-Recipient: rfc822; c@y\nAction: delayed\nStatus: 4.4.1\n\n--A/mx\nContent-Type: text/rfc822-headers\n\n\
        Subject: x\nMessage-ID: <1@x>\n\n--A/mx--\n";

    #[test]
    fn what_postfix_says_is_read() {
        let reason = "550 5.1.1 <b@y>: Recipient address rejected: unknown";
        check(POSTFIX, Some("1@x"), &[("b.old@y", Action::Failed, reason), ("c@y", Action::Delayed, "4.4.1")]);
        let whole = POSTFIX.replace("text/rfc822-headers", "message/rfc822").replace("<1@x>\n\n", "<1@x>\n\nbody\n");
        assert_eq!(read(&whole).unwrap().message_id.as_deref(), Some(&b"1@x"[..]));
        // Exchange and others encode it.
        let (head, rest) = POSTFIX.split_once("Content-Type: message/delivery-status\n\n").unwrap();
        let encoded = "Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n\
            UmVwb3J0aW5nLU1UQTogZG5zOyBteAoKRmluYWwtUmVjaXBpZW50OiByZmM4MjI7YkB5CkFjdGlv\nbjogZmFpbGVkClN0YXR1czogNS4xLjEK\n";
        let encoded = format!("{head}{encoded}{}", &rest[rest.find("\n--A/mx").unwrap()..]);
        check(&encoded, Some("1@x"), &[("b@y", Action::Failed, "5.1.1")]);
    }

    #[test]
    fn what_exim_says_in_its_own_words_is_read() {
        let exim = "X-Failed-Recipients: b@y, c@y\nAuto-Submitted: auto-replied\nFrom: Mail Delivery System <Mailer-Daemon@x>\n\
            Subject: Mail delivery failed: returning message to sender\n\nThis message was created automatically.\n\n\
            The following address(es) failed:\n\n  b@y\n    SMTP error from remote mail server after RCPT TO:<b@y>:\n\
            \x20   550 no such user\n\n  c@y\n    Unrouteable address\n\n\
            ------ This is a copy of the message, including all the headers. ------\n\nReceived: by x\n\
            Message-Id: <2@x>\n\nbody\n";
        let reason = "SMTP error from remote mail server after RCPT TO:<b@y>: 550 no such user";
        check(exim, Some("2@x"), &[("b@y", Action::Failed, reason), ("c@y", Action::Failed, "Unrouteable address")]);
    }

    #[test]
    fn what_qmail_says_is_read() {
        let qmail = "From: MAILER-DAEMON@x\nSubject: failure notice\n\nHi. This is the qmail-send program at x.\n\
            I'm afraid I wasn't able to deliver your message.\n\n<b@y>:\nSorry, no mailbox here by that name.\n(#5.1.1)\n\n\
            --- Below this line is a copy of the message.\n\nReturn-Path: <a@x>\nMessage-ID: <3@x>\n\nbody\n";
        check(qmail, Some("3@x"), &[("b@y", Action::Failed, "Sorry, no mailbox here by that name. (#5.1.1)")]);
    }

    #[test]
    fn what_is_no_report_is_none() {
        assert_eq!(read("Subject: x\n\nHi. This is Bob.\n"), None);
        assert_eq!(read("Subject: x\n\nHi. This is the news.\n"), None);
        assert_eq!(read(&POSTFIX.replace("Action: ", "Act: ")), None);
        assert_eq!(read(&POSTFIX.replace("multipart/report", "multipart/mixed")), None);
        assert_eq!(read("X-Failed-Recipients: ,\n\nx\n"), None);
    }

    #[test]
    fn of_many_recipients_some_are_read_and_of_long_words_a_part() {
        let one = "Final-Recipient: rfc822; c@y\nAction: delayed\nStatus: 4.4.1\n\n";
        let report = read(&POSTFIX.replace(one, &one.repeat(RECIPIENTS_MAX))).unwrap();
        assert_eq!(report.recipients.len(), RECIPIENTS_MAX);
        let long = POSTFIX.replace("Recipient address", &"x".repeat(1000));
        assert_eq!(read(&long).unwrap().recipients[0].reason.len(), TEXT_CHARS_MAX - "smtp; ".len());
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(words in proptest::collection::vec(
            proptest::sample::select(vec![
                "X-Failed-Recipients: a@b\n", "Content-Type: multipart/report; boundary=a\n", "\n", "--a\n", "--a--\n", "\r",
                "Content-Type: message/delivery-status\n", "Action: failed\n", "Final-Recipient: rfc822;a@b\n", "x: ;\n",
                "Hi. This is the \n", "<a@b>:\n", "--- \n", "------ \n", "Message-ID: <1@x>\n", ";", ":", "<", ">",
            ]), 0..40,
        )) {
            let _ = read(&words.concat());
        }
    }
}
