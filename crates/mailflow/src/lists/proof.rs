//! Who wrote a message to a list, and whether they meant the list: a good signature is good wherever the message is sent, so that
//! whoever has mail of a member could have the list distribute it in that member's name.

use super::form::Author;
use crate::arrival::Arrival;
use message::{address, date, header};
use sender_auth::{DmarcResult, SpfResult, organisational, results, signed_fields};
use store::{Protocol, Timestamp};

/// A post is so old at most: senders try for so long (RFC 5321 §4.5.4.1).
pub(super) const DATE_AGE_MILLIS_MAX: i64 = 5 * 24 * 60 * 60 * 1000;
/// Clocks are wrong by so much at most.
pub(super) const DATE_AHEAD_MILLIS_MAX: i64 = 24 * 60 * 60 * 1000;

/// What proves that a message comes from its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nothing.
    None,
    /// An account here sends it, or a program on this machine.
    Own,
    /// A host brings it that may send for the author's domain (SPF).
    Brought,
    /// A signature (DKIM), whoever brings it.
    Signed,
}

impl Proof {
    /// Whether a message comes from whom it says: an account here sent it, the author's domain vouches for it, or a mail system of
    /// ours brings it and says that it does.
    pub(super) fn of(arrival: &Arrival, author: &Author, content: &[u8], hostname: &str) -> Self {
        let source = &arrival.envelope.source;
        let domain = author.address.domain().to_string();
        let Some(sender) = &arrival.sender else {
            return match source.protocol {
                Protocol::Submission => Self::Own,
                Protocol::Lmtp if results::vouched(content, hostname) == Some(true) => {
                    let is_aligned = |of: String| {
                        organisational(&of.to_ascii_lowercase()) == organisational(&domain.to_ascii_lowercase())
                    };
                    match results::brought_for(content, hostname).is_some_and(is_aligned) {
                        true => Self::Brought,
                        false => Self::Signed,
                    }
                }
                Protocol::Smtp if source.client.to_canonical().is_loopback() => Self::Own,
                Protocol::Smtp
                | Protocol::Lmtp
                | Protocol::Server
                | Protocol::Imap
                | Protocol::Pop3
                | Protocol::Cli
                | Protocol::Web => Self::None,
            };
        };
        let (by_spf, by_dkim) = match sender.dmarc.result {
            DmarcResult::Pass => (sender.dmarc.spf_aligned, true),
            // Of a domain that publishes no policy, what DMARC would ask.
            DmarcResult::None => {
                let by_spf = sender.introduction.mail_from.result == SpfResult::Pass
                    && sender.introduction.mail_from.domain.eq_ignore_ascii_case(&domain);
                let is_good = |signature: &sender_auth::Dkim| {
                    signature.result == sender_auth::DkimResult::Pass && signature.domain.eq_ignore_ascii_case(&domain)
                };
                (by_spf, sender.dkim.iter().any(is_good))
            }
            DmarcResult::Fail | DmarcResult::TempError | DmarcResult::PermError => (false, false),
        };
        match (by_spf, by_dkim) {
            (true, _) => Self::Brought,
            (false, true) => Self::Signed,
            (false, false) => Self::None,
        }
    }

    /// Whether whoever wrote a message meant it for an address, now: To or Cc names it, and it is not an old one. What only a
    /// signature proves must have all of it under the signature, and a Message-ID.
    pub(super) fn means(self, door: &str, content: &[u8], now: Timestamp) -> bool {
        let signed = match self {
            Self::None => return false,
            Self::Own => return true,
            Self::Brought => None,
            Self::Signed => Some(signed_fields(content)),
        };
        let counts = |name: &str| signed.as_ref().is_none_or(|signed| signed.iter().any(|it| it == name));
        let names_it = |name: &str| counts(name) && only(content, name).is_some_and(|field| names(&field, door));
        let is_recent = counts("date")
            && only(content, "date").and_then(|field| date::parse(&field)).is_some_and(|date| {
                let age = now.0.saturating_sub(date.unix_seconds.saturating_mul(1000));
                (-DATE_AHEAD_MILLIS_MAX..=DATE_AGE_MILLIS_MAX).contains(&age)
            });
        let has_id = signed.is_none() || counts("message-id") && only(content, "message-id").is_some();
        (names_it("to") || names_it("cc")) && is_recent && has_id
    }
}

/// A field that a message has once: of several a signature may cover one only (RFC 6376 §5.4.2).
fn only(content: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut fields = header::find_all(content, name);
    let (field, None) = (fields.next()?, fields.next()) else { return None };
    Some(field.unfolded().into_owned())
}

fn names(field: &[u8], door: &str) -> bool {
    let is_it = |spec: Vec<u8>| is_same(&String::from_utf8_lossy(&spec), door);
    address::parse_list(field).iter().filter_map(address::Address::addr_spec).any(is_it)
}

/// The same address, in whatever case, and the domain in A-labels or U-labels.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let normal = |text: &str| directory::Address::parse(text).ok();
    one.eq_ignore_ascii_case(other) || normal(one).is_some_and(|one| normal(other) == Some(one))
}
