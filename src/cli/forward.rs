//! `pillarbox forward`: where the owner of an account has mail forwarded to.

use clap::{Args, Subcommand, ValueEnum};
use console::ForwardCard;
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::Format;

/// Show and change where the mail of an account is forwarded to
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Forward {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
The other address gets a letter with a code first, so that nobody forwards to a stranger by mistake. The owner of the account
gets a letter whenever this changes. Junk, and what cannot be passed on, stays in the mailbox here.

Examples:
  pillarbox forward ask alice carol@example.com             a copy of all mail, once she agrees
  pillarbox forward ask alice carol@example.com --keep instead
                                                            the same, and nothing is kept here
  pillarbox forward confirm alice abcde-fghjk               the code in the letter
  pillarbox forward remove alice                            nothing is forwarded any more";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Where it is forwarded to
    Show {
        /// Whose; alice is enough where there is one only
        account: String,
    },
    /// Ask an address elsewhere whether it wants the mail
    Ask {
        /// Whose; alice is enough where there is one only
        account: String,
        /// Where to
        address: String,
        /// What the mailbox here gets of it
        #[arg(long, value_enum, default_value_t = Keep::Copy)]
        keep: Keep,
    },
    /// The address has agreed: the code in its letter
    Confirm {
        /// Whose; alice is enough where there is one only
        account: String,
        /// The code
        code: String,
    },
    /// Forward nothing any more
    Remove {
        /// Whose; alice is enough where there is one only
        account: String,
    },
}

/// What the mailbox here gets
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Keep {
    /// Its copy
    Copy,
    /// Nothing of what is forwarded
    Instead,
}

impl Forward {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let call = match self.verb {
            Verb::Show { account } => Call::new("GET /api/v1/forward").of(account),
            Verb::Ask { account, address, keep } => {
                let keep = match keep {
                    Keep::Copy => "copy",
                    Keep::Instead => "instead",
                };
                Call::new("POST /api/v1/forward").of(account).with("address", address).with("keep", keep)
            }
            Verb::Confirm { account, code } => Call::new("POST /api/v1/forward/confirm").of(account).with("code", code),
            Verb::Remove { account } => Call::new("POST /api/v1/forward/remove").of(account),
        };
        self.format.each(place, &call, |card: &ForwardCard| format!("{}\n", card.text)).map(drop)
    }
}
