//! The inbound pipeline: checks, a pure decision, effects.
//!
//! A message that SMTP, LMTP or submission took in goes through three steps: what is found out about it ([`Findings`]),
//! what follows from that ([`decide`], pure), and the commits: one for each account, because a transaction touches one
//! account. No protocol is spoken here, and nothing is sent anywhere.
//!
//! Invariant: [`RecipientOutcome::Delivered`] means "in the mailbox, on disk" for every account of that recipient.
//! Invariant: an account gets one copy of a transaction, however many of its recipients lead to it, and however often its
//! client hands it over until it has an answer (`store::receipt`).

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod decide;
mod envelope;
mod outcome;
mod pipeline;

pub use decide::{Decision, Findings, RECEIVED_MAX, decide};
pub use envelope::{Envelope, Recipient, RecipientDecision, Source};
pub use outcome::{Delivered, RecipientOutcome, ReportRefused};
pub use pipeline::MailFlow;
