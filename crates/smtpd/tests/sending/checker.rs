//! What must hold of mail that somebody was told is on its way, from outside: what clients were told, what hosts saw, what is in
//! mailboxes. Knows nothing of the queue, and nothing of how the workload is drawn.

use crate::internet::{Event, Fate};
use crate::story;
use std::collections::{BTreeMap, BTreeSet};
use store::Timestamp;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
pub const LIFETIME: i64 = 5 * 24 * HOUR;
const WARN_AFTER: i64 = 4 * HOUR;
/// An answer is waited for no longer, and written down then.
const ATTEMPT_MAX: i64 = 20 * MINUTE;
/// A crash has two messages of a connection sent again at most.
const LOST_OUTCOMES_MAX: usize = 2;

/// What its sender wants to know of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Usual,
    Never,
    Failure,
    FailureAndDelay,
    SuccessAndFailure,
}

impl Wish {
    fn failure(self) -> bool {
        self != Self::Never
    }

    fn delay(self) -> bool {
        matches!(self, Self::Usual | Self::FailureAndDelay)
    }
}

/// A message that was handed over, or was tried to.
pub struct Sent {
    /// Nobody else's, of all that its recipients get.
    pub mark: String,
    pub body: String,
    pub sender: usize,
    pub hold_secs: Option<u64>,
    /// Not before.
    pub hold_until: Option<Timestamp>,
    pub is_acknowledged: bool,
    pub at: Timestamp,
}

struct Recipient {
    message: usize,
    wish: Wish,
    /// Nobody has to refuse it: its domain does not exist.
    is_dead: bool,
    tries: Vec<Try>,
    /// Those of which it is known that they count.
    counted: u32,
    not_before: Option<i64>,
    reports: BTreeMap<String, usize>,
}

struct Try {
    connection: u64,
    fate: Option<Fate>,
    saying: u64,
    /// In which life of the process the answer was read.
    heard_in: Option<usize>,
    life: usize,
    /// The process has ended since in good order, and may have broken it off.
    may_not_count: bool,
    now: u64,
}

#[derive(Default)]
pub struct Checker {
    messages: Vec<Sent>,
    recipients: BTreeMap<String, Recipient>,
    sayings: BTreeMap<u64, String>,
    /// A process has had so many before.
    life: usize,
    /// What was sent again because of the end of a life, by connection.
    again: BTreeMap<(usize, u64), BTreeSet<usize>>,
    ids: BTreeMap<u64, (usize, bool)>,
    latest: i64,
    has_jumped: bool,
    /// What has come about: a simulation in which little happens finds little.
    pub seen: BTreeMap<&'static str, u64>,
}

impl Checker {
    fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub fn is_sent(&mut self, message: Sent, recipients: &[(String, Wish, bool)]) -> usize {
        self.latest = self.latest.max(message.at.0);
        self.messages.push(message);
        let message = self.messages.len() - 1;
        for (address, wish, is_dead) in recipients {
            let recipient = Recipient {
                message,
                wish: *wish,
                is_dead: *is_dead,
                tries: Vec::new(),
                counted: 0,
                not_before: None,
                reports: BTreeMap::new(),
            };
            assert!(self.recipients.insert(address.clone(), recipient).is_none());
        }
        message
    }

    pub fn is_acknowledged(&mut self, message: usize) {
        self.note("acknowledged");
        self.messages[message].is_acknowledged = true;
    }

    pub fn is_handed_over_again(&mut self, message: usize, at: Timestamp) {
        self.note("handed over again");
        // Perhaps it is taken only now, with the clock set back.
        let sent = &mut self.messages[message];
        sent.at = sent.at.min(at);
        sent.hold_until = sent.hold_secs.map(|secs| Timestamp(sent.at.0 + secs as i64 * 1000));
    }

    /// The process died, at that time of the machine, and another begins.
    pub fn died(&mut self) {
        story::tell("the process dies".to_owned());
        self.note("crash");
        self.life += 1;
    }

    /// It ended in good order: what it had broken off counts for nothing, and what it had heard is not forgotten.
    pub fn stopped(&mut self) {
        story::tell("the process ends".to_owned());
        self.note("stop");
        for recipient in self.recipients.values_mut() {
            recipient.not_before = None;
            recipient.tries.last_mut().into_iter().for_each(|last| last.may_not_count = true);
        }
    }

    /// An operator has it tried now.
    pub fn asked_for(&mut self, id: u64) {
        self.note("asked for");
        story::tell(format!("message {id} is to be tried"));
        let Some((message, _)) = self.ids.get(&id) else { return };
        let of = self.recipients.values_mut().filter(|recipient| recipient.message == *message);
        of.for_each(|recipient| recipient.not_before = None);
    }

    /// Somebody has set the clock.
    /// `before`: what it said.
    pub fn clock_set(&mut self, by_millis: i64, before: Timestamp, now: u64) {
        self.latest = self.latest.max(before.0);
        story::tell(format!("{now} the clock is set by {by_millis}"));
        self.has_jumped = true;
        self.note(if by_millis < 0 { "clock back" } else { "clock forward" });
        for recipient in self.recipients.values_mut() {
            let is_young = |last: &Try| now.saturating_sub(last.now) < ATTEMPT_MAX.unsigned_abs();
            if by_millis < 0 && recipient.tries.last().is_some_and(is_young) {
                // Perhaps it was written down after that.
                recipient.not_before = recipient.not_before.map(|at| at + by_millis);
            }
        }
    }

    pub fn happened(&mut self, events: Vec<Event>, now: u64) {
        for event in events {
            story::tell(format!("{now} {event:?}"));
            match event {
                Event::Asked { address, connection, at } => self.asked(&address, connection, at, now),
                Event::Said { address, connection, fate, saying, content } => {
                    self.said(&address, connection, fate, saying, content.as_deref());
                }
                Event::Heard { saying, at } => self.heard(saying, at),
            }
        }
    }

    /// A host is asked to take something for somebody.
    fn asked(&mut self, address: &str, connection: u64, at: Timestamp, now: u64) {
        self.latest = self.latest.max(at.0);
        let life = self.life;
        let recipient = self.recipients.get_mut(address).unwrap_or_else(|| panic!("{address} is nobody's recipient"));
        let message = &self.messages[recipient.message];
        let mut what = "tried";
        if let Some(until) = message.hold_until {
            // That the clock was set back since it was released keeps it no longer.
            assert!(self.latest >= until.0, "{address} was sent before its time");
            what = "tried when its time had come";
        }
        if let Some(last) = recipient.tries.last() {
            let is_over = matches!(last.fate, Some(Fate::Taken | Fate::Refused));
            match (last.heard_in, last.fate) {
                (Some(heard_in), Some(fate)) if is_over => {
                    assert!(heard_in < life, "{address} was tried again though its host had said {fate:?}");
                    let again = self.again.entry((heard_in, last.connection)).or_default();
                    again.insert(recipient.message);
                    assert!(
                        again.len() <= LOST_OUTCOMES_MAX,
                        "{address}: a crash had {} messages of connection {} sent again",
                        again.len(),
                        last.connection
                    );
                    what = "again after a crash";
                }
                _ if is_over => what = "again after an answer that was lost",
                _ if last.life == life && !last.may_not_count => {
                    recipient.counted += 1;
                    what = "later";
                }
                _ => what = "later, after a crash",
            }
            // What a crash has had forgotten was no attempt.
            let expires = message.at.0 + LIFETIME;
            if let (Some(not_before), true) = (recipient.not_before, last.life == life) {
                assert!(at.0 >= not_before.min(expires), "{address} was tried {} ms too early", not_before - at.0);
            }
        }
        let wait = MINUTE.saturating_mul(1 << recipient.counted.min(20)).min(4 * HOUR);
        recipient.not_before = Some(at.0 + wait);
        recipient.tries.push(Try {
            connection,
            fate: None,
            saying: 0,
            heard_in: None,
            life,
            may_not_count: false,
            now,
        });
        self.note(what);
    }

    fn said(&mut self, address: &str, connection: u64, fate: Fate, saying: u64, content: Option<&str>) {
        let recipient = self.recipients.get_mut(address).unwrap();
        let last = recipient.tries.last_mut().unwrap();
        assert_eq!(last.connection, connection, "{address}: two at once");
        (last.fate, last.saying) = (Some(fate), saying);
        if let (Fate::Taken, Some(content)) = (fate, content) {
            let message = &self.messages[recipient.message];
            assert!(content.contains(&message.mark) && content.ends_with(&message.body), "{address}: {content}");
        }
        self.sayings.insert(saying, address.to_owned());
        self.note(match fate {
            Fate::Taken => "taken",
            Fate::PutOff => "put off",
            Fate::Refused => "refused",
        });
    }

    fn heard(&mut self, saying: u64, at: Timestamp) {
        let address = &self.sayings[&saying];
        let recipient = self.recipients.get_mut(address).unwrap();
        let Some(heard) = recipient.tries.iter_mut().find(|one| one.saying == saying) else { return };
        heard.heard_in = Some(self.life);
        self.latest = self.latest.max(at.0);
    }

    /// What is in the queue: its number, and one of its recipients.
    pub fn is_queued(&mut self, id: u64, address: &str, is_held: bool) {
        let message = (self.recipients[address].message, is_held);
        let before = *self.ids.entry(id).or_insert(message);
        assert_eq!(before, message, "the number {id} was used again");
        let numbers = self.ids.values().filter(|other| **other == message).count();
        assert_eq!(numbers, 1, "{address} is in the queue twice");
    }

    /// All reports that a sender has by now, by recipient and action.
    pub fn has_reports(&mut self, sender: usize, found: &BTreeMap<(String, String), usize>, now: Timestamp) {
        self.latest = self.latest.max(now.0);
        for ((address, action), count) in found {
            let recipient = self.recipients.get_mut(address).unwrap_or_else(|| panic!("a report on {address}"));
            let message = &self.messages[recipient.message];
            assert_eq!(message.sender, sender, "a report on {address} to somebody else");
            assert_eq!(*count, 1, "{address} was reported as {action} {count} times");
            let is_new = recipient.reports.insert(action.clone(), *count).is_none();
            if !is_new {
                continue;
            }
            let age = self.latest - message.at.0;
            let has = |fate| recipient.tries.iter().any(|one| one.fate == Some(fate));
            match action.as_str() {
                "failed" => {
                    assert!(recipient.wish.failure(), "{address}: nobody wanted to know");
                    let is_refused =
                        recipient.tries.iter().any(|one| one.fate == Some(Fate::Refused) && one.heard_in.is_some());
                    assert!(
                        is_refused || recipient.is_dead || age >= LIFETIME,
                        "{address} came back after {age} ms though nobody had refused it"
                    );
                    self.note(if is_refused || age < LIFETIME { "bounced" } else { "expired" });
                }
                "delayed" => {
                    assert!(recipient.wish.delay(), "{address}: nobody wanted to know of a delay");
                    assert!(age >= WARN_AFTER, "{address}: a warning after {age} ms");
                    self.note("warned");
                }
                "relayed" => {
                    assert!(
                        recipient.wish == Wish::SuccessAndFailure && has(Fate::Taken),
                        "{address}: relayed to nobody"
                    );
                    self.note("relayed");
                }
                other => panic!("{address}: {other}"),
            }
        }
    }

    /// All is over: nothing is in the queue any more.
    pub fn end(&mut self) {
        let mut left: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        for (address, recipient) in &self.recipients {
            let message = &self.messages[recipient.message];
            let heard = |fate| recipient.tries.iter().any(|one| one.fate == Some(fate) && one.heard_in.is_some());
            let is_taken = recipient.tries.iter().any(|one| one.fate == Some(Fate::Taken));
            let has_failed = recipient.reports.contains_key("failed");
            let is_old = self.latest - message.at.0 >= LIFETIME;
            let may_fail = heard(Fate::Refused) || recipient.is_dead || is_old;
            let is_settled = is_taken || has_failed || !recipient.wish.failure() && may_fail;
            let (settled, all) = left.entry(recipient.message).or_default();
            (*settled, *all) = (*settled + usize::from(is_settled && !may_be_nothing(recipient)), *all + 1);
            if message.is_acknowledged {
                assert!(is_settled, "{address} was lost: {} tries", recipient.tries.len());
                // The last that was heard is what counts; what a crash had forgotten may be otherwise by then.
                let last = recipient.tries.iter().rfind(|one| one.heard_in.is_some());
                if last.is_some_and(|last| last.fate == Some(Fate::Taken) && last.heard_in == Some(last.life)) {
                    let later =
                        recipient.tries.last().is_some_and(|one| one.saying != last.map_or(0, |last| last.saying));
                    assert!(
                        !has_failed || later || last.is_some_and(|last| last.heard_in < Some(self.life)),
                        "{address} was taken and came back"
                    );
                }
                if heard(Fate::Refused) && !is_taken {
                    assert_eq!(
                        has_failed,
                        recipient.wish.failure(),
                        "{address} was refused, and its sender was not told"
                    );
                }
                let is_expired = has_failed && !heard(Fate::Refused) && !recipient.is_dead;
                if is_expired && recipient.wish.delay() && !self.has_jumped {
                    assert!(recipient.reports.contains_key("delayed"), "{address} expired without a warning");
                }
            }
        }
        for (message, (settled, all)) in left {
            let is_whole = settled == 0 || settled == all || self.messages[message].is_acknowledged;
            let mut others = self.recipients.values().filter(|one| one.message == message);
            let is_unsure = others.any(may_be_nothing);
            assert!(is_whole || is_unsure, "of a message that was not acknowledged {settled} of {all} are settled");
        }
    }
}

/// Whether nothing would be seen of a recipient in any case.
fn may_be_nothing(recipient: &Recipient) -> bool {
    !recipient.wish.failure() && recipient.tries.is_empty()
}
