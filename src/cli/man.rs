//! `pillarbox man`: the manual, a page for each command.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command};

use super::failure::Failure;
use super::{Outcome, say};

/// Write the manual: a page for each command, as man reads it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Man {
    /// The directory to write to; a new one is made
    directory: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  pillarbox man ~/.local/share/man/man1
  pillarbox man /tmp/manual && man /tmp/manual/pillarbox-undo.1";

impl Man {
    pub(super) fn run(self, command: Command) -> Outcome {
        let failed = |error| {
            Failure::Refused(format!(
                "the manual cannot be written to {}: {error}; check the directory",
                self.directory.display()
            ))
        };
        fs::create_dir_all(&self.directory).map_err(failed)?;
        clap_mangen::generate_to(command, &self.directory).map_err(failed)?;
        say(&format!("The manual is in {}; it begins with pillarbox.1.\n", self.directory.display()));
        Ok(())
    }
}
