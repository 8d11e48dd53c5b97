//! A mail to be sent on Monday (RFC 4865): what an account submits for a time to come waits in the queue, whole and whoever it is
//! for, and is submitted then as if it came then: to whom its addresses lead, by the rules and limits that hold then.

use crate::arrival::{Appointment, Arrival, Envelope, Source, name, transmission_type};
use crate::flow::MailFlow;
use crate::outcome::RecipientOutcome;
use crate::route::{Reach, Route, Unroutable};
use crate::submission::{Accepted, Refusal};
use auth::Presence;
use message::content::Content;
use queue::{Entry, Later, NewEntry, Released, TlsWish, Unreleased, Way};
use smtp_proto::{DeliverBy, Enhanced, ForwardPath, Hold, MailReports, Rcpt, Reply};
use std::sync::Arc;
use store::{AccountId, Handover, Protocol, Timestamp};
use tracing::{info, warn};

/// A message is held for so many seconds at most: a year.
pub const HOLD_SECONDS_MAX: u32 = 366 * 24 * 3600;

/// Why a message is not held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotHeld {
    /// For longer than anything is.
    TooLong,
    /// It is to be delivered before (RFC 4865 §5.2.2).
    AfterDeadline,
    /// It is from nobody: a report, or an automatic answer (RFC 4865 §5.1.1, §5.3.1).
    FromNobody,
    /// The queue does not take it.
    Queue(queue::Error),
}

/// Who waits for a message whose time has come.
struct Waiting {
    envelope: Envelope,
    /// Of those in mailboxes here, in their order in the envelope.
    places: Vec<usize>,
    /// Whom it is not for any more, and why.
    refused: Vec<(usize, Reply)>,
}

impl MailFlow {
    /// Whether messages are held for a time that their sender chooses: where something leaves, because they wait in its queue.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.queue.is_some()
    }

    /// When a message of an account is released that is to be held so long.
    ///
    /// # Errors
    /// Why it is not held.
    pub fn appointment(
        &self,
        account: AccountId,
        (hold, deliver_by): (Hold, Option<DeliverBy>),
        bytes: u64,
        now: Timestamp,
    ) -> Result<Appointment, NotHeld> {
        let at = Timestamp(hold.released_at(now.0));
        let seconds = at.0.saturating_sub(now.0).div_euclid(1000);
        if seconds > i64::from(HOLD_SECONDS_MAX) {
            return Err(NotHeld::TooLong);
        }
        // RFC 4865 §5.2.2.
        if deliver_by.is_some_and(|by| by.seconds < seconds) {
            return Err(NotHeld::AfterDeadline);
        }
        if let Some(queue) = &self.queue {
            queue.check_scheduled(account, bytes, now).map_err(NotHeld::Queue)?;
        }
        Ok(Appointment { hold, at, came_at: now })
    }

    /// Takes a message that waits for its time: durable in the queue when this returns `Ok`.
    pub(crate) fn schedule(
        &self,
        presence: &Presence,
        arrival: Arrival,
        (content, appointment): (Arc<Content>, Appointment),
        now: Timestamp,
    ) -> Result<Accepted, Refusal> {
        let Some(queue) = &self.queue else { return Err(Refusal::Outcome(RecipientOutcome::Fault)) };
        let login = presence.login();
        let Arrival { id, envelope, handover, .. } = arrival;
        let Source { helo, client, with, tls, .. } = envelope.source.clone();
        let way = Way { helo, client, with: with.to_owned(), tls };
        let Appointment { hold, at, came_at } = appointment;
        let later = Later { at, way, login: login.ticket(), is_asked_for: false, has_begun: false };
        let new = NewEntry {
            name: Some(id.clone()),
            smtputf8: envelope.smtputf8,
            reports: envelope.reports.clone(),
            deliver_by: envelope.deliver_by,
            tls: envelope.tls(),
            account: Some(login.account),
            handover: Some(handover),
            hold: Some((hold, came_at)),
            later: Some(later),
            ..NewEntry::new(envelope.reverse_path.clone(), recipients(&envelope), content)
        };
        match queue.enqueue(new, now) {
            Ok(queued) => {
                let (number, until) = (queued.id, Hold::written(at.0));
                info!(id, queue = %number, account = %login.account, until, "held until its time");
                let claims = queued.claim.into_iter().collect();
                Ok(Accepted { claims, not_kept: None, waits: false, held_until: Some(at) })
            }
            Err(error) => {
                warn!(id, account = %login.account, %error, "not queued");
                Err(Refusal::NotQueued(error))
            }
        }
    }

    /// Submits what waited for its time. Gives the receipts to be answered once it does not come again.
    ///
    /// # Errors
    /// Whether and why it is to be tried again.
    pub fn release(&self, entry: &Entry, content: Vec<u8>, now: Timestamp) -> Result<Released, Unreleased> {
        let (Some(later), Some(account)) = (&entry.later, entry.account) else { return Err(fault()) };
        let presence = self.auth.redeem(AccountId(account), &later.login, later.is_asked_for, now);
        let presence = presence.map_err(|_| fault())?;
        let Some(presence) = presence else { return Err(unreleased(Refusal::LoginEnded)) };
        let Waiting { envelope, places, refused } = self.who_waits(entry, later, now)?;
        let mut released = Released { refused, ..Released::default() };
        if envelope.local.is_empty() && envelope.outside.is_empty() {
            return Ok(released);
        }
        // Known by its number, however often it is tried; of the time of its release, because receipts do not count for long.
        let handover = Handover::new(&[b"released", &entry.id.0.to_be_bytes()], later.at, entry.id.0 as u32);
        let (id, from) = (name(&handover), envelope.from());
        info!(id, queue = %entry.id, account, from, "its time has come");
        let content = Arc::new(Content::new(content));
        let account = Some(presence.login().account);
        let arrival = Arrival { id, from, envelope, content, handover, account, sender: None, opinion: None };
        let (Accepted { claims, .. }, outcomes) = self.submit_to_each(&presence, arrival, now).map_err(unreleased)?;
        released.claims = claims;
        for (place, outcome) in places.into_iter().zip(outcomes) {
            match (outcome != RecipientOutcome::Delivered).then(|| not_delivered(outcome)) {
                None => {}
                Some(Unreleased::Later(reply)) => released.later.push((place, reply)),
                Some(Unreleased::Never(reply)) => released.refused.push((place, reply)),
            }
        }
        Ok(released)
    }

    /// Who still waits, and where their addresses lead now.
    fn who_waits(&self, entry: &Entry, later: &Later, now: Timestamp) -> Result<Waiting, Unreleased> {
        let Way { helo, client, with, tls } = later.way.clone();
        let with = transmission_type(&with);
        let source = Source { protocol: Protocol::Submission, helo, client, with, tls, by_relay: false };
        let reverse_path = entry.reverse().map_err(|_| fault())?;
        let reports = MailReports { ret: entry.ret, envelope_id: entry.envelope_id.clone() };
        let came_at = entry.arrived_at();
        let appointment = entry.hold.map(|hold| Appointment { hold, at: later.at, came_at });
        let mut envelope = Envelope {
            smtputf8: entry.smtputf8,
            reports,
            deliver_by: entry.deliver_by.map(|deadline| deadline.rest(now)),
            appointment,
            requires_tls: entry.tls == TlsWish::Required,
            ..Envelope::new(reverse_path, source)
        };
        let (mut places, mut refused) = (Vec::new(), Vec::new());
        for (place, recipient) in entry.waiting() {
            let Rcpt { forward_path, reports } = recipient.rcpt().map_err(|_| fault())?;
            match self.route(&forward_path, Reach::Everywhere, &envelope.reverse_path, now).map_err(|_| fault())? {
                Route::Local(recipient) if !recipient.takes(&envelope.reverse_path) => {
                    refused.push((place, Reply::new(550, Enhanced(5, 7, 1), "takes nothing but bounces")));
                }
                Route::Local(recipient) => {
                    places.push(place);
                    envelope.local.push(crate::Recipient { reports, ..recipient });
                }
                Route::Relay(forward_path) => envelope.outside.push(Rcpt { forward_path, reports }),
                Route::Refused(why) => refused.push((place, not_for(why))),
            }
        }
        Ok(Waiting { envelope, places, refused })
    }
}

/// In one list: who is here by then, and who is elsewhere, is seen then.
fn recipients(envelope: &Envelope) -> Vec<Rcpt> {
    let here = envelope.local.iter().map(|recipient| {
        // It has been a path before; the only one that is no mailbox is that of the postmaster.
        let forward_path = recipient.address.parse().map_or(ForwardPath::Postmaster, ForwardPath::Mailbox);
        Rcpt { forward_path, reports: recipient.reports.clone() }
    });
    here.chain(envelope.outside.iter().cloned()).collect()
}

fn not_for(why: Unroutable) -> Reply {
    let (enhanced, text) = match why {
        // It was there when the message was submitted; who wrote it is told at once, and the others have it.
        Unroutable::Full => (Enhanced(5, 2, 2), "the mailbox is full"),
        Unroutable::NoSuchUser => (Enhanced(5, 1, 1), "nobody here is called so any more"),
        Unroutable::NotReturned => (Enhanced(5, 1, 1), "bounces are not taken there any more"),
        Unroutable::NotLocal | Unroutable::NoWayOut => (Enhanced(5, 4, 4), "no way leads there any more"),
        Unroutable::NotSent => (Enhanced(5, 7, 1), "this server sends no mail there any more"),
        Unroutable::NotSentFrom => (Enhanced(5, 7, 1), "this server sends no mail from its sender to others any more"),
    };
    Reply::new(550, enhanced, text)
}

fn fault() -> Unreleased {
    Unreleased::Later(Reply::new(451, Enhanced(4, 3, 0), "this server has a problem"))
}

/// As it would be answered if it came now.
fn unreleased(refusal: Refusal) -> Unreleased {
    let never = |enhanced, text: String| Unreleased::Never(Reply::new(550, enhanced, text));
    match refusal {
        Refusal::LoginEnded => {
            let text = "the login with which it was submitted does not count any more (another password, or its device was \
                        revoked); send it again if it is yours";
            never(Enhanced(5, 7, 1), text.to_owned())
        }
        Refusal::NoAuthor => never(Enhanced(5, 7, 1), "its From field has no address".to_owned()),
        Refusal::NotOwn(address) => never(Enhanced(5, 7, 1), format!("{address} is none of your addresses")),
        Refusal::LineTooLong { number, octets } => {
            never(Enhanced(5, 6, 0), format!("line {number} of it has {octets} octets, too many for other servers"))
        }
        Refusal::NotQueued(error) => Unreleased::Later(Reply::new(452, Enhanced(4, 3, 1), error.to_string())),
        Refusal::Outcome(outcome) => not_delivered(outcome),
    }
}

fn not_delivered(outcome: RecipientOutcome) -> Unreleased {
    let later = |enhanced, text| Unreleased::Later(Reply::new(450, enhanced, text));
    let never = |enhanced, text| Unreleased::Never(Reply::new(550, enhanced, text));
    match outcome {
        RecipientOutcome::OverQuota => later(Enhanced(4, 2, 2), "a mailbox that it is for is full"),
        RecipientOutcome::NoSpace | RecipientOutcome::ReadOnly => later(Enhanced(4, 3, 1), "this server has no space"),
        RecipientOutcome::Unavailable => later(Enhanced(4, 2, 0), "a mailbox that it is for cannot take it"),
        RecipientOutcome::ListBusy => {
            later(Enhanced(4, 7, 1), "the list has had as many messages as it takes in an hour")
        }
        RecipientOutcome::SenderUnknown | RecipientOutcome::PutOff => {
            later(Enhanced(4, 7, 1), "it is not taken just now")
        }
        // Nothing is wrong with what was delivered.
        RecipientOutcome::Fault | RecipientOutcome::Delivered => fault(),
        RecipientOutcome::List(_) => never(Enhanced(5, 7, 2), "the list does not take it"),
        RecipientOutcome::SenderRefused | RecipientOutcome::HostRefused | RecipientOutcome::ContentRefused => {
            never(Enhanced(5, 7, 1), "it is refused here")
        }
        RecipientOutcome::Loop => never(Enhanced(5, 4, 6), "it runs in circles"),
        RecipientOutcome::Nul => never(Enhanced(5, 6, 0), "it has a NUL octet"),
    }
}

#[cfg(test)]
mod tests;
