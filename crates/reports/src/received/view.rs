//! What reports say, put together for whoever looks.

use super::row::{self, Key, Named};
use super::{Brought, Complaint, Received};
use crate::day::Day;
use crate::dmarc::{Aggregate, Row};
use crate::tls::{FailureDetail, TlsReport};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use store::{Error, Timestamp};

/// So many sources of a domain are told, those with the most messages.
const SOURCES_MAX: usize = 100;
/// So many names of each kind are told of a source, and reporters of a domain.
const NAMES_TOLD_MAX: usize = 5;
/// See [`NAMES_TOLD_MAX`].
const REPORTERS_TOLD_MAX: usize = 50;
/// So many troubles with TLS are told of a domain.
const TROUBLES_MAX: usize = 100;
/// So many addresses are asked for their names at once.
const UNNAMED_MAX: usize = 20;

/// Mail that named a domain in From, as others saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailSeen {
    /// The domain.
    pub domain: String,
    /// What it asks for, as the last report has it.
    pub policy: String,
    /// Reports.
    pub reports: usize,
    /// Who told it; with `false`: nobody checked that.
    pub reporters: BTreeMap<String, bool>,
    /// Messages.
    pub messages: u64,
    /// Of them those that the domain vouches for.
    pub passing: u64,
    /// Those with the most messages first.
    pub sources: Vec<Source>,
    /// Messages of others.
    pub left_out: u64,
}

/// Where mail came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The address.
    pub address: IpAddr,
    /// Its name, if it has one that leads back to it.
    pub name: Option<String>,
    /// Messages.
    pub messages: u64,
    /// Of them those that the domain vouches for,
    pub passing: u64,
    /// those with a signature of the domain,
    pub signed: u64,
    /// those that its SPF names,
    pub in_spf: u64,
    /// those that were put into Junk or refused.
    pub kept_out: u64,
    /// Whose good signatures there were.
    pub signers: BTreeSet<String>,
    /// Whose SPF names the address.
    pub spf_domains: BTreeSet<String>,
}

/// TLS with the hosts of a domain, as others saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSeen {
    /// The domain.
    pub domain: String,
    /// Reports.
    pub reports: usize,
    /// Who told it; with `false`: nobody checked that.
    pub reporters: BTreeMap<String, bool>,
    /// Sessions with TLS as it was promised.
    pub good: u64,
    /// Others.
    pub bad: u64,
    /// What went wrong, the most frequent first.
    pub troubles: Vec<TlsTrouble>,
}

/// Sessions that failed alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsTrouble {
    /// Who told it.
    pub by: String,
    /// What was wrong: `certificate-expired`, …
    pub kind: String,
    /// With which host; may be empty.
    pub host: String,
    /// Under which policy: `sts`, `tlsa`, `no-policy-found`.
    pub policy: String,
    /// How many.
    pub sessions: u64,
}

impl Received {
    /// Mail in the names of our domains in the last days, domain by domain.
    ///
    /// # Errors
    /// Faults.
    pub fn mail(&self, days: u32, now: Timestamp) -> Result<Vec<MailSeen>, Error> {
        let names = self.names()?;
        let mut seen: BTreeMap<String, (MailSeen, BTreeMap<IpAddr, Source>)> = BTreeMap::new();
        for (key, value) in self.since(b'i', days, now)? {
            let Brought::<Aggregate> { by, is_checked, report } = row::decode(&value)?;
            let lines = self.0.table.get(&Key { letter: b'j', ..key.clone() }.to_bytes())?;
            let rows: Vec<Row> = lines.map_or(Ok(Vec::new()), |lines| row::decode(&lines))?;
            let (mail, sources) = seen.entry(key.domain.clone()).or_default();
            mail.domain = key.domain;
            mail.reports += 1;
            mail.policy = report.published.policy;
            note_reporter(&mut mail.reporters, by, is_checked);
            mail.left_out = mail.left_out.saturating_add(report.left_out);
            for row in rows {
                let source = sources.entry(row.address).or_insert_with(|| Source::new(row.address));
                source.add(&row);
            }
        }
        let whole = |(mut mail, sources): (MailSeen, BTreeMap<IpAddr, Source>)| {
            mail.sources = sources.into_values().collect();
            let sum = |count: fn(&Source) -> u64| mail.sources.iter().map(count).fold(0, u64::saturating_add);
            let all = sum(|source| source.messages).saturating_add(mail.left_out);
            (mail.messages, mail.passing) = (all, sum(|source| source.passing));
            mail.sources.sort_by_key(|source| (std::cmp::Reverse(source.messages), source.address));
            let rare = mail.sources.iter().skip(SOURCES_MAX).map(|source| source.messages);
            mail.left_out = rare.fold(mail.left_out, u64::saturating_add);
            mail.sources.truncate(SOURCES_MAX);
            mail.sources.iter_mut().for_each(|source| source.name = names.get(&source.address).cloned().flatten());
            mail
        };
        Ok(seen.into_values().map(whole).collect())
    }

    /// TLS with our hosts in the last days, domain by domain.
    ///
    /// # Errors
    /// Faults.
    pub fn tls(&self, days: u32, now: Timestamp) -> Result<Vec<TlsSeen>, Error> {
        let mut seen: BTreeMap<String, (TlsSeen, BTreeMap<[String; 4], u64>)> = BTreeMap::new();
        for (key, value) in self.since(b'u', days, now)? {
            let Brought::<TlsReport> { by, is_checked, report } = row::decode(&value)?;
            let (tls, troubles) = seen.entry(key.domain.clone()).or_default();
            tls.domain = key.domain;
            tls.reports += 1;
            note_reporter(&mut tls.reporters, by.clone(), is_checked);
            for policy in report.policies {
                tls.good = tls.good.saturating_add(policy.summary.total_successful_session_count);
                tls.bad = tls.bad.saturating_add(policy.summary.total_failure_session_count);
                for failure in policy.failure_details {
                    let FailureDetail { result_type, receiving_mx_hostname, failed_session_count, .. } = failure;
                    let kind = [by.clone(), result_type, receiving_mx_hostname, policy.policy.policy_type.clone()];
                    let count = troubles.entry(kind).or_default();
                    *count = count.saturating_add(failed_session_count);
                }
            }
        }
        let whole = |(mut tls, troubles): (TlsSeen, BTreeMap<[String; 4], u64>)| {
            let trouble = |([by, kind, host, policy], sessions): ([String; 4], u64)| TlsTrouble {
                by,
                kind,
                host,
                policy,
                sessions,
            };
            tls.troubles = troubles.into_iter().map(trouble).collect();
            tls.troubles.sort_by_key(|trouble| std::cmp::Reverse(trouble.sessions));
            tls.troubles.truncate(TROUBLES_MAX);
            tls
        };
        Ok(seen.into_values().map(whole).collect())
    }

    /// Complaints about our mail in the last days, newest first.
    ///
    /// # Errors
    /// Faults.
    pub fn complaints(&self, days: u32, now: Timestamp) -> Result<Vec<Complaint>, Error> {
        let rows = self.since(b'f', days, now)?;
        let mut complaints: Vec<Complaint> =
            rows.iter().map(|(_, value)| row::decode(value)).collect::<Result<_, _>>()?;
        complaints.sort_by_key(|complaint| std::cmp::Reverse(complaint.at));
        Ok(complaints)
    }

    /// Addresses whose names are not known yet, those with the most messages first.
    ///
    /// # Errors
    /// Faults.
    pub fn unnamed(&self, now: Timestamp) -> Result<Vec<IpAddr>, Error> {
        let names = self.names()?;
        let mut sources: Vec<Source> =
            self.mail(super::KEPT_DAYS, now)?.into_iter().flat_map(|mail| mail.sources).collect();
        sources.retain(|source| !names.contains_key(&source.address));
        sources.sort_by_key(|source| (std::cmp::Reverse(source.messages), source.address));
        let mut addresses: Vec<IpAddr> = sources.into_iter().map(|source| source.address).collect();
        addresses.dedup();
        addresses.truncate(UNNAMED_MAX);
        Ok(addresses)
    }

    /// Rows of a letter that are about the last days.
    fn since(&self, letter: u8, days: u32, now: Timestamp) -> Result<Vec<(Key, Vec<u8>)>, Error> {
        let oldest = Day(Day::of(now).0.saturating_sub(days));
        let rows = self.0.table.scan(&[letter], &[letter], usize::MAX)?;
        let parsed = rows.into_iter().filter_map(|(key, value)| Some((Key::parse(&key)?, value)));
        let mut rows: Vec<_> = parsed.filter(|(key, _)| key.day >= oldest).collect();
        rows.sort_by_key(|(key, _)| key.day);
        Ok(rows)
    }

    fn names(&self) -> Result<BTreeMap<IpAddr, Option<String>>, Error> {
        let mut names = BTreeMap::new();
        for (key, value) in self.0.table.scan(b"p", b"p", usize::MAX)? {
            let address = key.get(1..).and_then(|address| std::str::from_utf8(address).ok()?.parse().ok());
            let Named { name, .. } = row::decode(&value)?;
            names.extend(address.map(|address| (address, name)));
        }
        Ok(names)
    }
}

fn note_reporter(reporters: &mut BTreeMap<String, bool>, by: String, is_checked: bool) {
    if reporters.len() < REPORTERS_TOLD_MAX || reporters.contains_key(&by) {
        *reporters.entry(by).or_insert(true) &= is_checked;
    }
}

impl Source {
    fn new(address: IpAddr) -> Self {
        let (signers, spf_domains) = Default::default();
        Self { address, name: None, messages: 0, passing: 0, signed: 0, in_spf: 0, kept_out: 0, signers, spf_domains }
    }

    fn add(&mut self, row: &Row) {
        let add = |sum: &mut u64, counts: bool| *sum = sum.saturating_add(if counts { row.count } else { 0 });
        add(&mut self.messages, true);
        add(&mut self.passing, row.passes());
        add(&mut self.signed, row.dkim_aligned);
        add(&mut self.in_spf, row.spf_aligned);
        add(&mut self.kept_out, matches!(row.disposition.as_str(), "quarantine" | "reject"));
        let signers = row.dkim.iter().filter(|signature| signature.result == "pass").map(|signature| &signature.domain);
        let spf = row.spf.iter().filter(|spf| spf.result == "pass").map(|spf| &spf.domain);
        self.signers.extend(signers.take(NAMES_TOLD_MAX.saturating_sub(self.signers.len())).cloned());
        self.spf_domains.extend(spf.take(NAMES_TOLD_MAX.saturating_sub(self.spf_domains.len())).cloned());
    }
}
