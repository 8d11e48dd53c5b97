//! What an account sends: is it the sender's own, does it lack something, then local copies, then the sender's own copy, then
//! the queue: what goes out cannot be called back.

mod form;

use crate::arrival::{Arrival, name};
use crate::decide::{Decision, Findings, decide};
use crate::flow::MailFlow;
use crate::outcome::RecipientOutcome;
use crate::outgoing::Top;
use auth::{Login, Presence};
use form::{From, Given};
use message::content::Content;
use metrics::{STAGES, Stopwatch};
use queue::{Enqueued, NewEntry};
use std::sync::Arc;
use store::{Actor, Claim, Handover, Protocol, SentCopy, Timestamp};
use tracing::{info, trace, warn};

/// A submission that was taken. Dropped without an answer it is taken to come again.
#[derive(Debug)]
#[must_use = "without an answer the message is taken to come again"]
pub struct Accepted {
    /// The receipts to be answered.
    pub claims: Vec<Claim>,
    /// Why the sender's own copy could not be saved to Sent, and never will be.
    pub not_kept: Option<store::Error>,
    /// What goes elsewhere waits until the owner of the account says that it is theirs.
    pub waits: bool,
    /// It waits for this time, which its sender chose.
    pub held_until: Option<Timestamp>,
}

/// Why a submission was not taken. It may be handed over again: whoever has it already, Sent included, is left out then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its From field has no address.
    NoAuthor,
    /// Its From field has this address, which is not the sender's (RFC 6409 §6.1).
    NotOwn(String),
    /// A line of it cannot go to other servers: its number, from 1, and its octets (RFC 5321 §4.5.3.1.6).
    LineTooLong {
        /// From 1.
        number: usize,
        /// Without its CRLF.
        octets: usize,
    },
    /// The queue does not take it.
    NotQueued(queue::Error),
    /// What became of it for a recipient here, for the sender's own copy, or for all.
    Outcome(RecipientOutcome),
    /// Whoever is logged in may not be any more.
    LoginEnded,
}

impl MailFlow {
    /// Takes a message that an account sends: durable in the mailboxes of its local recipients and in the queue for all others
    /// when this returns `Ok`. What is for a time to come is durable in the queue alone, until then.
    ///
    /// # Errors
    /// Why it is not taken, all of it.
    pub fn submit(&self, presence: &Presence, mut arrival: Arrival, now: Timestamp) -> Result<Accepted, Refusal> {
        let content = std::mem::take(&mut arrival.content);
        self.check(presence.login(), &arrival, &content)?;
        if let Some(appointment) = arrival.envelope.appointment.filter(|appointment| appointment.at > now) {
            return self.schedule(presence, arrival, (content, appointment), now);
        }
        self.submit_now(presence, (arrival, content), false, now).map(|(accepted, _)| accepted)
    }

    /// Submits a message of which nobody waits for the answer: it goes to each recipient who can have it. Gives what became of it
    /// for those here, in their order.
    ///
    /// # Errors
    /// Why nobody gets it.
    pub(crate) fn submit_to_each(
        &self,
        presence: &Presence,
        mut arrival: Arrival,
        now: Timestamp,
    ) -> Result<(Accepted, Vec<RecipientOutcome>), Refusal> {
        let content = std::mem::take(&mut arrival.content);
        self.check(presence.login(), &arrival, &content)?;
        self.submit_now(presence, (arrival, content), true, now)
    }

    /// Delivers to those here, saves the sender's copy, and queues for all others; `each`: also where some of those here cannot have it.
    fn submit_now(
        &self,
        presence: &Presence,
        (mut arrival, content): (Arrival, Arc<Content>),
        each: bool,
        now: Timestamp,
    ) -> Result<(Accepted, Vec<RecipientOutcome>), Refusal> {
        arrival.handover = self.first_submission(presence, &arrival, now).map_err(|_| fault())?;
        let mut completed = self.complete(presence.login(), &arrival, content);
        let mut outgoing = form::without_bcc(&completed.content).map(|content| Arc::new(Content::new(content)));
        let delivered = self.deliver_content(&arrival, outgoing.as_mut().unwrap_or(&mut completed.content), now);
        let outcomes = delivered.outcomes.clone();
        let stops =
            |outcome: &&RecipientOutcome| **outcome != RecipientOutcome::Delivered && !(each && outcome.is_of_one());
        if let Some(worst) = outcomes.iter().filter(stops).max() {
            return Err(Refusal::Outcome(*worst));
        }
        let mut accepted = Accepted { claims: delivered.accepted(), not_kept: None, waits: false, held_until: None };
        // What nobody gets is not in Sent.
        if arrival.envelope.outside.is_empty()
            && !outcomes.is_empty()
            && !outcomes.contains(&RecipientOutcome::Delivered)
        {
            return Ok((accepted, outcomes));
        }
        keep(presence, &arrival, &completed, now, &mut accepted)?;
        if !arrival.envelope.outside.is_empty() {
            let outgoing = outgoing.unwrap_or(completed.content);
            let queued = self.enqueue(presence.login(), &arrival, outgoing, now)?;
            accepted.waits = queued.waits;
            accepted.claims.extend(queued.claim);
            if queued.waits {
                self.tell_that_it_waits(presence, now);
            }
        }
        Ok((accepted, outcomes))
    }

    /// Whether it may be sent at all.
    fn check(&self, login: &Login, arrival: &Arrival, content: &[u8]) -> Result<(), Refusal> {
        self.check_from(login, content)?;
        if decide(Findings::of(content, None), &self.policy) == Decision::Loop {
            return Err(Refusal::Outcome(RecipientOutcome::Loop));
        }
        if let Some((number, octets)) = too_long(arrival, content) {
            return Err(Refusal::LineTooLong { number, octets });
        }
        // What will not be queued is not saved to Sent either.
        let (outside, now) = (arrival.envelope.outside.len(), arrival.handover.at);
        let goes_now = arrival.envelope.appointment.is_none_or(|appointment| appointment.at <= now);
        match &self.queue {
            Some(queue) if outside > 0 && goes_now => {
                queue.check(login.account, outside, content.len(), now).map_err(|error| {
                    warn!(id = arrival.id, account = %login.account, %error, "not queued");
                    Refusal::NotQueued(error)
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// RFC 6409 §6.1: a sender may use own addresses only.
    fn check_from(&self, login: &Login, content: &[u8]) -> Result<(), Refusal> {
        let addresses = match form::from(content) {
            From::Missing => return Ok(()),
            From::Addresses(addresses) if addresses.is_empty() => return Err(Refusal::NoAuthor),
            From::Addresses(addresses) => addresses,
        };
        for address in addresses {
            match self.auth.directory().may_send_as(login.account, &address) {
                Ok(true) => {}
                Ok(false) => return Err(Refusal::NotOwn(address)),
                Err(_) => return Err(fault()),
            }
        }
        Ok(())
    }

    /// How the message was handed over first: what it lacked then it is given again, to the last octet.
    fn first_submission(
        &self,
        presence: &Presence,
        arrival: &Arrival,
        now: Timestamp,
    ) -> Result<Handover, store::Error> {
        let handover = arrival.handover;
        if let Some(first) = self.first_handover(arrival, now)? {
            return Ok(first);
        }
        match presence.account().first_handover(&handover, now) {
            Ok(first) => Ok(first.unwrap_or(handover)),
            Err(store::Error::NoSuchAccount) => Ok(handover),
            Err(error) => Err(error),
        }
    }

    fn complete(&self, login: &Login, arrival: &Arrival, mut content: Arc<Content>) -> Completed {
        let sender = if arrival.from.is_empty() { &login.name } else { &arrival.from };
        // When it comes again, it is given the same.
        let first = arrival.handover;
        let given = Given { sender, hostname: &self.hostname, id: &name(&first), now: first.at };
        let fields = form::missing_fields(&content, given);
        if !fields.is_empty() {
            Arc::make_mut(&mut content).add_fields(&fields);
        }
        Completed { content, added_bytes: fields.len() }
    }

    fn enqueue(
        &self,
        login: &Login,
        arrival: &Arrival,
        content: Arc<Content>,
        now: Timestamp,
    ) -> Result<Enqueued, Refusal> {
        let envelope = &arrival.envelope;
        let is_alone = envelope.local.is_empty() && envelope.outside.len() == 1;
        let only = envelope.outside.first().filter(|_| is_alone).map(|rcpt| rcpt.forward_path.to_string());
        let only = only.as_deref().map(|path| path.trim_start_matches('<').trim_end_matches('>'));
        // The header decides, not the client's word: a smarthost without SMTPUTF8 can take a message that does not need it.
        let header = content.get(..message::header::end(&content)).unwrap_or_default();
        let smtputf8 = envelope.smtputf8 && !header.is_ascii();
        let trace = arrival.received(&self.hostname, only, now);
        let entry = |content| NewEntry {
            name: Some(arrival.id.clone()),
            smtputf8,
            reports: envelope.reports.clone(),
            deliver_by: envelope.deliver_by,
            hold: envelope.appointment.map(|appointment| (appointment.hold, appointment.came_at)),
            tls: envelope.tls(),
            account: Some(login.account),
            handover: Some(arrival.handover),
            is_submitted: true,
            device: Some(login.device),
            ..NewEntry::new(envelope.reverse_path.clone(), envelope.outside.clone(), content)
        };
        let stopwatch = Stopwatch::start();
        match self.send_out(content, Top::signed(trace), entry, now) {
            // An address is routed outside only with a queue.
            Ok(None) => Err(fault()),
            Ok(Some(queued)) => {
                let (number, waits) = (queued.id, queued.waits.then_some(true));
                let (id, from, account) = (&arrival.id, &arrival.from, login.account);
                trace!(target: STAGES, id, took = stopwatch.micros(), queue = %number, %account, waits, "queued");
                info!(id, queue = %number, from, %account, waits, "queued");
                Ok(queued)
            }
            Err(error) => {
                warn!(id = arrival.id, %error, "not queued");
                Err(Refusal::NotQueued(error))
            }
        }
    }
}

/// Ours, and already logged.
fn fault() -> Refusal {
    Refusal::Outcome(RecipientOutcome::Fault)
}

/// A message with all that it must have.
struct Completed {
    content: Arc<Content>,
    /// So many octets at its beginning are what it lacked.
    added_bytes: usize,
}

/// The sender's own account: the copy in Sent, and flags on what the message answers or forwards. What can never be kept
/// is sent nevertheless.
fn keep(
    presence: &Presence,
    arrival: &Arrival,
    completed: &Completed,
    now: Timestamp,
    accepted: &mut Accepted,
) -> Result<(), Refusal> {
    let (login, id) = (presence.login(), &arrival.id);
    let actor = Actor { device: login.device, protocol: Protocol::Submission, now };
    let (body, added_bytes) = (completed.content.clone(), completed.added_bytes);
    let message = store::Submission { body, added_bytes, handover: Some(arrival.handover) };
    let stopwatch = Stopwatch::start();
    match presence.account().submit(actor, message) {
        Ok(submitted) => {
            accepted.claims.extend(submitted.claim);
            match submitted.copy {
                SentCopy::Saved(appended) => {
                    let (account, email) = (login.account, appended.email.text());
                    trace!(target: STAGES, id, took = stopwatch.micros(), %account, email, "saved to Sent");
                    info!(id, %account, email, "saved to Sent");
                }
                SentCopy::WasThere | SentCopy::Off => {}
                SentCopy::Refused(error) => {
                    warn!(id, account = %login.account, %error, "not saved to Sent");
                    accepted.not_kept = Some(error);
                }
            }
            Ok(())
        }
        Err(store::Error::LoginEnded | store::Error::NoSuchAccount) => Err(Refusal::LoginEnded),
        Err(error) => {
            warn!(id, account = %login.account, %error, "not saved to Sent, so not sent");
            Err(Refusal::Outcome(RecipientOutcome::from(&error)))
        }
    }
}

/// A line that cannot go to the smarthost. What stays here may have it.
fn too_long(arrival: &Arrival, content: &[u8]) -> Option<(usize, usize)> {
    if arrival.envelope.outside.is_empty() {
        return None;
    }
    // What is taken out of the outgoing message is no reason; the line is told as the sender counts it.
    let found = match form::without_bcc(content) {
        None => form::long_line(content),
        Some(outgoing) => form::long_line(&outgoing),
    };
    found.map(|found| form::long_line(content).unwrap_or(found))
}

#[cfg(test)]
mod tests;
