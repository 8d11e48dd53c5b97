//! Which way mail will take, for whoever has it or shows it.

use super::Queue;
use crate::entry::{Entry, Recipient};
use crate::error::Error;
use crate::outgoing::{Closed, Via, Ways};
use smtp_proto::{ForwardPath, ReversePath};
use std::sync::Arc;

impl Queue {
    /// The same queue, which knows which way mail takes.
    #[must_use]
    pub fn with_ways(self, ways: Ways) -> Self {
        Self { ways: Arc::new(ways), ..self }
    }

    /// Why mail from somebody to somebody does not leave, if so. It is better refused than returned.
    #[must_use]
    pub fn closed(&self, from: &ReversePath, to: &ForwardPath) -> Option<Closed> {
        self.ways.of(from, to).closed()
    }

    /// Which way a message takes to one of its recipients.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn way(&self, entry: &Entry, recipient: &Recipient) -> Result<Via, Error> {
        Ok(self.ways.of(&entry.reverse()?, &recipient.forward()?).via)
    }
}
