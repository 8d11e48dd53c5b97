//! The durable outbound queue: schedule, smarthost client, bounces.
//!
//! [`Queue`] keeps messages for outside addresses in a table of the store until every recipient is settled.
//! [`Sender`] hands them to one smarthost with a few threads of its own; [`schedule`] says when to try again;
//! a message that cannot be delivered comes back to its sender as a [`Bounce`], whose delivery is a callback:
//! the queue knows no mailboxes.
//!
//! Invariant: what [`Queue::enqueue`] answered `Ok` for is delivered, bounced, or removed by an operator; never lost.
//! Invariant: a message whose client hands it over again, because it had no answer, is queued once (`store::receipt`).
//! Invariant: a recipient whose delivery is committed is never tried again. A crash between the smarthost's reply and
//! the commit doubles the message for that recipient, which SMTP cannot prevent (RFC 5321 §6.1).
//! Invariant: no account takes the place, or the turn, of another one (`share`, `turns`); a message that cannot be read
//! stalls nobody.
//! Invariant: a message from the null reverse path makes no bounce (RFC 5321 §4.5.5).

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

pub mod bounce;
mod damage;
mod entry;
mod error;
mod queue;
mod receipts;
pub mod schedule;
mod sender;
mod share;
mod smarthost;
mod turns;
mod wire;

pub use bounce::Bounce;
pub use damage::Damaged;
pub use entry::{Enqueued, Entry, LastReply, NewEntry, QueueId, Recipient, RecipientState};
pub use error::Error;
pub use queue::{BODY_ROW_BYTES, Queue};
pub use schedule::Policy;
pub use sender::{Clock, ReportError, Reporter, Sender};
pub use share::Limits;
pub use smarthost::{Roots, Security, Smarthost, SmarthostError};
