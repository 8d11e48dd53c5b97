//! How somebody logs in, the same over SMTP, POP3 and IMAP.
//!
//! A `Conversation` is pure: what the client says (a SASL exchange, or a name and a password) leads to credentials or to a
//! refusal, by SCRAM to a proof; it knows who may act for whom, how many failures are enough and how much a client may send
//! while it waits for the answer. A [`Desk`] lets `auth` look at the credentials: at once where that takes microseconds, otherwise as a job,
//! without a thread. The protocols only parse and render. [`log`] writes the lines that an operator, or fail2ban, reads.
//!
//! What this crate deliberately does not do: it knows no reply of any protocol, and it does not decide whether TLS is needed
//! first.
//!
//! Invariant: the three protocols differ in words only; `tests/logins.rs` holds it.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod conversation;
mod desk;
pub mod log;

pub use conversation::{Answer, FAILURES_MAX, Refusal, Said, UNREAD_BYTES_MAX};
pub use desk::{Desk, Progress, mechanisms};
