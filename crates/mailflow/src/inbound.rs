//! What comes in for mailboxes here: who gets a copy, and the commits.

use crate::arrival::Arrival;
use crate::counting::who_reports;
use crate::decide::{Decision, Findings, decide};
use crate::flow::MailFlow;
use crate::junk::Letter;
use crate::outcome::{Delivered, End, Got, RecipientOutcome};
use crate::route::Recipient;
use message::content::Content;
use message::trace;
use metrics::{STAGES, Stopwatch};
use sender_auth::{DkimResult, results};
use session::STRANGERS;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{AccountId, Actor, DeviceId, Handover, Place, Received, Timestamp};
use tracing::{info, trace, warn};

impl MailFlow {
    /// Delivers a message to every local recipient. What is delivered is durable. An account that has it, because it came
    /// before and its client had no answer, is left out.
    pub fn deliver(&self, mut arrival: Arrival, now: Timestamp) -> Delivered {
        let mut content = std::mem::take(&mut arrival.content);
        self.deliver_content(&arrival, &mut content, now).telling(&arrival.envelope.local, &content)
    }

    /// The same with content of its own. It has no fields on top afterwards.
    pub(crate) fn deliver_content(&self, arrival: &Arrival, content: &mut Arc<Content>, now: Timestamp) -> Delivered {
        let recipients = &arrival.envelope.local;
        let findings = Findings {
            is_to_postmaster: recipients.iter().all(Recipient::is_for_everybody),
            by_relay: arrival.envelope.source.by_relay,
            filters: arrival.opinion.as_ref(),
            ..Findings::of(content, arrival.sender.as_ref())
        };
        let decision = decide(findings, &self.policy);
        arrival.log_sender(&decision);
        self.count(arrival, content, &decision, now);
        let (place, junk) = match decision {
            Decision::Loop => {
                warn!(target: STRANGERS, id = arrival.id, from = arrival.from, "refused: the message runs in circles");
                return Delivered::all(RecipientOutcome::Loop, recipients);
            }
            Decision::Refuse(reason) => {
                return Delivered::all(RecipientOutcome::SenderRefused, recipients).because(reason);
            }
            Decision::RefuseHost(reason) => {
                return Delivered::all(RecipientOutcome::HostRefused, recipients).because(reason);
            }
            Decision::Later(reason) => {
                return Delivered::all(RecipientOutcome::SenderUnknown, recipients).because(reason);
            }
            Decision::RefuseContent(reason) => {
                return Delivered::all(RecipientOutcome::ContentRefused, recipients).because(reason);
            }
            Decision::PutOff(reason) => {
                return Delivered::all(RecipientOutcome::PutOff, recipients).because(reason);
            }
            Decision::Deliver => (Place::Inbox, None),
            Decision::Junk(reason) => (Place::Junk, Some(reason)),
        };
        let reason = junk.as_ref().map(|reason| format!("into Junk: {reason}"));
        let results = |sender| results::field(&self.hostname, sender, reason.as_deref());
        let put = Put { place, results: arrival.sender.as_ref().map(results).unwrap_or_default(), now };
        let mut outcomes = BTreeMap::new();
        let letter = Letter::default();
        for copy in copies(recipients) {
            outcomes.insert(End::Account(copy.0), self.receive(arrival, &letter, copy, content, &put));
        }
        for recipient in recipients {
            let Some(onward) = &recipient.onward else { continue };
            let end = End::Onward(onward.addresses());
            let pass_on = || self.pass_on_to(arrival, (recipient, onward), content, (place, now));
            outcomes.entry(end).or_insert_with(pass_on);
        }
        Arc::make_mut(content).set_fields(&[]);
        for recipient in recipients {
            let Some(list) = &recipient.list else { continue };
            let end = End::List(recipient.address.clone());
            outcomes.entry(end).or_insert_with(|| self.to_list(arrival, list, content, &put));
        }
        let mut delivered = Delivered::new(recipients, outcomes);
        if delivered.outcomes.contains(&RecipientOutcome::Delivered) {
            if place == Place::Inbox {
                self.know(arrival, now);
            }
            self.read_answers(arrival, content, &put);
        }
        if place == Place::Inbox {
            let told = self.tell_of_success(arrival, &delivered, now, content);
            delivered.claim(told);
        }
        match junk {
            Some(reason) if delivered.worst() == RecipientOutcome::SenderRefused => delivered.because(reason),
            Some(_) | None => delivered,
        }
    }

    /// What was delivered may be a report, or answer a test.
    fn read_answers(&self, arrival: &Arrival, content: &[u8], put: &Put) {
        self.received.take(content, || who_reports(arrival, content), put.now);
        self.note_test(arrival, content, put);
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
    pub(crate) fn receive(
        &self,
        arrival: &Arrival,
        letter: &Letter,
        (account, recipient): (AccountId, &Recipient),
        content: &mut Arc<Content>,
        put: &Put,
    ) -> Got {
        let stopwatch = Stopwatch::start();
        // Recipients must not learn of each other (RFC 5321 §7.2).
        let only = Some(recipient.address.as_str()).filter(|_| arrival.envelope.local.len() == 1);
        let fields = [
            trace::return_path(&arrival.from),
            trace::delivered_to(&recipient.address),
            arrival.received(&self.hostname, only, put.now),
        ];
        let account = self.auth.store().account(account);
        // Nobody else has it now, so that it is not copied.
        let alone = Arc::make_mut(content);
        alone.set_fields(&[]);
        let judged = self.judge(arrival, alone, letter, &account);
        let junk = judged.as_ref().map_or(&b""[..], |judged| &judged.field);
        let judged_place = if judged.as_ref().is_some_and(|judged| judged.is_junk) { Place::Junk } else { put.place };
        let forward = self.forward_of(arrival, recipient, &account, (alone, judged_place), put.now);
        if let Some(forward) = forward.as_ref().filter(|forward| !forward.keeps_copy)
            && let Some(claims) = self.forward_instead(arrival, recipient, (&account, forward), content, put.now)
        {
            return (RecipientOutcome::Delivered, claims);
        }
        let place = match judged_place {
            Place::Junk if !self.files_junk(account.id()) => Place::Inbox,
            place => place,
        };
        // RFC 8601 §4: above the trace field of the same server.
        Arc::make_mut(content).set_fields(&[&fields[0], &fields[1], &put.results, junk, &fields[2]]);
        let source = &arrival.envelope.source;
        // The device that submits it is the sender's, and means nothing in another account.
        let actor = Actor { device: DeviceId(0), protocol: source.protocol, now: put.now };
        match account.receive(actor, content.clone(), arrival.handover, place) {
            Ok(Received { email, was_there, claim }) => {
                if !was_there {
                    self.figures.deliveries.inc([if place == Place::Junk { "junk" } else { "inbox" }]);
                }
                let (protocol, address) = (source.protocol.name(), source.client.to_canonical());
                let (id, from, to) = (&arrival.id, &arrival.from, recipient.address.as_str());
                let (name, account, junk) = (email.text(), account.id(), judged.map(|judged| judged.score));
                trace!(target: STAGES, id, took = stopwatch.micros(), to, %account, email = name, junk, was_there, "delivered");
                match was_there {
                    true => info!(protocol, %address, id, from, to, %account, email = name, junk, "delivered before"),
                    false => info!(protocol, %address, id, from, to, %account, email = name, junk, "delivered"),
                }
                let mut got = (RecipientOutcome::Delivered, vec![claim]);
                if let Some(forward) = forward {
                    self.forward_too(arrival, recipient, (account, email, &forward), content, (&mut got, put.now));
                }
                got
            }
            Err(error) => {
                let (id, to, account) = (&arrival.id, &recipient.address, account.id());
                trace!(target: STAGES, id, took = stopwatch.micros(), to, %account, %error, "delivered");
                warn!(id, to, %account, %error, "not delivered");
                (RecipientOutcome::from(&error), Vec::new())
            }
        }
    }
}

/// What all copies of a message have in common.
pub(crate) struct Put {
    pub(crate) place: Place,
    /// The field that says what was found out about the sender; empty if nobody looked.
    pub(crate) results: Vec<u8>,
    pub(crate) now: Timestamp,
}

impl Arrival {
    /// One line on who a message comes from, and what follows from it.
    fn log_sender(&self, decision: &Decision) {
        let Some(sender) = &self.sender else { return };
        let (id, spf, dmarc, from) =
            (&self.id, sender.introduction.mail_from.result.name(), sender.dmarc.result.name(), &sender.dmarc.domain);
        let dkim = sender.dkim.iter().filter(|signature| signature.result == DkimResult::Pass).count();
        let (verdict, why) = match decision {
            Decision::Deliver => ("deliver", String::new()),
            Decision::Junk(reason) => ("junk", reason.to_string()),
            Decision::Later(reason) | Decision::PutOff(reason) => ("later", reason.to_string()),
            Decision::Refuse(reason) | Decision::RefuseHost(reason) | Decision::RefuseContent(reason) => {
                ("refuse", reason.to_string())
            }
            Decision::Loop => ("loop", String::new()),
        };
        let source = &self.envelope.source;
        let (protocol, address) = (source.protocol.name(), source.client.to_canonical());
        info!(target: STRANGERS, protocol, %address, id, spf, dkim, dmarc, from, verdict, why, "sender examined");
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
