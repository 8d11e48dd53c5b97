//! `pillarbox find`: a mail that has vanished, wherever it is now, and back with it.

use clap::Args;
use console::{FoundMessage, FoundPage, PassedLine, RefusedLine, UndoAnswer};
use web::Call;

use super::place::Place;
use super::show::Format;
use super::undo::shown;
use super::{Outcome, say};

/// Find mail that has vanished: in any mailbox, in Junk or Trash, held, removed or refused; and bring it back
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Find {
    #[command(flatten)]
    format: Format,
    /// Whose; alice is enough where there is one only
    account: String,
    /// Words that all stand in it: subject, sender, Message-ID, text; put "words together" in quotes
    words: Vec<String>,
    /// Only what was sent since: "2 days ago", 2026-11-22 (by its own Date)
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,
    /// Only what was sent until then
    #[arg(long, value_name = "MOMENT")]
    until: Option<String>,
    /// Only what was removed
    #[arg(long)]
    removed: bool,
    /// At most so many messages
    #[arg(long, value_name = "MESSAGES", default_value_t = 20)]
    limit: usize,
    /// Bring this message back, by the name that the list shows
    #[arg(long, value_name = "MESSAGE", conflicts_with_all = ["words", "since", "until", "removed"])]
    bring_back: Option<String>,
}

const EXAMPLES: &str = "\
Newest first. What was removed is kept for a while (30 days by default) and comes back with its flags where it was;
what lies in Junk or Trash comes back to INBOX. Mail that was refused stands below, with who brought it and why;
more of it: `pillarbox refused`. What happened to a message: `pillarbox timeline --message`.

Examples:
  pillarbox find alice invoice march
  pillarbox find alice --removed --since \"2 days ago\"
  pillarbox find alice --bring-back M01j5ce0k2o000";

impl Find {
    pub(super) fn run(self, place: &Place) -> Outcome {
        if let Some(message) = self.bring_back {
            let call = Call::new("POST /api/v1/messages/{message}/bring-back").of(self.account).at("message", message);
            return self.format.each(place, &call, |answer: &UndoAnswer| shown(answer)).map(drop);
        }
        let words: Vec<String> = self.words.iter().map(|word| quoted(word)).collect();
        let call = Call::new("GET /api/v1/messages").of(self.account).with("text", words.join(" "));
        let call = call.with("since", self.since).with("until", self.until).with("removed", self.removed);
        let (mut left, mut before, mut refused) = (self.limit, None, Vec::new());
        while left > 0 {
            let asked = call.clone().with("limit", left).with("before", before);
            let Some(page) = place.all::<FoundPage>(&asked)?.pop() else { break };
            refused.extend(page.refused);
            page.elsewhere.iter().take(left).try_for_each(|line| self.format.show(line, elsewhere))?;
            left -= page.elsewhere.len().min(left);
            page.messages.iter().take(left).try_for_each(|found| self.format.show(found, told))?;
            left -= page.messages.len().min(left);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        refused.iter().try_for_each(|line| self.format.show(line, never_came))?;
        if left == self.limit && refused.is_empty() && !self.format.json {
            say("Nothing was found.\n");
        }
        Ok(())
    }
}

/// The shell has taken the quotes away.
fn quoted(word: &str) -> String {
    if word.contains(char::is_whitespace) { format!("\"{word}\"") } else { word.to_owned() }
}

fn elsewhere(line: &PassedLine) -> String {
    format!("{}  {}\n", line.at, line.text)
}

fn never_came(line: &RefusedLine) -> String {
    format!("{}  {}\n", line.at, line.text)
}

fn told(found: &FoundMessage) -> String {
    let FoundMessage { message, arrived_at, text, devices, passed_on, comes_back, .. } = found;
    let from = if message.from.is_empty() { String::new() } else { format!(" from {}", message.from) };
    let mut shown = format!("{}  {}{from}\n    {text}", message.id, message.subject);
    if let Some(at) = arrived_at {
        shown.push_str(&format!("; came {at}"));
    }
    shown.push('\n');
    devices.iter().chain(passed_on).for_each(|device| shown.push_str(&format!("    {device}\n")));
    if let Some(back) = comes_back {
        shown.push_str(&format!("    --bring-back {}: {back}\n", message.id));
    }
    shown
}
