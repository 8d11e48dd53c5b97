//! When a message has to be there (RFC 2852).

use serde::{Deserialize, Serialize};
use smtp_proto::DeliverBy;
use store::Timestamp;

/// By when a message is to be delivered, and what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// When.
    #[serde(with = "super::timestamp")]
    pub at: Timestamp,
    /// It comes back then; else its sender is told, and it is tried on.
    pub returns: bool,
    /// Its sender wants to know who has it next.
    pub trace: bool,
}

impl Deadline {
    pub(crate) fn of(by: DeliverBy, now: Timestamp) -> Self {
        let at = Timestamp(now.0.saturating_add(by.seconds.saturating_mul(1000)));
        Self { at, returns: by.returns, trace: by.trace }
    }

    /// What the next server is asked for.
    #[must_use]
    pub fn rest(self, now: Timestamp) -> DeliverBy {
        let seconds = self.at.0.saturating_sub(now.0).div_euclid(1000);
        DeliverBy { seconds, returns: self.returns, trace: self.trace }
    }
}
