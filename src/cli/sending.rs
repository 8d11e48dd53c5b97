//! `pillarbox sending`: what an account sends and what of it waits, because it is far more than ever.

use clap::{Args, Subcommand};
use console::SendingCard;
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::Format;

/// Show and answer what waits because an account sends to far more strangers than ever
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Sending {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
An account that writes within 24 hours to more than queue.hold_strangers people whom it never wrote to, and to more
than three times as many as it ever did, is stopped: its mail to strangers is taken and waits, and the owner and the
administrators get a message. Mail to people whom it has written to before goes on.

Examples:
  pillarbox sending show alice
  pillarbox sending let-go alice       it is a newsletter; as much is usual from now on
  pillarbox sending throw-away alice   the password was stolen; give her another one first";

#[derive(Debug, Subcommand)]
enum Verb {
    /// What waits
    Show {
        /// Whose; alice is enough where there is one only
        account: String,
    },
    /// It goes now, and as much is usual from now on
    LetGo {
        /// Whose; alice is enough where there is one only
        account: String,
    },
    /// It is thrown away
    ThrowAway {
        /// Whose; alice is enough where there is one only
        account: String,
    },
}

impl Sending {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let call = match self.verb {
            Verb::Show { account } => Call::new("GET /api/v1/sending").of(account),
            Verb::LetGo { account } => Call::new("POST /api/v1/sending").of(account).with("answer", "let-go"),
            Verb::ThrowAway { account } => Call::new("POST /api/v1/sending").of(account).with("answer", "throw-away"),
        };
        self.format.each(place, &call, shown).map(drop)
    }
}

fn shown(card: &SendingCard) -> String {
    let mut text = format!("{}\n", card.text);
    for message in &card.messages {
        let more = match message.recipients {
            0 | 1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        text.push_str(&format!("    {}  {}  to {}{more}\n", message.id, message.at, message.to));
    }
    text
}
