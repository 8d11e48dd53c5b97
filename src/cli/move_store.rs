//! `pillarbox move-store`: the mail of a stopped server into another engine.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use server::config::Config;
use server::moving::{Moving, move_store};

use super::place::Place;
use super::show::{Format, counted};
use super::{Outcome, progress};

/// Move all mail of a stopped server: from SQLite to PostgreSQL, from files into a bucket, or back
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct MoveStore {
    /// The configuration as it is to be: with another `[store]`, and the same `data_dir`
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    format: Format,
}

const EXAMPLES: &str = "\
Everything goes as it is: no mail program notices. All is read once more from where it went to, and compared, before
the new place counts; until then nothing changes in the old one, and a move that was broken off goes on where it was
when it is begun again. From the moment that it begins no server starts on the old place. What is left behind is for
you to remove.

With `systemctl stop pillarbox` before, and afterwards `systemctl start pillarbox`:

Examples:
  pillarbox move-store --config /etc/pillarbox.toml --to /etc/pillarbox-postgres.toml
  mv /etc/pillarbox-postgres.toml /etc/pillarbox.toml";

impl MoveStore {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let (from, to) = (place.load()?, Config::load(&self.to)?);
        let moved = move_store(&from, &to, &mut |at| match at {
            Moving::Bodies(at) => progress(at.done, at.total, "accounts with their large messages copied"),
            Moving::Copying(at) => progress(at.done, at.total, "accounts and tables copied"),
            Moving::Comparing(at) => progress(at.done, at.total, "accounts and tables compared"),
        })?;
        let answer = json!({
            "accounts_and_tables": moved.keyspaces,
            "large_messages": moved.bodies,
            "config": self.to,
            "left": moved.left,
        });
        let rows = (moved.keyspaces > 0).then(|| counted(moved.keyspaces, "account or table", "accounts and tables"));
        let bodies = (moved.bodies > 0).then(|| counted(moved.bodies, "large message", "large messages"));
        let what: Vec<String> = rows.into_iter().chain(bodies).collect();
        self.format.show(&answer, |_| format!(
            "All is moved and compared ({}). {} is the configuration from now on.\nWhat was left behind is in {}; remove it once all is \
             well.\n",
            what.join(", "),
            self.to.display(),
            moved.left.join(" and ")
        ))
    }
}
