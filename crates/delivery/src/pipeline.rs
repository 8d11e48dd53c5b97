//! The effects: who gets a copy, and the commits.

use crate::decide::{Decision, Findings, decide};
use crate::envelope::{Envelope, Recipient, RecipientDecision};
use crate::outcome::{RecipientOutcome, ReportRefused};
use crate::unfinished::Unfinished;
use auth::{Auth, Resolution};
use message::trace;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{AccountId, Actor, DeviceId, Flags, NewMessage, Protocol, Target, Timestamp};
use tracing::{info, warn};

/// Delivers into local mailboxes. Cheap to clone; all calls block until what they did is durable.
#[derive(Clone)]
pub struct Delivery {
    auth: Auth,
    hostname: Arc<str>,
    unfinished: Arc<Unfinished>,
}

impl Delivery {
    /// `hostname`: this server's name in trace fields.
    #[must_use]
    pub fn new(auth: Auth, hostname: &str) -> Self {
        Self { auth, hostname: hostname.into(), unfinished: Arc::default() }
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

    /// Delivers a message to every recipient; outcomes in their order. What is delivered is durable.
    ///
    /// Over LMTP each outcome is a reply of its own. Elsewhere there is one reply for all: if it is a refusal the message
    /// comes again, and who has it is then left out (see [`Delivery::refused_as_a_whole`]).
    #[must_use]
    pub fn deliver(&self, envelope: &Envelope<'_>, content: &[u8], now: Timestamp) -> Vec<RecipientOutcome> {
        match decide(Findings::of(content)) {
            Decision::Loop => {
                warn!(id = envelope.id, from = envelope.reverse_path, "refused: the message runs in circles");
                return vec![RecipientOutcome::Loop; envelope.recipients.len()];
            }
            Decision::Deliver => {}
        }
        let has_it = self.unfinished.who_has(envelope.reverse_path, content, now);
        let by_account: BTreeMap<AccountId, RecipientOutcome> = copies(envelope.recipients)
            .into_iter()
            .map(|(account, recipient)| match has_it.contains(&account) {
                true => (account, RecipientOutcome::Delivered),
                false => (account, self.append(envelope, (account, recipient), content, now)),
            })
            .collect();
        let outcome = |recipient: &Recipient| {
            let outcomes = recipient.accounts.iter().filter_map(|account| by_account.get(account));
            outcomes.max().copied().unwrap_or(RecipientOutcome::Unavailable)
        };
        let outcomes: Vec<_> = envelope.recipients.iter().map(outcome).collect();
        if outcomes.iter().any(|outcome| *outcome != RecipientOutcome::Delivered) || !has_it.is_empty() {
            self.note(envelope, content, &by_account, &outcomes, now);
        }
        outcomes
    }

    /// The message, delivered to all of `envelope`'s recipients, is refused nevertheless, because something else failed:
    /// it comes again, and these recipients are then left out.
    pub fn refused_as_a_whole(&self, envelope: &Envelope<'_>, content: &[u8], now: Timestamp) {
        let accounts = envelope.recipients.iter().flat_map(|recipient| recipient.accounts.iter().copied());
        self.unfinished.remember(self.unfinished.mark(envelope.reverse_path, content), accounts.collect(), now);
    }

    /// Delivers a message that the server itself writes (a bounce), from the null reverse path.
    ///
    /// # Errors
    /// Whether and why it is to be tried again.
    pub fn deliver_report(&self, address: &str, content: &[u8], now: Timestamp) -> Result<(), ReportRefused> {
        let unknown = || ReportRefused::Never(format!("{address} has no mailbox here"));
        let (local_part, domain) = address.rsplit_once('@').ok_or_else(unknown)?;
        let local_part = local_part.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(local_part);
        let decision = self.check_recipient(local_part, domain, address);
        let recipient = match decision.map_err(|error| ReportRefused::Later(error.to_string()))? {
            RecipientDecision::Deliver(recipient) => recipient,
            RecipientDecision::Full => return Err(ReportRefused::Later(format!("the mailbox of {address} is full"))),
            RecipientDecision::NoSuchUser | RecipientDecision::NotLocal => return Err(unknown()),
        };
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Server, now };
        let copy = [trace::return_path(""), trace::delivered_to(address), content.to_vec()].concat();
        for account in &recipient.accounts {
            let message = NewMessage { body: copy.clone(), flags: Flags::default(), internal_date: now };
            match self.auth.store().account(*account).append(actor, Target::Inbox, message) {
                Ok(_) => {}
                Err(store::Error::NoSuchAccount) => return Err(unknown()),
                Err(error) => return Err(ReportRefused::Later(error.to_string())),
            }
        }
        Ok(())
    }

    /// One account's copy, with the trace fields on top (RFC 5321 §4.4).
    fn append(
        &self,
        envelope: &Envelope<'_>,
        (account, recipient): (AccountId, &Recipient),
        content: &[u8],
        now: Timestamp,
    ) -> RecipientOutcome {
        let source = envelope.source;
        // Recipients must not learn of each other (RFC 5321 §7.2).
        let only = Some(recipient.address.as_str()).filter(|_| envelope.recipients.len() == 1);
        let head = [
            trace::return_path(envelope.reverse_path),
            trace::delivered_to(&recipient.address),
            source.received(&self.hostname, envelope.id, only, now),
        ]
        .concat();
        let message = NewMessage { body: [&head, content].concat(), flags: Flags::default(), internal_date: now };
        // The device that submits it is the sender's, and means nothing in another account.
        let actor = Actor { device: DeviceId(0), protocol: source.protocol, now };
        match self.auth.store().account(account).append(actor, Target::Inbox, message) {
            Ok(appended) => {
                let (id, from, to) = (envelope.id, envelope.reverse_path, &recipient.address);
                info!(id, from, %to, %account, email = appended.email.text(), "delivered");
                RecipientOutcome::Delivered
            }
            Err(error) => {
                warn!(id = envelope.id, to = recipient.address, %account, %error, "not delivered");
                RecipientOutcome::from(&error)
            }
        }
    }

    /// Remembers who has a message that will come again.
    fn note(
        &self,
        envelope: &Envelope<'_>,
        content: &[u8],
        by_account: &BTreeMap<AccountId, RecipientOutcome>,
        outcomes: &[RecipientOutcome],
        now: Timestamp,
    ) {
        let mark = self.unfinished.mark(envelope.reverse_path, content);
        // RFC 2033 §4.2: over LMTP a recipient that has its 250 does not come again.
        let each_has_a_reply = envelope.source.protocol == Protocol::Lmtp;
        let comes_again = |(_, outcome): &(&Recipient, &RecipientOutcome)| {
            **outcome != RecipientOutcome::Delivered || !each_has_a_reply
        };
        let all_delivered = outcomes.iter().all(|outcome| *outcome == RecipientOutcome::Delivered);
        let is_delivered = |account: &AccountId| by_account.get(account) == Some(&RecipientOutcome::Delivered);
        let accounts: BTreeSet<AccountId> = envelope
            .recipients
            .iter()
            .zip(outcomes)
            .filter(comes_again)
            .flat_map(|(recipient, _)| recipient.accounts.iter().copied())
            .filter(is_delivered)
            .collect();
        if all_delivered || accounts.is_empty() {
            self.unfinished.forget(mark);
        } else {
            self.unfinished.remember(mark, accounts, now);
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
