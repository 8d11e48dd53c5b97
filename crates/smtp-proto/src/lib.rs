//! SMTP and LMTP on the wire: a sans-io server machine and client machine.
//!
//! [`Receiver`] turns what a client sends into [`Event`]s, one at a time; the session answers each with a [`Reply`].
//! [`Client`] delivers messages to another server. Neither knows sockets, clocks, accounts or policy.
//!
//! RFC 5321 (SMTP), 2033 (LMTP), 1870 (SIZE), 2920 (PIPELINING), 6152 (8BITMIME), 6531 (SMTPUTF8),
//! 3030 (CHUNKING, without BINARYMIME), 3207 (STARTTLS), 2034 and 3463 (enhanced status codes), 4954 (AUTH), 3461 (DSN), 2852 (DELIVERBY),
//! 4865 (FUTURERELEASE), 9422 (LIMITS, in the client).
//!
//! Invariant: for any split of the peer's bytes into pushes, events and output are the same.
//! Invariant: whatever the peer sends, memory stays within the line limit, a part of the message that is handed on at once,
//! and what was pushed and not yet polled.
//! Invariant: a message ends with CRLF.CRLF and nothing else ([`data`] says what becomes of bare CR, LF and NUL).
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod chunk;
pub mod client;
mod command;
pub mod data;
mod deliver_by;
mod dsn;
mod hold;
mod parameters;
mod path;
mod receiver;
mod reply;
mod reply_reader;
mod syntax_error;

pub use client::{
    Client, ClientConfig, ClientStep, Credentials, Failure, Message, Outcome, Protocol, Stage, TlsPolicy,
};
pub use command::{Auth, Bdat, BodyType, Command, Mail, Rcpt};
pub use deliver_by::DeliverBy;
pub use dsn::{MailReports, Malformed, Notify, OriginalRecipient, RcptReports, Return};
pub use hold::Hold;
pub use line_proto::Secret;
pub use path::{
    DOMAIN_OCTETS_MAX, Domain, ForwardPath, LABEL_OCTETS_MAX, LOCAL_PART_OCTETS_MAX, Mailbox, PathError, ReversePath,
};
pub use receiver::{AUTH_LINE_OCTETS_MAX, COMMAND_LINE_OCTETS_MAX, Event, Receiver};
pub use reply::{Enhanced, REPLY_LINE_OCTETS_MAX, Reply};
pub use reply_reader::{REPLY_LINES_MAX, ReplyError, ReplyReader};
pub use syntax_error::SyntaxError;
