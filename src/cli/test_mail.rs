//! `pillarbox test-mail`: a test that tells how mail goes out, and in.

use clap::{Args, Subcommand};
use console::{Finding, State, TestMailCard};
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::Format;

/// Send a test mail, and tell how it went: what the other server said, and what it found out
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TestMail {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
A test to an address elsewhere asks to be sent back, best as an attachment; then what the server there found out about
it (SPF, DKIM, DMARC, TLS) is told, with what to do. A test to an address here goes out and in again through this
server's own port 25, and is looked at as mail of a stranger. An account may send 10 in an hour; they are kept for 30
days.

Examples:
  pillarbox test-mail send alice                     out, and in again here
  pillarbox test-mail send alice carol@example.com   to a mailbox elsewhere
  pillarbox test-mail show                           how they went
  pillarbox test-mail show alice --json";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send one
    Send {
        /// From whose address; alice is enough where there is one only
        account: String,
        /// Whom to; without it the account itself
        to: Option<String>,
    },
    /// How they went, the newest first
    Show {
        /// Only those of this account; alice is enough where there is one only
        account: Option<String>,
    },
}

impl TestMail {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let call = match self.verb {
            Verb::Send { account, to } => Call::new("POST /api/v1/test-mail").of(account).with("to", to),
            Verb::Show { account: Some(account) } => Call::new("GET /api/v1/test-mail").of(account),
            Verb::Show { account: None } => Call::new("GET /api/v1/admin/test-mail"),
        };
        self.format.each(place, &call, told).map(drop)
    }
}

fn told(card: &TestMailCard) -> String {
    let findings: String = card.findings.iter().map(finding).collect();
    format!("{}  {}\n{findings}", card.at, card.text)
}

fn finding(finding: &Finding) -> String {
    let Finding { check, state, found, advice, .. } = finding;
    let state = match state {
        State::Fine => "fine",
        State::Unknown => "unknown",
        State::Warning => "warning",
        State::Wrong => "WRONG",
    };
    let advice = if advice.is_empty() { String::new() } else { format!("             do: {advice}\n") };
    format!("    {state:<8} {check}: {found}\n{advice}")
}
