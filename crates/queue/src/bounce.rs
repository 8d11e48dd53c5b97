//! The message that tells a sender what could not be delivered (RFC 3464): for a person first, then for programs, then
//! the header of the message it is about. Pure.

use crate::entry::{Entry, LastReply, QueueId};
use message::date::format_rfc5322;
use message::{header, line_ends};
use std::fmt::Write;
use store::{Handover, Timestamp};

/// So much of the original header is sent back.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// RFC 2045 §2.7: a line of 7bit and 8bit has no more, without its CRLF.
const LINE_BYTES_MAX: usize = 998;

/// A message to the sender of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounce {
    /// What it is about.
    pub id: QueueId,
    /// Who gets it: the reverse path of the message, without angle brackets, or `postmaster`. It is sent from the null reverse path.
    pub recipient: String,
    /// Header and body with CRLF line ends.
    pub content: Vec<u8>,
    /// What it is known by if it is delivered again, because it could not be written down that it was.
    pub handover: Handover,
}

/// What a bounce says of this server, and of the smarthost where there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    /// This server's host name.
    pub(crate) server: &'a str,
    /// The smarthost's.
    pub(crate) smarthost: &'a str,
}

/// The bounce for the recipients of `entry` that failed and are not reported; `original` is its message.
pub(crate) fn compose(entry: &Entry, original: &[u8], names: Names<'_>, now: Timestamp) -> Bounce {
    let original_header = original_header(original);
    let utf8 = !original_header.is_ascii() || entry.unreported().any(|(address, _)| !address.is_ascii());
    let text = text(entry, &original_header, names);
    let status = status(entry, names, utf8);
    let parts = [text.as_bytes(), status.as_bytes(), &original_header];
    let boundary = boundary(entry, now, &parts);
    // RFC 6533: what is not ASCII has media types of its own.
    let (status_type, header_type) = match utf8 {
        false => ("message/delivery-status", "text/rfc822-headers"),
        true => ("message/global-delivery-status", "message/global-headers"),
    };
    let mut head = head(entry, &original_header, names, now);
    let _ = write!(
        head,
        "Content-Type: multipart/report; report-type={};\r\n\tboundary=\"{boundary}\"\r\n\
         Content-Transfer-Encoding: {}\r\n\r\nThis is a report in parts (RFC 3464).\r\n",
        status_type.trim_start_matches("message/"),
        // RFC 2045 §6.4: that of a multipart is that of its parts.
        encoding(&parts),
    );
    let mut content = head.into_bytes();
    for (media_type, octets) in ["text/plain; charset=utf-8", status_type, header_type].into_iter().zip(parts) {
        let encoding = encoding(&[octets]);
        let fields =
            format!("\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
        content.extend_from_slice(fields.as_bytes());
        content.extend_from_slice(octets);
    }
    content.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let handover = Handover::new(&[b"bounce", &entry.id.0.to_be_bytes()], now, entry.attempts);
    Bounce { id: entry.id, recipient: entry.reverse_path.clone(), content, handover }
}

/// Tells the administrators of a message that cannot be read.
pub(crate) fn of_damage(id: QueueId, why: &str, server: &str, now: Timestamp) -> Bounce {
    let content = format!(
        "From: Mail delivery <MAILER-DAEMON@{server}>\r\nTo: <postmaster@{server}>\r\n\
         Subject: A message in the queue is damaged\r\nDate: {}\r\nMessage-ID: <damaged.{id}.{}@{server}>\r\n\
         Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n\
         Message {id} in the outbound queue of {server} cannot be read:\r\n\r\n  {why}\r\n\r\n\
         It was set aside and is not tried any more; all others are. Look at the disk.\r\n\
         `pillarbox queue list` shows it, `pillarbox queue remove {id}` throws it away, and\r\n\
         after a backup was restored `pillarbox queue retry {id}` has it tried again.\r\n",
        format_rfc5322(now.unix_seconds()),
        now.0,
    );
    let handover = Handover::new(&[b"damage", &id.0.to_be_bytes()], now, 0);
    Bounce { id, recipient: "postmaster".to_owned(), content: content.into_bytes(), handover }
}

/// RFC 2045 §2.7 to §2.9: what these octets are, without being encoded.
fn encoding(parts: &[&[u8]]) -> &'static str {
    let mut lines = parts.iter().flat_map(|part| part.split(|octet| *octet == b'\n'));
    if lines.any(|line| line.strip_suffix(b"\r").unwrap_or(line).len() > LINE_BYTES_MAX) {
        "binary"
    } else if parts.iter().all(|part| part.is_ascii()) {
        "7bit"
    } else {
        "8bit"
    }
}

fn head(entry: &Entry, original_header: &[u8], names: Names<'_>, now: Timestamp) -> String {
    let server = names.server;
    let mut head = format!(
        "From: Mail delivery <MAILER-DAEMON@{server}>\r\nTo: <{}>\r\nSubject: Your message could not be delivered\r\n\
         Date: {}\r\nMessage-ID: <bounce.{}.{}@{server}>\r\n",
        entry.reverse_path,
        format_rfc5322(now.unix_seconds()),
        entry.id,
        entry.attempts,
    );
    if let Some(id) = original_field(original_header, "message-id").filter(|id| !id.contains(char::is_whitespace)) {
        let _ = write!(head, "In-Reply-To: {id}\r\nReferences: {id}\r\n");
    }
    // RFC 3834 §5: so that nothing answers it.
    head.push_str("Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
    head
}

fn text(entry: &Entry, original_header: &[u8], names: Names<'_>) -> String {
    let mut text = "Your message could not be delivered to:\r\n\r\n".to_owned();
    for (address, reply) in entry.unreported() {
        let author = if reply.by_smarthost { reply.host.as_deref().unwrap_or(names.smarthost) } else { names.server };
        let _ = write!(text, "  {address}\r\n      {author} says: {} {}\r\n\r\n", reply.code, reply.text);
    }
    if let Some(subject) = original_field(original_header, "subject") {
        let _ = write!(text, "Its subject was: {}\r\n", message::encoded_word::decode(subject.as_bytes()));
    }
    let sent = format_rfc5322(entry.enqueued_at.unix_seconds());
    let _ = write!(text, "It was handed in on {sent}.\r\n\r\n");
    if entry.waiting().next().is_some() {
        text.push_str("Delivery to its other recipients is still being tried.\r\n");
    }
    text.push_str(
        "For the addresses above nothing more will be tried. Check them for mistakes;\r\n\
         if they are right, reach the person in another way, or send the message again later.\r\n",
    );
    text
}

/// RFC 3464 §2.
fn status(entry: &Entry, names: Names<'_>, utf8: bool) -> String {
    let arrival = format_rfc5322(entry.enqueued_at.unix_seconds());
    let mut status = format!("Reporting-MTA: dns; {}\r\nArrival-Date: {arrival}\r\n", names.server);
    for (address, reply) in entry.unreported() {
        let address_type = if utf8 && !address.is_ascii() { "utf-8" } else { "rfc822" };
        let _ = write!(status, "\r\nFinal-Recipient: {address_type}; {address}\r\nAction: failed\r\n");
        write_reply(&mut status, reply, names);
    }
    // RFC 3464 §2.1: 7bit. RFC 6533 §3 lets the other type have more.
    if utf8 { status } else { status.replace(|character: char| !character.is_ascii(), "?") }
}

fn write_reply(status: &mut String, reply: &LastReply, names: Names<'_>) {
    // RFC 3464 §2.3.4: the status of a failure is permanent, whatever its last reply was.
    let detail = reply.status.split_once('.').map_or("0.0", |(_, detail)| detail);
    let _ = write!(status, "Status: 5.{detail}\r\n");
    if reply.by_smarthost {
        let _ = write!(status, "Remote-MTA: dns; {}\r\n", reply.host.as_deref().unwrap_or(names.smarthost));
    }
    let last = format_rfc5322(reply.at.unix_seconds());
    let _ = write!(
        status,
        "Diagnostic-Code: smtp; {} {} {}\r\nLast-Attempt-Date: {last}\r\n",
        reply.code, reply.status, reply.text
    );
}

/// With CRLF line ends, without the empty line that ends it.
fn original_header(original: &[u8]) -> Vec<u8> {
    let length = header::fields(original).last().map_or(0, |field| field.span.end);
    let header = original.get(..length.min(HEADER_BYTES_MAX)).unwrap_or_default();
    let header = line_ends::canonical(header).into_owned();
    // What is no UTF-8 would make the whole part invalid.
    String::from_utf8_lossy(&header).into_owned().into_bytes()
}

fn original_field(header: &[u8], name: &str) -> Option<String> {
    let value = header::find(header, name)?.unfolded().into_owned();
    let text: String = String::from_utf8(value).ok()?.chars().filter(|c| !c.is_control()).collect();
    Some(text).filter(|text| !text.is_empty())
}

/// A line that is in none of the parts.
fn boundary(entry: &Entry, now: Timestamp, parts: &[&[u8]]) -> String {
    let mut boundary = format!("=_{}_{}", entry.id, now.0);
    let is_in = |boundary: &str, part: &[u8]| part.windows(boundary.len()).any(|piece| piece == boundary.as_bytes());
    while parts.iter().any(|part| is_in(&boundary, part)) {
        boundary.push('_');
    }
    boundary
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Recipient, RecipientState};
    use message::structure::{Content, Structure};
    use smtp_proto::{Enhanced, Reply};

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const NAMES: Names<'static> = Names { server: "mail.example.org", smarthost: "relay.example.net" };

    fn failed(address: &str, reply: &Reply) -> Recipient {
        let reply = LastReply::new(reply, true, NOW);
        Recipient {
            address: address.into(),
            state: RecipientState::Failed { reply, reported: false },
            ..Recipient::new(&smtp_proto::ForwardPath::Postmaster.into())
        }
    }

    fn entry(recipients: Vec<Recipient>) -> Entry {
        let reverse_path = "alice@example.org".into();
        let (id, enqueued_at, next_at) = (QueueId(7), Timestamp(NOW.0 - 60_000), NOW);
        Entry {
            id,
            reverse_path,
            recipients,
            size_bytes: 9,
            smtputf8: false,
            enqueued_at,
            attempts: 1,
            next_at,
            held: false,
            account: None,
            ret: None,
            envelope_id: None,
        }
    }

    fn bounce(recipients: Vec<Recipient>, original: &[u8]) -> String {
        String::from_utf8(compose(&entry(recipients), original, NAMES, NOW).content).unwrap()
    }

    fn parts(bounce: &str) -> Vec<String> {
        let structure = Structure::parse(bounce.as_bytes());
        assert!(structure.root.is("multipart", "report"), "{structure:?}");
        assert!(matches!(structure.root.content, Content::Multipart(_)), "{structure:?}");
        let part = |part: &message::Part| {
            format!("{}/{} {}", part.media_type, part.subtype, String::from_utf8_lossy(part.body.of(bounce.as_bytes())))
        };
        structure.root.children().iter().map(part).collect()
    }

    #[test]
    fn a_person_and_a_program_can_read_it() {
        let no = Reply::new(550, Enhanced(5, 1, 1), "No such user");
        let waiting =
            Recipient { address: "c@y".into(), ..Recipient::new(&smtp_proto::ForwardPath::Postmaster.into()) };
        let original = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n";
        let bounce = bounce(vec![failed("b@y", &no), waiting], original);
        for field in [
            "To: <alice@example.org>\r\n",
            "Message-ID: <bounce.7.1@mail.example.org>\r\n",
            "In-Reply-To: <1@x>\r\n",
            "Auto-Submitted: auto-replied\r\n",
            "report-type=delivery-status;",
        ] {
            assert!(bounce.contains(field), "{field} in {bounce}");
        }
        let parts = parts(&bounce);
        assert_eq!(parts.len(), 3);
        for text in
            ["text/plain", "b@y\r\n      relay.example.net says: 550 No such user", "Grüße", "still being tried"]
        {
            assert!(parts[0].contains(text), "{text} in {}", parts[0]);
        }
        assert!(!parts[0].contains("c@y"));
        let status = "message/delivery-status Reporting-MTA: dns; mail.example.org\r\n\
             Arrival-Date: Mon, 21 Sep 2026 14:12:20 +0000\r\n\r\n\
             Final-Recipient: rfc822; b@y\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; relay.example.net\r\n\
             Diagnostic-Code: smtp; 550 5.1.1 No such user\r\nLast-Attempt-Date: Mon, 21 Sep 2026 14:13:20 +0000\r\n";
        assert_eq!(parts[1].trim_end(), status.trim_end());
        assert!(parts[2].starts_with("text/rfc822-headers Subject:") && !parts[2].contains("body"), "{}", parts[2]);
    }

    #[test]
    fn what_is_not_ascii_has_its_own_types() {
        let no = Reply::plain(550, "nein");
        let bounce = bounce(vec![failed("jörg@y", &no)], b"X: 1\r\n\r\n");
        let parts = parts(&bounce);
        assert!(parts[1].starts_with("message/global-delivery-status"), "{}", parts[1]);
        assert!(parts[1].contains("Final-Recipient: utf-8; jörg@y\r\n") && parts[1].contains("Status: 5.0.0"));
        assert!(parts[2].starts_with("message/global-headers"));
        assert!(bounce.contains("report-type=global-delivery-status;"));
    }

    /// The encodings of the whole and of its parts.
    fn encodings(bounce: &str) -> Vec<String> {
        let structure = Structure::parse(bounce.as_bytes());
        let parts = std::iter::once(&structure.root).chain(structure.root.children());
        parts.map(|part| part.encoding.clone()).collect()
    }

    #[test]
    fn a_delivery_status_in_ascii_was_called_8bit() {
        let check = |address: &str, reply: &str, original: &str, expected: [&str; 4]| {
            let bounce = bounce(vec![failed(address, &Reply::plain(550, reply.to_owned()))], original.as_bytes());
            assert_eq!(encodings(&bounce), expected, "{bounce}");
            bounce
        };
        check("b@y", "no", "X: 1\r\n\r\n", ["7bit"; 4]);
        let bounce = check("b@y", "größer", "X: 1\r\n\r\n", ["8bit", "8bit", "7bit", "7bit"]);
        assert!(bounce.contains("Diagnostic-Code: smtp; 550 5.0.0 gr??er\r\n"), "{bounce}");
        check("b@y", "no", "X: ü\r\n\r\n", ["8bit", "7bit", "7bit", "8bit"]);
        check("jörg@y", "no", "X: 1\r\n\r\n", ["8bit", "8bit", "8bit", "7bit"]);
        let long = |octets: usize| format!("X: {}\r\n\r\n", "x".repeat(octets - 3));
        check("b@y", "no", &long(998), ["7bit"; 4]);
        check("b@y", "no", &long(999), ["binary", "7bit", "7bit", "binary"]);
    }

    #[test]
    fn nobody_can_break_out_of_a_part() {
        let boundary = format!("=_7_{}", NOW.0);
        let evil = format!("X: 1\r\nY: \r\n\t--{boundary}\r\nSubject: a\r\n\r\n--{boundary}--\r\n");
        let evil_reply = Reply::plain(550, format!("no\r\n--{boundary}--\r\n"));
        let bounce = bounce(vec![failed("b@y", &evil_reply)], evil.as_bytes());
        assert_eq!(parts(&bounce).len(), 3, "{bounce}");
        let odd = compose(&entry(vec![failed("b@y", &evil_reply)]), b"no header at all \xff\n\nx", NAMES, NOW);
        assert_eq!(parts(&String::from_utf8(odd.content).unwrap()).len(), 3);
    }
}
