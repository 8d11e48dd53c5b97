//! `pillarbox offer`: what POP devices took before others came.

use clap::{Args, Subcommand};
use server::admin::{HistoryRequest, Item, Request};

use super::place::Place;
use super::show::{Format, table};
use super::undo::shown;
use super::{Outcome, say};

/// Put back what a POP device took before the account had others
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Offer {
    #[command(flatten)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
As long as a POP device is the only one, what it deletes is deleted. Once another device reads the account, its owner may
want back what the first one took: as far as that is still kept (30 days by default), it is offered here and on the page.
The mail comes back to where it was, with its flags and dates; the POP device does not download it again.

Examples:
  pillarbox offer list alice@example.org
  pillarbox offer accept alice@example.org \"old PC\"
  pillarbox offer decline alice@example.org \"old PC\"    it is not offered again, and stays restorable";

#[derive(Debug, Subcommand)]
enum Verb {
    /// List what can be put back
    List {
        /// Whose
        account: String,
    },
    /// Put it back
    Accept {
        /// Whose
        account: String,
        /// The device that took it: its name or number
        device: String,
        /// Only tell what would happen
        #[arg(long)]
        dry_run: bool,
    },
    /// Leave it, and do not offer it again
    Decline {
        /// Whose
        account: String,
        /// The device that took it: its name or number
        device: String,
    },
}

impl Offer {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let ask = |request| place.collect(&Request::History(request));
        match self.verb {
            Verb::List { account } => self.format.show(&ask(HistoryRequest::Offers { account })?, listed),
            Verb::Accept { account, device, dry_run } => {
                let items = ask(HistoryRequest::PutBack { account, device, dry_run })?;
                self.format.show(&items, |items| items.iter().map(shown).collect())
            }
            Verb::Decline { account, device } => {
                ask(HistoryRequest::Decline { account, device: device.clone() })?;
                say(&format!("What “{device}” took is not offered any more.\n"));
                Ok(())
            }
        }
    }
}

fn listed(items: &[Item]) -> String {
    let row = |item: &Item| {
        let Item::Offer(offer) = item else { return None };
        Some([offer.device_id.to_string(), offer.device.clone(), offer.messages.to_string(), offer.bytes.to_string()])
    };
    let rows: Vec<_> = items.iter().filter_map(row).collect();
    table(["ID", "DEVICE", "MESSAGES", "BYTES"], &rows, "Nothing was taken that can be put back.")
}
