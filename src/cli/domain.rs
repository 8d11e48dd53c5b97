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
Mail for a local domain is delivered here; mail for all others goes out as `[delivery]` has it.

Examples:
  pillarbox domain add example.org
  pillarbox domain add bücher.example
  pillarbox domain list
  pillarbox domain records example.org          lines for a zone file
  pillarbox domain records example.org --form   as the form of a DNS provider wants them
  pillarbox domain rotate example.org           the next keys for DKIM: publish them first ...
  pillarbox domain rotate example.org --switch  ... then have them sign; the old ones stay published for two weeks";

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
        /// As the form of a DNS provider wants them: names without the domain, texts without quotes
        #[arg(long)]
        form: bool,
    },
    /// Make the next keys that sign a domain's mail (DKIM), and have them sign once they are published
    Rotate {
        /// Which
        domain: String,
        /// The next keys are published: they sign from now on
        #[arg(long)]
        switch: bool,
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
            Verb::Records { domain, form } => {
                let items = ask(DomainRequest::Records { domain })?;
                self.format.show(&items, |items| match form {
                    false => items.iter().map(record).collect(),
                    true => in_a_form(items),
                })
            }
            Verb::Rotate { domain, switch } => {
                ask(DomainRequest::Rotate { domain: domain.clone(), switch })?;
                say(&rotated(&domain, switch));
                Ok(())
            }
            Verb::Remove { domain } => {
                ask(DomainRequest::Remove { domain: domain.clone() })?;
                say(&format!("{domain} is no local domain any more.\n"));
                Ok(())
            }
        }
    }
}

fn rotated(domain: &str, switch: bool) -> String {
    match switch {
        false => format!(
            "The next keys are made. Publish them: `pillarbox domain records {domain}` shows all records.\n\
             A day later, when everybody can see them: `pillarbox domain rotate {domain} --switch`.\n"
        ),
        true => "The next keys sign from now on. Leave the records of the old ones for two weeks.\n".to_owned(),
    }
}

/// Each part of a record on a line of its own, for copying.
fn in_a_form(items: &[Item]) -> String {
    let domain = items.iter().find_map(|item| match item {
        Item::Domain(found) => Some(found.domain.as_str()),
        _ => None,
    });
    let domain = domain.unwrap_or_default();
    let record = |item: &Item| match item {
        Item::DnsRecord(record) => Some(format!(
            "{}\n  type   {}\n  name   {}\n  value  {}\n\n",
            record.purpose,
            record.kind,
            record.name_below(domain),
            record.plain_value()
        )),
        _ => None,
    };
    items.iter().filter_map(record).collect()
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
