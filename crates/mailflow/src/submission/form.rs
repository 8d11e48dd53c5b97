//! What a submission must look like (RFC 6409): whose it says it is, what it lacks, and what its recipients see. Pure.

use message::date::format_rfc5322;
use message::{address, header};
use std::fmt::Write;
use store::Timestamp;

/// The addresses in From; `Missing` if there is no such field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    Missing,
    /// As text, without quotes; empty if the field has none.
    Addresses(Vec<String>),
}

/// A From field longer than this counts as one without addresses: nobody reads it to its end to check it.
const FROM_BYTES_MAX: usize = 16 * 1024;

/// Whom the message says it is from. Every From field counts: readers differ in which one they show.
pub(super) fn from(content: &[u8]) -> From {
    let mut fields = header::fields(content).filter(|field| field.is("from")).peekable();
    if fields.peek().is_none() {
        return From::Missing;
    }
    if header::fields(content).any(|field| field.is("from") && field.value.len() > FROM_BYTES_MAX) {
        return From::Addresses(Vec::new());
    }
    let text = |address: address::Address| address.addr_spec().map(|text| String::from_utf8_lossy(&text).into_owned());
    From::Addresses(fields.flat_map(|field| address::parse_list(&field.unfolded())).filter_map(text).collect())
}

/// What a message that lacks something is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    /// For From.
    pub(super) sender: &'a str,
    pub(super) hostname: &'a str,
    pub(super) id: &'a str,
    pub(super) now: Timestamp,
}

/// RFC 6409 §8.2, §8.3 (and RFC 5322 §3.6: From and Date are a must): the fields to put on top; empty for most.
pub(super) fn missing_fields(content: &[u8], given: Given<'_>) -> Vec<u8> {
    let lacks = |name: &str| !header::fields(content).any(|field| field.is(name));
    let mut fields = String::new();
    // A String takes every write.
    if lacks("from") {
        let _ = write!(fields, "From: <{}>\r\n", given.sender);
    }
    if lacks("date") {
        let _ = write!(fields, "Date: {}\r\n", format_rfc5322(given.now.unix_seconds()));
    }
    if lacks("message-id") {
        let _ = write!(fields, "Message-ID: <{}@{}>\r\n", given.id, given.hostname);
    }
    fields.into_bytes()
}

/// The message as it goes to its recipients, where that differs. RFC 5322 §3.6.3: they do not learn who else got a copy;
/// RFC 5322 §3.6.6: of a message that is resent neither.
pub(super) fn without_bcc(content: &[u8]) -> Option<Vec<u8>> {
    let blind = header::fields(content).filter(|field| field.is("bcc") || field.is("resent-bcc"));
    let mut rest = Vec::new();
    let mut at = 0;
    for field in blind {
        rest.extend_from_slice(content.get(at..field.span.start).unwrap_or_default());
        at = field.span.end;
    }
    rest.extend_from_slice(content.get(at..).filter(|_| at > 0)?);
    Some(rest)
}

/// RFC 5321 §4.5.3.1.6: 1,000 octets with the CRLF.
const LINE_BYTES_MAX: usize = 998;

/// The first line that is too long for other servers: its number from 1, and its octets.
pub(super) fn long_line(content: &[u8]) -> Option<(usize, usize)> {
    let octets = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).len();
    let mut lines = (1..).zip(content.split(|octet| *octet == b'\n').map(octets));
    lines.find(|(_, octets)| *octets > LINE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_from_counts() {
        let check = |content: &str, expected: Option<&[&str]>| {
            let expected = expected.map_or(From::Missing, |addresses| {
                From::Addresses(addresses.iter().map(ToString::to_string).collect())
            });
            assert_eq!(from(content.as_bytes()), expected, "{content}");
        };
        check("From: a@x\r\n\r\n", Some(&["a@x"]));
        check("from: \"A, B\" <a@x>, b@y\r\nFROM: c@z\r\n\r\nFrom: d@x", Some(&["a@x", "b@y", "c@z"]));
        check("From: A\r\n <a@x>\r\n\r\n", Some(&["a@x"]));
        check("From: \r\n\r\n", Some(&[]));
        check("Subject: x\r\n\r\nFrom: a@x\r\n", None);
        check("", None);
        let long = |octets: usize| format!("From: a@x{}\r\n\r\n", " ".repeat(octets - 4));
        check(&long(FROM_BYTES_MAX), Some(&["a@x"]));
        check(&long(FROM_BYTES_MAX + 1), Some(&[]));
    }

    #[test]
    fn nobody_sees_bcc() {
        let check = |content: &str, expected: &str| {
            let outgoing = without_bcc(content.as_bytes()).map(|outgoing| String::from_utf8(outgoing).unwrap());
            assert_eq!(outgoing.as_deref(), Some(expected).filter(|_| expected != content), "{content}");
        };
        check(
            "To: a@x\r\nBcc: b@x,\r\n c@x\r\nSubject: s\r\n\r\nBcc: kept\r\n",
            "To: a@x\r\nSubject: s\r\n\r\nBcc: kept\r\n",
        );
        check("BCC:\r\nTo: a@x\r\nbcc : d@x\r\nResent-Bcc: e@x\r\n\r\n", "To: a@x\r\n\r\n");
        check("Bcc: b@x", "");
        check("X-Bcc: b@x\r\n\r\n", "X-Bcc: b@x\r\n\r\n");
        check("To: a@x\r\n\r\nBcc: no", "To: a@x\r\n\r\nBcc: no");
    }

    #[test]
    fn lines_too_long_for_others_are_found() {
        let check = |content: &str, expected: Option<(usize, usize)>| {
            assert_eq!(long_line(content.as_bytes()), expected);
        };
        let (longest, longer) = ("x".repeat(LINE_BYTES_MAX), "x".repeat(LINE_BYTES_MAX + 1));
        check("", None);
        check(&format!("A: b\r\n\r\n{longest}\r\n{longest}"), None);
        check(&format!("A: b\r\n\r\n{longest}\r\n{longer}\r\n"), Some((4, 999)));
        check(&longer, Some((1, 999)));
    }

    #[test]
    fn what_is_missing_is_given() {
        let given = Given { sender: "a@x", hostname: "mail.x", id: "1.0", now: Timestamp(1_790_000_000_000) };
        let check = |content: &str, expected: &str| {
            assert_eq!(String::from_utf8(missing_fields(content.as_bytes(), given)).unwrap(), expected, "{content}");
        };
        check("From: a@x\r\nDATE: x\r\nMessage-Id: <1>\r\n\r\n", "");
        let date = "Date: Mon, 21 Sep 2026 14:13:20 +0000\r\n";
        let all = format!("From: <a@x>\r\n{date}Message-ID: <1.0@mail.x>\r\n");
        check("From: a@x\r\n\r\n", &all[13..]);
        check("\r\nbody", &all);
        check("", &all);
        check("\r\njust a line: x\r\n", &all);
    }
}
