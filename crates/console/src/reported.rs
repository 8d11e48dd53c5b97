//! What others report to us, for an administrator: mail in the names of our domains, TLS with our hosts, complaints.

use crate::administration::Administration;
use crate::error::Error;
use crate::moment::shown;
use crate::names;
use directory::{Directory, Resolution};
use reports::{Complaint, MailSeen, Received, Rejection, Source, TlsSeen, TlsTrouble};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use store::Timestamp;

const WEEK_DAYS: u32 = 7;
/// What is kept is not older.
pub const REPORT_DAYS_MAX: u32 = 90;

/// What others report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportsPage {
    /// About so many days.
    pub days: u32,
    /// Mail in the names of local domains, domain by domain.
    pub mail: Vec<MailReports>,
    /// TLS with the hosts of local domains, domain by domain.
    pub tls: Vec<TlsReports>,
    /// Complaints, newest first.
    pub complaints: Vec<ComplaintLine>,
    /// Domains that refuse our mail, the last one first; of the last 30 days.
    pub rejections: Vec<RejectionLine>,
}

/// Mail that servers of a domain refused alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectionLine {
    /// The domain.
    pub domain: String,
    /// For how many recipients.
    pub times: u64,
    /// When, at last.
    pub at: String,
    /// The code of the last reply.
    pub code: u16,
    /// RFC 3463: `5.7.1`.
    pub status: String,
    /// Its text.
    pub reply: String,
    /// Which host said it; may be empty.
    pub host: String,
    /// The same in words.
    pub text: String,
}

/// Mail that named a domain in From, as others saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailReports {
    /// The domain.
    pub domain: String,
    /// What it asks for: `none`, `quarantine`, `reject`.
    pub policy: String,
    /// How many reports.
    pub reports: usize,
    /// Who reports.
    pub reporters: Vec<ReporterLine>,
    /// How many messages.
    pub messages: u64,
    /// Of them those that the domain vouches for.
    pub passing: u64,
    /// Where they came from, the most frequent first.
    pub sources: Vec<SourceLine>,
    /// Messages of further sources.
    pub left_out: u64,
    /// The same in words.
    pub text: String,
}

/// Who reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReporterLine {
    /// The domain that the report came from.
    pub domain: String,
    /// Whether somebody made sure that it did.
    pub is_checked: bool,
}

/// Where mail came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLine {
    /// The address.
    pub address: String,
    /// Its name, if it has one that leads back to it.
    pub name: Option<String>,
    /// How many messages.
    pub messages: u64,
    /// Of them those that the domain vouches for,
    pub passing: u64,
    /// those with a signature of the domain,
    pub signed: u64,
    /// those that its SPF names,
    pub in_spf: u64,
    /// those that were put into Junk or refused.
    pub kept_out: u64,
    /// Whose signatures were good.
    pub signers: Vec<String>,
    /// Whose SPF names the address.
    pub spf_domains: Vec<String>,
    /// What it is, and what can be done.
    pub text: String,
}

/// TLS with the hosts of a domain, as others saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsReports {
    /// The domain.
    pub domain: String,
    /// How many reports.
    pub reports: usize,
    /// Who reports.
    pub reporters: Vec<ReporterLine>,
    /// Sessions with TLS as it was promised.
    pub good: u64,
    /// Sessions without.
    pub bad: u64,
    /// What went wrong, the most frequent first.
    pub troubles: Vec<TlsTroubleLine>,
    /// The same in words.
    pub text: String,
}

/// Sessions that failed alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsTroubleLine {
    /// Who reports it.
    pub by: String,
    /// What was wrong, as RFC 8460 calls it.
    pub kind: String,
    /// With which host.
    pub host: String,
    /// How many sessions.
    pub sessions: u64,
    /// What it is, and what can be done.
    pub text: String,
}

/// A complaint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComplaintLine {
    /// When it came.
    pub at: String,
    /// Who told it.
    pub by: String,
    /// Whether somebody made sure of that.
    pub is_checked: bool,
    /// `abuse`, `fraud`, …
    pub kind: String,
    /// The account whose mail it is, if there is one.
    pub account: Option<String>,
    /// Where the message came from.
    pub source: String,
    /// Whom it was to; often left out.
    pub recipient: String,
    /// Its subject.
    pub subject: String,
    /// Its Message-ID.
    pub message_id: String,
    /// The same in words.
    pub text: String,
}

impl Administration {
    /// What others reported about the last days, [`REPORT_DAYS_MAX`] at most.
    ///
    /// # Errors
    /// Faults.
    pub fn reports(&self, days: u32, now: Timestamp) -> Result<ReportsPage, Error> {
        let directory = self.auth.directory();
        let received = Received::new(self.auth.store(), directory.clone());
        let days = days.min(REPORT_DAYS_MAX);
        let complaints = received.complaints(days, now)?;
        let complaints = complaints.into_iter().map(|complaint| complaint_line(directory, complaint));
        Ok(ReportsPage {
            days,
            mail: received.mail(days, now)?.into_iter().map(mail_reports).collect(),
            tls: received.tls(days, now)?.into_iter().map(tls_reports).collect(),
            complaints: complaints.collect::<Result<_, Error>>()?,
            rejections: received.rejections(days, now)?.into_iter().map(rejection_line).collect(),
        })
    }

    /// How many domains refused our mail in the last week.
    ///
    /// # Errors
    /// Faults.
    pub fn rejecting_domains(&self, now: Timestamp) -> Result<usize, Error> {
        let received = Received::new(self.auth.store(), self.auth.directory().clone());
        let rejections = received.rejections(WEEK_DAYS, now)?;
        Ok(rejections.into_iter().map(|rejection| rejection.domain).collect::<BTreeSet<_>>().len())
    }
}

fn who(reporters: BTreeMap<String, bool>) -> Vec<ReporterLine> {
    reporters.into_iter().map(|(domain, is_checked)| ReporterLine { domain, is_checked }).collect()
}

fn mail_reports(seen: MailSeen) -> MailReports {
    let MailSeen { domain, policy, reports, messages, passing, left_out, .. } = seen;
    let policy = names::shown(&policy);
    let line = |source| source_line(source, &domain, &policy);
    let sources = seen.sources.into_iter().map(line).collect();
    let text = match (messages, passing) {
        (0, _) => format!("Nobody saw mail of {domain}."),
        (messages, passing) if messages == passing => {
            format!("All {messages} messages of {domain} that others saw are signed or come from hosts in its SPF.")
        }
        _ => format!(
            "{passing} of {messages} messages of {domain} that others saw are signed or come from hosts in its SPF; \
             it asks for p={policy} for the rest."
        ),
    };
    MailReports { reporters: who(seen.reporters), domain, policy, reports, messages, passing, sources, left_out, text }
}

fn source_line(source: Source, domain: &str, policy: &str) -> SourceLine {
    let text = told(&source, domain, policy);
    let Source { address, name, messages, passing, signed, in_spf, kept_out, signers, spf_domains } = source;
    let one_line = |names: BTreeSet<String>| names.iter().map(|name| names::shown(name)).collect();
    SourceLine {
        address: address.to_string(),
        name: name.as_deref().map(names::shown),
        messages,
        passing,
        signed,
        in_spf,
        kept_out,
        signers: one_line(signers),
        spf_domains: one_line(spf_domains),
        text,
    }
}

/// What a source is, and what can be done. A report may be wrong: nothing is advised that would let a stranger in.
fn told(source: &Source, domain: &str, policy: &str) -> String {
    let Source { address, messages, passing, signed, in_spf, kept_out, .. } = source;
    let who = match &source.name {
        Some(name) => format!("{address} ({})", names::shown(name)),
        None => address.to_string(),
    };
    let sent = format!("{who} sent {}as {domain}", count(*messages));
    if passing == messages {
        return match (signed == messages, in_spf == messages) {
            (true, true) => format!("{sent}: signed, and the host is in your SPF."),
            (true, false) => format!("{sent}: signed. It is no host of your SPF, as where mail is passed on."),
            (false, _) => format!("{sent}: the host is in your SPF; {} signed.", some(*signed)),
        };
    }
    let others: Vec<String> = source.spf_domains.iter().chain(&source.signers).map(|name| names::shown(name)).collect();
    let for_others = match others.first() {
        Some(other) => format!(" (it vouches for {other} instead)"),
        None => String::new(),
    };
    let kept = match (kept_out, policy) {
        (0, "none" | "") => "They were delivered, because you ask for nothing else (p=none).".to_owned(),
        (0, _) => "They were delivered all the same.".to_owned(),
        (kept, _) => format!("{kept} were refused or put into Junk."),
    };
    if *passing > 0 {
        let rest = messages.saturating_sub(*passing);
        return format!(
            "{sent}; {rest} of them are neither signed nor from a host in your SPF: look at what it changes. {kept}"
        );
    }
    format!(
        "{sent}; none is in your SPF and none is signed{for_others}. If this host sends for you, add it to SPF, or let it sign. If you \
         do not know it, somebody uses your name. {kept}"
    )
}

fn count(messages: u64) -> String {
    if messages == 1 { "a message ".to_owned() } else { format!("{messages} messages ") }
}

fn some(number: u64) -> String {
    if number == 0 { "none is".to_owned() } else { format!("{number} are") }
}

fn tls_reports(seen: TlsSeen) -> TlsReports {
    let TlsSeen { domain, reports, good, bad, .. } = seen;
    let text = match bad {
        0 => format!("All {good} sessions with hosts of {domain} used TLS."),
        bad => format!("{bad} of {} sessions with hosts of {domain} could not use TLS.", good.saturating_add(bad)),
    };
    let troubles = seen.troubles.into_iter().map(trouble_line).collect();
    TlsReports { reporters: who(seen.reporters), domain, reports, good, bad, troubles, text }
}

fn trouble_line(trouble: TlsTrouble) -> TlsTroubleLine {
    let TlsTrouble { by, kind, host, sessions, .. } = trouble;
    let (kind, host) = (names::shown(&kind), names::shown(&host));
    let with = if host.is_empty() { "your hosts".to_owned() } else { host.clone() };
    let what = match kind.as_str() {
        "starttls-not-supported" => {
            "no STARTTLS was offered: something in between takes it away, or port 25 has no TLS"
        }
        "certificate-host-mismatch" => {
            "the certificate is made out to another name: it must have the name in your MX record"
        }
        "certificate-expired" => "the certificate had expired",
        "certificate-not-trusted" => "nobody whom they trust vouches for the certificate",
        "validation-failure" => "the certificate or the host is not what the domain promises",
        "tlsa-invalid" | "dnssec-invalid" | "dane-required" => "the TLSA records are wrong, or not signed",
        "sts-policy-fetch-error" => "the policy of MTA-STS could not be fetched",
        "sts-policy-invalid" => "the policy of MTA-STS is broken",
        "sts-webpki-invalid" => "the certificate of the host of the policy (mta-sts) is not valid",
        _ => "TLS failed",
    };
    let times = if sessions == 1 { "once".to_owned() } else { format!("{sessions} times") };
    let text = format!("{by} could not use TLS with {with}, {times}: {what}.");
    TlsTroubleLine { by, kind, host, sessions, text }
}

fn rejection_line(rejection: Rejection) -> RejectionLine {
    let Rejection { domain, status, times, at, code, reply, host } = rejection;
    let [domain, status, reply, host] = [domain, status, reply, host].map(|text| names::shown(&text));
    let what = if times == 1 { "a message".to_owned() } else { format!("{times} messages") };
    let by = if host.is_empty() { String::new() } else { format!(" ({host})") };
    let text = format!("{domain}{by} refused {what}, the last time with: {code} {status} {reply}");
    RejectionLine { domain, times, at: shown(Timestamp(at)), code, status, reply, host, text }
}

fn complaint_line(directory: &Directory, complaint: Complaint) -> Result<ComplaintLine, Error> {
    let account = match account_of(directory, &complaint.author)? {
        Some(account) => Some(account),
        None => account_of(directory, &complaint.mail_from)?,
    };
    let Complaint { at, by, is_checked, kind, source, recipient, subject, message_id, author, failure, .. } = complaint;
    let [kind, source, recipient, subject, message_id, author, failure] =
        [kind, source, recipient, subject, message_id, author, failure].map(|text| names::shown(&text));
    let whose = account.as_ref().map_or("nobody here".to_owned(), |account| account.clone());
    let what = if subject.is_empty() { "mail".to_owned() } else { format!("“{subject}”") };
    let text = match kind.as_str() {
        "not-spam" => format!("{by} says that {what} of {whose} is not junk."),
        "abuse" => format!("{by} tells a complaint: {what} of {whose} was called junk."),
        "auth-failure" => format!(
            "{by} tells that {what} in the name of {author}, brought by {source}, did not prove its sender ({failure}): if that host \
             sends for you, add it to SPF, or let it sign."
        ),
        kind => format!("{by} tells a complaint ({kind}) about {what} of {whose}."),
    };
    let at = shown(Timestamp(at));
    Ok(ComplaintLine { at, by, is_checked, kind, account, source, recipient, subject, message_id, text })
}

/// The account that an address leads to, if it is one only.
fn account_of(directory: &Directory, address: &str) -> Result<Option<String>, Error> {
    let Some((local_part, domain)) = address.rsplit_once('@') else { return Ok(None) };
    Ok(match directory.resolve(local_part, domain)? {
        Resolution::Local { accounts, .. } => match accounts.as_slice() {
            [only] => directory.account_by_id(only.account)?.map(|account| account.address),
            _ => None,
        },
        Resolution::List(..) | Resolution::NoSuchUser | Resolution::NotLocal => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(numbers: [u64; 5], name: Option<&str>, spf: &[&str]) -> Source {
        let [messages, passing, signed, in_spf, kept_out] = numbers;
        let spf_domains = spf.iter().map(|name| (*name).to_owned()).collect();
        let (address, name) = ([203, 0, 113, 7].into(), name.map(str::to_owned));
        Source { address, name, messages, passing, signed, in_spf, kept_out, signers: Default::default(), spf_domains }
    }

    #[test]
    fn a_source_is_told_with_what_can_be_done() {
        let check = |source: &Source, policy: &str, expected: &str| {
            assert_eq!(told(source, "example.org", policy), expected);
        };
        check(
            &source([412, 0, 0, 0, 0], Some("out.news.example"), &["news.example"]),
            "none",
            "203.0.113.7 (out.news.example) sent 412 messages as example.org; none is in your SPF and none is signed (it vouches \
             for news.example instead). If this host sends for you, add it to SPF, or let it sign. If you do not know it, somebody \
             uses your name. They were delivered, because you ask for nothing else (p=none).",
        );
        check(
            &source([3, 1, 1, 0, 2], None, &[]),
            "reject",
            "203.0.113.7 sent 3 messages as example.org; 2 of them are neither signed nor from a host in your SPF: look at what it \
             changes. 2 were refused or put into Junk.",
        );
        check(
            &source([1, 1, 1, 1, 0], None, &[]),
            "reject",
            "203.0.113.7 sent a message as example.org: signed, and the host is in your SPF.",
        );
        check(
            &source([2, 2, 0, 2, 0], None, &[]),
            "reject",
            "203.0.113.7 sent 2 messages as example.org: the host is in your SPF; none is signed.",
        );
    }
}
