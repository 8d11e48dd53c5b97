//! Whether a stranger may hand over a message to a recipient: what is known of him is looked up, then decided
//! (`decide/admission.rs`, `decide/greylist.rs`); and who has brought mail becomes known.
//!
//! What cannot be read slows nobody. Whoever tries with so much that there is no room to note it comes again until there is.

use crate::arrival::Arrival;
use crate::decide::{Admission, Greylist, admit, let_in, needs_acquaintance};
use crate::flow::MailFlow;
use crate::route::Recipient;
use reports::Stranger;
use sender_auth::{Introduction, SpfResult};
use store::Timestamp;
use tracing::warn;

/// Of the accounts that a recipient leads to, so many are asked whether they have written to the sender.
const ACCOUNTS_MAX: usize = 10;

impl MailFlow {
    /// Whether a host may hand over a message to a recipient, by what is known before the message is there. `from`: the reverse path,
    /// without angle brackets.
    #[must_use]
    pub fn admit(&self, known: &Introduction, (from, recipient): (&str, &Recipient), now: Timestamp) -> Admission {
        let admission = admit(known, recipient, &self.policy);
        if admission != Admission::Admit
            || recipient.is_for_everybody()
            || !needs_acquaintance(known, self.policy.greylist)
        {
            return admission;
        }
        self.greet(known, (from, recipient), now).unwrap_or_else(|error| {
            warn!(%error, "it cannot be read who is known; a stranger is let in");
            Admission::Admit
        })
    }

    fn greet(
        &self,
        known: &Introduction,
        (from, recipient): (&str, &Recipient),
        now: Timestamp,
    ) -> Result<Admission, store::Error> {
        let stranger = stranger(known);
        if self.strangers.knows(stranger, now)? || self.is_expected(known, from, recipient)? {
            return Ok(Admission::Admit);
        }
        let first = self.strangers.tried(stranger, now)?;
        Ok(let_in(known, first, now))
    }

    /// Whether somebody who gets the message has written to its sender: an answer is not to wait. Anybody can write the address of a
    /// friend; who may not is not believed.
    fn is_expected(&self, known: &Introduction, from: &str, recipient: &Recipient) -> Result<bool, store::Error> {
        let Some(queue) = self.queue.as_ref().filter(|_| known.mail_from.result != SpfResult::Fail) else {
            return Ok(false);
        };
        for account in recipient.accounts.iter().take(ACCOUNTS_MAX) {
            if !from.is_empty() && queue.has_written_to(*account, from)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A message was delivered, and not as junk: who brought it is known from now on.
    pub(crate) fn know(&self, arrival: &Arrival, now: Timestamp) {
        let Some(sender) = arrival.sender.as_ref().filter(|_| self.policy.greylist != Greylist::Off) else { return };
        if let Err(error) = self.strangers.brought(stranger(&sender.introduction), now) {
            warn!(%error, "it is not noted who brought mail");
        }
    }
}

fn stranger(known: &Introduction) -> Stranger<'_> {
    let spf = &known.mail_from;
    Stranger { address: known.address, domain: &spf.domain, is_proven: spf.result == SpfResult::Pass }
}
