//! RFC 5322 and MIME: structure, envelope, headers, charsets; pure and bounded.
//!
//! Everything here takes the bytes of a message, or pieces of it, and gives owned facts with byte offsets into the
//! original. Nothing here changes a message, reads a clock, a file or a socket.
//!
//! Invariant: no input is an error. Bare LF, NUL, 8-bit, truncated and hostile input all have a structure; what lies
//! beyond a limit ([`limits`]) is opaque content of the part it stands in.
//! Invariant: work is linear in the input (times a constant below [`limits::MIME_DEPTH_MAX`] for lines that begin
//! with `--`), and memory is bounded by the input and the limits.
//! Invariant: the ranges of parts lie inside the body of the part around them, in order, and never overlap.
//! [`check::message`] holds all of this for any bytes; tests and fuzzers call it.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

pub mod address;
pub mod binary;
pub mod charset;
pub mod check;
pub mod content;
pub mod date;
pub mod delivery_report;
pub mod encoded_word;
mod entity;
pub mod envelope;
pub mod fold;
pub mod header;
pub mod hop;
pub mod html;
mod lex;
pub mod limits;
mod line;
pub mod line_ends;
pub mod parameter;
mod parse;
pub mod percent;
pub mod refers;
pub mod section;
mod span;
pub mod structure;
mod subject;
pub mod summary;
pub mod surrogate;
pub mod text;
pub mod trace;
pub mod transfer;
pub mod view;
mod wire;

pub use address::Address;
pub use envelope::Envelope;
pub use refers::Refers;
pub use span::Span;
pub use structure::{Content, Disposition, Embedded, Part, Structure};
pub use subject::BaseSubject;
pub use summary::Summary;
