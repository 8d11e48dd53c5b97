//! SMTP, submission and LMTP sessions: the protocol machine on one side, `mailflow` on the other.
//!
//! One [`SmtpSession`] type serves three services ([`SmtpService::mx`], [`SmtpService::submission`],
//! [`SmtpService::lmtp`]), which differ in who may talk, who may be written to and how the end of a message is answered.
//! One file per verb in `verb`. What becomes of a message is decided in `mailflow`, and worded here.
//! No socket, no clock, no waiting: the delay after a failed login is a deadline.
//!
//! Invariant: a 250 to a message means that it is durable for every recipient: in the mailbox, or in the outbound queue.
//! Invariant: no password is taken without TLS from another machine.
//! Invariant: what a client has said before TLS counts for nothing afterwards (RFC 3207 §4.2).

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod content;
mod examine;
mod finish;
mod greeting;
mod introduction;
mod limits;
mod log;
mod networks;
mod refused;
mod replies;
mod service;
mod session;
mod tally;
mod tarpit;
mod transaction;
mod verb;

#[cfg(test)]
mod tests;

pub use crate::session::SmtpSession;
pub use limits::Limits;
pub use networks::NetworkLimits;
pub use service::{Common, SmtpService};
