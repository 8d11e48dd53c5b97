//! The records to publish in the DNS, so that mail comes here and programs set themselves up.

use super::offered::{Offered, OfferedService, Protocol, Security};
use super::pacc::{digest_record, pacc};
use serde::{Deserialize, Serialize};

/// A record of the DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsRecord {
    /// The owner name, with its last dot.
    pub name: String,
    /// `MX`, `SRV`, `CNAME` or `TXT`.
    pub kind: String,
    /// As it stands in a zone file.
    pub value: String,
    /// What it is for.
    pub purpose: String,
}

/// All records of a domain.
#[must_use]
pub fn dns_records(domain: &str, offered: &Offered) -> Vec<DnsRecord> {
    let host = format!("{}.", offered.host);
    let record = |name: &str, kind: &str, value: String, purpose: &str| DnsRecord {
        name: if name.is_empty() { format!("{domain}.") } else { format!("{name}.{domain}.") },
        kind: kind.to_owned(),
        value,
        purpose: purpose.to_owned(),
    };
    let mut records = vec![record("", "MX", format!("10 {host}"), "mail for the domain comes here")];
    // RFC 6186 §3.4: IMAP is to be preferred; RFC 8314 §5.1: so is TLS from the first byte.
    for (label, protocol, security, priority, purpose) in [
        ("_imaps", Protocol::Imap, Security::Tls, 0, "IMAP under TLS"),
        ("_imap", Protocol::Imap, Security::StartTls, 5, "IMAP with STARTTLS"),
        ("_pop3s", Protocol::Pop3, Security::Tls, 10, "POP3 under TLS"),
        ("_pop3", Protocol::Pop3, Security::StartTls, 15, "POP3 with STLS"),
        ("_submissions", Protocol::Submission, Security::Tls, 0, "sending under TLS"),
        ("_submission", Protocol::Submission, Security::StartTls, 5, "sending with STARTTLS"),
    ] {
        let name = format!("{label}._tcp");
        match offered.of(protocol, security) {
            Some(OfferedService { port, .. }) => {
                records.push(record(&name, "SRV", format!("{priority} 1 {port} {host}"), purpose));
            }
            // RFC 6186 §3.4, RFC 2782: a target of "." says that there is no such service.
            None => records.push(record(&name, "SRV", "0 0 0 .".to_owned(), &format!("there is no {purpose}"))),
        }
    }
    if let Some(port) = offered.pages_port {
        records.push(record("_autodiscover._tcp", "SRV", format!("0 1 {port} {host}"), "Outlook sets itself up"));
    }
    if offered.pages_port == Some(443) {
        records.push(record("autoconfig", "CNAME", host.clone(), "Thunderbird and others set themselves up"));
        if let Some(document) = pacc(domain, offered) {
            let digest = format!("\"{}\"", digest_record(&document));
            records.push(record("ua-auto-config", "CNAME", host, "programs that know PACC set themselves up"));
            records.push(record("_ua-auto-config", "TXT", digest, "vouches for what they read there"));
        }
    }
    records
}
