//! The command line: an enum that lists the subcommands and a dispatcher that only dispatches.

mod check_config;

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A mail server: one mailbox, every device, nothing ever lost.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pillarbox check-config /etc/pillarbox.toml   is this configuration right?
  pillarbox check-config --print-docs          all options, explained

`pillarbox COMMAND --help` tells more about a command.";

#[derive(Debug, Subcommand)]
enum Command {
    CheckConfig(check_config::CheckConfig),
}

/// What a subcommand ends with: nothing, or what the person at the terminal is told.
type Outcome = Result<(), Failure>;

/// A failed command, in words for the person who ran it.
#[derive(Debug)]
struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Runs what the command line asks for.
pub fn run() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::CheckConfig(command) => command.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(text)) => {
            // Without a standard error there is nobody to tell.
            let _nobody = writeln!(stderr(), "pillarbox: {text}");
            ExitCode::FAILURE
        }
    }
}

/// Writes to standard output. A reader that has gone (`| head`) is no failure.
fn say(text: &str) {
    let _nobody = stdout().write_all(text.as_bytes());
}
