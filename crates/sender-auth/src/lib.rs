//! Whether mail from elsewhere comes from whom it says: SPF, DKIM, DMARC, ARC and the name of the client's address.
//!
//! [`examine`] looks at all of it and gives [`Findings`]; what follows from them is decided in `mailflow`. [`results`] writes them
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

/// Looks at messages: with [`examine`] and a [`Lookup`] of its own.
pub trait Verifier: Send + Sync {
    /// What is found out, within a time that the implementation bounds.
    fn verify(self: std::sync::Arc<Self>, claim: Claim, digests: Digests) -> Pending<'static, Findings>;
}

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// From where it came.
    pub address: IpAddr,
    /// The name of that address.
    pub iprev: Iprev,
    /// The lists that have the address.
    pub listed: Listed,
    /// SPF of the name in HELO.
    pub helo: Spf,
    /// SPF of the reverse-path; for one that is empty that of the name in HELO (RFC 7208 §2.4).
    pub mail_from: Spf,
    /// The signatures, [`SIGNATURES_MAX`] at most, and as many that could not be read.
    pub dkim: Vec<Dkim>,
    /// The chain of those who passed it on.
    pub arc: Arc,
    /// What the domain in From says of it.
    pub dmarc: Dmarc,
}

/// Looks at a message and at who brings it; asks `lists` for its address.
pub async fn examine(lookup: &dyn Lookup, claim: &Claim, digests: &Digests, lists: &Lists) -> Findings {
    let address = claim.address.to_canonical();
    // Each has its own, so that what a stranger can make large (SPF of his own domain, a chain) takes nothing from what
    // protects others (the policy of the domain in From).
    let [for_iprev, for_lists, for_helo, for_mail, for_dkim, for_arc, for_dmarc] =
        std::array::from_fn(|_| Budget::new(lookup));
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
    let ((iprev, listed), helo, mail_from, (dkim, arc), published) = futures::future::join5(
        futures::future::join(iprev::check(&for_iprev, address), lists::check(&for_lists, address, lists)),
        spf::check(&for_helo, &helo),
        spf::check(&for_mail, &mail),
        dkim::verify(digests, &for_dkim, &for_arc),
        dmarc::published(&for_dmarc, digests),
    )
    .await;
    let dmarc = dmarc::evaluate(&published, &mail_from, &dkim, digests.sample());
    Findings { address, iprev, listed, helo, mail_from, dkim, arc, dmarc }
}

#[cfg(test)]
mod tests;
