//! What the reply to EHLO or LHLO offers.

use super::limits::Limits;
use crate::Reply;

/// The extensions that this client uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    pub(super) pipelining: bool,
    /// `Some(0)`: SIZE without a limit (RFC 1870 §4).
    pub(super) size: Option<u64>,
    pub(super) eight_bit_mime: bool,
    pub(super) smtputf8: bool,
    pub(super) chunking: bool,
    pub(super) requires_tls: bool,
    pub(super) starttls: bool,
    pub(super) dsn: bool,
    /// DELIVERBY: the shortest time that may be asked for, in seconds.
    pub(super) deliver_by: Option<i64>,
    pub(super) auth_plain: bool,
    pub(super) auth_login: bool,
    pub(super) limits: Limits,
}

impl Extensions {
    pub(super) fn of(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.lines.iter().skip(1) {
            found.add(&line.to_ascii_uppercase());
        }
        found
    }

    fn add(&mut self, line: &str) {
        // `AUTH=LOGIN` is how it was written before RFC 2554; some servers still offer nothing else.
        let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
        match words.next() {
            Some("PIPELINING") => self.pipelining = true,
            Some("SIZE") => self.size = Some(words.next().and_then(|octets| octets.parse().ok()).unwrap_or(0)),
            Some("8BITMIME") => self.eight_bit_mime = true,
            Some("SMTPUTF8") => self.smtputf8 = true,
            Some("CHUNKING") => self.chunking = true,
            Some("REQUIRETLS") => self.requires_tls = true,
            Some("STARTTLS") => self.starttls = true,
            Some("LIMITS") => self.limits = Limits::of(words),
            Some("DSN") => self.dsn = true,
            Some("DELIVERBY") => self.deliver_by = Some(words.next().and_then(|least| least.parse().ok()).unwrap_or(0)),
            Some("AUTH") => {
                for mechanism in words {
                    self.auth_plain |= mechanism == "PLAIN";
                    self.auth_login |= mechanism == "LOGIN";
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&'static str], expected: Extensions) {
        let reply = lines.iter().fold(Reply::plain(250, "PIPELINING"), |reply, line| reply.line(*line));
        assert_eq!(Extensions::of(&reply), expected, "{lines:?}");
    }

    #[test]
    fn extensions_are_read() {
        let none = Extensions::default();
        check(&[], none.clone());
        check(&["pipelining", "8bitmime"], Extensions { pipelining: true, eight_bit_mime: true, ..none.clone() });
        check(&["SIZE"], Extensions { size: Some(0), ..none.clone() });
        check(&["SIZE 1000", "X-FOO BAR"], Extensions { size: Some(1000), ..none.clone() });
        check(&["AUTH CRAM-MD5 plain LOGIN"], Extensions { auth_plain: true, auth_login: true, ..none.clone() });
        check(&["AUTH=LOGIN", "STARTTLS"], Extensions { auth_login: true, starttls: true, ..none.clone() });
        check(&["SMTPUTF8", "DSN"], Extensions { smtputf8: true, dsn: true, ..none.clone() });
        check(&["REQUIRETLS"], Extensions { requires_tls: true, ..none.clone() });
        check(&["CHUNKING"], Extensions { chunking: true, ..none.clone() });
        check(&["DELIVERBY"], Extensions { deliver_by: Some(0), ..none.clone() });
        check(&["DeliverBy 240"], Extensions { deliver_by: Some(240), ..none.clone() });
        let limits = Limits { mail_max: Some(50), recipients_max: Some(20), domains_max: None };
        check(&["LIMITS mailmax=50 RCPTMAX=20 X=y"], Extensions { limits, ..none });
    }
}
