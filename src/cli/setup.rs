//! `pillarbox setup`: from nothing to a server that can be started, and what to publish.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use server::{FirstSteps, first_steps};

use super::failure::Failure;
use super::owner::give_to_owner;
use super::place::{CONFIG_FILE, Place};
use super::{Outcome, say};

/// Make a mail server: its configuration, its domain with keys, its first administrator
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Setup {
    /// The name of this machine in the DNS, such as mail.example.org
    hostname: String,
    /// The administrator, such as you@example.org; mail for example.org comes here from now on
    address: String,
    /// Where everything is kept, if the configuration is new [default: /var/lib/pillarbox]
    #[arg(long, value_name = "DIR")]
    keep_in: Option<PathBuf>,
}

const EXAMPLES: &str = "\
It asks nothing. What is there already is left as it is: a configuration is never overwritten, an account keeps its
password. Started again it makes what is missing, and shows the records again. The server must not run meanwhile.

Examples:
  pillarbox setup mail.example.org you@example.org
  pillarbox setup mail.example.org you@example.org --config pillarbox.toml --keep-in mail-data";

impl Setup {
    pub(super) fn run(self, place: &Place) -> Outcome {
        if place.data_dir.is_some() {
            return Err(Failure::Usage(
                "setup takes no --data-dir; --keep-in DIR says where everything is kept".to_owned(),
            ));
        }
        let file = place.config.as_deref().unwrap_or(Path::new(CONFIG_FILE));
        let steps = first_steps(file, self.keep_in.as_deref(), &self.hostname, &self.address)?;
        give_to_owner(&steps.data_dir).map_err(|error| {
            let data_dir = steps.data_dir.display();
            Failure::Fault(format!(
                "what is in {data_dir} cannot be given to whom it belongs to: {error}; do it with chown"
            ))
        })?;
        say(&screen(file, &self.hostname, &steps));
        Ok(())
    }
}

/// All that there is to know, on one screen.
fn screen(file: &Path, hostname: &str, steps: &FirstSteps) -> String {
    let FirstSteps { is_config_new, data_dir, domain, administrator, password, records } = steps;
    let file = file.display();
    let new = if *is_config_new { "" } else { " (it was there and is as it was)" };
    let mut text = format!(
        "The configuration is {file}{new}; everything is kept in {}.\n\
         Mail for {domain} comes here. {administrator} is an administrator.\n",
        data_dir.display()
    );
    // Writing to a String cannot fail, here and below.
    let _infallible = match password {
        Some(password) => writeln!(text, "The password, which is shown only now: {password}"),
        None => writeln!(text, "The account was there; its password is as it was."),
    };
    let _infallible = writeln!(
        text,
        "\nPublish in the DNS (the same as a provider's form wants it: pillarbox --config {file} domain records {domain} --form):\n\n\
         {hostname}. 3600 IN A <the address of this machine, and AAAA if it has one of IPv6>"
    );
    for record in records {
        let _infallible = writeln!(text, "{} 3600 IN {} {}", record.name, record.kind, record.value);
    }
    let _infallible = write!(
        text,
        "\nWhoever gave you the address of this machine sets its reverse name (PTR): {hostname}\n\
         Then:  pillarbox --config {file} serve\n"
    );
    text
}
