//! `pillarbox junk-filter`: whether the server puts mail of an account into Junk.

use clap::{Args, Subcommand};
use console::JunkFilterCard;
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::Format;

/// Show and switch whether mail of an account is put into Junk
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct JunkFilter {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  pillarbox junk-filter show alice
  pillarbox junk-filter off alice      her programs do it themselves";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Whether it is
    Show {
        /// Whose; alice is enough where there is one only
        account: String,
    },
    /// What the server takes for junk goes to Junk, and it learns from what its owner puts there
    On {
        /// Whose; alice is enough where there is one only
        account: String,
    },
    /// The server puts nothing into Junk, and learns nothing
    Off {
        /// Whose; alice is enough where there is one only
        account: String,
    },
}

impl JunkFilter {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let switch = |account: String, to: &str| Call::new("POST /api/v1/junk-filter").of(account).with("switch", to);
        let call = match self.verb {
            Verb::Show { account } => Call::new("GET /api/v1/junk-filter").of(account),
            Verb::On { account } => switch(account, "on"),
            Verb::Off { account } => switch(account, "off"),
        };
        self.format.each(place, &call, |card: &JunkFilterCard| format!("{}\n", card.text)).map(drop)
    }
}
