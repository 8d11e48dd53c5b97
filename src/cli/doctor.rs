//! `pillarbox doctor`: what keeps mail from coming and going.

use std::env;
use std::path::Path;

use clap::Args;
use console::{DomainLine, Finding, State};
use serde_json::json;
use server::config::Config;
use server::doctor::examine;
use server::lifecycle::runtime;
use web::Call;
use web::setup::DnsRecord;
use wording::{Language, tr, trc, trn};

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

It speaks the language of the locale (LC_ALL, LC_MESSAGES, LANG): English, German or Japanese. --json is in English.

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
        let language = if self.format.json { Language::English } else { language_of(|name| env::var(name).ok()) };
        let domains = domains(&Place::of(file), language)?;
        let runtime = runtime()?;
        let _context = runtime.enter();
        let dns = server::resolver(&config)?;
        let findings = runtime.block_on(examine(&config, &dns, &domains));
        wording::speaking(language, || self.tell(&findings))
    }

    fn tell(&self, findings: &[Finding]) -> Outcome {
        for finding in findings.iter().filter(|finding| self.all || self.format.json || finding.state != State::Fine) {
            say(&if self.format.json { format!("{}\n", json!(finding)) } else { shown(finding) });
        }
        let count = |state| findings.iter().filter(|finding| finding.state == state).count();
        let (wrong, warnings) = (count(State::Wrong), count(State::Warning));
        if !self.format.json {
            let fine = count(State::Fine);
            let all = findings.len();
            let unknown = count(State::Unknown);
            let text = tr!(
                "Of {all} checks: {fine} fine, {warnings} could be better, {wrong} wrong, {unknown} not known.",
                all,
                fine,
                warnings,
                wrong,
                unknown
            );
            say(&format!("{text}\n"));
        }
        if wrong == 0 {
            return Ok(());
        }
        Err(Failure::Refused(trn!(
            wrong,
            "{n} check says that something is wrong",
            "{n} checks say that something is wrong"
        )))
    }
}

/// The language of the locale: the first variable that is set decides (POSIX.1-2024, Base Definitions, §8.2).
fn language_of(variable: impl Fn(&str) -> Option<String>) -> Language {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    Language::of_locale(&locale.unwrap_or_default())
}

/// The local domains, each with what it is to publish and what for, in a language.
fn domains(place: &Place, language: Language) -> Result<Vec<(String, Vec<DnsRecord>)>, Failure> {
    let known: Vec<DomainLine> = place.all(&Call::new("GET /api/v1/admin/domains"))?;
    let records = |DomainLine { domain, .. }: DomainLine| {
        let call = Call::new("GET /api/v1/admin/records").with("domain", domain.clone()).speaking(language);
        let records = place.all(&call)?;
        Ok((domain, records))
    };
    known.into_iter().map(records).collect()
}

fn shown(finding: &Finding) -> String {
    let Finding { check, state, found, expected, why, advice } = finding;
    let state = match state {
        State::Fine => trc!("the doctor", "fine"),
        State::Unknown => trc!("the doctor", "unknown"),
        State::Warning => trc!("the doctor", "warning"),
        State::Wrong => trc!("the doctor", "WRONG"),
    };
    let found = if found.is_empty() { tr!("nothing").to_owned() } else { found.to_string() };
    let mut text = format!("{} {check}\n", padded(state, 8));
    let lines = [
        (trc!("the doctor", "found"), found),
        (trc!("the doctor", "expected"), expected.to_string()),
        (trc!("the doctor", "why"), why.to_string()),
        (trc!("the doctor", "do"), advice.to_string()),
    ];
    for (name, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("         {} {value}\n", padded(name, 9)));
    }
    text.push('\n');
    text
}

/// With blanks, until it has so many columns of a terminal; letters of Japanese have two.
fn padded(text: &str, columns: usize) -> String {
    let taken: usize = text.chars().map(|c| if c < '\u{1100}' { 1 } else { 2 }).sum();
    format!("{text}{}", " ".repeat(columns.saturating_sub(taken)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        Finding {
            check: "TXT of example.org".into(),
            state: State::Wrong,
            found: "v=spf1".into(),
            expected: "v=spf1 mx ~all".into(),
            why: "who may send".into(),
            advice: "publish it".into(),
        }
    }

    #[test]
    fn a_finding_says_what_to_do() {
        let text = shown(&finding());
        assert!(text.starts_with("WRONG    TXT of example.org\n") && text.contains("do        publish it"), "{text}");
    }

    #[test]
    fn a_finding_is_told_in_the_language_of_the_locale() {
        let of = |set: &[(&str, &str)]| {
            language_of(|wanted| set.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[]), Language::English);
        assert_eq!(of(&[("LANG", "de_DE.UTF-8")]), Language::German);
        assert_eq!(of(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", ""), ("LC_MESSAGES", "ja_JP.UTF-8")]), Language::Japanese);
        assert_eq!(of(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")]), Language::English);
        let german = wording::speaking(Language::German, || shown(&finding()));
        assert!(
            german.starts_with("FALSCH   TXT of example.org\n") && german.contains("tun       publish it"),
            "{german}"
        );
        let japanese = wording::speaking(Language::Japanese, || shown(&finding()));
        assert!(japanese.starts_with("異常     TXT of example.org\n"), "{japanese}");
        assert!(japanese.contains("結果      v=spf1\n"), "{japanese}");
    }
}
