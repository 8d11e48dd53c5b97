//! DMARC (RFC 9989, before it RFC 7489): whether the domain in From vouches for the message, and what it asks for if not.
//!
//! The organisational domain is read off the list of public suffixes, and not found by walking up the DNS:
//! [decision 0041](../../../docs/decisions/0041-dmarc-by-the-list-of-public-suffixes.md).

use crate::dkim::{Digests, Dkim, DkimResult};
use crate::lookup::{Budget, Failed};
use crate::spf::{Spf, SpfResult};

/// Domains in From. More are no honest mail, and it is treated as the strictest policy would.
const DOMAINS_MAX: usize = 4;
/// So much is kept of the addresses that a domain wants its reports at; they end at a comma.
const RUA_BYTES_MAX: usize = 1000;

/// What DMARC says (RFC 8601 §2.7.1, RFC 9989 §10.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmarcResult {
    /// The domain says nothing.
    None,
    /// It vouches for the message.
    Pass,
    /// It does not.
    Fail,
    /// The DNS gave no answer that would decide it.
    TempError,
    /// From has no domain, or too many.
    PermError,
}

impl DmarcResult {
    /// As `Authentication-Results` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// What a domain asks to be done with what it does not vouch for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DmarcPolicy {
    /// Nothing.
    #[default]
    None,
    /// To be suspicious of it.
    Quarantine,
    /// To refuse it.
    Reject,
}

impl DmarcPolicy {
    /// As the domain writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::None, Self::Quarantine, Self::Reject].into_iter().find(|one| one.name().eq_ignore_ascii_case(text))
    }

    /// RFC 7489 §6.6.4, RFC 9989 §4.7 (`t`): one step less.
    fn lessened(self) -> Self {
        match self {
            Self::None | Self::Quarantine => Self::None,
            Self::Reject => Self::Quarantine,
        }
    }
}

/// What DMARC says of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dmarc {
    /// What it says.
    pub result: DmarcResult,
    /// Of which domain in From; empty if there is none.
    pub domain: String,
    /// What the domain asks for: `p`, `sp` or `np`.
    pub policy: DmarcPolicy,
    /// The same for this message: less where the domain only tests (`t`, `pct`).
    pub disposition: DmarcPolicy,
    /// SPF passes for a domain that is aligned with it.
    pub spf_aligned: bool,
    /// A signature holds of a domain that is aligned with it.
    pub dkim_aligned: bool,
    /// What was published, if whoever did wants to be told what became of mail.
    pub asks: Option<Box<Asks>>,
}

/// What a domain that asks for reports has published (RFC 7489 §6.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asks {
    /// Where: the domain in From, or the one above it.
    pub domain: String,
    /// The domain below the public suffix.
    pub organisation: String,
    /// Whom it wants to be told, as it says it: `mailto:a@b.example!10m,mailto:c@d.example`; up to 1,000 octets.
    pub rua: String,
    /// `p`.
    pub policy: DmarcPolicy,
    /// `sp`, or what stands for it.
    pub subdomains: DmarcPolicy,
    /// `np`.
    pub missing_subdomains: Option<DmarcPolicy>,
    /// `adkim=s`.
    pub is_dkim_strict: bool,
    /// `aspf=s`.
    pub is_spf_strict: bool,
    /// `pct`.
    pub percent: u8,
    /// `t=y`.
    pub is_test: bool,
}

/// What a domain has published that holds for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    domain: String,
    record: Result<Option<Record>, Failed>,
    policy: DmarcPolicy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    /// Where it was found.
    at: String,
    rua: String,
    policy: DmarcPolicy,
    subdomains: DmarcPolicy,
    missing_subdomains: Option<DmarcPolicy>,
    is_dkim_strict: bool,
    is_spf_strict: bool,
    percent: u8,
    is_test: bool,
}

/// Asks what the domains in From have published.
pub(crate) async fn published(dns: &Budget<'_>, digests: &Digests) -> Result<Vec<Published>, DmarcResult> {
    let domains = digests.author_domains().map_err(|_| DmarcResult::PermError)?;
    if domains.len() > DOMAINS_MAX {
        return Err(DmarcResult::PermError);
    }
    let mut published = Vec::new();
    for domain in domains {
        published.push(of(dns, domain).await);
    }
    Ok(published)
}

/// RFC 7489 §6.6.3: the domain's own record, else that of its organisational domain.
async fn of(dns: &Budget<'_>, domain: String) -> Published {
    let organisational = organisational(&domain);
    let failed = |domain, failed| Published { domain, record: Err(failed), policy: DmarcPolicy::None };
    match record(dns, &domain).await {
        Err(trouble) => return failed(domain, trouble),
        Ok(Some(record)) => {
            let policy = record.policy;
            return Published { domain, policy, record: Ok(Some(record)) };
        }
        Ok(None) if domain == organisational => {
            return Published { domain, record: Ok(None), policy: DmarcPolicy::None };
        }
        Ok(None) => {}
    }
    match record(dns, organisational).await {
        Err(trouble) => failed(domain, trouble),
        Ok(None) => Published { domain, record: Ok(None), policy: DmarcPolicy::None },
        Ok(Some(record)) => {
            // RFC 9989 §4.7: `np` holds for names that do not exist.
            let policy = match record.missing_subdomains {
                Some(policy) if dns.addresses(&domain, [0; 4].into()).await == Err(Failed::NoName) => policy,
                Some(_) | None => record.subdomains,
            };
            Published { domain, policy, record: Ok(Some(record)) }
        }
    }
}

/// The one record of a name; several count for nothing (RFC 7489 §6.6.3).
async fn record(dns: &Budget<'_>, domain: &str) -> Result<Option<Record>, Failed> {
    let texts = match dns.txt(&format!("_dmarc.{domain}")).await {
        Ok(texts) => texts,
        Err(Failed::NoName | Failed::NoData) => return Ok(None),
        Err(Failed::Trouble) => return Err(Failed::Trouble),
    };
    let mut records = texts.iter().filter_map(|text| Record::parse(domain, text));
    match (records.next(), records.next()) {
        (Some(record), None) => Ok(record),
        (Some(_), Some(_)) | (None, _) => Ok(None),
    }
}

impl Record {
    /// `None`: it is not one of DMARC; `Some(None)`: it is one, and asks for nothing (RFC 9989 §4.10.1).
    fn parse(domain: &str, text: &[u8]) -> Option<Option<Self>> {
        let text = String::from_utf8_lossy(text);
        let mut tags = text
            .split(';')
            .map(|tag| tag.split_once('=').unwrap_or((tag, "")))
            .map(|(name, value)| (name.trim(), value.trim()));
        // RFC 9989 §4.7: the first tag, and case-sensitive.
        if tags.next() != Some(("v", "DMARC1")) {
            return None;
        }
        let mut found = (None, None, None);
        let mut record = Self {
            at: domain.to_owned(),
            rua: String::new(),
            policy: DmarcPolicy::None,
            subdomains: DmarcPolicy::None,
            missing_subdomains: None,
            is_dkim_strict: false,
            is_spf_strict: false,
            percent: 100,
            is_test: false,
        };
        for (name, value) in tags {
            match name.to_ascii_lowercase().as_str() {
                "p" => found.0 = DmarcPolicy::parse(value),
                "sp" => found.1 = DmarcPolicy::parse(value),
                "np" => found.2 = DmarcPolicy::parse(value),
                "adkim" => record.is_dkim_strict = value.eq_ignore_ascii_case("s"),
                "aspf" => record.is_spf_strict = value.eq_ignore_ascii_case("s"),
                "pct" => record.percent = value.parse().ok().filter(|percent| *percent <= 100).unwrap_or(100),
                "t" => record.is_test = value.eq_ignore_ascii_case("y"),
                "rua" if value.contains("mailto:") => record.rua = bounded(value),
                _ => {}
            }
        }
        if found.0.is_none() && record.rua.is_empty() {
            return Some(None);
        }
        record.policy = found.0.unwrap_or_default();
        record.subdomains = found.1.unwrap_or(record.policy);
        record.missing_subdomains = found.2;
        Some(Some(record))
    }

    fn asks(&self) -> Option<Asks> {
        let Self { at, rua, policy, subdomains, missing_subdomains, .. } = self.clone();
        let Self { is_dkim_strict, is_spf_strict, percent, is_test, .. } = *self;
        let organisation = organisational(&at).to_owned();
        (!rua.is_empty()).then_some(Asks {
            domain: at,
            organisation,
            rua,
            policy,
            subdomains,
            missing_subdomains,
            is_dkim_strict,
            is_spf_strict,
            percent,
            is_test,
        })
    }
}

/// What follows from all of it; with several domains in From that for which it is worst (RFC 7489 §6.6.1).
pub(crate) fn evaluate(
    published: &Result<Vec<Published>, DmarcResult>,
    spf: &Spf,
    signatures: &[Dkim],
    sample: u8,
) -> Dmarc {
    let nobody = |result| Dmarc::new(result, String::new());
    match published {
        Err(result) => nobody(*result),
        Ok(published) => {
            let each = published.iter().map(|published| published.evaluate(spf, signatures, sample));
            each.max_by_key(Dmarc::badness).unwrap_or_else(|| nobody(DmarcResult::None))
        }
    }
}

impl Dmarc {
    /// Of a domain that asks for nothing.
    fn new(result: DmarcResult, domain: String) -> Self {
        let (policy, disposition) = Default::default();
        Self { result, domain, policy, disposition, spf_aligned: false, dkim_aligned: false, asks: None }
    }

    fn badness(&self) -> (DmarcPolicy, u8) {
        match self.result {
            DmarcResult::Pass => (DmarcPolicy::None, 0),
            DmarcResult::None => (DmarcPolicy::None, 1),
            DmarcResult::PermError => (DmarcPolicy::None, 2),
            DmarcResult::TempError => (DmarcPolicy::None, 4),
            DmarcResult::Fail => (self.disposition, 3),
        }
    }
}

impl Published {
    fn evaluate(&self, spf: &Spf, signatures: &[Dkim], sample: u8) -> Dmarc {
        let domain = self.domain.clone();
        let record = match &self.record {
            Err(_) => return Dmarc::new(DmarcResult::TempError, domain),
            Ok(None) => return Dmarc::new(DmarcResult::None, domain),
            Ok(Some(record)) => record,
        };
        let is_aligned = |other: &str, is_strict: bool| {
            other == domain || !is_strict && organisational(other) == organisational(&domain) && !other.is_empty()
        };
        let is_spf_aligned = is_aligned(&spf.domain, record.is_spf_strict);
        let dkim = |wanted: DkimResult| {
            let mut of_domain = signatures.iter().filter(|one| is_aligned(&one.domain, record.is_dkim_strict));
            of_domain.any(|one| one.result == wanted)
        };
        let spf_aligned = is_spf_aligned && spf.result == SpfResult::Pass;
        let dkim_aligned = dkim(DkimResult::Pass);
        let result = if spf_aligned || dkim_aligned {
            DmarcResult::Pass
        } else if is_spf_aligned && spf.result == SpfResult::TempError || dkim(DkimResult::TempError) {
            DmarcResult::TempError
        } else {
            DmarcResult::Fail
        };
        // RFC 7489 §6.6.4.
        let is_lessened = record.is_test || sample >= record.percent;
        let disposition = if is_lessened { self.policy.lessened() } else { self.policy };
        let asks = record.asks().map(Box::new);
        Dmarc { result, domain, policy: self.policy, disposition, spf_aligned, dkim_aligned, asks }
    }
}

/// Whole addresses, as many as fit.
fn bounded(rua: &str) -> String {
    let start = rua.get(..rua.floor_char_boundary(RUA_BYTES_MAX)).unwrap_or_default();
    let end = if start.len() < rua.len() { start.rfind(',').unwrap_or(0) } else { start.len() };
    start.get(..end).unwrap_or_default().to_owned()
}

/// The domain below the public suffix; the name itself where it is one, so that a suffix is aligned with nothing else.
#[must_use]
pub fn organisational(domain: &str) -> &str {
    psl::domain_str(domain).unwrap_or(domain)
}

#[cfg(test)]
mod tests;
