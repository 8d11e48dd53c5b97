//! Whether mail from elsewhere comes from whom it says: SPF, DKIM, DMARC, ARC and the name of the client's address.
//!
//! [`introduce`] looks at what is there before the message, [`examine_introduced`] at the message, [`examine`] at both at once; what
//! comes of it are [`Findings`]. What follows from them is decided in `mailflow`. [`results`] writes them
//! on top of the message (`Authentication-Results`) and takes off what others wrote there in our name.
//!
//! Pure but for the DNS, which is a [`Lookup`]: no socket, no clock, no store. Not here: who may send mail of ours (that is a
//! login), whether a message is junk, and signing.
//!
//! Invariant: whatever a message says, it is looked at within named limits: octets and fields of its header, signatures, sets of
//! a chain, questions to the DNS for each check. What one check uses up is taken from no other.
//! Invariant: an answer that does not come is "temperror", never "none".

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod dkim;
mod dmarc;
mod helo;
mod iprev;
mod lists;
mod lookup;
pub mod results;
mod sleeping;
mod spf;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use dkim::{ARC_SETS_MAX, Arc, Digests, Dkim, DkimResult, SIGNATURES_MAX, signed_fields};
pub use dmarc::{Asks, Dmarc, DmarcPolicy, DmarcResult, organisational};
pub use helo::HeloName;
pub use iprev::{Iprev, IprevResult};
pub use lists::{Listed, Lists};
pub use lookup::{Answer, Failed, Kind, Lookup, Pending, Record};
pub use spf::{Spf, SpfResult};

use lookup::Budget;
use std::net::IpAddr;

/// What a client says of itself and of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where it comes from.
    pub address: IpAddr,
    /// What it calls itself in HELO.
    pub helo: String,
    /// Where bounces go, without angle brackets; empty for nobody.
    pub mail_from: String,
    /// This server's name.
    pub receiver: String,
    /// The time.
    pub unix_seconds: i64,
}

/// Looks at who brings a message, and at messages: with [`introduce`], [`examine_introduced`] and a [`Lookup`] of its own.
pub trait Verifier: Send + Sync {
    /// What is known before the message is there, within a time that the implementation bounds.
    fn introduce(self: std::sync::Arc<Self>, claim: Claim) -> Pending<'static, Introduction>;

    /// What is found out in all, within a time that the implementation bounds. What is known is not asked again.
    fn verify(self: std::sync::Arc<Self>, known: Introduction, digests: Digests) -> Pending<'static, Findings>;
}

/// What is known of a host and its envelope before the message is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// From where it comes.
    pub address: IpAddr,
    /// The name of that address.
    pub iprev: Iprev,
    /// The lists that have the address.
    pub listed: Listed,
    /// What it calls itself in HELO.
    pub helo_name: HeloName,
    /// SPF of that name.
    pub helo: Spf,
    /// SPF of the reverse-path; for one that is empty that of the name in HELO (RFC 7208 §2.4).
    pub mail_from: Spf,
    /// The domain of the reverse-path says that nobody sends mail for it, and that it takes none: a policy of SPF that is `-all` and
    /// nothing else (RFC 7208 §10.1.2), and a null MX (RFC 7505). No signature makes such an address a place to which mail comes back.
    pub is_unused: bool,
}

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// What was known before the message was there.
    pub introduction: Introduction,
    /// The signatures, [`SIGNATURES_MAX`] at most, and as many that could not be read.
    pub dkim: Vec<Dkim>,
    /// The chain of those who passed it on.
    pub arc: Arc,
    /// What the domain in From says of it.
    pub dmarc: Dmarc,
}

/// Looks at who brings a message; asks `lists` for its address.
pub async fn introduce(lookup: &dyn Lookup, claim: &Claim, lists: &Lists) -> Introduction {
    let address = claim.address.to_canonical();
    // Each has its own, so that what a stranger can make large (SPF of his own domain) takes nothing from what protects others.
    let [for_iprev, for_lists, for_helo, for_mail] = std::array::from_fn(|_| Budget::new(lookup));
    let helo = spf::Sender {
        address,
        helo: &claim.helo,
        local_part: "postmaster",
        domain: &claim.helo,
        receiver: &claim.receiver,
        unix_seconds: claim.unix_seconds,
    };
    let mail = match claim.mail_from.rsplit_once('@') {
        // RFC 7208 §4.3: "If the <sender> has no local-part, substitute the string "postmaster"".
        Some(("", domain)) => spf::Sender { domain, ..helo },
        Some((local_part, domain)) => spf::Sender { local_part, domain, ..helo },
        None => helo,
    };
    let mail_from = async {
        let found = spf::check(&for_mail, &mail).await;
        let is_unused =
            found.permits_nobody && !claim.mail_from.is_empty() && takes_no_mail(&for_mail, mail.domain).await;
        (found.spf, is_unused)
    };
    let (iprev, listed, helo, (mail_from, is_unused)) = futures::future::join4(
        iprev::check(&for_iprev, address),
        lists::check(&for_lists, address, lists),
        spf::check(&for_helo, &helo),
        mail_from,
    )
    .await;
    let helo_name = helo::look(&claim.helo, address, &claim.receiver, iprev.name.as_deref());
    Introduction { address, iprev, listed, helo_name, helo: helo.spf, mail_from, is_unused }
}

/// RFC 7505 §3: one MX record, which names no host.
async fn takes_no_mail(dns: &Budget<'_>, domain: &str) -> bool {
    let exchanges = dns.exchanges(domain).await.unwrap_or_default();
    matches!(exchanges.as_slice(), [exchange] if exchange.trim_end_matches('.').is_empty())
}

/// What of a message is looked at that does not depend on who brings it.
struct Message {
    dkim: Vec<Dkim>,
    arc: Arc,
    published: Result<Vec<dmarc::Published>, DmarcResult>,
}

impl Message {
    async fn examine(lookup: &dyn Lookup, digests: &Digests) -> Self {
        // Each has its own: see above.
        let [for_dkim, for_arc, for_dmarc] = std::array::from_fn(|_| Budget::new(lookup));
        let ((dkim, arc), published) =
            futures::future::join(dkim::verify(digests, &for_dkim, &for_arc), dmarc::published(&for_dmarc, digests))
                .await;
        Self { dkim, arc, published }
    }

    fn with(self, introduction: Introduction, digests: &Digests) -> Findings {
        let Self { dkim, arc, published } = self;
        let dmarc = dmarc::evaluate(&published, &introduction.mail_from, &dkim, digests.sample());
        Findings { introduction, dkim, arc, dmarc }
    }
}

/// Looks at a message and at who brings it; asks `lists` for its address.
pub async fn examine(lookup: &dyn Lookup, claim: &Claim, digests: &Digests, lists: &Lists) -> Findings {
    let (known, message) =
        futures::future::join(introduce(lookup, claim, lists), Message::examine(lookup, digests)).await;
    message.with(known, digests)
}

/// Looks at a message. What is known of who brings it is not asked again.
pub async fn examine_introduced(lookup: &dyn Lookup, known: Introduction, digests: &Digests) -> Findings {
    Message::examine(lookup, digests).await.with(known, digests)
}

#[cfg(test)]
mod tests;
