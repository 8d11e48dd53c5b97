//! `pillarbox completion`: what a shell needs to complete commands.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::failure::Failure;
use super::{Outcome, say};

/// Print what a shell needs to complete commands and options
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Completion {
    /// For which shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  pillarbox completion bash > ~/.local/share/bash-completion/completions/pillarbox
  pillarbox completion zsh > ~/.zfunc/_pillarbox                         a directory of $fpath
  pillarbox completion fish > ~/.config/fish/completions/pillarbox.fish";

impl Completion {
    pub(super) fn run(self, mut command: Command) -> Outcome {
        let mut script = Vec::new();
        generate(self.shell, &mut command, "pillarbox", &mut script);
        let script = String::from_utf8(script).map_err(|error| Failure::Fault(error.to_string()))?;
        say(&script);
        Ok(())
    }
}
