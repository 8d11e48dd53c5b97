//! The records to publish in the DNS, so that mail comes here and programs set themselves up.

use super::offered::{Offered, OfferedService, Protocol, Security};
use super::pacc::{digest_record, pacc};
use super::sts;
use console::tlsa;
use directory::{Directory, DomainInfo, Error, KeyState, SigningKey};
use serde::{Deserialize, Serialize};
use store::Timestamp;
use wording::Later;

/// A TXT record is made of strings that are no longer (RFC 1035 §3.3).
const STRING_BYTES_MAX: usize = 255;

/// A record of the DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsRecord {
    /// The owner name, with its last dot.
    pub name: String,
    /// `MX`, `SRV`, `CNAME`, `TXT` or `TLSA`.
    pub kind: String,
    /// As it stands in a zone file.
    pub value: String,
    /// What it is for.
    pub purpose: Later,
    /// It has the key that is in use now: the one that signs, or that of this host's certificate.
    #[serde(default)]
    pub in_use: bool,
}

impl DnsRecord {
    /// What whoever looks for it says that they looked at: `MX of example.org`.
    #[must_use]
    pub fn check(&self) -> Later {
        tr_later!("{kind} of {name}", kind = &self.kind, name = self.name.trim_end_matches('.'))
    }

    /// The name as the form of a DNS provider wants it: without the domain, `@` for the domain itself.
    #[must_use]
    pub fn name_below(&self, domain: &str) -> String {
        let name = self.name.trim_end_matches('.');
        match name.strip_suffix(domain).map(|rest| rest.trim_end_matches('.')) {
            Some("") => "@".to_owned(),
            Some(rest) => rest.to_owned(),
            None => name.to_owned(),
        }
    }

    /// The value as the form of a DNS provider wants it: of a TXT record the whole text, without quotes.
    #[must_use]
    pub fn plain_value(&self) -> String {
        match self.kind.as_str() {
            "TXT" => self.value.split('"').skip(1).step_by(2).collect(),
            _ => self.value.clone(),
        }
    }
}

/// All records of a local domain (which may be written in any way), whose keys are made if it has none; `None`: it is none of
/// ours.
///
/// # Errors
/// Faults.
pub fn records_of(
    directory: &Directory,
    domain: &str,
    offered: &Offered,
    now: Timestamp,
) -> Result<Option<(DomainInfo, Vec<DnsRecord>)>, Error> {
    let is_meant = |name: &str| name.to_lowercase() == domain.trim().to_lowercase();
    let known = directory.domains()?.into_iter().find(|known| is_meant(&known.name) || is_meant(&known.shown));
    let Some(known) = known else { return Ok(None) };
    match directory.make_signing_keys(&known.name, now) {
        // On a disk that takes nothing the rest can be read.
        Ok(_) | Err(Error::Store(store::Error::ReadOnly)) => {}
        Err(error) => return Err(error),
    }
    let keys = directory.signing_keys(&known.name, now)?;
    let mut records = dns_records(&known.name, offered, &keys);
    let kept = directory.host_certificate()?.filter(|kept| offered.keys_stay && !kept.chain.is_empty());
    let host_keys: Vec<[u8; 32]> = kept.into_iter().flat_map(|kept| kept.keys).map(|key| key.digest).collect();
    records.extend(key_records(&known.name, offered, &host_keys));
    Ok(Some((known, records)))
}

/// What tells other servers the keys of this host (DANE, RFC 7672), in the zone where its name is: the one in use, and the next,
/// which is to be there before it is used (RFC 7671 §8.1).
pub(crate) fn key_records(domain: &str, offered: &Offered, keys: &[[u8; 32]]) -> Vec<DnsRecord> {
    let host = &offered.host;
    let is_here = host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    let record = |(at, key): (usize, &[u8; 32])| DnsRecord {
        name: format!("_25._tcp.{host}."),
        kind: "TLSA".to_owned(),
        value: tlsa(key),
        purpose: match at {
            0 => tr_later!(
                "other servers know this host by its key (DANE); counts only in a zone that is signed with DNSSEC"
            ),
            _ => tr_later!("the next key of this host: published before it is used, and beside the one in use"),
        },
        in_use: at == 0,
    };
    keys.iter().enumerate().filter(|_| is_here).map(record).collect()
}

/// Names below a domain (in A-labels) that lead to the pages, and that a certificate is to be made out to.
#[must_use]
pub fn names_for_pages(domain: &str, offered: &Offered) -> Vec<String> {
    let records = dns_records(domain, offered, &[]).into_iter().filter(|record| record.kind == "CNAME");
    records.map(|record| record.name.trim_end_matches('.').to_owned()).collect()
}

/// All records of a domain (in A-labels) that signs with `keys`.
#[must_use]
pub(crate) fn dns_records(domain: &str, offered: &Offered, keys: &[SigningKey]) -> Vec<DnsRecord> {
    let maker = Maker { domain, host: format!("{}.", offered.host) };
    let mut records =
        vec![maker.record("", "MX", format!("10 {}", maker.host), tr_later!("mail for the domain comes here"))];
    records.extend(maker.senders(keys));
    records.extend(maker.services(offered));
    if let Some(port) = offered.pages_port {
        let value = format!("0 1 {port} {}", maker.host);
        records.push(maker.record("_autodiscover._tcp", "SRV", value, tr_later!("Outlook sets itself up")));
    }
    if offered.pages_port == Some(443) {
        records.extend(maker.pages(domain, offered));
    }
    records
}

struct Maker<'a> {
    domain: &'a str,
    /// With its last dot.
    host: String,
}

impl Maker<'_> {
    fn record(&self, name: &str, kind: &str, value: String, purpose: Later) -> DnsRecord {
        let domain = self.domain;
        DnsRecord {
            name: if name.is_empty() { format!("{domain}.") } else { format!("{name}.{domain}.") },
            kind: kind.to_owned(),
            value,
            purpose,
            in_use: false,
        }
    }

    fn text(&self, name: &str, text: &str, purpose: Later) -> DnsRecord {
        self.record(name, "TXT", quoted(text), purpose)
    }

    /// Who may send for the domain, and what follows when somebody else does.
    fn senders(&self, keys: &[SigningKey]) -> Vec<DnsRecord> {
        let spf = tr_later!("this server may send for the domain; add what a smarthost or newsletter host asks for");
        // RFC 7208 §5.4: whoever is MX. RFC 7489 §10.1 speaks against -all beside DMARC, which decides.
        let mut records = vec![self.text("", "v=spf1 mx ~all", spf)];
        for SigningKey { selector, record, state, .. } in keys {
            let purpose = match state {
                KeyState::Signing => tr_later!("the key that signs the domain's mail"),
                KeyState::Waiting => tr_later!("the next key: published before it signs"),
                KeyState::Retired(_) => {
                    tr_later!("the key before: mail that it signed is still under way, remove it in two weeks")
                }
            };
            let record = self.text(&format!("{selector}._domainkey"), record, purpose);
            records.push(DnsRecord { in_use: matches!(state, KeyState::Signing), ..record });
        }
        let postmaster = format!("postmaster@{}", self.domain);
        let dmarc = format!("v=DMARC1; p=quarantine; rua=mailto:{postmaster}");
        records.push(self.text(
            "_dmarc",
            &dmarc,
            tr_later!("mail in the domain's name that others send is taken for junk"),
        ));
        let reports = format!("v=TLSRPTv1; rua=mailto:{postmaster}");
        records.push(self.text("_smtp._tls", &reports, tr_later!("other servers report where TLS fails")));
        records
    }

    fn services(&self, offered: &Offered) -> Vec<DnsRecord> {
        // RFC 6186 §3.4: IMAP is to be preferred; RFC 8314 §5.1: so is TLS from the first byte.
        let services = [
            ("_imaps", Protocol::Imap, Security::Tls, 0, tr_later!("IMAP under TLS")),
            ("_imap", Protocol::Imap, Security::StartTls, 5, tr_later!("IMAP with STARTTLS")),
            ("_pop3s", Protocol::Pop3, Security::Tls, 10, tr_later!("POP3 under TLS")),
            ("_pop3", Protocol::Pop3, Security::StartTls, 15, tr_later!("POP3 with STLS")),
            ("_submissions", Protocol::Submission, Security::Tls, 0, tr_later!("sending under TLS")),
            ("_submission", Protocol::Submission, Security::StartTls, 5, tr_later!("sending with STARTTLS")),
        ];
        let record = |(label, protocol, security, priority, purpose): (&str, _, _, u8, Later)| {
            let name = format!("{label}._tcp");
            match offered.of(protocol, security) {
                Some(OfferedService { port, .. }) => {
                    self.record(&name, "SRV", format!("{priority} 1 {port} {}", self.host), purpose)
                }
                // RFC 6186 §3.4, RFC 2782: a target of "." says that there is no such service.
                None => self.record(&name, "SRV", "0 0 0 .".to_owned(), tr_later!("there is no {purpose}", purpose)),
            }
        };
        services.into_iter().map(record).collect()
    }

    /// What leads to the pages at port 443.
    fn pages(&self, domain: &str, offered: &Offered) -> Vec<DnsRecord> {
        let name = |name: &str, purpose: Later| self.record(name, "CNAME", self.host.clone(), purpose);
        let mut records = vec![name("autoconfig", tr_later!("Thunderbird and others set themselves up"))];
        if let Some(document) = pacc(domain, offered) {
            records.push(name("ua-auto-config", tr_later!("programs that know PACC set themselves up")));
            records.push(self.text(
                "_ua-auto-config",
                &digest_record(&document),
                tr_later!("vouches for what they read there"),
            ));
        }
        if let Some(policy) = sts::policy(offered) {
            records.push(name("mta-sts", tr_later!("other servers read there that mail comes under TLS only")));
            records.push(self.text("_mta-sts", &sts::record(&policy), tr_later!("says that they are to look there")));
        }
        records
    }
}

/// As it stands in a zone file: strings in quotes. None of ours has a quote or a backslash in it.
fn quoted(text: &str) -> String {
    let strings = text.as_bytes().chunks(STRING_BYTES_MAX).map(|part| format!("\"{}\"", String::from_utf8_lossy(part)));
    strings.collect::<Vec<_>>().join(" ")
}
