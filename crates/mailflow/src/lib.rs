//! Mail flow: where mail goes, how it gets there, and what became of it. The one place for it between whoever has a message
//! (a protocol, a page, the queue with a bounce) and the store.
//!
//! - [`MailFlow::route`] says of an address whether its mail stays here, goes out, or is refused.
//! - [`MailFlow::deliver`] takes in what others send, in three steps: what is found out about it ([`Findings`]), what follows
//!   from that ([`decide`], pure), and the commits: one for each account, because a transaction touches one account.
//! - [`MailFlow::submit`] takes what an account sends: local copies, its own copy in Sent, and last the queue.
//! - [`MailFlow::release`] submits what has waited in the queue for a time that its sender chose (`later`).
//! - [`MailFlow::deliver_report`] and [`MailFlow::send_letter`] carry what the server itself writes.
//! - What came for an address here and goes elsewhere (an alias, a forward, a bounce on its way back) is passed on (`onward`) with
//!   an envelope of ours (`srs`) and a seal.
//! - What is written to a list goes to its members (`lists`), under the name of the list.
//! - Whatever leaves goes through one door (`outgoing`), where it is signed and queued.
//!
//! No protocol is spoken here: what became of a message is a value, which the protocol puts into its words.
//!
//! Invariant: [`RecipientOutcome::Delivered`] means "in the mailbox, on disk" for every account of that recipient.
//! Invariant: an account gets one copy of a transaction, however many of its recipients lead to it, and however often its
//! client hands it over until it has an answer (`store::receipt`).
//! Invariant: what is not passed on, for whatever reason, is kept here or refused: it is in a mailbox, or in the queue, or its
//! sender is told.
//! Invariant: nothing leaves towards outside addresses unless all of the transaction is accepted: local copies are committed
//! first, the queue last. If something fails in between, it is to be tried again, and who has the message already is left out
//! then.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod admission;
mod arrival;
mod counting;
mod decide;
mod figures;
mod flow;
mod inbound;
mod junk;
mod later;
mod letters;
mod lists;
mod onward;
mod outcome;
mod outgoing;
mod pace;
mod route;
mod srs;
mod submission;
mod test_mail;
#[cfg(test)]
mod testing;

pub use arrival::{Appointment, Arrival, Envelope, Source};
pub use decide::{
    Admission, Consequence, Decision, Doubts, Enforcement, Findings, Greylist, Policy, Reason, SpfFail, decide,
};
pub use flow::{MailFlow, Teacher};
pub use junk::Turn;
pub use later::{HOLD_SECONDS_MAX, NotHeld};
pub use outcome::{Delivered, ListRefusal, Missed, RecipientOutcome};
pub use route::{Reach, Recipient, Route, Unroutable, is_for_everybody};
pub use submission::{Accepted, Refusal};
