//! `pillarbox doctor`: what keeps mail from coming and going.

use std::path::Path;

use clap::Args;
use console::{DomainLine, Finding, State};
use serde_json::json;
use server::config::Config;
use server::doctor::examine;
use server::lifecycle::runtime;
use web::Call;
use web::setup::DnsRecord;

use super::failure::Failure;
use super::place::{CONFIG_FILE, Place};
use super::show::Format;
use super::{Outcome, say};

/// Find out what keeps mail from coming and going: DNS, ports, certificate, clock, disk
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Doctor {
    #[command(flatten)]
    format: Format,
    /// Tell also what is as it should be
    #[arg(long)]
    all: bool,
}

const EXAMPLES: &str = "\
Without --config it reads /etc/pillarbox.toml. Nothing is changed. It asks the DNS, a time server (pool.ntp.org), lists of
senders of junk, and opens a connection to a mail server that takes mail from everybody (that of gmail.com), to see whether
port 25 is open; with a smarthost to that one instead.

Exit status: 0 nothing is wrong (there may be warnings), 1 something is wrong, 2 wrong usage, 3 it could not look.

Examples:
  pillarbox doctor --config /etc/pillarbox.toml
  pillarbox doctor --json | jq 'select(.state == \"wrong\")'     for monitoring";

impl Doctor {
    pub(super) fn run(self, place: &Place) -> Outcome {
        if place.data_dir.is_some() {
            return Err(Failure::Usage("doctor takes no --data-dir; --config FILE names the server".to_owned()));
        }
        let file = place.config.clone().unwrap_or_else(|| Path::new(CONFIG_FILE).to_owned());
        let config = Config::load(&file)?;
        let domains = domains(&Place::of(file))?;
        let runtime = runtime()?;
        let _context = runtime.enter();
        let dns = server::resolver(&config)?;
        let findings = runtime.block_on(examine(&config, &dns, &domains));
        for finding in findings.iter().filter(|finding| self.all || self.format.json || finding.state != State::Fine) {
            say(&if self.format.json { format!("{}\n", json!(finding)) } else { shown(finding) });
        }
        let count = |state| findings.iter().filter(|finding| finding.state == state).count();
        let (wrong, warnings) = (count(State::Wrong), count(State::Warning));
        if !self.format.json {
            let fine = count(State::Fine);
            say(&format!(
                "{fine} of {} checks are fine, {warnings} could be better, {wrong} are wrong.\n",
                findings.len()
            ));
        }
        if wrong == 0 { Ok(()) } else { Err(Failure::Refused(format!("{wrong} checks say that something is wrong"))) }
    }
}

/// The local domains, each with what it is to publish.
fn domains(place: &Place) -> Result<Vec<(String, Vec<DnsRecord>)>, Failure> {
    let known: Vec<DomainLine> = place.all(&Call::new("GET /api/v1/admin/domains"))?;
    let records = |DomainLine { domain, .. }: DomainLine| {
        let records = place.all(&Call::new("GET /api/v1/admin/records").with("domain", domain.clone()))?;
        Ok((domain, records))
    };
    known.into_iter().map(records).collect()
}

fn shown(finding: &Finding) -> String {
    let Finding { check, state, found, expected, why, advice } = finding;
    let state = match state {
        State::Fine => "fine",
        State::Unknown => "unknown",
        State::Warning => "warning",
        State::Wrong => "WRONG",
    };
    let found = if found.is_empty() { "nothing" } else { found };
    let mut text = format!("{state:<8} {check}\n         found     {found}\n");
    let more = [("expected", expected), ("why", why), ("do", advice)];
    for (name, value) in more.into_iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("         {name:<9} {value}\n"));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_to_do() {
        let finding = Finding {
            check: "TXT of example.org".into(),
            state: State::Wrong,
            found: "v=spf1".into(),
            expected: "v=spf1 mx ~all".into(),
            why: "who may send".into(),
            advice: "publish it".into(),
        };
        let text = shown(&finding);
        assert!(text.starts_with("WRONG    TXT of example.org\n") && text.contains("do        publish it"), "{text}");
    }
}
