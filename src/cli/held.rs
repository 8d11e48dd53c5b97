//! `pillarbox held`: what a device wanted to delete and the brake stopped, until its owner answers.

use clap::{Args, Subcommand, ValueEnum};
use console::{Defaults, DeviceCard, HeldCard, HeldOutcome};
use web::Call;

use super::place::Place;
use super::show::Format;
use super::{Outcome, say};

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
        let answer = |hold: u32, answer: &str, then: Then| {
            let call = Call::new("POST /api/v1/held/{id}").of(&account).at("id", hold).with("answer", answer);
            let outcome = |outcome: &HeldOutcome| format!("{}\n", outcome.text);
            format.each(place, &call.with("then", then.name()), outcome).map(drop)
        };
        match verb {
            Verb::List { answered } => {
                let call = Call::new("GET /api/v1/held").of(&account).with("answered", answered);
                if format.each(place, &call, held)? == 0 && !format.json {
                    say("Nothing is held.\n");
                }
                Ok(())
            }
            Verb::Keep { hold, then } => answer(hold, "keep", then),
            Verb::Allow { hold } => answer(hold, "allow", Then::Stays),
            Verb::Brake { state, device: None } => {
                let call = Call::new("POST /api/v1/defaults").of(&account).with("brake", state.is_on());
                format.each(place, &call, |now: &Defaults| brake("new devices", now.brake)).map(drop)
            }
            Verb::Brake { state, device: Some(device) } => {
                let call = Call::new("POST /api/v1/devices/{id}").of(&account).at("id", device);
                let call = call.with("brake", state.is_on());
                format.each(place, &call, |card: &DeviceCard| brake(&card.name, card.brake)).map(drop)
            }
        }
    }
}

impl Then {
    fn name(self) -> &'static str {
        match self {
            Self::Stays => "stays",
            Self::Keep => "keeps",
            Self::Revoke => "is_revoked",
        }
    }
}

impl State {
    fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

fn brake(whose: &str, on: bool) -> String {
    format!("The brake of {whose} is {}.\n", if on { "on" } else { "off" })
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
