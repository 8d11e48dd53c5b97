//! `pillarbox alias`: other addresses of accounts, and of people elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use console::AliasLine;
use serde::Serialize;
use serde_json::Value;
use web::Call;

use super::accounts::text_of;
use super::alias_file::{Entry, entries};
use super::failure::Failure;
use super::place::Place;
use super::show::{Format, counted, table};
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
  pillarbox alias add choir@example.org alice@example.org dave@example.com it is passed on to Dave, elsewhere
  pillarbox alias add @example.org alice@example.org                       all that nobody else gets
  pillarbox alias import /etc/postfix/virtual --dry-run                    which lines cannot be had
  pillarbox alias import /etc/aliases --domain example.org
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
    /// Make the aliases of a file of Postfix, virtual(5) or aliases(5); it can be given again
    Import {
        /// The file; - is what comes in at standard input
        file: PathBuf,
        /// The domain of names without one
        #[arg(long)]
        domain: Option<String>,
        /// Only tell what the file says; the server is not asked whether it agrees
        #[arg(long)]
        dry_run: bool,
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
            Verb::Import { file, domain, dry_run } => import(place, self.format, &file, domain.as_deref(), dry_run),
            Verb::List => self.format.list(place, &Call::new("GET /api/v1/admin/aliases"), listed),
            Verb::Remove { address } => {
                let text = format!("{address} leads nowhere any more.\n");
                self.format.done(place, &Call::new("POST /api/v1/admin/aliases/remove").with("alias", address), &text)
            }
        }
    }
}

/// What became of an alias of a file.
#[derive(Serialize)]
struct Brought {
    /// Its line.
    line: usize,
    alias: String,
    targets: Vec<String>,
    /// `added`, `there` or `refused`; `new` where nothing was done, and nobody asked the server.
    outcome: &'static str,
    /// Why it was refused.
    why: Option<String>,
}

fn import(place: &Place, format: Format, file: &Path, domain: Option<&str>, dry_run: bool) -> Outcome {
    let entries = entries(&text_of(file)?, domain);
    let aliases = place.all::<AliasLine>(&Call::new("GET /api/v1/admin/aliases"))?;
    let there = aliases.into_iter().map(|line| (line.alias.to_lowercase(), lowercase(&line.targets))).collect();
    let (mut counts, mut refused) = (BTreeMap::new(), 0);
    for entry in entries {
        let brought = bring(place, entry, &there, dry_run)?;
        *counts.entry(brought.outcome).or_insert(0) += 1;
        refused += usize::from(brought.outcome == "refused");
        format.show(&brought, |Brought { line, alias, why, .. }| {
            why.as_ref().map(|why| format!("line {line}: {alias}: {why}\n")).unwrap_or_default()
        })?;
    }
    if !format.json {
        let [new, added, there] = ["new", "added", "there"].map(|outcome| counts.get(outcome).copied().unwrap_or(0));
        say(&match dry_run {
            true => format!(
                "Nothing was done yet. {new} to be asked for, {there} there already, {refused} refused; of what is asked for the server may \
                 refuse some.\n"
            ),
            false => format!("{added} added, {there} there already, {refused} refused.\n"),
        });
    }
    match refused {
        0 => Ok(()),
        count => Err(Failure::Refused(format!("{} refused", counted(count, "line was", "lines were")))),
    }
}

fn bring(
    place: &Place,
    entry: Entry,
    there: &BTreeMap<String, BTreeSet<String>>,
    dry_run: bool,
) -> Result<Brought, Failure> {
    let Entry { line, alias, targets } = entry;
    let told = |alias, targets, outcome, why| Ok(Brought { line, alias, targets, outcome, why });
    let targets = match targets {
        Ok(targets) => targets,
        Err(why) => return told(alias, Vec::new(), "refused", Some(why)),
    };
    let (name, set) = (alias.to_lowercase(), lowercase(&targets));
    if there.get(&name) == Some(&set) || (set.len() == 1 && set.contains(&name)) {
        return told(alias, targets, "there", None);
    }
    if set.contains(&name) {
        let why = "it is a mailbox that others have copies of; its owner has them with `pillarbox forward ask`";
        return told(alias, targets, "refused", Some(why.to_owned()));
    }
    if dry_run {
        return told(alias, targets, "new", None);
    }
    let call = Call::new("POST /api/v1/admin/aliases").with("alias", alias.as_str()).with("targets", targets.join(","));
    match place.all::<Value>(&call) {
        Ok(_) => told(alias, targets, "added", None),
        Err(Failure::Refused(why)) => told(alias, targets, "refused", Some(why)),
        Err(failure) => Err(failure),
    }
}

fn lowercase(addresses: &[String]) -> BTreeSet<String> {
    addresses.iter().map(|address| address.to_lowercase()).collect()
}

fn listed(aliases: &[AliasLine]) -> String {
    let rows: Vec<_> = aliases.iter().map(|alias| [alias.alias.clone(), alias.targets.join(", ")]).collect();
    table(["ALIAS", "LEADS TO"], &rows, "There are no aliases.")
}
