//! Which messages of an account may have a text in them.
//!
//! An index lists the distinct words of the messages (tokens, `words`), each with the messages that have it. A text without a
//! space is within a word wherever it stands, so the words that have it in them tell exactly which messages do, and none is
//! read; of a longer text the words narrow down who may have it, and the text itself decides, which is the affair of the crate
//! `search`. Which blocks of words have three octets in a row is known, so that a look-up reads few of them.
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
mod draft;
mod format;
mod indexes;
mod segment;
mod words;

pub use account::{AccountIndex, Candidates};
pub use draft::Draft;
pub use indexes::{IndexLimits, Indexes, Next};
pub use words::Kind;

#[cfg(test)]
mod tests;
