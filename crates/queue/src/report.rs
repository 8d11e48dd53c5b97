//! What the queue has to tell people: facts. Who words the letter, and delivers it, is a callback; the queue knows no mailboxes.

use crate::entry::{Entry, Matter, QueueId, RecipientState};
use serde::{Deserialize, Serialize};
use store::{Handover, Timestamp};

/// Something that somebody is to be told.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// What became of a message: to its sender.
    Report(Report<'a>),
    /// A message cannot be read and was set aside: to the administrators.
    Damaged {
        /// Which.
        id: QueueId,
        /// What is wrong with it.
        why: &'a str,
        /// What the letter is known by if it is delivered again.
        handover: Handover,
    },
    /// What a host said of a message whose envelope its sender has named (RFC 3461 §4.4), before that is written down in the queue.
    Said(Said<'a>),
}

/// What a host said of a message for one of its recipients.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The message, as it was before.
    pub entry: &'a Entry,
    /// Whom it is for.
    pub recipient: &'a str,
    /// What became of that.
    pub state: &'a RecipientState,
    /// How the session was protected.
    pub protection: Protection,
}

/// How a session with another server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// Not at all, or it did not come that far.
    #[default]
    None,
    /// By TLS with whoever it is: against those who only listen.
    Unproven,
    /// By TLS; the host's certificate is the one that its owner publishes (DANE, RFC 7672).
    Published,
    /// By TLS; an authority vouches for the host's certificate, and the policy of its domain (MTA-STS, RFC 8461) names the host.
    Policy,
    /// By TLS; an authority vouches for the host's certificate.
    Authority,
}

/// What became of a message for some of its recipients: those of [`Entry::to_report`].
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What they have in common.
    pub matter: Matter,
    /// The message's entry. Its reverse path is not empty (RFC 5321 §4.5.5).
    pub entry: &'a Entry,
    /// The message; of one above 512 KiB its beginning, which has that much at least.
    pub original: &'a [u8],
    /// Who spoke where a reply does not say it.
    pub other_server: &'a str,
    /// When the message is given up.
    pub expires_at: Timestamp,
    /// What the letter is known by if it is delivered again, because it could not be written down that it was.
    pub handover: Handover,
}

impl<'a> Notice<'a> {
    pub(crate) fn of_damage(id: QueueId, why: &'a str, now: Timestamp) -> Self {
        Self::Damaged { id, why, handover: Handover::new(&[b"damage", &id.0.to_be_bytes()], now, 0) }
    }
}

/// What the report on `matter` is known by: each has a number of its own.
pub(crate) fn handover(entry: &Entry, matter: Matter, now: Timestamp) -> Handover {
    let number = entry.report_number(matter);
    let parts = [b"bounce", &entry.id.0.to_be_bytes()[..], matter.name().as_bytes(), &number.to_be_bytes()];
    Handover::new(&parts, now, number)
}
