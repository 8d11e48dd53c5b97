//! How a database is opened, and why it was not.

use crate::connection::{config, place};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`, with `sslmode=disable` where the network is trusted; several hosts
    /// separated by commas: the one that takes writes is used.
    pub url: String,
    /// A PEM file with the authorities that vouch for the database; without it those of the system.
    pub authority: Option<PathBuf>,
    /// Connections for commits. Each shares a transaction among the commits that wait for it. A server among several has one more, to show
    /// that it is alive.
    pub writers: u8,
    /// Connections for reading at the same time.
    pub readers_max: usize,
    /// The name of this server among several that write to the database at the same time; `None`: it is the only one.
    pub node: Option<String>,
    /// How long to wait for the lock of a server that has just gone.
    pub lock_wait: Duration,
}

impl PostgresOptions {
    /// Four writers, 64 readers, and ten seconds for the lock.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let lock_wait = Duration::from_secs(10);
        Self { url: url.to_owned(), authority: None, writers: 4, readers_max: 64, node: None, lock_wait }
    }

    /// Where the database is, for people: without the password.
    ///
    /// # Errors
    /// The address is none.
    pub fn place(&self) -> Result<String, OpenError> {
        config(self).map(|config| place(&config))
    }
}

/// A database cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError {
    /// What, where, why, and what to do.
    pub what: String,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for OpenError {}
