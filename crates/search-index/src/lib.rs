//! Which messages of an account may have a text in them.
//!
//! An index lists, for each three octets in a row of a message's folded text, the messages that have them there. Who looks
//! for a text gets candidates, fewer than there are messages; the text itself decides, which is the affair of the crate
//! `search`. It works on octets of UTF-8, so every script is the same to it, and one Japanese character is enough to ask for.
//!
//! ```text
//! ACCOUNT/AFTER-LAST    a segment: of the messages with numbers above AFTER, up to LAST
//! ```
//! A segment is written once and never changed; the last one is replaced by a longer one as long as it is short. The segments
//! of an account follow each other, and where one is missing or damaged the index ends. The oldest go where an account has more
//! than its share, or all together have more than they may: the messages in them are read again.
//!
//! Invariant: a message that the index does not name, or not for certain, is never said not to have a text. A lost, late or
//! damaged index is slow and nothing else: each part of a file that is used has a checksum, no file is flushed, and what is
//! not as it should be counts as not there.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod account;
mod indexes;
mod segment;
mod terms;

pub use account::{AccountIndex, Candidates};
pub use indexes::{IndexLimits, Indexes, Next};
pub use segment::Draft;
pub use terms::{Kind, Terms};

#[cfg(test)]
mod tests;
