//! How it stands with the certificate that an authority gives by itself.

use crate::moment::shown;
use acme::Facts;
use directory::{Directory, HostCertificate, HostKey};
use serde::{Deserialize, Serialize};
use store::{Error, Timestamp};

const DAY_SECS: i64 = 24 * 60 * 60;

/// The certificate of this host, and when there is to be the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateCard {
    /// The URL of the authority that was asked last; none: nobody was.
    pub authority: Option<String>,
    /// The names that it is made out to; none: there is no certificate yet.
    pub names: Vec<String>,
    /// Until when it is good.
    pub expires_at: Option<String>,
    /// How many whole days that is.
    pub days_left: Option<i64>,
    /// When the authority is asked next; none: as soon as there is a server.
    pub next_at: Option<String>,
    /// So often it was asked in vain since.
    pub failures: u32,
    /// Why, the last time.
    pub last_error: Option<String>,
    /// Its key, and the next one.
    pub keys: Vec<CertificateKey>,
}

/// A key of the certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateKey {
    /// What a TLSA record says of it.
    pub tlsa: String,
    /// `in use` or `next`.
    pub state: String,
    /// When it was made.
    pub made_at: String,
}

impl CertificateCard {
    /// What the directory knows of it.
    ///
    /// # Errors
    /// Faults.
    pub fn of(directory: &Directory, now: Timestamp) -> Result<Self, Error> {
        let HostCertificate { keys, chain, authority, next_attempt, failures, last_error, proven_over: _ } =
            directory.host_certificate()?.unwrap_or_default();
        let facts = Facts::of_chain(&chain);
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let key = |(at, key): (usize, &HostKey)| CertificateKey {
            tlsa: tlsa(&key.digest),
            state: if at == 0 { "in use" } else { "next" }.to_owned(),
            made_at: shown(key.made_at),
        };
        Ok(Self {
            authority: some(authority),
            expires_at: facts.as_ref().map(|facts| shown(Timestamp(facts.not_after.saturating_mul(1000)))),
            days_left: facts.as_ref().map(|facts| (facts.not_after - now.unix_seconds()).div_euclid(DAY_SECS)),
            names: facts.map(|facts| facts.names).unwrap_or_default(),
            next_at: Some(next_attempt).filter(|at| at.0 > 0).map(shown),
            failures,
            last_error: some(last_error),
            keys: keys.iter().enumerate().map(key).collect(),
        })
    }
}

/// RFC 7672 §3.1.1: the key itself (3, 1), by its SHA-256 (1), is what a host of mail is to be known by.
#[must_use]
pub fn tlsa(digest: &[u8; 32]) -> String {
    let hex: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("3 1 1 {hex}")
}
