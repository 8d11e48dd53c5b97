//! `pillarbox timeline`: what each device did with the mail of an account.

use clap::Args;
use console::{DeviceCard, MessageStory, StoryLine, Timeline as Page, TimelineLine};
use web::Call;

use super::failure::Failure;
use super::place::Place;
use super::show::Format;
use super::{Outcome, say};

/// Show what happened in an account: by which device, over which protocol, when
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Timeline {
    #[command(flatten)]
    format: Format,
    /// Whose; alice is enough where there is one only
    account: String,
    /// Only what this device did: its name or number
    #[arg(long)]
    device: Option<String>,
    /// Only what happened since: "2 days ago", 2026-11-22, 2026-11-22T08:30 (UTC)
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,
    /// Only lines with this text, also in subjects and senders
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// The story of one message, by the name that the timeline shows
    #[arg(long, value_name = "MESSAGE", conflicts_with_all = ["device", "since", "search"])]
    message: Option<String>,
    /// At most so many lines
    #[arg(long, value_name = "LINES", default_value_t = 50)]
    limit: usize,
}

const EXAMPLES: &str = "\
Newest first. What left the retention time (30 days by default) is not shown any more.

Examples:
  pillarbox timeline alice@example.org
  pillarbox timeline alice --device \"old PC\" --since \"2 days ago\"
  pillarbox timeline alice --search invoice
  pillarbox timeline alice --message M01j5ce0k2o000";

impl Timeline {
    pub(super) fn run(self, place: &Place) -> Outcome {
        if let Some(message) = self.message {
            let call = Call::new("GET /api/v1/messages/{message}").of(self.account).at("message", message);
            return self.format.each(place, &call, told).map(drop);
        }
        let device = self.device.as_ref().map(|device| number(place, &self.account, device)).transpose()?;
        let call = Call::new("GET /api/v1/timeline").of(self.account).with("device", device).with("since", self.since);
        let call = call.with("search", self.search);
        let (mut left, mut before, mut passed) = (self.limit, None, None);
        // Page after page, so that a long answer begins at once.
        while left > 0 {
            let asked = call.clone().with("limit", left).with("before", before).with("before_passed", passed);
            let Some(page) = place.all::<Page>(&asked)?.pop() else { break };
            page.lines.iter().try_for_each(|line| self.format.show(line, happened))?;
            left -= page.lines.len().min(left);
            (before, passed) = (page.next, page.next_passed);
            if before.is_none() {
                break;
            }
        }
        if left == self.limit && !self.format.json {
            say("Nothing has happened there.\n");
        }
        Ok(())
    }
}

/// The number of a device.
fn number(place: &Place, account: &str, device: &str) -> Result<Option<u32>, Failure> {
    let call = Call::new("GET /api/v1/devices/{id}").of(account).at("id", device);
    Ok(place.all::<DeviceCard>(&call)?.pop().map(|card| card.id))
}

fn happened(line: &TimelineLine) -> String {
    let TimelineLine { entry, at, device, protocol, text, count, messages, is_undo, .. } = line;
    let undo = if *is_undo { format!(" (undo it with --entry {entry})") } else { String::new() };
    let mut shown = format!("{at}  {device} over {protocol}: {text}{undo}\n");
    for message in messages {
        let from = if message.from.is_empty() { String::new() } else { format!(" from {}", message.from) };
        shown.push_str(&format!("    {}  {}{from}\n", message.id, message.subject));
    }
    if *count > messages.len() && !messages.is_empty() {
        shown.push_str(&format!("    and {} more\n", count - messages.len()));
    }
    shown
}

fn told(story: &MessageStory) -> String {
    let MessageStory { message, now, lines, examined } = story;
    let now = now.as_deref().unwrap_or("not kept any more");
    let line = |line: &StoryLine| format!("{}  {} by {} over {}\n", line.at, line.text, line.device, line.protocol);
    let lines: String = lines.iter().map(line).collect();
    let examined: String = examined.iter().map(|found| format!("    {found}\n")).collect();
    format!("{} from {}\nNow {now}\n{lines}{examined}", message.subject, message.from)
}
