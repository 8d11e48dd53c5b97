//! What an operator may choose.

use directory::DirectoryOptions;

/// How `auth` behaves. The default is what a server wants.
#[derive(Clone, Debug, Default)]
pub struct AuthOptions {
    /// How the directory behaves.
    pub directory: DirectoryOptions,
    /// Whether strangers may ask for an account.
    pub account_requests: bool,
    /// For addresses in which local domains strangers may ask; empty: in all.
    pub account_request_domains: Vec<String>,
}
