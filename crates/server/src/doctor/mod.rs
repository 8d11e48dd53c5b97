//! What keeps mail from coming and going, looked for from inside: the DNS, the way out, the ports, the certificate, the clock,
//! the disk, and options that somebody has set so that mail is lost, refused or open to others. Nothing is changed.
//!
//! Each check is one [`Finding`] that says what was found, what is expected, why, and what to do. Whatever cannot be found out
//! is said to be unknown, and is neither fine nor wrong. It is worded when somebody reads it: names, records, values and what
//! libraries and the system say of a failure stay as they are.

mod machine;
mod network;
mod options;
mod records;

use std::net::IpAddr;

use console::{Finding, State};
use dns::Dns;
use web::setup::DnsRecord;
use wording::{Later, tr_later};

use crate::config::Config;

/// Where to look for what is elsewhere.
#[derive(Clone, Debug)]
struct Elsewhere {
    /// A domain whose MX takes connections from everybody.
    well_known: &'static str,
    /// The port of mail exchangers.
    smtp_port: u16,
    /// A host that tells the time, and its port.
    time: (&'static str, u16),
}

const ELSEWHERE: Elsewhere = Elsewhere { well_known: "gmail.com", smtp_port: 25, time: ("pool.ntp.org", 123) };

/// Looks at everything. `domains`: the local domains, each with the records that it is to publish.
pub async fn examine(config: &Config, dns: &Dns, domains: &[(String, Vec<DnsRecord>)]) -> Vec<Finding> {
    let mut findings = vec![machine::disk(config)];
    findings.extend(options::options(config));
    findings.extend(network::ports(config).await);
    findings.extend(network::certificates(config, domains).await);
    let host = &config.hostname;
    let check = Finding::new(tr_later!("address of {host}", host), tr_later!("others find this server by it"));
    let addresses = match dns.addresses(host).await {
        Ok(answer) => answer.records,
        Err(error) => {
            let advice = tr_later!("the DNS could not be asked; check the network and [dns], then try again");
            findings.push(check.found(no_answer(&error)).but(State::Wrong, advice));
            return findings;
        }
    };
    findings.push(network::own_addresses(check, &addresses));
    findings.push(network::resolver(config, dns).await);
    for address in &addresses {
        findings.push(network::reverse_name(dns, host, *address).await);
        findings.extend(network::lists(dns, *address).await);
    }
    findings.extend(each_domain(dns, &addresses, domains).await);
    findings.push(network::way_out(config, dns, &ELSEWHERE).await);
    findings.push(machine::clock(dns, &ELSEWHERE).await);
    findings
}

async fn each_domain(dns: &Dns, addresses: &[IpAddr], domains: &[(String, Vec<DnsRecord>)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for record in domains.iter().flat_map(|(_, records)| records) {
        findings.push(records::published(dns, addresses, record).await);
    }
    findings
}

/// Why the DNS gave no answer, in words.
fn no_answer(error: &dns::Error) -> Later {
    match error {
        dns::Error::Name(name) => tr_later!("“{name}” is no name of the DNS", name),
        dns::Error::Bogus => tr_later!("the answer of the DNS is not signed as it should be (DNSSEC)"),
        dns::Error::Refused(code) => tr_later!("the name servers answer with an error: {code}", code),
        dns::Error::Timeout => tr_later!("the name servers do not answer in time"),
        dns::Error::Unreachable(why) => tr_later!("the name servers cannot be asked: {why}", why),
    }
}

/// A look-up that failed says nothing of what was looked for.
fn unanswered(finding: Finding, error: &dns::Error) -> Finding {
    finding.found(no_answer(error)).but(State::Unknown, tr_later!("ask again later"))
}

#[cfg(test)]
mod tests;
