//! What an operator may choose.

use directory::DirectoryOptions;

/// How `auth` behaves. The default is what a server wants.
#[derive(Clone, Debug)]
pub struct AuthOptions {
    /// How the directory behaves.
    pub directory: DirectoryOptions,
    /// Whether strangers may ask for an account.
    pub account_requests: bool,
    /// For addresses in which local domains strangers may ask; empty: in all.
    pub account_request_domains: Vec<String>,
    /// At most this many passwords are verified at once; each takes [`directory::PasswordCost::memory_kib`] of memory and one
    /// core.
    pub verifications_at_once: usize,
}

impl Default for AuthOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            directory: DirectoryOptions::default(),
            account_requests: false,
            account_request_domains: Vec::new(),
            verifications_at_once: cores.min(4),
        }
    }
}
