//! `pillarbox setup`: from nothing to a server that can be started, and what to publish.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use server::config::Config;
use server::{FirstSteps, configure, first_steps};

use super::Outcome;
use super::failure::Failure;
use super::owner::Owner;
use super::place::{CONFIG_FILE, Place};
use super::show::Format;
use web::setup::DnsRecord;

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
    /// Root has just written the configuration, and goes on as the user of the data
    #[arg(long, hide = true)]
    with_new_config: bool,
    #[command(flatten)]
    format: Format,
}

const EXAMPLES: &str = "\
It asks nothing. What is there already is left as it is: a configuration is never overwritten, an account keeps its
password. Started again it makes what is missing, and shows the records again. The server must not run meanwhile.

Examples:
  pillarbox setup mail.example.org you@example.org
  pillarbox setup mail.example.org you@example.org --config pillarbox.toml --keep-in mail-data --json";

impl Setup {
    pub(super) fn run(self, place: &Place) -> Outcome {
        if place.data_dir.is_some() {
            return Err(Failure::Usage(
                "setup takes no --data-dir; --keep-in DIR says where everything is kept".to_owned(),
            ));
        }
        let file = place.config.as_deref().unwrap_or(Path::new(CONFIG_FILE));
        let is_new = configure(file, self.keep_in.as_deref(), &self.hostname, &self.address)? || self.with_new_config;
        let data_dir = Config::load(file)?.data_dir;
        if let Some(owner) = Owner::of(&data_dir) {
            if is_new {
                let failed = |error| Failure::Fault(format!("{} cannot be given its group: {error}", file.display()));
                owner.may_read(file).map_err(failed)?;
            }
            return owner.go_on(&data_dir, if is_new { &["--with-new-config"] } else { &[] });
        }
        let steps = first_steps(file, &self.hostname, &self.address)?;
        self.format.show(&data((file, is_new), &steps), |_| screen((file, is_new), &self.hostname, &steps))
    }
}

/// The same for a program.
fn data((file, is_config_new): (&Path, bool), steps: &FirstSteps) -> Value {
    let FirstSteps { data_dir, domain, administrator, password, records } = steps;
    let record = |record: &DnsRecord| json!({ "name": record.name, "kind": record.kind, "value": record.value });
    json!({
        "config": file,
        "config_is_new": is_config_new,
        "data_dir": data_dir,
        "domain": domain,
        "administrator": administrator,
        "password": password,
        "records": records.iter().map(record).collect::<Vec<_>>(),
    })
}

/// All that there is to know, on one screen.
fn screen((file, is_config_new): (&Path, bool), hostname: &str, steps: &FirstSteps) -> String {
    let FirstSteps { data_dir, domain, administrator, password, records } = steps;
    let file = file.display();
    let new = if is_config_new { "" } else { " (it was there and is as it was)" };
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
