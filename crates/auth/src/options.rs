//! What an operator may choose.

use directory::DirectoryOptions;
use store::Timestamp;

/// How `auth` behaves. The default is what a server wants.
#[derive(Clone, Debug, Default)]
pub struct AuthOptions {
    /// How the directory behaves.
    pub directory: DirectoryOptions,
    /// Whether somebody may log in without saying the password.
    pub scram: Scram,
    /// When the process began.
    pub started_at: Timestamp,
    /// Whether strangers may ask for an account.
    pub account_requests: bool,
    /// For addresses in which local domains strangers may ask; empty: in all.
    pub account_request_domains: Vec<String>,
}

/// Whether somebody may log in without saying the password (RFC 5802).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scram {
    /// No.
    Off,
    /// Yes; it is announced once keys were made for so long that nearly every password in use has some.
    #[default]
    Auto,
    /// Yes; it is announced at once.
    On,
    /// The same, and so is that it can be bound to the TLS session.
    Plus,
}
