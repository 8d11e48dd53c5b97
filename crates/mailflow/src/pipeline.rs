//! The effects: who gets a copy, and the commits.

use crate::decide::{Decision, Findings, decide};
use crate::envelope::{Envelope, Recipient, RecipientDecision};
use crate::outcome::{Delivered, RecipientOutcome, ReportRefused};
use auth::{Auth, Resolution};
use message::{content, trace};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{AccountId, Actor, Claim, DeviceId, Handover, Protocol, Received, Timestamp};
use tracing::{info, warn};

/// Delivers into local mailboxes. Cheap to clone; all calls block until what they did is durable.
#[derive(Clone)]
pub struct MailFlow {
    auth: Auth,
    hostname: Arc<str>,
}

impl MailFlow {
    /// `hostname`: this server's name in trace fields.
    #[must_use]
    pub fn new(auth: Auth, hostname: &str) -> Self {
        Self { auth, hostname: hostname.into() }
    }

    /// Whether mail for an address is taken. The local part is what it means (unquoted); the domain is empty for
    /// `<Postmaster>` (RFC 5321 §4.5.1). `address` is how the trace fields show it.
    ///
    /// # Errors
    /// Faults.
    pub fn check_recipient(
        &self,
        local_part: &str,
        domain: &str,
        address: &str,
    ) -> Result<RecipientDecision, store::Error> {
        Ok(match self.auth.directory().resolve(local_part, domain)? {
            Resolution::Local { accounts } => {
                let accounts: Vec<AccountId> = accounts.into_iter().map(|delivery| delivery.account).collect();
                if self.are_full(&accounts)? {
                    return Ok(RecipientDecision::Full);
                }
                RecipientDecision::Deliver(Recipient { address: address.to_owned(), accounts })
            }
            Resolution::NoSuchUser => RecipientDecision::NoSuchUser,
            Resolution::NotLocal => RecipientDecision::NotLocal,
        })
    }

    /// Whether none of the accounts has room for anything. One that has gets its copy; what the others miss comes again.
    fn are_full(&self, accounts: &[AccountId]) -> Result<bool, store::Error> {
        for account in accounts {
            match self.auth.store().account(*account).usage() {
                Ok(usage) if usage.is_full() => {}
                // One that goes just now is found out at the delivery.
                Ok(_) | Err(store::Error::NoSuchAccount) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(!accounts.is_empty())
    }

    /// Delivers a message to every recipient. What is delivered is durable. An account that has it, because it came before
    /// and its client had no answer, is left out.
    pub fn deliver(&self, envelope: &Envelope<'_>, content: &[u8], now: Timestamp) -> Delivered {
        match decide(Findings::of(content)) {
            Decision::Loop => {
                warn!(id = envelope.id, from = envelope.reverse_path, "refused: the message runs in circles");
                return Delivered::all(RecipientOutcome::Loop, envelope.recipients);
            }
            Decision::Deliver => {}
        }
        let append = |(account, recipient)| (account, self.append(envelope, (account, recipient), content, now));
        Delivered::new(envelope.recipients, copies(envelope.recipients).into_iter().map(append).collect())
    }

    /// How a message was handed over first to one of `envelope`'s recipients, if it comes again.
    ///
    /// # Errors
    /// Faults.
    pub fn first_handover(&self, envelope: &Envelope<'_>, now: Timestamp) -> Result<Option<Handover>, store::Error> {
        for account in copies(envelope.recipients).into_keys() {
            match self.auth.store().account(account).first_handover(&envelope.handover, now) {
                Ok(None) | Err(store::Error::NoSuchAccount) => {}
                found => return found,
            }
        }
        Ok(None)
    }

    /// Delivers a message that the server itself writes (a bounce, a letter), from the null reverse path. Gives the receipts
    /// to be answered once it does not come again.
    ///
    /// # Errors
    /// Whether and why it is to be tried again.
    pub fn deliver_report(
        &self,
        address: &str,
        content: &[u8],
        handover: Handover,
        now: Timestamp,
    ) -> Result<Vec<Claim>, ReportRefused> {
        let unknown = || ReportRefused::Never(format!("{address} has no mailbox here"));
        // RFC 5321 §4.5.1: `postmaster` needs no domain.
        let (local_part, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        let local_part = local_part.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(local_part);
        let decision = self.check_recipient(local_part, domain, address);
        let recipient = match decision.map_err(|error| ReportRefused::Later(error.to_string()))? {
            RecipientDecision::Deliver(recipient) => recipient,
            RecipientDecision::Full => return Err(ReportRefused::Later(format!("the mailbox of {address} is full"))),
            RecipientDecision::NoSuchUser | RecipientDecision::NotLocal => return Err(unknown()),
        };
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Server, now };
        let copy = Arc::new(content::with_fields(&[&trace::return_path(""), &trace::delivered_to(address)], content));
        let mut claims = Vec::new();
        for account in &recipient.accounts {
            match self.auth.store().account(*account).receive(actor, copy.clone(), handover) {
                Ok(received) => claims.push(received.claim),
                Err(store::Error::NoSuchAccount) => return Err(unknown()),
                Err(error @ store::Error::InvalidContent(_)) => return Err(ReportRefused::Never(error.to_string())),
                Err(error) => return Err(ReportRefused::Later(error.to_string())),
            }
        }
        Ok(claims)
    }

    /// One account's copy, with the trace fields on top (RFC 5321 §4.4).
    fn append(
        &self,
        envelope: &Envelope<'_>,
        (account, recipient): (AccountId, &Recipient),
        content: &[u8],
        now: Timestamp,
    ) -> (RecipientOutcome, Option<Claim>) {
        let source = envelope.source;
        // Recipients must not learn of each other (RFC 5321 §7.2).
        let only = Some(recipient.address.as_str()).filter(|_| envelope.recipients.len() == 1);
        let fields = [
            trace::return_path(envelope.reverse_path),
            trace::delivered_to(&recipient.address),
            source.received(&self.hostname, envelope.id, only, now),
        ];
        let body = content::with_fields(&[&fields[0], &fields[1], &fields[2]], content);
        // The device that submits it is the sender's, and means nothing in another account.
        let actor = Actor { device: DeviceId(0), protocol: source.protocol, now };
        match self.auth.store().account(account).receive(actor, Arc::new(body), envelope.handover) {
            Ok(Received { email, was_there, claim }) => {
                let (protocol, address) = (source.protocol.name(), source.client.to_canonical());
                let (id, from, to) = (envelope.id, envelope.reverse_path, recipient.address.as_str());
                let email = email.text();
                match was_there {
                    true => info!(protocol, %address, id, from, to, %account, email, "delivered before"),
                    false => info!(protocol, %address, id, from, to, %account, email, "delivered"),
                }
                (RecipientOutcome::Delivered, Some(claim))
            }
            Err(error) => {
                warn!(id = envelope.id, to = recipient.address, %account, %error, "not delivered");
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
