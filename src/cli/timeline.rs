//! `pillarbox timeline`: what each device did with the mail of an account.

use clap::Args;
use server::admin::{HistoryRequest, Item, MessageStory, Request, TimelineLine};

use super::Outcome;
use super::place::Place;
use super::show::Format;

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
    /// Only what happened since: \"2 days ago\", 2026-11-22, 2026-11-22T08:30 (UTC)
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
        let Self { format, account, device, since, search, message, limit } = self;
        let request = match message {
            Some(message) => HistoryRequest::Story { account, message },
            None => HistoryRequest::Timeline { account, device, since, search, limit },
        };
        format.show(&place.collect(&Request::History(request))?, |items| {
            let text: String = items.iter().map(shown).collect();
            if text.is_empty() { "Nothing has happened there.\n".to_owned() } else { text }
        })
    }
}

fn shown(item: &Item) -> String {
    match item {
        Item::Happened(line) => happened(line),
        Item::Story(story) => told(story),
        _ => String::new(),
    }
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
    let MessageStory { message, lines } = story;
    let line = |line: &server::admin::StoryLine| {
        format!("{}  {} by {} over {}\n", line.at, line.text, line.device, line.protocol)
    };
    let lines: String = lines.iter().map(line).collect();
    format!("{} from {}\n{lines}", message.subject, message.from)
}
