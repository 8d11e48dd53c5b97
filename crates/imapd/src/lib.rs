//! IMAP sessions (RFC 9051, RFC 3501 and extensions): imap-proto's machine on the store.
//!
//! [`ImapSession`] is one connection, sans-io: the driver of crate `server` owns socket, TLS and clock. A command is a file in
//! `command/`; it returns how it ends, or a value that goes on slice by slice (`work`) because it may take long: FETCH, SEARCH,
//! what changes messages, the answer to QRESYNC. News of the selected mailbox come from `sync` alone, at the end of each
//! command and during IDLE.
//!
//! What this crate deliberately does not do: it parses no bytes (imap-proto does) and changes no mail state other than by
//! the calls of `store::Account`, whose commits wake all other devices.
//!
//! Invariant: at every moment a client that applies all responses has exactly the mailbox that the session believes it has.
//! Invariant: no network byte makes it panic, and what it holds for a client is bounded by [`Limits`] and imap-proto's.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod capability;
mod command;
mod compress;
mod connection;
mod context;
mod enabled;
mod fetch;
mod located;
mod message_limit;
mod notify;
mod positions;
mod recent;
mod render;
mod resync;
mod search;
mod selected;
mod service;
mod state;
mod sync;
mod tagged;
#[cfg(test)]
mod testing;
mod upload;
mod user;
mod work;

pub use connection::ImapSession;
pub use service::{ImapService, Limits, MessageLimit};
