//! What becomes of one job: delivered, which is written down by the [`crate::scribe`], or its sender told.
//!
//! What was learned from another server is written down for as long as the process lives, whoever leads by then, because trying the
//! delivery again would double the message.

use crate::entry::{Entry, LastReply, Matter, QueueId, Recipient, RecipientState, TlsWish};
use crate::error::Error;
use crate::hands::Hand;
use crate::machine::TcpStream;
use crate::outgoing::Destination;
use crate::queue::{Body, Fate, Heard, Settled, too_late};
use crate::reach::{Session, Told};
use crate::report::{self, Notice, Protection, Report, Said};
use crate::sender::{FAULT_PAUSE, Place, ReportError, Shared};
use crate::turns::Due;
use crate::window::Job;
use crate::wire::MailObject;
use metrics::{STAGES, Stopwatch};
use smtp_proto::{MailReports, Message};
use std::time::Duration;
use store::{Claim, Timestamp};
use tracing::{error, info, trace, warn};

/// Of another server's words so many bytes are logged.
const LOGGED_BYTES_MAX: usize = 200;
/// So long a message is waited for that threads of an earlier term have in their hands.
const HANDS_WAIT: Duration = Duration::from_secs(5);
/// After a fault of the store, where something has happened outside that is not written down; each further time twice as long.
const KEEP_PAUSE: Duration = Duration::from_secs(1);
/// That is tried again after so long at the latest: a server that takes over has seen silence for 8 s, and would send it again.
const KEEP_PAUSE_MAX: Duration = Duration::from_secs(4);
/// So much of a message is read for a report on it, which has less of it.
const REPORTED_BYTES_MAX: u64 = 512 * 1024;

/// What became of a job.
pub(crate) enum Attempt {
    /// It has ended, and the message is like this now; `None`: it is gone, or this server broke it off.
    Ended(Option<Box<Entry>>),
    /// A host said this, which is to be written down.
    Said(Heard, Hand),
    /// It is to be looked at again.
    Again,
}

impl Attempt {
    fn ended(entry: Option<Entry>) -> Self {
        Self::Ended(entry.map(Box::new))
    }
}

impl Shared {
    /// Does a job, over the session of its place, which is left open where it can be.
    pub(crate) fn attempt(&self, job: &Job, place: &mut Place<'_>) -> Result<Attempt, Error> {
        // Before it is looked at: what became of it before is durable then.
        let Some(hand) = self.queue.hands().take(job.id, self.holder, HANDS_WAIT) else { return Ok(Attempt::Again) };
        let (entry, first) = match self.queue.show_to_send(job.id) {
            Ok(found) => found,
            // One that cannot be read is set aside when it is looked for next.
            Err(Error::NoSuchEntry | Error::Damaged(_)) => return Ok(Attempt::Ended(None)),
            Err(error) => return Err(error),
        };
        // It may have changed since it was let in.
        if entry.held || !entry.is_due((self.clock)()) {
            return Ok(Attempt::Ended(None));
        }
        let due = Due::of(&entry);
        match self.attempt_now(job, (entry, first, hand), place) {
            Err(Error::Damaged(why)) => self.set_aside(&due, &why).map(|()| Attempt::Ended(None)),
            ended => ended,
        }
    }

    fn attempt_now(
        &self,
        job: &Job,
        (entry, first, hand): (Entry, Option<Vec<u8>>, Hand),
        place: &mut Place<'_>,
    ) -> Result<Attempt, Error> {
        if job.destination == Destination::Back {
            return match entry.matter() {
                Some(matter) => self.report(&entry, matter),
                None => self.persist(|| self.queue.settle(entry.id, &Settled::new(), (self.clock)())),
            }
            .map(Attempt::ended);
        }
        let groups = self.outgoing.groups(&entry, (self.clock)())?;
        match groups.into_iter().find(|(destination, _)| *destination == job.destination) {
            Some((Destination::Release, places)) => self.release(&entry, &places).map(Attempt::ended),
            Some((_, places)) => self.deliver((&entry, first, hand), &places, place),
            None => Ok(Attempt::ended(Some(entry))),
        }
    }

    /// Delivers to one destination. `first`: the first row of the message, where it was read.
    fn deliver(
        &self,
        (entry, first, hand): (&Entry, Option<Vec<u8>>, Hand),
        places: &[usize],
        at: &mut Place<'_>,
    ) -> Result<Attempt, Error> {
        let now = (self.clock)();
        if let Some(over) = too_late(entry, places, now) {
            return self.persist(|| self.queue.settle(entry.id, &over, now)).map(Attempt::ended);
        }
        let opened = Body::open(&self.queue, entry, first).and_then(|mut content| {
            let eight_bit = entry.eight_bit.map_or_else(|| content.is_eight_bit(), Ok)?;
            Ok((content, eight_bit))
        });
        let (content, eight_bit) = match opened {
            Ok(opened) => opened,
            Err(Error::NoSuchEntry) => return Ok(Attempt::Ended(None)),
            Err(error) => return Err(error),
        };
        let recipients: Result<_, Error> =
            places.iter().filter_map(|place| entry.recipients.get(*place)).map(Recipient::rcpt).collect();
        let reports = MailReports { ret: entry.ret, envelope_id: entry.envelope_id.clone() };
        let (reverse_path, recipients, smtputf8) = (entry.reverse()?, recipients?, entry.smtputf8);
        let deliver_by = entry.deliver_by.map(|deadline| deadline.rest(now));
        let size_bytes = entry.size_bytes;
        let requires_tls = entry.tls == TlsWish::Required;
        let envelope =
            Message { reverse_path, recipients, size_bytes, eight_bit, smtputf8, reports, deliver_by, requires_tls };
        let (waives_tls, may_come_back) = (entry.tls == TlsWish::Waived, entry.may_come_back);
        let mut mail = MailObject { envelope, content, waives_tls, may_come_back };
        let number = at.number;
        let on_connect = |socket: &TcpStream| self.connected(number, socket);
        let session = std::mem::replace(&mut at.session, Session::none());
        let stopwatch = Stopwatch::start();
        let Told { fates, unreached, session, protection } =
            self.reach.deliver(&at.destination, &mut mail, session, &on_connect, (self.clock)());
        let took = stopwatch.micros();
        at.session = session;
        if let Some(error) = mail.content.into_error() {
            return self.not_read(entry, places, fates, error).map(Attempt::ended);
        }
        if self.lock().stopping && fates.iter().all(is_waiting) {
            // This server broke it off; that says nothing about the message, or the destination.
            return Ok(Attempt::Ended(None));
        }
        self.lock().destinations.learn(&at.destination, unreached, (self.clock)());
        let settled: Settled = places.iter().copied().zip(fates).collect();
        self.say(entry, &settled, protection);
        self.log(entry, &settled);
        trace(entry, &settled, took);
        Ok(Attempt::Said(Heard::of(entry, settled), hand))
    }

    /// Whoever has named an envelope is told what a host said of it. That is nothing that a message waits for.
    fn say(&self, entry: &Entry, settled: &Settled, protection: Protection) {
        if entry.envelope_id.is_none() {
            return;
        }
        for (place, fate) in settled {
            let (Fate::Tried(state), Some(recipient)) = (fate, entry.recipients.get(*place)) else { continue };
            let said = Said { entry, recipient: &recipient.address, state, protection };
            match (self.report)(Notice::Said(said)) {
                Ok(claims) => claims.into_iter().for_each(Claim::answered),
                Err(ReportError::Later(error) | ReportError::Never(error)) => {
                    warn!(queue = %entry.id, %error, "what a host said is not noted");
                }
            }
        }
    }

    /// The message could not be read to its end. Who has it, because it was sent to some before, is not tried again.
    fn not_read(
        &self,
        entry: &Entry,
        places: &[usize],
        fates: Vec<Fate>,
        error: Error,
    ) -> Result<Option<Entry>, Error> {
        let settled: Settled = places.iter().copied().zip(fates).filter(|(_, fate)| !is_waiting(fate)).collect();
        if !settled.is_empty() {
            self.log(entry, &settled);
            self.write_down(entry.id, &Heard::of(entry, settled))?;
        }
        match error {
            Error::NoSuchEntry => Ok(None),
            error => Err(error),
        }
    }

    /// Writes down until when jobs wait for a destination that cannot be reached, and why, or that takes no more at the moment.
    pub(crate) fn postpone(&self, jobs: &[(Job, Timestamp)], last: Option<&LastReply>) -> Result<(), Error> {
        let now = (self.clock)();
        let (mut postponed, mut hands) = (Vec::new(), Vec::new());
        for (job, until) in jobs {
            // What threads of an earlier term still have may be with its host by now.
            let Some(hand) = self.queue.hands().take(job.id, self.holder, Duration::ZERO) else { continue };
            hands.push(hand);
            let entry = match self.queue.show(job.id) {
                Ok(entry) => entry,
                // One that cannot be read is set aside when it is looked for next.
                Err(Error::NoSuchEntry | Error::Damaged(_)) => continue,
                Err(error) => return Err(error),
            };
            let groups = match self.outgoing.groups(&entry, now) {
                Err(Error::Damaged(_)) => continue,
                groups => groups?,
            };
            let group = groups.into_iter().find(|(destination, _)| *destination == job.destination);
            let Some((_, places)) = group.filter(|_| !entry.held) else { continue };
            if last.is_some() && self.forgive_where_asked(&entry, &job.destination, &places) {
                // It was changed since it was let in, and is looked at again for that.
                continue;
            }
            let fate = Fate::Postponed { last: last.cloned(), until: *until };
            let settled: Settled = places.into_iter().map(|place| (place, fate.clone())).collect();
            postponed.push((Due::of(&entry), settled));
        }
        self.settle_all(&postponed, now)
    }

    /// Writes down several with one commit, or, where one of them is damaged, each by itself.
    fn settle_all(&self, settled: &[(Due, Settled)], now: Timestamp) -> Result<(), Error> {
        let all: Vec<_> = settled.iter().map(|(due, settled)| (due.id, settled)).collect();
        match (self.persist(|| self.queue.settle_all(&all, now)), settled) {
            (Ok(entries), _) => {
                entries.iter().flatten().for_each(|entry| self.lock().look_again_at(entry.next_at));
                Ok(())
            }
            (Err(Error::Damaged(why)), [(due, _)]) => self.set_aside(due, &why),
            (Err(Error::Damaged(_)), _) => settled.chunks(1).try_for_each(|one| self.settle_all(one, now)),
            (Err(error), _) => Err(error),
        }
    }

    /// Tells the sender of a message one thing; what else there is to tell has a turn of its own.
    fn report(&self, entry: &Entry, matter: Matter) -> Result<Option<Entry>, Error> {
        let begun;
        let entry = if entry.may_grow(matter) {
            begun = self.persist(|| self.queue.begin_report(entry, matter))?;
            let Some(entry) = &begun else { return Ok(None) };
            entry
        } else {
            entry
        };
        let content = match self.queue.content_of(entry, REPORTED_BYTES_MAX) {
            Ok(content) => content,
            Err(Error::NoSuchEntry) => return Ok(None),
            Err(error) => return Err(error),
        };
        let now = (self.clock)();
        let report = Report {
            matter,
            entry,
            original: &content,
            other_server: self.outgoing.smarthost.as_ref().map_or("another server", |smarthost| &smarthost.host),
            expires_at: self.queue.expires_at(entry),
            handover: report::handover(entry, matter, now),
        };
        let told = (self.report)(Notice::Report(report));
        drop(content);
        let (queue, to, about) = (entry.id, entry.reverse_path.as_str(), matter.name());
        let claims = match told {
            Ok(claims) => {
                info!(%queue, to, about, "sender told");
                claims
            }
            Err(ReportError::Never(why)) => {
                warn!(%queue, to, about, why, "a report has nobody to go to and is dropped");
                Vec::new()
            }
            Err(ReportError::Later(why)) => {
                warn!(%queue, to, about, why, "a report could not be delivered; it waits");
                return self.persist(|| self.queue.postpone(entry, matter, now));
            }
        };
        let after = self.persist(|| self.queue.reported(entry, matter))?;
        claims.into_iter().for_each(Claim::answered);
        Ok(after)
    }

    /// A message that cannot be read: the administrators are told, and the rest goes on.
    pub(crate) fn set_aside(&self, due: &Due, why: &str) -> Result<(), Error> {
        let now = (self.clock)();
        self.queue.set_aside(due, why, now)?;
        self.tell_of_damage(due.id, why, now);
        Ok(())
    }

    /// What a host has said of a message can never be written down: it is set aside, and the administrators are told.
    pub(crate) fn put_away(&self, job: &Job, why: &str) {
        let now = (self.clock)();
        let why =
            format!("{why}; a host has it, or has refused it, and that could not be written down: the log says which");
        match self.queue.put_away(job.id, job.turn, &why, now) {
            Ok(()) => self.tell_of_damage(job.id, &why, now),
            Err(error) => error!(id = %job.id, %error, why, "a message could not be set aside, and may be sent again"),
        }
    }

    fn tell_of_damage(&self, id: QueueId, why: &str, now: Timestamp) {
        match (self.report)(Notice::of_damage(id, why, now)) {
            Ok(claims) => claims.into_iter().for_each(Claim::answered),
            Err(ReportError::Later(error) | ReportError::Never(error)) => {
                warn!(%id, %error, "the administrators were not told of a damaged message");
            }
        }
    }

    /// Writes down what has happened outside: until it is durable, or the server stops. That another server leads by now, or that this one
    /// must not lead any more, is no reason to forget it. [`Error::Damaged`]: it can never be written.
    pub(crate) fn write_down(&self, id: QueueId, heard: &Heard) -> Result<Option<Entry>, Error> {
        let (mut tries, mut pause) = (0_u32, KEEP_PAUSE);
        loop {
            let error = match self.queue.write_down(&[(id, heard)], (self.clock)()) {
                Ok(entries) => return Ok(entries.into_iter().next().flatten()),
                Err(error) => error,
            };
            if matches!(error, Error::Damaged(_)) || self.lock().is_ending() {
                return Err(error);
            }
            tries = tries.saturating_add(1);
            if tries.is_power_of_two() {
                warn!(%id, %error, tries, "an outcome could not be written down; trying again");
            }
            self.pause_to_keep(pause);
            pause = (pause * 2).min(KEEP_PAUSE_MAX);
        }
    }

    /// Writes down what follows, as long as this server leads: until it is durable, or the server stops, or can never do it
    /// ([`Error::Damaged`]).
    pub(crate) fn persist<T>(&self, write: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        loop {
            match write() {
                Ok(result) => return Ok(result),
                Err(error @ Error::Damaged(_)) => return Err(error),
                Err(error) if self.lock().stopping || self.is_superseded(&error) => return Err(error),
                Err(error) => {
                    warn!(%error, "an outcome could not be written down; trying again");
                    self.pause(FAULT_PAUSE);
                }
            }
        }
    }

    pub(crate) fn log(&self, entry: &Entry, settled: &Settled) {
        for (place, fate) in settled {
            let Fate::Tried(state) = fate else { continue };
            let to = entry.recipients.get(*place).map_or("", |recipient| &recipient.address);
            let reply = match state {
                RecipientState::Delivered { reply, .. } | RecipientState::Failed { reply, .. } => Some(reply),
                RecipientState::Waiting { last } => last.as_ref(),
            };
            let (code, text) = reply.map_or((0, ""), |reply| (reply.code, reply.text.as_str()));
            // What the other side says may be long, and anything.
            let text = text.get(..text.floor_char_boundary(LOGGED_BYTES_MAX)).unwrap_or_default();
            let (queue, id, from) = (entry.id, entry.name.as_deref(), &entry.reverse_path);
            self.queue.attempts.inc([match state {
                RecipientState::Delivered { .. } => "delivered",
                RecipientState::Failed { .. } => "failed",
                RecipientState::Waiting { .. } => "deferred",
            }]);
            match state {
                RecipientState::Delivered { .. } => info!(%queue, id, from, to, code, text, "handed over"),
                RecipientState::Failed { .. } => info!(%queue, id, from, to, code, text, "handing over failed"),
                RecipientState::Waiting { .. } => info!(%queue, id, from, to, code, text, "handing over deferred"),
            }
        }
    }
}

/// What was tried for a message, for those who follow messages.
fn trace(entry: &Entry, settled: &Settled, took: u64) {
    let Some(id) = &entry.name else { return };
    for (place, fate) in settled {
        let Fate::Tried(state) = fate else { continue };
        let to = entry.recipients.get(*place).map_or("", |recipient| &recipient.address);
        let (name, reply) = match state {
            RecipientState::Delivered { reply, .. } => ("delivered", Some(reply)),
            RecipientState::Failed { reply, .. } => ("failed", Some(reply)),
            RecipientState::Waiting { last } => ("deferred", last.as_ref()),
        };
        let (code, text) = reply.map_or((0, ""), |reply| (reply.code, reply.text.as_str()));
        let host = reply.and_then(|reply| reply.host.as_deref());
        let error = (name != "delivered").then_some(text);
        trace!(target: STAGES, id, took, queue = %entry.id, to, server.address = host, outcome = name, code, error, "handed over");
    }
}

fn is_waiting(fate: &Fate) -> bool {
    match fate {
        Fate::Tried(state) => matches!(state, RecipientState::Waiting { .. }),
        Fate::Postponed { .. } => true,
    }
}
