//! `pillarbox verify-message`: who a message comes from, as the server would say it.

use std::fs::File;
use std::io::{Read, stdin};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use server::clock::Clock;
use server::config::Config;
use server::lifecycle::runtime;
use server::sender::results_of;
use server::setup::SetupError;

use super::Outcome;
use super::show::Format;

/// A longer message is none that a server takes.
const MESSAGE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Look at who a message comes from: SPF, DKIM, DMARC, ARC and the name of the address
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct VerifyMessage {
    /// The message as it came; - is standard input
    file: PathBuf,
    /// The address from which it came
    #[arg(long)]
    ip: IpAddr,
    /// What that host called itself
    #[arg(long, default_value = "")]
    helo: String,
    /// The reverse-path, MAIL FROM; empty for a bounce
    #[arg(long, default_value = "")]
    from: String,
    /// A name server to ask, ADDRESS:PORT, instead of those of the system
    #[arg(long)]
    dns: Vec<SocketAddr>,
    #[command(flatten)]
    format: Format,
}

const EXAMPLES: &str = "\
What the server would put on top of the message is printed: Authentication-Results (RFC 8601). Nothing is delivered, and no
server needs to run.

Examples:
  pillarbox verify-message mail.eml --ip 192.0.2.1 --helo mail.example.net --from ada@example.net
  pillarbox verify-message - --ip 192.0.2.1 --dns 127.0.0.1:5353 < mail.eml";

impl VerifyMessage {
    pub(super) fn run(self) -> Outcome {
        let mut content = Vec::new();
        let read = match self.file.to_str() {
            Some("-") => stdin().take(MESSAGE_BYTES_MAX).read_to_end(&mut content),
            _ => File::open(&self.file).and_then(|file| file.take(MESSAGE_BYTES_MAX).read_to_end(&mut content)),
        };
        read.map_err(|error| {
            SetupError::new(format!(
                "{} cannot be read: {error}; name a message, or - for standard input",
                self.file.display()
            ))
        })?;
        let config = Config::default();
        let options = dns::Options { servers: self.dns, ..config.dns };
        let claim = sender_auth::Claim {
            address: self.ip,
            helo: self.helo,
            mail_from: self.from,
            receiver: config.hostname,
            unix_seconds: Clock::start().now().unix_millis.div_euclid(1000),
        };
        let field = runtime()?.block_on(results_of(options, claim, content))?;
        self.format.show(&json!({ "field": field }), |_| field.clone())
    }
}
