//! `pillarbox invite`: links with which people make an account or choose a password.

use clap::{Args, Subcommand};
use console::{Done, LinkLine};
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::{Format, or_dash, table};

/// Make, list and take back invitations
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Invite {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  pillarbox invite add                               whoever gets the link chooses a free address
  pillarbox invite add --domain example.org          in that domain only
  pillarbox invite add --address carol@example.org   for one address
  pillarbox invite list                              links that were not used yet, those for passwords too
  pillarbox invite remove 5f3c9a0e7b1d2468

Names of whoever runs a domain, such as postmaster, hostmaster or admin, cannot be chosen with such a link, unless it is
for just that address.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a link with which somebody makes an account, once
    Add {
        /// For this address only; without it any free one in a local domain
        #[arg(long)]
        address: Option<String>,
        /// In this domain only; can be given more than once
        #[arg(long, conflicts_with = "address", value_name = "DOMAIN")]
        domain: Vec<String>,
        /// How long it is good, 1 to 90 days
        #[arg(long, default_value_t = 7)]
        days: u16,
    },
    /// List the links that are open
    List,
    /// Take a link back
    Remove {
        /// As the list has it
        id: String,
    },
}

impl Invite {
    pub(super) fn run(self, place: &Place) -> Outcome {
        match self.verb {
            Verb::Add { address, domain, days } => {
                let call = Call::new("POST /api/v1/admin/invitations").with("address", address).with("days", days);
                self.format.each(place, &call.with("domain", domain.join(",")), made).map(drop)
            }
            Verb::List => self.format.list(place, &Call::new("GET /api/v1/admin/links"), listed),
            Verb::Remove { id } => {
                let text = format!("The link {id} is not good any more.\n");
                self.format.done(place, &Call::new("POST /api/v1/admin/links/{id}/remove").at("id", id), &text)
            }
        }
    }
}

/// A link that was made just now.
pub(super) fn made(done: &Done) -> String {
    let [until, url] = [&done.expires_at, &done.url].map(|text| text.as_deref().unwrap_or("-"));
    format!("Good once, until {until}, shown only now:\n{url}\n")
}

fn listed(links: &[LinkLine]) -> String {
    let row = |link: &LinkLine| {
        let address = match (&link.address, &link.domains[..]) {
            (None, [_, ..]) => format!("any in {}", link.domains.join(", ")),
            (address, _) => or_dash(address.as_deref()),
        };
        [link.id.clone(), link.purpose.clone(), address, link.expires_at.clone()]
    };
    let rows: Vec<_> = links.iter().map(row).collect();
    table(["LINK", "IS GOOD", "ADDRESS", "UNTIL"], &rows, "No links are open.")
}
