//! Whom to ask.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Whom to ask, and what to make of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Recursive servers, over UDP and TCP; none: those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
    /// Whether answers are validated. Without it no answer is secure.
    pub dnssec: bool,
    /// DNSKEY records that are trusted instead of those of the root, which are built in.
    pub trust_anchors: Option<PathBuf>,
    /// How long a server is waited for before it, or another one, is asked once more.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { servers: Vec::new(), dnssec: true, trust_anchors: None, patience: Duration::from_secs(5) }
    }
}
