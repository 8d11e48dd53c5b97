//! What filters beside us say of a message that comes from elsewhere: Rspamd (its HTTP protocol) and milters (Sendmail's
//! protocol, version 6, as Postfix speaks it). They are asked once a message is complete and before it is answered, one after
//! the other; each sees what the one before it changed.
//!
//! Not here: what follows from an opinion (`mailflow::decide`), and our own filter (`junk`), which each account has.
//!
//! Invariant: what a filter answers, how long it takes and how many messages wait for filters is bounded, whatever it does.
//! Invariant: a filter that cannot be asked has no opinion but [`Down`], which its administrator chose; no mail is lost by it.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

#[cfg(any(test, feature = "testing"))]
pub mod check;
mod edit;
mod filters;
mod milter;
mod opinion;
mod rspamd;

pub use edit::Edit;
pub use filters::{Down, Filters, Place, Reserved, Scanner};
pub use opinion::{Opinion, Verdict};
pub use rspamd::{NoServer, Server, teach};

use std::net::IpAddr;

/// A message that has come, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What we call it, for the filter's log.
    pub id: String,
    /// This server's name.
    pub hostname: String,
    /// Where it comes from.
    pub address: IpAddr,
    /// The name of that address, if it leads back to it.
    pub name: Option<String>,
    /// What that host calls itself.
    pub helo: String,
    /// The version of TLS, if there is any.
    pub tls: Option<String>,
    /// Where bounces go, without angle brackets; empty for nobody.
    pub mail_from: String,
    /// Who gets it, without angle brackets.
    pub recipients: Vec<String>,
    /// The message, its lines ended by CRLF.
    pub content: Vec<u8>,
}
