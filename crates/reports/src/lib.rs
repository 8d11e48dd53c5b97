//! What the server writes down of mail beside the mail itself, for those who ask later: what was refused, to whom and why; what
//! owners of other domains are told of mail in their names and of TLS with their hosts; what others tell us; who has
//! brought mail; and how tests of mail went. And what administrators did.
//!
//! Not here: what became of mail that was taken (the journal of an account), and the log. Nothing here sends or asks the DNS.
//!
//! Invariant: a stranger makes nothing here longer than a named limit, and costs no flush of the disk of its own: what is noted
//! waits in memory, and is written in rounds.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod acts;
mod arf;
#[cfg(any(test, feature = "testing"))]
pub mod check;
mod counted;
mod day;
mod dmarc;
mod letter;
mod looks;
mod own_complaints;
mod packed;
mod received;
mod recognised;
mod refused;
pub mod rua;
mod strangers;
mod test_mail;
mod tls;
mod wish;

pub use acts::{ACTS_MAX, Act, Acts, Kept};
pub use arf::Complaint;
pub use counted::{Counts, Due, Matter, Reporter};
pub use dmarc::{Row, Signature, SpfSeen};
pub use letter::{Document, Letter};
pub use looks::{Look, Looking, Looks};
pub use own_complaints::{OwnComplaint, OwnComplaints};
pub use received::{By, MailSeen, Received, Rejection, Source, TlsSeen, TlsTrouble};
pub use recognised::is_report;
pub use refused::{About, Listed, Refusal, Refusals, Wanted, Whose};
pub use strangers::{Stranger, Strangers};
pub use test_mail::{Action, Arrived, Came, HostSaid, NoTest, Seen, THE_SMARTHOST, TestMail, TestMails, Verdict, What};
pub use wish::Wish;

pub(crate) use day::Day;

/// Why a report was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRead {
    /// It is none, or broken.
    Malformed,
    /// Unpacked it is too large.
    TooLarge,
}
