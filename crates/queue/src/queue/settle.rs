//! What becomes of a message in the queue: outcomes of attempts and reports, each durable before anything follows from it.

use super::{Queue, delete, entry, put_entry};
use crate::entry::{Deadline, Entry, LastReply, Matter, QueueId, Recipient, RecipientState, Warning};
use crate::error::Error;
use crate::passed;
use crate::schedule::Next;
use crate::turns;
use metrics::{STAGES, Stopwatch};
use smtp_proto::{Enhanced, Reply};
use store::{TableTx, Timestamp};
use tracing::trace;

/// What became of recipients in one attempt: their places and what it is.
pub(crate) type Settled = Vec<(usize, Fate)>;

/// What became of recipients in one attempt, outside, and how often each had been tried before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) settled: Settled,
    before: Vec<u32>,
    /// How this server calls the message, and since when it is known.
    name: Option<String>,
    since: Stopwatch,
}

/// What became of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its destination was tried.
    Tried(RecipientState),
    /// It was not; why, if that is news, and when to look again.
    Postponed { last: Option<LastReply>, until: Timestamp },
}

impl Heard {
    /// Of a message as it was when the attempt began.
    pub(crate) fn of(entry: &Entry, settled: Settled) -> Self {
        let before =
            |(place, _): &(usize, Fate)| entry.recipients.get(*place).map_or(0, |recipient| recipient.attempts);
        let (name, since) = (entry.name.clone(), Stopwatch::start());
        Self { before: settled.iter().map(before).collect(), settled, name, since }
    }

    /// It is durable, for those who follow messages.
    pub(crate) fn tell(&self) {
        if let Some(id) = &self.name {
            trace!(target: STAGES, id, took = self.since.micros(), "outcome written down");
        }
    }

    /// What of it is still so: whoever has the message has it. What else was said counts where nobody has tried since, nor tries just
    /// now (`is_alone`): it can be asked for again.
    fn that_counts(&self, entry: &Entry, is_alone: bool) -> Settled {
        let counts = |((place, fate), before): &(&(usize, Fate), &u32)| {
            let recipient = entry.recipients.get(*place).filter(|recipient| recipient.is_waiting());
            recipient.is_some_and(|recipient| {
                let has_it = matches!(fate, Fate::Tried(RecipientState::Delivered { .. }));
                has_it || is_alone && recipient.attempts == **before
            })
        };
        self.settled.iter().zip(&self.before).filter(counts).map(|(fate, _)| fate.clone()).collect()
    }
}

impl Queue {
    /// Writes down what is known of attempts, with one commit, all or none, whoever leads by now: it has happened. Gives the entries as
    /// they are then, `None` of those that are gone.
    pub(crate) fn write_down(&self, heard: &[(QueueId, &Heard)], now: Timestamp) -> Result<Vec<Option<Entry>>, Error> {
        self.table.change(|tx| {
            let is_alone = self.was_alone(tx)?;
            let one = |(id, heard): &(QueueId, &Heard)| {
                let Some(before) = entry(tx, *id)? else { return Ok(None) };
                let settled = heard.that_counts(&before, is_alone);
                if settled.is_empty() {
                    return Ok(Some(before));
                }
                advance(tx, *id, |entry| self.settle_in(entry, &settled, now))
            };
            heard.iter().map(one).collect()
        })
    }

    /// Writes down an attempt: outcomes, and what comes next. Gives the entry as it is now, `None` if it is gone.
    pub(crate) fn settle(&self, id: QueueId, settled: &Settled, now: Timestamp) -> Result<Option<Entry>, Error> {
        self.advance(id, |entry| self.settle_in(entry, settled, now))
    }

    /// Writes down several with one commit, as [`Queue::settle`], all or none.
    pub(crate) fn settle_all(
        &self,
        settled: &[(QueueId, &Settled)],
        now: Timestamp,
    ) -> Result<Vec<Option<Entry>>, Error> {
        self.change_table(|tx| {
            let settle =
                |(id, settled): &(QueueId, &Settled)| advance(tx, *id, |entry| self.settle_in(entry, settled, now));
            settled.iter().map(settle).collect()
        })
    }

    fn settle_in(&self, entry: &mut Entry, settled: &Settled, now: Timestamp) {
        let age_millis = u64::try_from(now.0.saturating_sub(entry.tried_from().0)).unwrap_or(0);
        let told_before = to_report(entry);
        for (place, fate) in settled {
            if let Some(recipient) = entry.recipients.get_mut(*place).filter(|recipient| recipient.is_waiting()) {
                let matter = recipient.to_report();
                self.settle_one(recipient, fate, age_millis, now);
                if let Some(deadline) = entry.deliver_by {
                    obey(deadline, recipient, now);
                }
                self.warn_or_be_silent(recipient, age_millis, entry.deliver_by.is_some_and(|deadline| deadline.trace));
                if recipient.to_report() != matter {
                    // It is told something else now.
                    recipient.telling = None;
                }
            }
        }
        if let Some(later) = &mut entry.later {
            later.has_begun = false;
        }
        let is_tried = settled.iter().any(|(_, fate)| matches!(fate, Fate::Tried(_)));
        // Bounces are told apart by it, so each has a number of its own.
        let is_counted = is_tried || to_report(entry) != told_before;
        entry.attempts = entry.attempts.saturating_add(u32::from(is_counted));
        if entry.reverse_path.is_empty() {
            // RFC 5321 §4.5.5: nobody is to be told.
            entry.recipients.iter_mut().for_each(Recipient::mark_told);
        }
        entry.next_at = next_of(entry, now);
    }

    fn settle_one(&self, recipient: &mut Recipient, fate: &Fate, age_millis: u64, now: Timestamp) {
        let earliest = match fate {
            Fate::Tried(state) => {
                recipient.state = state.clone();
                recipient.attempts = recipient.attempts.saturating_add(1);
                now
            }
            Fate::Postponed { last, until } => {
                if last.is_some() {
                    recipient.state = RecipientState::Waiting { last: last.clone() };
                }
                *until
            }
        };
        if !recipient.is_waiting() {
            recipient.next_at = None;
            return;
        }
        match (self.policy.next_attempt(recipient.attempts, age_millis), fate) {
            (Next::GiveUp, _) => give_up(recipient, now),
            (Next::Wait { millis }, Fate::Tried(_)) => recipient.next_at = Some(now.0.saturating_add_unsigned(millis)),
            (Next::Wait { .. }, Fate::Postponed { .. }) => recipient.next_at = Some(earliest.0),
        }
    }

    /// Who takes long is to be told of, once; of what a sender does not want to know nobody is.
    fn warn_or_be_silent(&self, recipient: &mut Recipient, age_millis: u64, is_traced: bool) {
        let is_late = self.policy.warn_after_millis.is_some_and(|after| age_millis >= after);
        if recipient.is_waiting() && is_late && recipient.warning == Warning::None {
            recipient.warning = Warning::Due;
        }
        let is_wanted = |matter| match matter {
            // RFC 2852 §4.1.5.
            Matter::Relayed if is_traced => !recipient.wants_nothing(),
            matter => recipient.wants(matter),
        };
        if recipient.to_report().is_some_and(|matter| !is_wanted(matter)) {
            recipient.mark_told();
        }
    }

    /// The sender has the report on everything that was to be told of `matter` in `reported`.
    pub(crate) fn reported(&self, reported: &Entry, matter: Matter) -> Result<Option<Entry>, Error> {
        self.advance(reported.id, |entry| {
            for place in reported.places_to_report(matter) {
                let recipient = entry.recipients.get_mut(place);
                if let Some(recipient) = recipient.filter(|recipient| recipient.to_report() == Some(matter)) {
                    recipient.mark_told();
                }
            }
            entry.next_at = next_of(entry, entry.next_at);
        })
    }

    /// A report is begun: whoever comes to be told of until it is over is told of with another one.
    pub(crate) fn begin_report(&self, reported: &Entry, matter: Matter) -> Result<Option<Entry>, Error> {
        self.advance(reported.id, |entry| begin(entry, reported, matter))
    }

    /// The report could not be delivered now; or it was, and nobody knows.
    pub(crate) fn postpone(&self, reported: &Entry, matter: Matter, now: Timestamp) -> Result<Option<Entry>, Error> {
        self.advance(reported.id, |entry| {
            begin(entry, reported, matter);
            let wait = self.policy.back_off_millis(entry.attempts);
            entry.next_at = Timestamp(now.0.saturating_add_unsigned(wait));
            entry.attempts = entry.attempts.saturating_add(1);
        })
    }

    fn advance(&self, id: QueueId, change: impl Fn(&mut Entry)) -> Result<Option<Entry>, Error> {
        self.change_table(|tx| advance(tx, id, &change))
    }
}

fn begin(entry: &mut Entry, reported: &Entry, matter: Matter) {
    let number = reported.report_number(matter);
    for place in reported.places_to_report(matter) {
        if let Some(recipient) = entry.recipients.get_mut(place) {
            recipient.telling = Some(number);
        }
    }
}

/// What follows where the time in which it was to be delivered is over.
pub(crate) fn too_late(entry: &Entry, places: &[usize], now: Timestamp) -> Option<Settled> {
    let is_over = entry.deliver_by.is_some_and(|deadline| deadline.returns && deadline.at <= now);
    let fate = |place: &usize| (*place, Fate::Postponed { last: None, until: now });
    is_over.then(|| places.iter().map(fate).collect())
}

/// Changes an entry; when nothing is left to do it goes.
fn advance(tx: &mut TableTx<'_>, id: QueueId, change: impl Fn(&mut Entry)) -> Result<Option<Entry>, Error> {
    let Some(before) = entry(tx, id)? else { return Ok(None) };
    let mut after = before.clone();
    change(&mut after);
    passed::renew(tx, &before, &after)?;
    if after.is_settled() {
        delete(tx, &before)?;
        return Ok(None);
    }
    tx.delete(&turns::key(&before));
    put_entry(tx, &after)?;
    Ok(Some(after))
}

/// The lifetime is over: who waits has failed.
fn give_up(recipient: &mut Recipient, now: Timestamp) {
    let RecipientState::Waiting { last } = &recipient.state else { return };
    // RFC 3463 §3.5: X.4.7, delivery time expired.
    let words = last.as_ref().map(|reply| format!("; the last answer was: {} {}", reply.code, reply.text));
    let text = format!("not delivered in time{}", words.unwrap_or_default());
    let (host, tls) = last.as_ref().map_or((None, false), |last| (last.host.clone(), last.tls));
    let reply = LastReply::new(&Reply::new(550, Enhanced(5, 4, 7), text), false, now);
    recipient.state = RecipientState::Failed { reply: LastReply { host, tls, ..reply }, reported: false };
    recipient.next_at = None;
}

/// RFC 2852 §4.1.4: when the time is over the message comes back, or its sender is told; so it is looked at then.
fn obey(deadline: Deadline, recipient: &mut Recipient, now: Timestamp) {
    if !recipient.is_waiting() {
        return;
    }
    if now < deadline.at {
        recipient.next_at = Some(recipient.next_at.unwrap_or(now.0).min(deadline.at.0));
    } else if deadline.returns {
        give_up(recipient, now);
    } else if recipient.warning == Warning::None {
        recipient.warning = Warning::Due;
    }
}

/// When the first of those who wait is tried; now where somebody is to be told.
fn next_of(entry: &Entry, now: Timestamp) -> Timestamp {
    if entry.matter().is_some() {
        return now;
    }
    let times = entry.waiting().map(|(_, recipient)| recipient.next_at.unwrap_or(now.0));
    times.min().map_or(now, Timestamp)
}

/// Of how many recipients the sender is to be told something.
fn to_report(entry: &Entry) -> usize {
    entry.recipients.iter().filter_map(Recipient::to_report).count()
}
