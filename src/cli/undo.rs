//! `pillarbox undo`: takes back what a device did.

use clap::{ArgGroup, Args};
use console::UndoAnswer;
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::Format;

/// Take back what a device did with the mail of an account
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("what").required(true).args(["device", "entry"]))]
pub(super) struct Undo {
    #[command(flatten)]
    format: Format,
    /// Whose mail; alice is enough where there is one only
    #[arg(long)]
    account: String,
    /// Whose doings: the device's name or number
    #[arg(long, requires = "since")]
    device: Option<String>,
    /// From when on: "2 days ago", 2026-11-22, 2026-11-22T08:30 (UTC)
    #[arg(long, value_name = "MOMENT", conflicts_with = "entry")]
    since: Option<String>,
    /// An earlier undo, by the number that it told
    #[arg(long, value_name = "NUMBER")]
    entry: Option<u64>,
    /// Only messages that were in this mailbox
    #[arg(long)]
    mailbox: Option<String>,
    /// Only this message, by the name that `pillarbox timeline` shows
    #[arg(long)]
    message: Option<String>,
    /// A POP program lists everything again that it deleted, and downloads it again
    #[arg(long)]
    relist: bool,
    /// Only tell what would happen
    #[arg(long)]
    dry_run: bool,
}

const EXAMPLES: &str = "\
What the device removed comes back with its flags and dates, in the mailbox where it was; what it moved goes back; flags
go back where nobody has changed them since. What others did stays. A POP program does not list again what it has
downloaded already, unless --relist says so. All of it happens at once, every device sees it, and it can be undone itself.

Examples:
  pillarbox undo --account alice --device \"old PC\" --since \"2 days ago\" --dry-run
  pillarbox undo --account alice --device \"old PC\" --since \"2 days ago\"
  pillarbox undo --account alice --device phone --since 2026-11-22 --mailbox Work
  pillarbox undo --account alice --entry 4711        the undo itself";

impl Undo {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let endpoint = if self.dry_run { "GET /api/v1/undo" } else { "POST /api/v1/undo" };
        let call = Call::new(endpoint).of(self.account).with("device", self.device).with("since", self.since);
        let call = call.with("entry", self.entry).with("mailbox", self.mailbox).with("message", self.message);
        self.format.each(place, &call.with("relist", self.relist), shown).map(drop)
    }
}

/// What was taken back, and how to take that back.
pub(super) fn shown(answer: &UndoAnswer) -> String {
    let UndoAnswer { dry_run, text, entry, .. } = answer;
    if text.is_empty() {
        return "There is nothing to take back.\n".to_owned();
    }
    let lines: String = text.iter().map(|line| format!("  {line}\n")).collect();
    match (dry_run, entry) {
        (true, _) => format!("This would happen:\n{lines}Leave out --dry-run to do it.\n"),
        (false, Some(entry)) => {
            format!("Done:\n{lines}It can be undone: pillarbox undo --account ... --entry {entry}\n")
        }
        (false, None) => lines,
    }
}
