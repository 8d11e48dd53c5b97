//! What the server writes down of mail beside the mail itself, for those who ask later: what was refused, to whom and why.
//!
//! Not here: what became of mail that was taken (the journal of an account), and the log.
//!
//! Invariant: a stranger makes nothing here longer than a named limit, and costs no flush of the disk of its own: what is noted
//! waits in memory, and is written in rounds.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod refused;

pub use refused::{About, Listed, Refusal, Refusals, Wanted, Whose};
