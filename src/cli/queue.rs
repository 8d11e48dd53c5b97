//! `pillarbox queue`: mail on its way to outside addresses.

use clap::{Args, Subcommand};
use server::admin::{Item, QueueItem, QueueRequest, Request};

use super::place::Place;
use super::show::{Format, bytes, or_dash, table};
use super::{Outcome, say};

/// List, show, retry, hold, release and remove mail for outside addresses
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Queue {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  pillarbox queue list
  pillarbox queue show 17      what other servers said about each recipient
  pillarbox queue retry 17     try now instead of later
  pillarbox queue hold 17      do not try until it is released
  pillarbox queue remove 17    throw it away; its sender is not told";

#[derive(Debug, Subcommand)]
enum Verb {
    /// List all messages
    List,
    /// Show a message and the state of its recipients
    Show {
        /// Its number
        id: u64,
    },
    /// Try a message now
    Retry {
        /// Its number
        id: u64,
    },
    /// Keep a message from being tried
    Hold {
        /// Its number
        id: u64,
    },
    /// End a hold; the message is tried now
    Release {
        /// Its number
        id: u64,
    },
    /// Throw a message away; nobody is told
    Remove {
        /// Its number
        id: u64,
    },
}

impl Queue {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let ask = |request| place.collect(&Request::Queue(request));
        let request = match self.verb {
            Verb::List => return self.format.show(&ask(QueueRequest::List)?, listed),
            Verb::Remove { id } => {
                ask(QueueRequest::Remove { id })?;
                say(&format!("Message {id} was thrown away.\n"));
                return Ok(());
            }
            Verb::Show { id } => QueueRequest::Show { id },
            Verb::Retry { id } => QueueRequest::Retry { id },
            Verb::Hold { id } => QueueRequest::Hold { id },
            Verb::Release { id } => QueueRequest::Release { id },
        };
        self.format.show(&ask(request)?, |items| items.iter().filter_map(message).map(shown).collect())
    }
}

fn message(item: &Item) -> Option<&QueueItem> {
    if let Item::Queue(message) = item { Some(message) } else { None }
}

/// Nobody to send back to is `<>`, as in a bounce.
fn sender(message: &QueueItem) -> String {
    if message.from.is_empty() { "<>".to_owned() } else { message.from.clone() }
}

fn next(message: &QueueItem) -> String {
    match &message.damaged {
        Some(why) => format!("never: {why}"),
        None => message.next_at.clone().unwrap_or_else(|| "held".to_owned()),
    }
}

fn listed(items: &[Item]) -> String {
    let row = |message: &QueueItem| {
        let waiting = message.recipients.iter().filter(|recipient| recipient.state == "waiting");
        let waiting: Vec<&str> = waiting.map(|recipient| recipient.address.as_str()).collect();
        let to = match waiting[..] {
            [] => "-".to_owned(),
            [one] => one.to_owned(),
            [first, ..] => format!("{first} and {} more", waiting.len() - 1),
        };
        let attempts = message.attempts.to_string();
        [message.id.to_string(), sender(message), to, bytes(message.bytes), attempts, next(message)]
    };
    let rows: Vec<_> = items.iter().filter_map(message).map(row).collect();
    table(["ID", "FROM", "WAITS FOR", "SIZE", "TRIED", "NEXT"], &rows, "The queue is empty.")
}

fn shown(message: &QueueItem) -> String {
    let recipients = message.recipients.iter();
    let row = |recipient: &server::admin::QueueRecipient| {
        [recipient.address.clone(), recipient.state.clone(), or_dash(recipient.answer.as_deref())]
    };
    let rows: Vec<_> = recipients.map(row).collect();
    format!(
        "Message    {}\nFrom       {}\nSize       {}\nQueued     {}\nTried      {} times\nNext       {}\nGiven up   {}\n\n{}",
        message.id,
        sender(message),
        bytes(message.bytes),
        message.enqueued_at,
        message.attempts,
        next(message),
        message.expires_at,
        table(["RECIPIENT", "STATE", "LAST ANSWER"], &rows, "It has no recipients."),
    )
}
