//! POP3 on the wire: a sans-io command machine and reply encoder.
//!
//! RFC 1939, with RFC 2449 (CAPA, PIPELINING, RESP-CODES), 2595 (STLS), 3206 (AUTH-RESP-CODE), 5034 (AUTH) and
//! 6856 (UTF8, LANG). APOP needs passwords in the clear on the server and is an unknown command.
//!
//! Text for people is the session's: nothing here speaks a language.
//!
//! [`Receiver`] turns what a client sends into [`Event`]s, one at a time; the session answers with a [`Reply`], and
//! where the answer has more than one line with [`encode_line`] and [`encode_end`], or [`MessageEncoder`] for a message.
//!
//! Invariant: for any split of the client's bytes into pushes the events are the same.
//! Invariant: whatever the client sends, memory stays within the line limit and what was pushed and not yet polled.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod command;
mod multi_line;
mod receiver;
mod reply;
mod syntax_error;

pub use command::{Auth, Command, MessageNumber};
pub use line_proto::Secret;
pub use multi_line::{MessageEncoder, encode_end, encode_line, encode_message, first_lines};
pub use receiver::{AUTH_LINE_OCTETS_MAX, COMMAND_LINE_OCTETS_MAX, Event, Receiver};
pub use reply::{Reply, ResponseCode};
pub use syntax_error::SyntaxError;
