//! `pillarbox language`: the language that the owner of an account reads.

use clap::{Args, Subcommand};
use console::LanguageCard;
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::Format;

/// Show and choose the language of an account: of its pages, and of letters to its owner
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Language {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  pillarbox language show alice
  pillarbox language set alice ja
  pillarbox language unset alice       as her browser asks";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Which it is, and which there are
    Show {
        /// Whose; alice is enough where there is one only
        account: String,
    },
    /// Another one
    Set {
        /// Whose; alice is enough where there is one only
        account: String,
        /// en, de or ja
        language: String,
    },
    /// Pages as the browser asks, letters as the server speaks
    Unset {
        /// Whose; alice is enough where there is one only
        account: String,
    },
}

impl Language {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let choose = |account: String, tag: &str| Call::new("POST /api/v1/language").of(account).with("language", tag);
        let call = match self.verb {
            Verb::Show { account } => Call::new("GET /api/v1/language").of(account),
            Verb::Set { account, language } => choose(account, &language),
            Verb::Unset { account } => choose(account, ""),
        };
        self.format.each(place, &call, |card: &LanguageCard| format!("{}\n", card.text)).map(drop)
    }
}
