//! `pillarbox offer`: what POP devices took before others came.

use clap::{Args, Subcommand};
use console::Offer as Offered;
use web::Call;

use super::Outcome;
use super::place::Place;
use super::show::{Format, table};
use super::undo::shown;

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
        let answer = |account: String, device: &str, answer: &str| {
            Call::new("POST /api/v1/offers/{id}").of(account).at("id", device).with("answer", answer)
        };
        match self.verb {
            Verb::List { account } => self.format.list(place, &Call::new("GET /api/v1/offers").of(account), listed),
            Verb::Accept { account, device, dry_run } => {
                let call = answer(account, &device, "put_back").with("dry_run", dry_run);
                self.format.each(place, &call, shown).map(drop)
            }
            Verb::Decline { account, device } => {
                let text = format!("What “{device}” took is not offered any more.\n");
                self.format.done(place, &answer(account, &device, "decline"), &text)
            }
        }
    }
}

fn listed(offers: &[Offered]) -> String {
    let row = |offer: &Offered| {
        [offer.device_id.to_string(), offer.device.clone(), offer.messages.to_string(), offer.bytes.to_string()]
    };
    let rows: Vec<_> = offers.iter().map(row).collect();
    table(["ID", "DEVICE", "MESSAGES", "BYTES"], &rows, "Nothing was taken that can be put back.")
}
