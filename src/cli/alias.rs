//! `pillarbox alias`: other addresses of accounts, and of people elsewhere.

use clap::{Args, Subcommand};
use console::AliasLine;
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::{Format, table};

/// Add, list and remove aliases
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Alias {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Subaddresses need no alias: alice+anything@example.org reaches alice@example.org.

Examples:
  pillarbox alias add info@example.org alice@example.org                   one more address of Alice
  pillarbox alias add team@example.org alice@example.org bob@example.org   both get a copy
  pillarbox alias add choir@example.org alice@example.org dave@example.com it is passed on to Dave, elsewhere
  pillarbox alias add @example.org alice@example.org                       all that nobody else gets
  pillarbox alias list";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lead an address to accounts, and to addresses elsewhere
    Add {
        /// The alias; @example.org catches all that nobody else in that domain gets
        address: String,
        /// The accounts, and the addresses elsewhere, that it leads to
        #[arg(required = true, value_name = "ADDRESS")]
        targets: Vec<String>,
    },
    /// List all aliases
    List,
    /// Remove an alias
    Remove {
        /// Which
        address: String,
    },
}

impl Alias {
    pub(super) fn run(self, place: &Place) -> Outcome {
        match self.verb {
            Verb::Add { address, targets } => {
                let text = format!("{address} leads to {} now.\n", targets.join(", "));
                let call = Call::new("POST /api/v1/admin/aliases").with("alias", address);
                self.format.done(place, &call.with("targets", targets.join(",")), &text)
            }
            Verb::List => self.format.list(place, &Call::new("GET /api/v1/admin/aliases"), listed),
            Verb::Remove { address } => {
                let text = format!("{address} leads nowhere any more.\n");
                self.format.done(place, &Call::new("POST /api/v1/admin/aliases/remove").with("alias", address), &text)
            }
        }
    }
}

fn listed(aliases: &[AliasLine]) -> String {
    let rows: Vec<_> = aliases.iter().map(|alias| [alias.alias.clone(), alias.targets.join(", ")]).collect();
    table(["ALIAS", "LEADS TO"], &rows, "There are no aliases.")
}
