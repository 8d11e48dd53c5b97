//! `pillarbox standby`: a second machine that is kept seconds behind.

use std::path::PathBuf;

use clap::Args;
use server::standby::{Origin, follow, new_token};

use super::place::Place;
use super::{Failure, Outcome};

/// Follow a running server on this second machine, until SIGTERM or Ctrl-C; serves nobody
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Standby {
    /// The server to follow: its name and the port of its `listen.standby`
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "new_token", requires = "token_file")]
    of: Option<String>,
    /// A file of which the first line is the token of that server's `standby.token_file`
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates that vouch for that server, such as its `tls/ca.pem` [default: those of the system]
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
    /// Write a new token into a file instead, for its owner only; both machines have the same file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["of", "token_file", "authority"])]
    new_token: Option<PathBuf>,
}

const EXAMPLES: &str = "\
The data directory is empty or not there at first; stopped and started again it goes on where it was. The log says how
far it is, and so does `pillarbox status` on the server. Whoever has the token gets all mail and all secrets: only the
server's user may read it.

When the server is gone for good, stop this and call `pillarbox promote`.

Examples:
  pillarbox standby --new-token /etc/pillarbox-standby-token
  pillarbox standby --of mail.example.org:8425 --token-file /etc/pillarbox-standby-token --data-dir /var/lib/pillarbox";

impl Standby {
    pub(super) fn run(self, place: &Place) -> Outcome {
        if let Some(file) = self.new_token {
            return Ok(new_token(&file)?);
        }
        let (Some(of), Some(token_file)) = (self.of, self.token_file) else {
            return Err(Failure::Usage("--of and --token-file say whom to follow".to_owned()));
        };
        if place.config.is_none() && place.data_dir.is_none() {
            return Err(Failure::Usage("--data-dir or --config says where all is to be kept".to_owned()));
        }
        let split = of.rsplit_once(':').map(|(host, port)| (host.trim_matches(['[', ']']), port.parse::<u16>()));
        let Some((host, Ok(port))) = split.filter(|(host, _)| !host.is_empty()) else {
            return Err(Failure::Usage(format!("{of} is not HOST:PORT")));
        };
        // Kept for the promotion, which may be called from elsewhere.
        let absolute = |file: PathBuf| std::path::absolute(&file).unwrap_or(file);
        let (token_file, authority) = (absolute(token_file), self.authority.map(absolute));
        Ok(follow(&place.load()?, Origin { host: host.to_owned(), port, token_file, authority })?)
    }
}
