//! `pillarbox check`: whether everything is as it must be.

use clap::Args;
use console::CheckStep;
use web::Call;

use super::failure::Failure;
use super::place::Place;
use super::show::Format;
use super::{Outcome, progress, say};

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
        let (mut findings, mut checked) = (0, 0);
        let call = Call::new("GET /api/v1/operator/check").with("account", account).with("bodies", bodies);
        let mut step = |step: CheckStep| match &step {
            CheckStep::Finding { place, text } => {
                findings += 1;
                format.show(&step, |_| format!("{place}: {text}\n"))
            }
            CheckStep::Checked { place, done, total } => {
                checked = *done;
                progress(*done, *total, place);
                Ok(())
            }
        };
        place.call(&call, &mut step)?;
        if findings > 0 {
            return Err(Failure::Fault(format!(
                "{findings} findings; keep a copy of the data directory, and restore what they name from a backup"
            )));
        }
        if !format.json {
            say(&format!("All is well: {checked} checked.\n"));
        }
        Ok(())
    }
}
