//! What other servers keep beside the mail, and how it is matched with the mail here.
//!
//! A POP3 program remembers messages by their UIDL. After a move it downloads everything again unless each message still has
//! the UIDL that the old server gave it. Here are the forms in which Dovecot, Courier and Cyrus keep UIDLs, a list that
//! anybody can write, and the matching of old messages with new ones. Pure: who reads files and the store is elsewhere.
//!
//! Invariant: no input is a panic, and no line of it is passed over in silence.
//! Invariant: a message here gets at most one UIDL, and a UIDL goes to at most one message.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod courier;
mod dovecot;
mod format;
mod list;
mod matching;

pub use courier::courier;
pub use dovecot::dovecot;
pub use format::{Format, UnknownFormat};
pub use list::{Listed, list};
pub use matching::{Found, Here, Mark, Matches, match_up};

/// A message of the old server: which file it is, and its UIDL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The name of the file in `cur` or `new`, without what follows the colon.
    pub file: String,
    /// What POP3 programs know it by.
    pub uidl: String,
}

/// A line that says nothing that is known, or a file that begins with none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub number: usize,
    /// What it says.
    pub text: String,
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {} is not of this form: {:?}", self.number, self.text)
    }
}

impl std::error::Error for BadLine {}

/// A file's name in a Maildir without flags: `1276528487.M3.host:2,S` is `1276528487.M3.host`.
#[must_use]
pub fn file_base(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

fn bad(number: usize, text: &str) -> BadLine {
    BadLine { number: number + 1, text: text.chars().take(80).collect() }
}
