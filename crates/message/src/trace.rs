//! Trace fields: what a server writes on top of a message it takes in (RFC 5321 §4.4), and what it reads there.
//!
//! Values may come from a stranger (the HELO name, a recipient). Invariant: whatever they hold, the result is one
//! field: no control character, and nothing that ends a comment or an angle bracket, comes through.

use std::net::IpAddr;

use crate::date;
use crate::header::known_fields;

/// RFC 5322 §2.1.1: lines should not be longer than this, without their CRLF.
const LINE_BYTES_WANTED: usize = 78;

/// Characters of one value that are written; longer ones are cut.
const VALUE_CHARS_MAX: usize = 255;

/// One `Received` field.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// What the client called itself in HELO, EHLO or LHLO.
    pub helo: &'a str,
    /// The client's name in the DNS, where it is known.
    pub client_name: Option<&'a str>,
    /// The client's address; none for what did not come over a network.
    pub client: Option<IpAddr>,
    /// This server's name.
    pub by: &'a str,
    /// RFC 3848: `SMTP`, `ESMTP`, `ESMTPS`, `ESMTPSA`, `LMTP`, `UTF8SMTP`, …
    pub with: &'a str,
    /// For a comment: `TLSv1.3 TLS13_AES_256_GCM_SHA384`.
    pub tls: Option<&'a str>,
    /// What finds the message in this server's log.
    pub id: &'a str,
    /// The recipient, if there is one only: others must not learn of each other.
    pub recipient: Option<&'a str>,
    /// When it came, seconds since 1970-01-01T00:00:00Z.
    pub unix_seconds: i64,
}

impl Received<'_> {
    /// The field, folded, with its last CRLF.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut field = Folded::new("Received:");
        field.push(&format!("from {}", or_unknown(&atom(self.helo))));
        if let Some(address) = self.client {
            let name = self.client_name.map(|name| atom(name) + " ").unwrap_or_default();
            field.push(&format!("({name}{})", address_literal(address)));
        }
        field.push(&format!("by {}", or_unknown(&atom(self.by))));
        field.push(&format!("with {}", or_unknown(&atom(self.with))));
        if let Some(tls) = self.tls {
            field.push(&format!("({})", words(tls)));
        }
        field.push(&format!("id {}", or_unknown(&atom(self.id))));
        if let Some(recipient) = self.recipient {
            field.push(&format!("for <{}>", path(recipient)));
        }
        field.end_with(";");
        field.push(&date::format_rfc5322(self.unix_seconds));
        field.finish()
    }
}

/// `Return-Path: <reverse_path>` with its CRLF; an empty path is that of a bounce.
#[must_use]
pub fn return_path(reverse_path: &str) -> Vec<u8> {
    format!("Return-Path: <{}>\r\n", path(reverse_path)).into_bytes()
}

/// `Delivered-To: address` with its CRLF.
#[must_use]
pub fn delivered_to(address: &str) -> Vec<u8> {
    format!("Delivered-To: {}\r\n", path(address)).into_bytes()
}

/// How many `Received` fields a header has: RFC 5321 §6.3 finds loops so.
#[must_use]
pub fn received_count(header: &[u8]) -> usize {
    known_fields(header).filter(|field| field.is("received")).count()
}

/// RFC 5321 §4.1.3.
fn address_literal(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

fn or_unknown(value: &str) -> &str {
    if value.is_empty() { "unknown" } else { value }
}

/// A value in ASCII (RFC 5321 §4.4: a domain or an address) without white space, controls, and characters that have a meaning
/// in a trace field.
fn atom(value: &str) -> String {
    words(value).replace(|character: char| character == ' ' || !character.is_ascii(), "?")
}

/// As [`atom`], but spaces stay.
fn words(value: &str) -> String {
    let safe = |character: char| match character {
        '(' | ')' | '<' | '>' | ';' | '\\' | '"' => '?',
        _ if character.is_control() => '?',
        _ => character,
    };
    value.chars().take(VALUE_CHARS_MAX).map(safe).collect()
}

/// A mailbox between angle brackets: it may be quoted, so only what leaves the brackets or the line is dangerous.
fn path(value: &str) -> String {
    let safe = |character: char| match character {
        '<' | '>' => '?',
        _ if character.is_control() => '?',
        _ => character,
    };
    value.chars().take(VALUE_CHARS_MAX * 2).map(safe).collect()
}

/// A field that breaks its line before a piece that would make it too long.
struct Folded {
    text: String,
    line_start: usize,
}

impl Folded {
    fn new(name: &str) -> Self {
        Self { text: name.to_owned(), line_start: 0 }
    }

    fn push(&mut self, piece: &str) {
        if self.text.len() - self.line_start + 1 + piece.len() > LINE_BYTES_WANTED {
            self.text.push_str("\r\n\t");
            self.line_start = self.text.len() - 1;
        } else {
            self.text.push(' ');
        }
        self.text.push_str(piece);
    }

    fn end_with(&mut self, mark: &str) {
        self.text.push_str(mark);
    }

    fn finish(mut self) -> Vec<u8> {
        self.text.push_str("\r\n");
        self.text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::fields;
    use proptest::prelude::*;

    const RECEIVED: Received<'_> = Received {
        helo: "client.example",
        client_name: Some("host.example"),
        client: Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1))),
        by: "mx.example",
        with: "ESMTPS",
        tls: Some("TLSv1.3 TLS13_AES_256_GCM_SHA384"),
        id: "0192ab",
        recipient: Some("alice@example.org"),
        unix_seconds: 1_769_940_000,
    };

    #[test]
    fn received_tells_the_way() {
        let text = String::from_utf8(RECEIVED.to_bytes()).unwrap();
        let expected = "Received: from client.example (host.example [192.0.2.1]) by mx.example\r\n\
                        \twith ESMTPS (TLSv1.3 TLS13_AES_256_GCM_SHA384) id 0192ab\r\n\
                        \tfor <alice@example.org>; Sun, 01 Feb 2026 10:00:00 +0000\r\n";
        assert_eq!(text, expected);
        let bare = Received { client_name: None, client: None, tls: None, recipient: None, helo: "", ..RECEIVED };
        let expected = "Received: from unknown by mx.example with ESMTPS id 0192ab;\r\n\
                        \tSun, 01 Feb 2026 10:00:00 +0000\r\n";
        assert_eq!(String::from_utf8(bare.to_bytes()).unwrap(), expected);
    }

    #[test]
    fn a_machine_names_itself_in_ascii() {
        for (helo, expected) in [("MÜLLER-PC", "M?LLER-PC"), ("My Computer", "My?Computer"), ("M\u{fffd}", "M?")] {
            let field = String::from_utf8(Received { helo, ..RECEIVED }.to_bytes()).unwrap();
            assert!(field.starts_with(&format!("Received: from {expected} (")), "{field}");
        }
    }

    #[test]
    fn addresses_are_literals() {
        let check = |address: &str, expected: &str| {
            assert_eq!(address_literal(address.parse().unwrap()), expected);
        };
        check("192.0.2.1", "[192.0.2.1]");
        check("2001:db8::1", "[IPv6:2001:db8::1]");
        check("::ffff:192.0.2.1", "[192.0.2.1]");
    }

    #[test]
    fn nothing_gets_out_of_its_place() {
        let evil = "a\r\nX-Evil: (b) <c>; \"d\0";
        let field = Received { helo: evil, client_name: Some(evil), recipient: Some(evil), ..RECEIVED }.to_bytes();
        assert_eq!(fields(&field).count(), 1);
        assert_eq!(return_path("a>\r\nb"), b"Return-Path: <a???b>\r\n");
        assert_eq!(return_path(""), b"Return-Path: <>\r\n");
        assert_eq!(delivered_to("a@b\n"), b"Delivered-To: a@b?\r\n");
    }

    #[test]
    fn loops_are_seen() {
        let header = b"Received: a\r\nRECEIVED: b\r\n\r\nReceived: c\r\n";
        assert_eq!(received_count(header), 2);
    }

    proptest! {
        #[test]
        fn a_received_field_is_one_field(helo in "\\PC{0,300}", name in any::<String>(), id in any::<String>()) {
            let received = Received { helo: &helo, client_name: Some(&name), id: &id, recipient: Some(&name), ..RECEIVED };
            let bytes = received.to_bytes();
            prop_assert_eq!(fields(&bytes).count(), 1);
            prop_assert!(crate::line_ends::is_canonical(&bytes));
            prop_assert!(bytes.ends_with(b"Sun, 01 Feb 2026 10:00:00 +0000\r\n"));
        }
    }
}
