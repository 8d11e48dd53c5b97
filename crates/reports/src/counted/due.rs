//! Days that are over: what is to be told of them, and to whom.

use super::row::{self, Key, Kind, Policy, Sessions};
use super::{Counts, Day};
use crate::dmarc::{Aggregate, Row};
use crate::tls::{DateRange, FAILURES_MAX, FailureDetail, POLICIES_MAX, PolicyFound, Summary, TlsPolicy, TlsReport};
use directory::Directory;
use queue::Promise;
use std::collections::BTreeMap;
use store::{Error, Timestamp};

/// RFC 8460 §4.1: not all at midnight; within so long after it.
const SPREAD_MILLIS: i64 = 4 * 3600 * 1000;
/// What could not be sent for so long is dropped.
const KEPT_DAYS: u32 = 3;
/// After so long others have their turn.
const TURN_MILLIS: i64 = 10 * 60 * 1000;
/// So many days of domains are looked at in a round.
pub(crate) const DUE_MAX: usize = 100;

/// A day of a domain that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    key: Key,
    /// What it is about.
    pub matter: Matter,
}

/// What a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matter {
    /// Mail that named the domain in From; `rua`: where its owner wants to be told.
    Mail {
        /// As published: `mailto:a@b.example!10m,mailto:c@d.example`.
        rua: String,
    },
    /// Sessions with its hosts.
    Sessions,
}

/// Who reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reporter {
    /// This server's name.
    pub hostname: String,
    /// Where it can be asked.
    pub email: String,
}

impl Reporter {
    /// Who reports: `from`, or the postmaster of the local domain that this server, `hostname`, is in, or of the first one; nobody where
    /// there is none, because nobody would sign it.
    ///
    /// # Errors
    /// Faults.
    pub fn of(hostname: &str, from: Option<&str>, directory: &Directory) -> Result<Option<Self>, Error> {
        let of = |email| Self { hostname: hostname.to_owned(), email };
        if let Some(from) = from {
            return Ok(Some(of(from.to_owned())));
        }
        let domains: Vec<String> = directory.domains()?.into_iter().map(|domain| domain.name).collect();
        let is_around = |domain: &&String| format!(".{hostname}").ends_with(&format!(".{domain}"));
        let domain = domains.iter().filter(is_around).max_by_key(|domain| domain.len()).or(domains.first());
        Ok(domain.map(|domain| of(format!("postmaster@{domain}"))))
    }
}

impl Due {
    /// Whose domain it is.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.key.domain
    }

    /// The first and the last second of the day.
    #[must_use]
    pub fn between(&self) -> (i64, i64) {
        self.key.day.unix_seconds()
    }

    /// The moment from which it could be told; the same whenever it is tried.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        Day(self.key.day.0.saturating_add(1)).begin()
    }

    /// The name of the report: the same whenever it is made.
    #[must_use]
    pub fn id(&self, reporter: &Reporter) -> String {
        format!("{}.{}.{}", self.key.day.date(), self.key.domain, reporter.hostname)
    }
}

impl Counts {
    /// What is to be told now, `DUE_MAX` at most: days that are over, each domain at its own time of the night. Which of more
    /// changes from round to round: those whose name servers are dead keep no others from being told.
    ///
    /// # Errors
    /// Faults.
    pub fn due(&self, now: Timestamp) -> Result<Vec<Due>, Error> {
        let mut due = Vec::new();
        for kind in [Kind::Mail, Kind::Sessions] {
            let letter = [kind.of_domains()];
            for (key, value) in self.0.table.scan(&letter, &letter, usize::MAX)? {
                let Some(key) = Key::parse(&key, kind).filter(|key| is_due(key, now)) else { continue };
                let matter = match kind {
                    Kind::Mail => Matter::Mail { rua: row::decode::<Policy>(&value)?.rua },
                    Kind::Sessions => Matter::Sessions,
                };
                due.push(Due { key, matter });
            }
        }
        if due.len() > DUE_MAX {
            let turn = now.0.div_euclid(TURN_MILLIS).to_be_bytes();
            due.sort_by_cached_key(|due| *blake3::hash(&[&turn[..], &due.key.of_domain()].concat()).as_bytes());
            due.truncate(DUE_MAX);
        }
        Ok(due)
    }

    /// Forgets a day of a domain: it was told, or is never to be.
    ///
    /// # Errors
    /// Faults.
    pub fn settle(&self, due: &Due) -> Result<(), Error> {
        let rows = due.key.of_rows();
        self.0.table.change(|tx| {
            tx.delete(&due.key.of_domain());
            let rows = tx.scan_before(&rows, &rows, usize::MAX)?;
            rows.iter().for_each(|(key, _)| tx.delete(key));
            Ok(())
        })
    }

    /// Forgets what could not be told for days, and how many domains there were in days that are over.
    ///
    /// # Errors
    /// Faults.
    pub fn tidy(&self, now: Timestamp) -> Result<(), Error> {
        let today = Day::of(now).0;
        let mut old = Vec::new();
        for (letter, kept_days) in
            [(b'n', 0), (b'g', 0), (b'a', KEPT_DAYS), (b'e', KEPT_DAYS), (b't', KEPT_DAYS), (b's', KEPT_DAYS)]
        {
            let end = [&[letter][..], &today.saturating_sub(kept_days).to_be_bytes()].concat();
            let keys = self.0.table.scan(&[letter], &[letter], usize::MAX)?.into_iter().map(|(key, _)| key);
            old.extend(keys.take_while(|key| *key < end));
        }
        if old.is_empty() {
            return Ok(());
        }
        self.0.table.change(|tx| {
            old.iter().for_each(|key| tx.delete(key));
            Ok(())
        })
    }

    /// The report on mail; `None`: there is nothing.
    ///
    /// # Errors
    /// Faults.
    pub(crate) fn aggregate(&self, due: &Due, reporter: &Reporter) -> Result<Option<Aggregate>, Error> {
        let Some(policy) = self.0.table.get(&due.key.of_domain())? else { return Ok(None) };
        let policy: Policy = row::decode(&policy)?;
        let mut rows: Vec<Row> = self.rows(due)?;
        rows.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.cmp(other)));
        Ok((!rows.is_empty()).then(|| Aggregate {
            organisation: reporter.hostname.clone(),
            email: reporter.email.clone(),
            id: due.id(reporter),
            between: due.between(),
            domain: due.key.domain.clone(),
            published: policy.published,
            rows,
            left_out: 0,
        }))
    }

    /// The report on sessions; `None`: there is nothing.
    ///
    /// # Errors
    /// Faults.
    pub(crate) fn tls_report(&self, due: &Due, reporter: &Reporter) -> Result<Option<TlsReport>, Error> {
        let mut policies: BTreeMap<Promise, TlsPolicy> = BTreeMap::new();
        for sessions in self.rows::<Sessions>(due)? {
            let policy = policies.entry(sessions.promise.clone()).or_insert_with(|| TlsPolicy {
                policy: policy_found(&sessions.promise, &due.key.domain),
                ..TlsPolicy::default()
            });
            add_to(policy, sessions);
        }
        let date = due.key.day.date();
        let (start_datetime, end_datetime) = (format!("{date}T00:00:00Z"), format!("{date}T23:59:59Z"));
        Ok((!policies.is_empty()).then(|| TlsReport {
            organization_name: reporter.hostname.clone(),
            date_range: DateRange { start_datetime, end_datetime },
            contact_info: reporter.email.clone(),
            report_id: due.id(reporter),
            policies: policies.into_values().take(POLICIES_MAX).collect(),
        }))
    }

    fn rows<T: serde::de::DeserializeOwned>(&self, due: &Due) -> Result<Vec<T>, Error> {
        let prefix = due.key.of_rows();
        self.0.table.scan(&prefix, &prefix, usize::MAX)?.iter().map(|(_, value)| row::decode(value)).collect()
    }
}

/// Whether its time of the night has come. It follows from the name, so that a server that starts again does not begin anew.
fn is_due(key: &Key, now: Timestamp) -> bool {
    let hash = blake3::hash(key.domain.as_bytes());
    let hash = hash.as_bytes().first_chunk().copied().map_or(0, u32::from_be_bytes);
    let after = i64::from(hash) % SPREAD_MILLIS;
    now.0 >= Day(key.day.0.saturating_add(1)).begin().0.saturating_add(after)
}

fn policy_found(promise: &Promise, domain: &str) -> PolicyFound {
    let (policy_type, policy_string, mx_host) = match promise {
        Promise::Tlsa(records) => ("tlsa", records.clone(), Vec::new()),
        Promise::Sts { lines, mx } => ("sts", lines.clone(), mx.clone()),
        Promise::Nothing => ("no-policy-found", Vec::new(), Vec::new()),
    };
    PolicyFound { policy_type: policy_type.to_owned(), policy_string, policy_domain: domain.to_owned(), mx_host }
}

fn add_to(policy: &mut TlsPolicy, sessions: Sessions) {
    let Sessions { host, address, failure, count, .. } = sessions;
    let Summary { total_successful_session_count, total_failure_session_count } = &mut policy.summary;
    if failure.is_empty() {
        *total_successful_session_count = total_successful_session_count.saturating_add(count);
        return;
    }
    *total_failure_session_count = total_failure_session_count.saturating_add(count);
    if policy.failure_details.len() < FAILURES_MAX {
        policy.failure_details.push(FailureDetail {
            result_type: failure,
            sending_mta_ip: String::new(),
            receiving_mx_hostname: host,
            receiving_ip: address.map(|address| address.to_string()).unwrap_or_default(),
            failed_session_count: count,
        });
    }
}
