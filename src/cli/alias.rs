//! `pillarbox alias`: other addresses of accounts.

use clap::{Args, Subcommand};
use server::admin::{AliasItem, AliasRequest, Item, Request};

use super::place::Place;
use super::show::{Format, table};
use super::{Outcome, say};

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
  pillarbox alias add @example.org alice@example.org                       all that nobody else gets
  pillarbox alias list";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lead an address to one or more accounts
    Add {
        /// The alias; @example.org catches all that nobody else in that domain gets
        address: String,
        /// The accounts that it leads to
        #[arg(required = true, value_name = "ACCOUNT")]
        accounts: Vec<String>,
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
        let ask = |request| place.collect(&Request::Alias(request));
        match self.verb {
            Verb::Add { address, accounts } => {
                let text = format!("{address} leads to {} now.\n", accounts.join(", "));
                ask(AliasRequest::Add { address: address.clone(), targets: accounts.clone() })?;
                let alias = Item::Alias(AliasItem { address, targets: accounts });
                self.format.show(&[alias], |_| text)
            }
            Verb::List => self.format.show(&ask(AliasRequest::List)?, listed),
            Verb::Remove { address } => {
                let text = format!("{address} leads nowhere any more.\n");
                ask(AliasRequest::Remove { address })?;
                say(&text);
                Ok(())
            }
        }
    }
}

fn listed(items: &[Item]) -> String {
    let row = |item: &Item| {
        if let Item::Alias(alias) = item { Some([alias.address.clone(), alias.targets.join(", ")]) } else { None }
    };
    let rows: Vec<_> = items.iter().filter_map(row).collect();
    table(["ALIAS", "LEADS TO"], &rows, "There are no aliases.")
}
