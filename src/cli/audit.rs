//! `pillarbox audit`: what administrators and operators did, who logged in and who failed to.

use clap::Args;
use console::{AuditLine, AuditPage};
use web::Call;

use super::place::Place;
use super::show::Format;
use super::{Outcome, say};

/// Show what administrators and operators changed, who logged in, and who failed to
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Audit {
    #[command(flatten)]
    format: Format,
    /// What: changes, logins or failures
    #[arg(long, value_name = "KIND", default_value = "changes")]
    kind: String,
    /// Only acts with this text: who, from where, or what
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    search: String,
    /// At most so many lines
    #[arg(long, value_name = "LINES", default_value_t = 100)]
    limit: usize,
    /// From the one before this number on, as --json has it
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
}

const EXAMPLES: &str = "\
Newest first; the last 10,000 are kept.

Examples:
  pillarbox audit --search bob@example.org       what was done to Bob's account, and by whom
  pillarbox audit --kind logins --search bob     when and from where his devices came
  pillarbox audit --kind failures                who failed to log in, why, and how often
  pillarbox audit --json --limit 500 | jq .text";

impl Audit {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let call = Call::new("GET /api/v1/admin/audit")
            .with("kind", self.kind)
            .with("search", self.search)
            .with("limit", self.limit);
        let Some(page) = place.all::<AuditPage>(&call.with("before", self.before))?.pop() else { return Ok(()) };
        page.acts.iter().try_for_each(|act| self.format.show(act, told))?;
        if page.acts.is_empty() && !self.format.json {
            say("Nothing was found.\n");
        }
        Ok(())
    }
}

fn told(act: &AuditLine) -> String {
    format!("{}  {}, from {}: {}\n", act.at, act.who, act.from, act.text)
}
