//! What comes in for mailboxes here: who gets a copy, and the commits.

use crate::arrival::Arrival;
use crate::decide::{Decision, Findings, decide};
use crate::flow::MailFlow;
use crate::outcome::{Delivered, RecipientOutcome};
use crate::route::Recipient;
use message::content::Content;
use message::trace;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{AccountId, Actor, Claim, DeviceId, Handover, Received, Timestamp};
use tracing::{info, warn};

impl MailFlow {
    /// Delivers a message to every local recipient. What is delivered is durable. An account that has it, because it came
    /// before and its client had no answer, is left out.
    pub fn deliver(&self, mut arrival: Arrival, now: Timestamp) -> Delivered {
        let mut content = std::mem::take(&mut arrival.content);
        self.deliver_content(&arrival, &mut content, now)
    }

    /// The same with content of its own. It has no fields on top afterwards.
    pub(crate) fn deliver_content(&self, arrival: &Arrival, content: &mut Arc<Content>, now: Timestamp) -> Delivered {
        let recipients = &arrival.envelope.local;
        match decide(Findings::of(content)) {
            Decision::Loop => {
                warn!(id = arrival.id, from = arrival.from, "refused: the message runs in circles");
                return Delivered::all(RecipientOutcome::Loop, recipients);
            }
            Decision::Deliver => {}
        }
        let mut outcomes = BTreeMap::new();
        for copy in copies(recipients) {
            outcomes.insert(copy.0, self.receive(arrival, copy, content, now));
        }
        Arc::make_mut(content).set_fields(&[]);
        Delivered::new(recipients, outcomes)
    }

    /// How a message was handed over first to one of its local recipients, if it comes again.
    pub(crate) fn first_handover(&self, arrival: &Arrival, now: Timestamp) -> Result<Option<Handover>, store::Error> {
        for account in copies(&arrival.envelope.local).into_keys() {
            match self.auth.store().account(account).first_handover(&arrival.handover, now) {
                Ok(None) | Err(store::Error::NoSuchAccount) => {}
                found => return found,
            }
        }
        Ok(None)
    }

    /// One account's copy, with the trace fields on top (RFC 5321 §4.4).
    fn receive(
        &self,
        arrival: &Arrival,
        (account, recipient): (AccountId, &Recipient),
        content: &mut Arc<Content>,
        now: Timestamp,
    ) -> (RecipientOutcome, Option<Claim>) {
        // Recipients must not learn of each other (RFC 5321 §7.2).
        let only = Some(recipient.address.as_str()).filter(|_| arrival.envelope.local.len() == 1);
        let fields = [
            trace::return_path(&arrival.from),
            trace::delivered_to(&recipient.address),
            arrival.received(&self.hostname, only, now),
        ];
        // Nobody else has it now, so that it is not copied.
        Arc::make_mut(content).set_fields(&[&fields[0], &fields[1], &fields[2]]);
        let source = &arrival.envelope.source;
        // The device that submits it is the sender's, and means nothing in another account.
        let actor = Actor { device: DeviceId(0), protocol: source.protocol, now };
        match self.auth.store().account(account).receive(actor, content.clone(), arrival.handover) {
            Ok(Received { email, was_there, claim }) => {
                let (protocol, address) = (source.protocol.name(), source.client.to_canonical());
                let (id, from, to) = (&arrival.id, &arrival.from, recipient.address.as_str());
                let email = email.text();
                match was_there {
                    true => info!(protocol, %address, id, from, to, %account, email, "delivered before"),
                    false => info!(protocol, %address, id, from, to, %account, email, "delivered"),
                }
                (RecipientOutcome::Delivered, Some(claim))
            }
            Err(error) => {
                warn!(id = arrival.id, to = recipient.address, %account, %error, "not delivered");
                (RecipientOutcome::from(&error), None)
            }
        }
    }
}

/// Each account once, with the first recipient that leads to it.
fn copies(recipients: &[Recipient]) -> BTreeMap<AccountId, &Recipient> {
    let mut copies = BTreeMap::new();
    for recipient in recipients {
        for account in &recipient.accounts {
            copies.entry(*account).or_insert(recipient);
        }
    }
    copies
}

#[cfg(test)]
mod tests;
