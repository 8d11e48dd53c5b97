//! `pillarbox domain`: for which domains mail is ours.

use clap::{Args, Subcommand};
use server::admin::{DnsRecord, DomainItem, DomainRequest, Item, Request};

use super::place::Place;
use super::show::{Format, table};
use super::{Outcome, say};

/// Add, list and remove local domains
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Domain {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Mail for a local domain is delivered here; mail for all others goes to the smarthost, if there is one.

Examples:
  pillarbox domain add example.org
  pillarbox domain add bücher.example
  pillarbox domain list
  pillarbox domain records example.org          lines for a zone file";

#[derive(Debug, Subcommand)]
enum Verb {
    /// From now on mail for a domain is ours
    Add {
        /// Such as example.org
        domain: String,
    },
    /// List the local domains
    List,
    /// Show what to publish in the DNS, so that mail comes here and programs set themselves up
    Records {
        /// Which
        domain: String,
    },
    /// From now on mail for a domain is not ours; it must have no accounts and aliases any more
    Remove {
        /// Which
        domain: String,
    },
}

impl Domain {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let ask = |request| place.collect(&Request::Domain(request));
        match self.verb {
            Verb::Add { domain } => {
                ask(DomainRequest::Add { domain: domain.clone() })?;
                let text = format!(
                    "{domain} is a local domain now; `pillarbox account add NAME@{domain}` makes an account.\n"
                );
                let added = Item::Domain(DomainItem { domain: domain.clone(), shown: domain, postmasters: Vec::new() });
                self.format.show(&[added], |_| text)
            }
            Verb::List => self.format.show(&ask(DomainRequest::List)?, listed),
            Verb::Records { domain } => {
                let items = ask(DomainRequest::Records { domain })?;
                self.format.show(&items, |items| items.iter().map(record).collect())
            }
            Verb::Remove { domain } => {
                ask(DomainRequest::Remove { domain: domain.clone() })?;
                say(&format!("{domain} is no local domain any more.\n"));
                Ok(())
            }
        }
    }
}

/// As in a zone file.
fn record(item: &Item) -> String {
    match item {
        Item::Domain(DomainItem { domain, postmasters, .. }) => {
            format!("; postmaster@{domain} and abuse@{domain} reach {}\n", readers(postmasters))
        }
        Item::DnsRecord(DnsRecord { name, kind, value, purpose }) => {
            format!("; {purpose}\n{name} 3600 IN {kind} {value}\n")
        }
        _ => String::new(),
    }
}

fn listed(items: &[Item]) -> String {
    let row = |item: &Item| {
        let Item::Domain(domain) = item else { return None };
        Some([domain.shown.clone(), domain.domain.clone(), readers(&domain.postmasters)])
    };
    let rows: Vec<_> = items.iter().filter_map(row).collect();
    table(
        ["DOMAIN", "AS PROGRAMS WRITE IT", "POSTMASTER"],
        &rows,
        "There are no local domains; `pillarbox domain add` makes one.",
    )
}

/// Who reads mail to the postmaster.
fn readers(postmasters: &[String]) -> String {
    if postmasters.is_empty() { "nobody: there is no account".to_owned() } else { postmasters.join(", ") }
}
