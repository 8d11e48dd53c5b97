//! Setting up a device: what mail programs read to set themselves up, records for the DNS, codes for a camera. Pure.
//!
//! Invariant: a document that anybody may read is the same for every address of a domain, but for the address itself.
//! Invariant: what a stranger wrote is escaped, or refused.

mod autoconfig;
mod autodiscover;
mod mobileconfig;
mod offered;
mod pacc;
mod qr;
mod records;
mod sts;
#[cfg(test)]
mod tests;
mod xml;

pub(crate) use autoconfig::{MEDIA_TYPE as AUTOCONFIG_TYPE, autoconfig};
pub(crate) use autodiscover::{
    MEDIA_TYPE as AUTODISCOVER_TYPE, PATHS as AUTODISCOVER_PATHS, autodiscover, autodiscover_json, is_address, refusal,
    requested_address,
};
pub(crate) use mobileconfig::{MEDIA_TYPE as MOBILECONFIG_TYPE, Profile, mobileconfig};
pub use offered::{Offered, OfferedService, Protocol, Security};
pub(crate) use pacc::{PATH as PACC_PATH, pacc};
pub(crate) use qr::{QrImage, qr, thunderbird_payload};
pub use records::{DnsRecord, names_for_pages, records_of};
#[cfg(test)]
pub(crate) use records::{dns_records, key_records};
pub(crate) use sts::{PATH as STS_PATH, PREFIX as STS_PREFIX, policy as sts_policy};
