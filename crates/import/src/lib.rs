//! Mail from elsewhere into an account: each message once, with its flags, its date and the folder that it is in.
//!
//! [`Import`] takes what a [`Source`] has, folder by folder, in pieces of one commit each; the store notes with each piece what was
//! taken ([`store::Imported`]), so an import that broke off goes on where it stopped, and one that is run again takes what is new
//! and what changed. A source is an account on another server ([`ImapSource`]), or mail in files
//! ([`FileKind`]).
//!
//! What it deliberately does not do: it changes nothing where the mail comes from, and removes nothing here.
//!
//! Invariant: what is in memory is at most a piece, or one message of the size that the server takes, and the numbers of the
//! messages of one folder.
//! Invariant: another server can send what it likes: each response, folder, literal and wait has a limit.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

#[cfg(any(test, feature = "testing"))]
pub mod check;
mod files;
mod flags;
mod folders;
mod imap;
mod run;
mod source;
mod told;

pub use files::{FileKind, FileOptions, is_field_of_programs, notes};
pub use imap::{ImapSource, Login, Security, Server};
pub use run::{Import, Known};
pub use source::{Content, Folder, Item, Opened, Source, SourceError, Unknown};
pub use told::{Event, Failure, Report, Tell};
