//! The durable outbound queue: schedule, delivery to the hosts of a domain or to a smarthost, bounces.
//!
//! [`Queue`] keeps messages for outside addresses in a table of the store until every recipient is settled.
//! [`Sender`] delivers them with threads of its own: `load` lets what is due into a `window` in memory, `attempt` does one job
//! of it, `scribe` writes down what hosts said; [`Outgoing`] says which way, `destinations` who is asked now, `mx` which hosts a domain has, `reach` and `wire` talk to
//! them, several messages over one connection. `schedule` says when to try again. A message that cannot be
//! delivered comes back to its sender as a [`Report`], which a callback words and delivers: the queue knows no mailboxes.
//!
//! Invariant: what [`Queue::enqueue`] answered `Ok` for is delivered, bounced, or removed by an operator; never lost.
//! Invariant: a message whose client hands it over again, because it had no answer, is queued once (`store::receipt`).
//! Invariant: a recipient whose delivery is committed is never tried again. A crash between the other server's reply and
//! the commit doubles the message for that recipient, which SMTP cannot prevent (RFC 5321 §6.1): of a connection two at most.
//! Invariant: what an account suddenly sends to far more strangers than ever is taken, and waits for an answer (`pace`).
//! Invariant: what waits for a time that its sender chose is tried by nobody before, and cancelled by nobody once it is being sent.
//! Invariant: no account takes the place, or the turn, of another one (`share`, `window`); a message that cannot be read
//! stalls nobody.
//! Invariant: a destination that cannot be reached is asked by one message at a time, and rarely, however many wait for it.
//! Invariant: a message from the null reverse path makes no bounce (RFC 5321 §4.5.5).

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod attempt;
mod damage;
mod destinations;
mod entry;
mod error;
mod hands;
mod https;
mod load;
mod machine;
mod mx;
mod outgoing;
mod pace;
mod passed;
mod queue;
mod reach;
mod receipts;
mod release;
mod report;
pub(crate) mod schedule;
mod scribe;
mod sender;
mod share;
#[cfg(feature = "simulation")]
pub mod simulation;
mod smarthost;
mod sts;
mod target;
mod tls_outcome;
mod trust;
mod turns;
mod window;
mod wire;

pub use damage::Damaged;
pub use entry::{
    Deadline, Enqueued, Entry, LastReply, Later, Matter, NewEntry, QueueId, Recipient, RecipientState, TlsWish,
    Warning, Way,
};
pub use error::Error;
pub use https::{Https, NotPosted};
pub use outgoing::{Closed, Direct, Outgoing, Rates, Via, Ways};
pub use pace::Waiting;
pub use passed::{About, Passed, PassedOn, PassedTo};
pub use queue::{Backlog, Bound, Census, Queue, Wish};
pub use release::{Released, Releaser, Unreleased};
pub use report::{Notice, Protection, Report, Said};
pub use schedule::Policy;
pub use sender::{Clock, ReportError, Reporter, Sender};
pub use share::Limits;
pub use smarthost::{Roots, Security, Smarthost, SmarthostError};
pub use sts::Sts;
pub use tls_outcome::{Promise, TlsFailure, TlsListener, TlsOutcome};
