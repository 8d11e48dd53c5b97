//! `pillarbox serve`: the server, as a configuration file has it.

use std::path::Path;

use clap::Args;
use server::config::Config;

use super::Outcome;
use super::place::{CONFIG_FILE, Place};

/// Run the server that a configuration file describes, until SIGTERM or Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {}

const EXAMPLES: &str = "\
Without --config it reads /etc/pillarbox.toml. `pillarbox check-config --print-docs` explains all options.
Accounts are made with `pillarbox domain add` and `pillarbox account add`, before the start or while it runs.

SIGTERM says goodbye to everybody and stops within 5 seconds; SIGHUP reads the TLS certificate again. It tells systemd
when it is ready (Type=notify). The log goes to standard error.

Examples:
  pillarbox serve --config /etc/pillarbox.toml
  pillarbox --config /etc/pillarbox.toml account list";

impl Serve {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let file = place.config.as_deref().unwrap_or(Path::new(CONFIG_FILE));
        let mut config = Config::load(file)?;
        if let Some(data_dir) = &place.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        Ok(server::run(&config, |_, _, _| Ok(()))?)
    }
}
