//! `pillarbox refused`: mail that was refused, for whoever looks for a lost one.

use clap::Args;
use console::{RefusedLine, RefusedPage};
use web::Call;

use super::place::Place;
use super::show::Format;
use super::{Outcome, say};

/// Show mail that was refused, and why: of an account, for nobody, or before anybody was named
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Refused {
    #[command(flatten)]
    format: Format,
    /// Whose; alice is enough where there is one only. Without it: of addresses that lead nowhere
    account: Option<String>,
    /// Words that all stand in an address, subject, Message-ID or reply; "words together" in quotes
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only what was refused since: "2 days ago", 2026-11-22, 2026-11-22T08:30 (UTC)
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,
    /// At most so many lines
    #[arg(long, value_name = "LINES", default_value_t = 100)]
    limit: usize,
}

const EXAMPLES: &str = "\
Newest first, of the last 30 days; an account keeps the last 500. What is refused can be found some seconds later.

Examples:
  pillarbox refused alice@example.org                    why did the mail not come?
  pillarbox refused alice --search shop --since \"2 days ago\"
  pillarbox refused                                      addresses that are none, senders and connections";

impl Refused {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let call = match self.account {
            Some(account) => Call::new("GET /api/v1/refused").of(account),
            None => Call::new("GET /api/v1/admin/refused"),
        };
        let call = call.with("search", self.search).with("since", self.since).with("limit", self.limit);
        let Some(page) = place.all::<RefusedPage>(&call)?.pop() else { return Ok(()) };
        page.refused.iter().try_for_each(|line| self.format.show(line, told))?;
        if !self.format.json {
            if page.refused.is_empty() {
                say("Nothing was found.\n");
            }
            if page.not_written > 0 {
                say(&format!("{} more on the whole server came too fast to be written down.\n", page.not_written));
            }
        }
        Ok(())
    }
}

fn told(line: &RefusedLine) -> String {
    let message = if line.message_id.is_empty() { String::new() } else { format!("    {}\n", line.message_id) };
    format!("{}  {}\n{message}", line.at, line.text)
}
