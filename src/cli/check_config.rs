//! `pillarbox check-config`: says what is wrong with a configuration before a server is started with it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use server::clock::Clock;
use server::config::{Config, markdown};
use server::lifecycle::runtime;
use server::service::Service;
use server::setup::SetupError;
use server::{Checked, Preparation};

use super::place::{CONFIG_FILE, Place};
use super::show::Format;
use super::{Outcome, say};

/// Check a configuration file, or explain all options
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CheckConfig {
    /// The file to check [default: /etc/pillarbox.toml]
    file: Option<PathBuf>,
    /// Print the documentation of all options (Markdown) instead
    #[arg(long)]
    print_docs: bool,
    #[command(flatten)]
    format: Format,
}

const EXAMPLES: &str = "\
Every problem is told with file, line and key; then what `serve` needs is tried: certificate and key, the smarthost's
password, the data directory, each port. Without a problem the listeners are listed and the exit status is 0.
Nothing is made or changed. A server may run meanwhile: then its ports are not tried.

Examples:
  pillarbox check-config /etc/pillarbox.toml
  pillarbox check-config /etc/pillarbox.toml --json
  pillarbox check-config --print-docs | less";

impl CheckConfig {
    pub(super) fn run(self, place: &Place) -> Outcome {
        if self.print_docs {
            say(&markdown());
            return Ok(());
        }
        let file = self.file.as_deref().or(place.config.as_deref()).unwrap_or(Path::new(CONFIG_FILE));
        let config = Config::load(file)?;
        let runtime = runtime()?;
        let _context = runtime.enter();
        let checked = Preparation::check(&config, Clock::start()).map_err(|problems| {
            let text = SetupError::all(&problems).to_string();
            SetupError::new(format!("{}: a server cannot be started with it:\n{text}", file.display()))
        })?;
        let runs = match checked {
            Checked::Ready => false,
            Checked::Runs => true,
        };
        self.format.show(&data(file, &config, runs), |_| summary(&file.display().to_string(), &config, runs))
    }
}

/// The same for a program.
fn data(file: &Path, config: &Config, runs: bool) -> Value {
    let listener = |(service, address): (Service, SocketAddr)| json!({ "service": service.name(), "address": address });
    json!({
        "file": file,
        "hostname": config.hostname,
        "data_dir": config.data_dir,
        "listen": config.addresses().into_iter().map(listener).collect::<Vec<_>>(),
        "uses_mx": config.uses_mx(),
        "smarthost": config.smarthost.as_ref().map(|smarthost| format!("{}:{}", smarthost.host, smarthost.port())),
        "server_runs": runs,
    })
}

fn summary(file: &str, config: &Config, runs: bool) -> String {
    let mut text =
        format!("{file} is valid.\n  host name    {}\n  data         {}\n", config.hostname, config.data_dir.display());
    for (service, address) in config.addresses() {
        text.push_str(&format!("  {:<13}{address}\n", service.name()));
    }
    if config.uses_mx() {
        text.push_str("  delivery     to the hosts of the recipients' domains (MX)\n");
    }
    match &config.smarthost {
        Some(smarthost) => text.push_str(&format!("  smarthost    {}:{}\n", smarthost.host, smarthost.port())),
        None if config.uses_mx() => {}
        None => text.push_str("  smarthost    none: mail for outside addresses is refused\n"),
    }
    if runs {
        text.push_str("A server runs on that data directory: ports were not tried.\n");
    }
    text
}
