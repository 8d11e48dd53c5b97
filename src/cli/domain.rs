//! `pillarbox domain`: for which domains mail is ours.

use clap::{Args, Subcommand};
use console::{DomainLine, Done};
use web::Call;
use web::setup::DnsRecord;

use super::Outcome;
use super::place::Place;
use super::show::{Format, table};
use super::size::{Quota, parse_quota};

const DOMAINS: &str = "GET /api/v1/admin/domains";

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
  pillarbox domain limits example.org --accounts 50 --quota 5GB    for whom `account domains` lets administer it
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
    /// Say how far administrators of a domain go; what is left out has no limit
    Limits {
        /// Which
        domain: String,
        /// It has so many accounts at most, whoever makes them
        #[arg(long, value_name = "NUMBER")]
        accounts: Option<u64>,
        /// They let an account hold so much at most, such as 5GB; what a new one begins with
        #[arg(long, value_name = "SIZE", value_parser = parse_quota)]
        quota: Option<Quota>,
    },
    /// From now on mail for a domain is not ours; it must have no accounts and aliases any more
    Remove {
        /// Which
        domain: String,
    },
}

impl Domain {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let Self { format, verb } = self;
        match verb {
            Verb::Add { domain } => {
                let text = format!(
                    "{domain} is a local domain now; `pillarbox account add NAME@{domain}` makes an account.\n"
                );
                format.done(place, &Call::new("POST /api/v1/admin/domains").with("domain", domain), &text)
            }
            Verb::List => format.list(place, &Call::new(DOMAINS), listed),
            Verb::Records { domain, form } => records(place, format, domain, form),
            Verb::Rotate { domain, switch } => {
                let text = rotated(&domain, switch);
                let call = Call::new("POST /api/v1/admin/domains/rotate").with("domain", domain);
                format.done(place, &call.with("switch", switch), &text)
            }
            Verb::Limits { domain, accounts, quota } => {
                let call = Call::new("POST /api/v1/admin/domains/limits").with("domain", domain);
                let call = call.with("accounts", accounts).with("quota_bytes", quota.and_then(|Quota(bytes)| bytes));
                format.each(place, &call, |done: &Done| format!("{}\n", done.text)).map(drop)
            }
            Verb::Remove { domain } => {
                let text = format!("{domain} is no local domain any more.\n");
                format.done(place, &Call::new("POST /api/v1/admin/domains/remove").with("domain", domain), &text)
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

/// As in a zone file; `form`: each part of a record on a line of its own, for copying.
fn records(place: &Place, format: Format, domain: String, form: bool) -> Outcome {
    let is_meant = |known: &DomainLine| [&known.domain, &known.shown].iter().any(|d| d.eq_ignore_ascii_case(&domain));
    let known: Vec<DomainLine> = place.all(&Call::new(DOMAINS))?;
    let known = known.into_iter().find(is_meant);
    if let Some(known) = known.as_ref().filter(|_| !form || format.json) {
        let DomainLine { domain, postmasters, .. } = known;
        let readers = readers(postmasters);
        format.show(known, |_| format!("; postmaster@{domain} and abuse@{domain} reach {readers}\n"))?;
    }
    let below = known.map_or_else(|| domain.clone(), |known| known.domain);
    let call = Call::new("GET /api/v1/admin/records").with("domain", domain);
    let line = |record: &DnsRecord| {
        let DnsRecord { name, kind, value, purpose, .. } = record;
        match form {
            false => format!("; {purpose}\n{name} 3600 IN {kind} {value}\n"),
            true => {
                let (name, value) = (record.name_below(&below), record.plain_value());
                format!("{purpose}\n  type   {kind}\n  name   {name}\n  value  {value}\n\n")
            }
        }
    };
    format.each(place, &call, line).map(drop)
}

fn listed(domains: &[DomainLine]) -> String {
    let row = |domain: &DomainLine| {
        let administrators = domain.administrators.join(", ");
        [domain.shown.clone(), domain.domain.clone(), readers(&domain.postmasters), administrators, domain.limits()]
    };
    let rows: Vec<_> = domains.iter().map(row).collect();
    table(
        ["DOMAIN", "AS PROGRAMS WRITE IT", "POSTMASTER", "ADMINISTRATORS", "LIMITS"],
        &rows,
        "There are no local domains; `pillarbox domain add` makes one.",
    )
}

/// Who reads mail to the postmaster.
fn readers(postmasters: &[String]) -> String {
    if postmasters.is_empty() { "nobody: there is no account".to_owned() } else { postmasters.join(", ") }
}
