//! The way of a message, read off the trace fields of relays that are believed (RFC 5321 §4.4): which host brought it to the
//! first of them.
//!
//! What stands in a field beside the client's address the client may have chosen (its name in HELO, in its certificate, in the
//! DNS); the address is looked for only where the common servers write it themselves.

use crate::header::known_fields;
use std::net::IpAddr;

/// Fields that are looked at: more relays of one owner no message has passed.
const HOPS_MAX: usize = 20;

/// The host that brought a message to a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its address.
    pub address: IpAddr,
    /// What it called itself.
    pub helo: String,
}

/// The last host before relays that are believed, by the fields that they put on top. `None` if there is none that could be a
/// stranger: somebody logged in at a relay, the message begins there, comes from an address that the Internet does not have, or
/// the fields cannot be read.
///
/// The first field must be a believed relay's own. `is_believed`: whether an address is one's.
pub fn origin(header: &[u8], is_believed: impl Fn(IpAddr) -> bool) -> Option<Origin> {
    for field in known_fields(header).filter(|field| field.is("Received")).take(HOPS_MAX) {
        let hop = Hop::parse(&String::from_utf8_lossy(&field.unfolded()))?;
        if hop.was_submitted {
            return None;
        }
        // A relay hands mail to programs of its own, and takes it back (a filter of content).
        if is_believed(hop.address) || hop.address.is_loopback() {
            continue;
        }
        return (!is_private(hop.address)).then_some(Origin { address: hop.address, helo: hop.helo });
    }
    None
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_link_local() || address.is_unspecified(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local() || address.is_unspecified(),
    }
}

/// What one field says.
struct Hop {
    address: IpAddr,
    helo: String,
    /// By somebody who had logged in, or on a page.
    was_submitted: bool,
}

/// A piece of a field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Word(&'a str),
    Comment(&'a str),
}

impl Hop {
    fn parse(value: &str) -> Option<Self> {
        let pieces = pieces(value);
        let is =
            |piece: &Piece<'_>, wanted: &str| matches!(piece, Piece::Word(word) if word.eq_ignore_ascii_case(wanted));
        let by = pieces.iter().position(|piece| is(piece, "by"))?;
        let (from, rest) = pieces.split_at(by);
        let [first, Piece::Word(helo), about @ ..] = from else { return None };
        if !is(first, "from") {
            return None;
        }
        let with = rest.iter().position(|piece| is(piece, "with")).and_then(|at| rest.get(at + 1));
        let was_submitted = matches!(with, Some(Piece::Word(with)) if is_submission(with));
        Some(Self { address: address(helo, about)?.to_canonical(), helo: (*helo).to_owned(), was_submitted })
    }
}

/// RFC 3848, RFC 6531 §4.3: the transmission types of a session that is logged in; `HTTP` is written by web mail.
fn is_submission(with: &str) -> bool {
    let with = with.trim_end_matches(';').to_ascii_uppercase();
    let types = ["ESMTPA", "ESMTPSA", "LMTPA", "LMTPSA", "UTF8SMTPA", "UTF8SMTPSA", "UTF8LMTPA", "UTF8LMTPSA"];
    types.contains(&with.as_str()) || with.starts_with("HTTP")
}

/// The client's address.
fn address(helo: &str, about: &[Piece<'_>]) -> Option<IpAddr> {
    let comment = |at: usize| match about.get(at) {
        Some(Piece::Comment(comment)) => Some(*comment),
        Some(Piece::Word(_)) | None => None,
    };
    let first = comment(0)?;
    // Exim: `from name ([192.0.2.1] helo=x)`, and `from [192.0.2.1] (helo=x)` where the address has no name.
    if let Some((before, _)) = first.split_once("helo=") {
        return if before.trim().is_empty() { literal(helo) } else { last_literal(before) };
    }
    // qmail: `from name (HELO x) (192.0.2.1)`.
    if first.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("HELO ")) {
        return bare(comment(1)?);
    }
    // Postfix, Sendmail and ours: `(name [192.0.2.1])`; Exchange: `(192.0.2.1)`.
    last_literal(first).or_else(|| bare(first))
}

/// `[192.0.2.1]`, `[IPv6:2001:db8::1]`, also with a port behind it.
fn literal(text: &str) -> Option<IpAddr> {
    let (inner, _) = text.trim().strip_prefix('[')?.split_once(']')?;
    bare(inner)
}

fn last_literal(text: &str) -> Option<IpAddr> {
    literal(text.get(text.rfind('[')?..)?)
}

fn bare(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = match text.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => text.get(5..)?,
        Some(_) | None => text,
    };
    // qmail: `(user@192.0.2.1)`.
    text.rsplit('@').next()?.parse().ok()
}

/// Words and outermost comments (RFC 5322 §3.2.2).
fn pieces(value: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut depth, mut start, mut is_escaped) = (Vec::new(), 0_usize, 0, false);
    for (at, c) in value.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if depth > 0 => is_escaped = true,
            '(' => {
                if depth == 0 {
                    push_word(&mut pieces, value.get(start..at));
                    start = at + 1;
                }
                depth += 1;
            }
            ')' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    pieces.extend(value.get(start..at).map(Piece::Comment));
                    start = at + 1;
                }
            }
            c if depth == 0 && c.is_ascii_whitespace() => {
                push_word(&mut pieces, value.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth == 0 {
        push_word(&mut pieces, value.get(start..));
    }
    pieces
}

fn push_word<'a>(pieces: &mut Vec<Piece<'a>>, word: Option<&'a str>) {
    pieces.extend(word.filter(|word| !word.is_empty()).map(Piece::Word));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(fields: &[&str]) -> Option<(String, String)> {
        let header: String = fields.iter().map(|field| format!("Received: {field}\r\n")).collect();
        let ours = |address: IpAddr| address == IpAddr::from([10, 0, 0, 5]);
        origin(header.as_bytes(), ours).map(|found| (found.address.to_string(), found.helo))
    }

    #[test]
    fn the_host_before_the_relay_is_read_off_what_the_common_servers_write() {
        let check = |field: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(address, helo)| (address.to_owned(), helo.to_owned()));
            assert_eq!(found(&[field]), expected, "{field}");
        };
        // Postfix; the name in HELO and that in a certificate are the client's.
        let one = Some(("192.0.2.1", "x"));
        check("from x (unknown [192.0.2.1])\r\n\tby relay (Postfix) with ESMTP id 1; date", one);
        let certificate = r#"(Client CN "c [198.51.100.9]", Issuer "i" (not verified))"#;
        check(&format!("from x (h.example [192.0.2.1]) (using TLSv1.3) {certificate} by relay with ESMTPS id 1"), one);
        check("from [203.0.113.9] (h [IPv6:2001:db8::1]) by r with SMTP", Some(("2001:db8::1", "[203.0.113.9]")));
        // Sendmail, Exim, qmail, Exchange.
        check("from x (a@h [192.0.2.1] (may be forged)) by r with ESMTP id 1", one);
        check("from h ([192.0.2.1]:4711 helo=[203.0.113.9]) by r with esmtp (Exim 4.97)", Some(("192.0.2.1", "h")));
        check("from [192.0.2.1] (helo=x) by r with esmtp", Some(("192.0.2.1", "[192.0.2.1]")));
        check("from unknown (HELO x) (192.0.2.1)\r\n by r with SMTP; date", Some(("192.0.2.1", "unknown")));
        check("from x (192.0.2.1) by r (10.0.0.5) with Microsoft SMTP Server id 1", one);
        check("from x (h [::ffff:192.0.2.1]) by r with SMTP", one);
        // Nobody is known.
        for field in [
            "by relay (Postfix, from userid 1000) id 1; date",
            "from x by relay with SMTP",
            "from x (h [not an address]) by relay with SMTP",
            "from x (h [192.0.2.1]",
            "(from y) by (192.0.2.1)",
            "",
        ] {
            check(field, None);
        }
    }

    #[test]
    fn relays_are_passed_and_what_a_stranger_wrote_below_is_not_read() {
        let relay = "from a (a [10.0.0.5]) by b with ESMTP";
        let filter = "from localhost (localhost [127.0.0.1]) by b with ESMTP";
        let stranger = "from x (x [192.0.2.1]) by a with ESMTP";
        let forged = "from good (good [203.0.113.1]) by x with ESMTP";
        assert_eq!(found(&[relay, filter, stranger, forged]), Some(("192.0.2.1".into(), "x".into())));
        assert_eq!(found(&[stranger, forged]), Some(("192.0.2.1".into(), "x".into())));
        assert_eq!(found(&[relay; HOPS_MAX + 1]), None);
        assert_eq!(found(&[relay]), None);
        assert_eq!(found(&[]), None);
        // An own user of the relay, web mail there, and a machine in the own network.
        for own in [
            "from x (x [192.0.2.1]) by a with ESMTPSA id 1",
            "from x ([192.0.2.1]) by a with HTTP;",
            "from x (x [10.0.0.6]) by a with SMTP",
        ] {
            assert_eq!(found(&[relay, own, forged]), None, "{own}");
        }
    }
}
