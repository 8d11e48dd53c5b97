//! IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051) on the wire, the server's side, sans-io.
//!
//! [`Receiver`] turns the client's bytes into [`Event`]s: commands, requests to continue a literal, the `DONE` of IDLE,
//! the lines of AUTHENTICATE, and what was malformed. [`Encoder`] appends responses to a byte vector.
//! [`SequenceSet`], [`MailboxName`], [`Pattern`], [`Flag`], [`Date`] and [`DateTime`] are the values both sides share.
//!
//! What this crate deliberately does not do: it knows no session state (whether a command is allowed now),
//! no mailboxes and no messages, opens no socket and reads no clock.
//!
//! Invariant: for any split of the client's bytes into pushes the events are the same.
//! Invariant: the work is linear in the bytes received and what is held in memory stays within [`Limits`].
//! Invariant: no password and no SASL response appears in any `Debug` output.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

pub mod command;
pub mod response;

mod atom;
mod cursor;
mod datetime;
mod flag;
mod limits;
mod mailbox;
mod malformed;
mod pattern;
mod receiver;
mod sequence;
mod tag;
mod url;
pub mod utf7;

pub use command::{Command, Tagged};
pub use datetime::{Date, DateTime};
pub use flag::{Flag, FlagError};
pub use limits::Limits;
pub use line_proto::Secret;
pub use mailbox::{Dialect, MailboxName, NameError, SpecialUse};
pub use malformed::{Malformed, Reason};
pub use pattern::Pattern;
pub use receiver::{AuthLine, Event, LiteralRequest, LiteralRole, Octets, Receiver};
pub use response::{Code, Encoder, FetchWriter, Status};
pub use sequence::{MessageSet, Numbering, SequenceError, SequenceSet};
pub use tag::Tag;
pub use url::{AuthorizedUrl, MessageUrl, UrlAccess, UrlVerifier};
