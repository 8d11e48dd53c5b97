//! What protocols that are made of lines share: lines cut from what comes in, messages stuffed with dots, and octets that
//! must not show up in a log.
//!
//! What this crate deliberately does not do: it knows no command and no reply; how long a line may be is said by who asks.
//!
//! Invariant: for any split of the octets into pieces, lines and stuffed messages are the same.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod input;
mod secret;
mod stuffing;

pub use input::{Input, LineTooLong};
pub use secret::Secret;
pub use stuffing::Stuffer;
