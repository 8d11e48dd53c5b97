//! `pillarbox check`: whether everything is as it must be.

use std::io::{IsTerminal, Write, stderr};

use clap::Args;
use server::admin::{CheckRequest, CheckedItem, Item, Request};

use super::failure::Failure;
use super::place::Place;
use super::show::{Format, json_line};
use super::{Outcome, say};

/// Check every invariant of the data; changes nothing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Check {
    #[command(flatten)]
    format: Format,
    /// Read every large message too, and compare all with their checksums (as fast as the disk reads)
    #[arg(long)]
    bodies: bool,
    /// Check this account only
    #[arg(long, value_name = "ADDRESS")]
    account: Option<String>,
}

const EXAMPLES: &str = "\
Each finding is a line; none is what you want to see. The exit status is 0 without findings and 3 with some.
It looks at the pages of the databases, at every record with its checksum, whether all records agree, and whether each large
message is there and as long as it was. It goes on after damage, and names the messages that are concerned.
A server may run meanwhile: each account is checked as of one moment.

Examples:
  pillarbox check
  pillarbox check --bodies --account alice@example.org";

impl Check {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let Self { format, bodies, account } = self;
        let (mut findings, mut done) = (0, 0);
        let mut broken = None;
        place.ask(&Request::Check(CheckRequest { account, bodies }), &mut |item| match &item {
            Item::Finding(finding) => {
                findings += 1;
                match format.json.then(|| json_line(&item)) {
                    None => say(&format!("{}: {}\n", finding.place, finding.text)),
                    Some(Ok(line)) => say(&line),
                    Some(Err(failure)) => broken = Some(failure),
                }
            }
            Item::Checked(checked) => {
                done = checked.done;
                progress(checked);
            }
            Item::Account(_)
            | Item::AccountDetails(_)
            | Item::Device(_)
            | Item::Defaults(_)
            | Item::Report(_)
            | Item::Alias(_)
            | Item::Domain(_)
            | Item::DnsRecord(_)
            | Item::Queue(_)
            | Item::Happened(_)
            | Item::Story(_)
            | Item::Undo(_)
            | Item::Offer(_)
            | Item::Mark(_)
            | Item::Uidl(_)
            | Item::PersonRequest(_)
            | Item::Link(_)
            | Item::Held(_)
            | Item::HeldOutcome(_)
            | Item::Brake(_)
            | Item::Usage(_)
            | Item::Cleared(_) => {}
        })?;
        broken.map_or(Ok(()), Err)?;
        if findings > 0 {
            return Err(Failure::Fault(format!(
                "{findings} findings; keep a copy of the data directory, and restore what they name from a backup"
            )));
        }
        if !format.json {
            say(&format!("All is well: {done} checked.\n"));
        }
        Ok(())
    }
}

/// For a person who waits.
fn progress(checked: &CheckedItem) {
    if stderr().is_terminal() {
        let CheckedItem { place, done, total } = checked;
        let _unseen = writeln!(stderr(), "{done}/{total} {place}");
    }
}
