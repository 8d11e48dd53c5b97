//! `pillarbox scheduled`: what an account has submitted for a time to come.

use clap::{Args, Subcommand};
use console::ScheduledCard;
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::Format;

/// Show what waits for a time that its sender chose, send it now, or cancel it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Scheduled {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
A program that sends mail may say when it is to go (FUTURERELEASE, RFC 4865). Until then it is in nobody's mailbox.

Examples:
  pillarbox scheduled show alice
  pillarbox scheduled send alice 7      it goes now, whoever submitted it
  pillarbox scheduled cancel alice 7    it is thrown away";

#[derive(Debug, Subcommand)]
enum Verb {
    /// What waits for its time
    Show {
        /// Whose; alice is enough where there is one only
        account: String,
    },
    /// It goes now
    Send {
        /// Whose; alice is enough where there is one only
        account: String,
        /// The number of the message
        message: u64,
    },
    /// It is thrown away
    Cancel {
        /// Whose; alice is enough where there is one only
        account: String,
        /// The number of the message
        message: u64,
    },
}

impl Scheduled {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let call = match self.verb {
            Verb::Show { account } => Call::new("GET /api/v1/scheduled").of(account),
            Verb::Send { account, message } => {
                Call::new("POST /api/v1/scheduled/{id}/send").of(account).at("id", message)
            }
            Verb::Cancel { account, message } => {
                Call::new("POST /api/v1/scheduled/{id}/cancel").of(account).at("id", message)
            }
        };
        self.format.each(place, &call, shown).map(drop)
    }
}

fn shown(card: &ScheduledCard) -> String {
    let mut text = format!("{}\n", card.text);
    for message in &card.messages {
        let goes_at = message.goes_at.as_deref().unwrap_or("held");
        let more = match message.to.len() {
            0 | 1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let to = message.to.first().map_or("", String::as_str);
        text.push_str(&format!("    {}  {goes_at}  to {to}{more}: {}\n", message.id, message.subject));
    }
    text
}
