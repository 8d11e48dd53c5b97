//! `pillarbox held`: what a device wanted to delete and the brake stopped, until its owner answers.

use clap::{Args, Subcommand, ValueEnum};
use server::admin::{BrakeItem, HeldAnswer, HeldAsk, HeldCard, HeldRequest, HeldThen, Item, Request};

use super::Outcome;
use super::place::Place;
use super::show::Format;

/// Show and answer what is held because a device deleted far more than it ever did
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Held {
    #[command(flatten)]
    format: Format,
    /// Whose; alice is enough where there is one only
    #[arg(long, global = true, default_value = "", hide_default_value = true)]
    account: String,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
A device that deletes more than 300 messages within 24 hours, more than three times what it ever did, and a good part of
the account (a quarter) or of INBOX (half), is stopped: nothing is deleted, and the owner gets a message. What it deleted
over IMAP lies in the mailbox Held, where every device can read it; what it deleted over POP is where it was. Without an
answer that stays so for ever. Emptying Trash or Junk, and moving to another mailbox, are never stopped.

Examples:
  pillarbox held --account alice list
  pillarbox held --account alice keep 3                put everything back to where it was
  pillarbox held --account alice keep 3 --then revoke  and the device may not log in any more
  pillarbox held --account alice allow 3               let it be deleted; an undo brings it back
  pillarbox held --account alice brake off \"old PC\"    this device is meant to clear the mailbox
  pillarbox held --account alice brake on              for devices that are added from now on";

#[derive(Debug, Subcommand)]
enum Verb {
    /// List what waits for an answer
    List {
        /// Also what was answered lately
        #[arg(long)]
        answered: bool,
    },
    /// Keep the messages: they go back to where they were
    Keep {
        /// The number of the hold
        hold: u32,
        /// What becomes of the device
        #[arg(long, value_enum, default_value_t = Then::Stays)]
        then: Then,
    },
    /// Let the messages be deleted
    Allow {
        /// The number of the hold
        hold: u32,
    },
    /// Switch the brake of a device, or of new devices, on or off
    Brake {
        /// Whether it is on
        #[arg(value_enum)]
        state: State,
        /// The name or number of the device; without it, devices that are added from now on
        device: Option<String>,
    },
}

/// What becomes of the device whose deletions are not wanted
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Then {
    /// Nothing
    Stays,
    /// What it deletes over POP stays in the mailbox from now on
    Keep,
    /// It may not log in any more
    Revoke,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    On,
    Off,
}

impl Held {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let Self { format, account, verb } = self;
        let answer = |account, id, answer, then| HeldRequest::Answer { account, ask: HeldAsk { id, answer, then } };
        let request = match verb {
            Verb::List { answered } => HeldRequest::List { account, answered },
            Verb::Keep { hold, then } => answer(account, hold, HeldAnswer::Keep, then.into()),
            Verb::Allow { hold } => answer(account, hold, HeldAnswer::Allow, HeldThen::Stays),
            Verb::Brake { state, device } => HeldRequest::Brake { account, device, on: matches!(state, State::On) },
        };
        format.show(&place.collect(&Request::Held(request))?, |items| {
            let text: String = items.iter().map(shown).collect();
            if text.is_empty() { "Nothing is held.\n".to_owned() } else { text }
        })
    }
}

impl From<Then> for HeldThen {
    fn from(then: Then) -> Self {
        match then {
            Then::Stays => Self::Stays,
            Then::Keep => Self::Keeps,
            Then::Revoke => Self::IsRevoked,
        }
    }
}

fn shown(item: &Item) -> String {
    match item {
        Item::Held(card) => held(card),
        Item::HeldOutcome(outcome) => format!("{}\n", outcome.text),
        Item::Brake(BrakeItem { device, on }) => {
            let (whose, state) = (device.as_deref().unwrap_or("new devices"), if *on { "on" } else { "off" });
            format!("The brake of {whose} is {state}.\n")
        }
        _ => String::new(),
    }
}

fn held(card: &HeldCard) -> String {
    let HeldCard { id, began_at, messages, mailboxes, named, text, answer, answered_at, .. } = card;
    let mut shown = format!("{id}  {began_at}  {text}\n");
    for mailbox in mailboxes {
        shown.push_str(&format!("    {} of {}\n", mailbox.messages, mailbox.mailbox));
    }
    for message in named {
        let from = if message.from.is_empty() { String::new() } else { format!(" from {}", message.from) };
        shown.push_str(&format!("    {}  {}{from}\n", message.id, message.subject));
    }
    if *messages > named.len() as u64 && !named.is_empty() {
        shown.push_str(&format!("    and {} more\n", messages - named.len() as u64));
    }
    if let (Some(answer), Some(at)) = (answer, answered_at) {
        shown.push_str(&format!("    {answer}, as was answered {at}\n"));
    }
    shown
}
