//! MTA-STS (RFC 8461): other servers send mail for the domain to this host only, and only under TLS with a certificate made
//! out to it. The policy is told where the pages are at port 443.

use super::offered::Offered;
use sha2::{Digest, Sha256};

/// Where the policy is, at `mta-sts.<domain>` (RFC 8461 §3.3).
pub(crate) const PATH: &str = "/.well-known/mta-sts.txt";
/// The name before the domain.
pub(crate) const PREFIX: &str = "mta-sts.";
/// A week: RFC 8461 §3.2 wants weeks, so that who attacks cannot wait for the end of it.
const MAX_AGE_SECS: u32 = 7 * 24 * 60 * 60;

/// The policy of every domain whose mail comes here; `None` where nobody could read it.
pub(crate) fn policy(offered: &Offered) -> Option<String> {
    let host = &offered.host;
    let is_told = offered.pages_port == Some(443);
    is_told.then(|| format!("version: STSv1\r\nmode: enforce\r\nmx: {host}\r\nmax_age: {MAX_AGE_SECS}\r\n"))
}

/// What the TXT record at `_mta-sts.<domain>` holds; another policy has another one (RFC 8461 §3.1).
pub(crate) fn record(policy: &str) -> String {
    let digest = Sha256::digest(policy.as_bytes());
    let id: String = digest.iter().take(10).map(|octet| format!("{octet:02x}")).collect();
    format!("v=STSv1; id={id}")
}
