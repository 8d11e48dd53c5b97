//! What others report to us, for an administrator: mail in the names of our domains, TLS with our hosts, complaints.

use crate::administration::Administration;
use crate::error::Error;
use crate::moment::shown;
use crate::names;
use crate::words;
use directory::{Directory, Resolution};
use reports::{Complaint, MailSeen, Received, Rejection, Source, TlsSeen, TlsTrouble};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use store::Timestamp;
use wording::{tr, trc, trn};

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
        (0, _) => tr!("Nobody saw mail of {domain}.", domain = domain),
        (messages, passing) if messages == passing => trn!(
            messages,
            "The one message of {domain} that others saw is signed or comes from a host in its SPF.",
            "All {n} messages of {domain} that others saw are signed or come from hosts in its SPF.",
            domain = domain
        ),
        _ => trn!(
            messages,
            "{passing} of {n} message of {domain} that others saw is signed or comes from a host in its SPF; it asks for \
             p={policy} for the rest.",
            "{passing} of {n} messages of {domain} that others saw are signed or come from hosts in its SPF; it asks for \
             p={policy} for the rest.",
            passing = passing,
            domain = domain,
            policy = policy
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
    let sent = trn!(
        *messages,
        "{who} sent a message as {domain}",
        "{who} sent {n} messages as {domain}",
        who = who,
        domain = domain
    );
    if passing == messages {
        return match (signed == messages, in_spf == messages) {
            (true, true) => tr!("{sent}: signed, and the host is in your SPF.", sent = sent),
            (true, false) => {
                tr!("{sent}: signed. It is no host of your SPF, as where mail is passed on.", sent = sent)
            }
            (false, _) if *signed == 0 => tr!("{sent}: the host is in your SPF; none is signed.", sent = sent),
            (false, _) => {
                trn!(
                    *signed,
                    "{sent}: the host is in your SPF; {n} is signed.",
                    "{sent}: the host is in your SPF; {n} are signed.",
                    sent = sent
                )
            }
        };
    }
    let kept = match (kept_out, policy) {
        (0, "none" | "") => tr!("They were delivered, because you ask for nothing else (p=none).").to_owned(),
        (0, _) => tr!("They were delivered all the same.").to_owned(),
        (kept, _) => trn!(*kept, "{n} was refused or put into Junk.", "{n} were refused or put into Junk."),
    };
    if *passing > 0 {
        let rest = messages.saturating_sub(*passing);
        let told = trn!(
            rest,
            "{sent}; {n} of them is neither signed nor from a host in your SPF: look at what it changes.",
            "{sent}; {n} of them are neither signed nor from a host in your SPF: look at what it changes.",
            sent = sent
        );
        return words::sentences(&[&told, &kept]);
    }
    let others: Vec<String> = source.spf_domains.iter().chain(&source.signers).map(|name| names::shown(name)).collect();
    let told = match others.first() {
        Some(other) => tr!(
            "{sent}; none is in your SPF and none is signed (it vouches for {other} instead).",
            sent = sent,
            other = other
        ),
        None => tr!("{sent}; none is in your SPF and none is signed.", sent = sent),
    };
    let advice = tr!(
        "If this host sends for you, add it to SPF, or let it sign. If you do not know it, somebody uses your name."
    );
    words::sentences(&[&told, advice, &kept])
}

fn tls_reports(seen: TlsSeen) -> TlsReports {
    let TlsSeen { domain, reports, good, bad, .. } = seen;
    let text = match bad {
        0 => tr!("All {good} sessions with hosts of {domain} used TLS.", good = good, domain = domain),
        bad => tr!(
            "{bad} of {all} sessions with hosts of {domain} could not use TLS.",
            bad = bad,
            all = good.saturating_add(bad),
            domain = domain
        ),
    };
    let troubles = seen.troubles.into_iter().map(trouble_line).collect();
    TlsReports { reporters: who(seen.reporters), domain, reports, good, bad, troubles, text }
}

fn trouble_line(trouble: TlsTrouble) -> TlsTroubleLine {
    let TlsTrouble { by, kind, host, sessions, .. } = trouble;
    let (kind, host) = (names::shown(&kind), names::shown(&host));
    let with = if host.is_empty() {
        trc!("who could not be talked to over TLS", "your hosts").to_owned()
    } else {
        host.clone()
    };
    let what = match kind.as_str() {
        "starttls-not-supported" => {
            tr!("no STARTTLS was offered: something in between takes it away, or port 25 has no TLS")
        }
        "certificate-host-mismatch" => {
            tr!("the certificate is made out to another name: it must have the name in your MX record")
        }
        "certificate-expired" => tr!("the certificate had expired"),
        "certificate-not-trusted" => tr!("nobody whom they trust vouches for the certificate"),
        "validation-failure" => tr!("the certificate or the host is not what the domain promises"),
        "tlsa-invalid" | "dnssec-invalid" | "dane-required" => tr!("the TLSA records are wrong, or not signed"),
        "sts-policy-fetch-error" => tr!("the policy of MTA-STS could not be fetched"),
        "sts-policy-invalid" => tr!("the policy of MTA-STS is broken"),
        "sts-webpki-invalid" => tr!("the certificate of the host of the policy (mta-sts) is not valid"),
        _ => tr!("TLS failed"),
    };
    let text = trn!(
        sessions,
        "{by} could not use TLS with {host}, once: {what}.",
        "{by} could not use TLS with {host}, {n} times: {what}.",
        by = by,
        host = with,
        what = what
    );
    TlsTroubleLine { by, kind, host, sessions, text }
}

fn rejection_line(rejection: Rejection) -> RejectionLine {
    let Rejection { domain, status, times, at, code, reply, host } = rejection;
    let [domain, status, reply, host] = [domain, status, reply, host].map(|text| names::shown(&text));
    let by = if host.is_empty() { domain.clone() } else { format!("{domain} ({host})") };
    let said = format!("{code} {status} {reply}");
    let text = trn!(
        times,
        "{by} refused a message, the last time with: {said}",
        "{by} refused {n} messages, the last time with: {said}",
        by = by,
        said = said
    );
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
    let whose = account.clone().unwrap_or_else(|| trc!("whose mail it is", "nobody here").to_owned());
    let what = match subject.as_str() {
        "" => trc!("what a complaint is about", "mail").to_owned(),
        subject => tr!("“{subject}”", subject = subject),
    };
    let text = match kind.as_str() {
        "not-spam" => tr!("{by} says that {what} of {whose} is not junk.", by = by, what = what, whose = whose),
        "abuse" => {
            tr!("{by} tells a complaint: {what} of {whose} was called junk.", by = by, what = what, whose = whose)
        }
        "auth-failure" => tr!(
            "{by} tells that {what} in the name of {author}, brought by {source}, did not prove its sender ({failure}): if that \
             host sends for you, add it to SPF, or let it sign.",
            by = by,
            what = what,
            author = author,
            source = source,
            failure = failure
        ),
        kind => tr!(
            "{by} tells a complaint ({kind}) about {what} of {whose}.",
            by = by,
            kind = kind,
            what = what,
            whose = whose
        ),
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
