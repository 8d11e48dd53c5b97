//! What keeps mail from coming and going, looked for from inside: the DNS, the way out, the ports, the certificate, the clock,
//! the disk. Nothing is changed.
//!
//! Each check is one [`Finding`] that says what was found, what is expected, why, and what to do. Whatever cannot be found out
//! is said to be unknown, and is neither fine nor wrong.

mod machine;
mod network;
mod records;

use std::net::IpAddr;

use dns::Dns;
use serde::Serialize;
use web::setup::DnsRecord;

use crate::config::Config;

/// How it stands with what was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Fine,
    /// It could not be found out.
    Unknown,
    /// Mail goes on, but not as well as it could.
    Warning,
    /// Mail is lost, refused, or taken for junk.
    Wrong,
}

/// What was looked at, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `MX of example.org`.
    pub check: String,
    /// How it stands.
    pub state: State,
    /// What was found; empty: nothing.
    pub found: String,
    /// What should be there.
    pub expected: String,
    /// What it is for.
    pub why: String,
    /// What to do; empty where there is nothing to do.
    pub advice: String,
}

impl Finding {
    fn new(check: impl Into<String>, why: &str) -> Self {
        let (found, expected, advice) = (String::new(), String::new(), String::new());
        Self { check: check.into(), state: State::Fine, found, expected, why: why.to_owned(), advice }
    }

    fn found(self, found: impl Into<String>) -> Self {
        Self { found: found.into(), ..self }
    }

    fn expecting(self, expected: impl Into<String>) -> Self {
        Self { expected: expected.into(), ..self }
    }

    fn but(self, state: State, advice: impl Into<String>) -> Self {
        Self { state, advice: advice.into(), ..self }
    }
}

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
    findings.extend(network::ports(config).await);
    findings.extend(network::certificates(config, domains).await);
    let host = &config.hostname;
    let check = Finding::new(format!("address of {host}"), "others find this server by it");
    let addresses = match dns.addresses(host).await {
        Ok(answer) => answer.records,
        Err(error) => {
            let advice = "the DNS could not be asked; check the network and [dns], then try again";
            findings.push(check.found(error.to_string()).but(State::Wrong, advice));
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

#[cfg(test)]
mod tests;
