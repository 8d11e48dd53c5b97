//! What the model says of the damage brake: which removals are held, and what an answer does.

use crate::found::Found;
use crate::model::{Email, Mailbox, Message, Model, Names, Purged, Reply};
use std::collections::{BTreeMap, BTreeSet};
use store::removal::RemovalPolicy;
use store::{DeviceId, EmailId, Error, MailboxId, Role, Timestamp};

/// As these stores are told; else most accounts here would be too small.
pub const MESSAGES_MIN: u64 = 1;
const HOUR_MILLIS: i64 = 3600 * 1000;

/// Messages: all, and those of INBOX.
type Count = (u64, u64);

#[derive(Clone, Debug, Default)]
pub struct Pace {
    events: Vec<Event>,
    largest: u64,
    last: Option<Timestamp>,
    pub hold: Option<u32>,
}

#[derive(Clone, Debug, Default)]
struct Event {
    hour: i64,
    removed: Count,
    is_held: bool,
    put_away: Count,
    /// What was removed in the window once this was.
    peak: u64,
}

#[derive(Clone, Debug)]
pub struct Hold {
    pub device: DeviceId,
    pub messages: u64,
    /// Whether everything stayed, and when that was said.
    pub answer: Option<(bool, Timestamp)>,
    pub perhaps_gone: bool,
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug)]
pub enum Part {
    Moved { from: MailboxId, name: String, messages: Vec<(u32, EmailId, Names)> },
    Kept { mailbox: MailboxId, expunges: bool, emails: BTreeSet<EmailId> },
}

impl Pace {
    fn advance(&mut self, now: Timestamp) {
        let first = now.0.div_euclid(HOUR_MILLIS) - 23;
        while self.events.first().is_some_and(|event| event.hour < first) {
            self.largest = self.largest.max(self.events.remove(0).peak);
        }
    }

    fn sum(&self, of: impl Fn(&Event) -> Count) -> Count {
        self.events.iter().map(of).fold((0, 0), |sum, next| (sum.0 + next.0, sum.1 + next.1))
    }

    fn add(&mut self, event: Event, now: Timestamp) {
        let newest = self.events.last().map_or(i64::MIN, |event| event.hour);
        self.events.push(Event { hour: now.0.div_euclid(HOUR_MILLIS).max(newest), ..event });
    }

    fn take_put_away(&mut self, mut count: Count) {
        for event in &mut self.events {
            let taken = (event.put_away.0.min(count.0), event.put_away.1.min(count.1));
            event.put_away = (event.put_away.0 - taken.0, event.put_away.1 - taken.1);
            count = (count.0 - taken.0, count.1 - taken.1);
        }
    }
}

impl Model {
    pub fn held_mailbox(&self) -> Option<MailboxId> {
        self.mailboxes.iter().find(|(_, mailbox)| mailbox.role == Some(Role::Held)).map(|(id, _)| *id)
    }

    pub fn must_not_be_held(&self, id: MailboxId) -> Result<(), Error> {
        if self.held_mailbox() == Some(id) { Err(Error::NotAllowed("held")) } else { Ok(()) }
    }

    /// A device removes messages from a mailbox.
    pub fn remove(&mut self, by: DeviceId, id: MailboxId, uids: &[u32], now: Timestamp, found: &Found) {
        if uids.is_empty() {
            return;
        }
        let is_trash = matches!(self.mailbox(id).role, Some(Role::Trash | Role::Junk));
        let leaving: Vec<EmailId> = uids.iter().map(|uid| self.mailbox(id).messages[uid].email).collect();
        let asked = if is_trash {
            let count = uids.len() as u64;
            self.trash_of_its_own(by, count, now)
        } else {
            self.removals(id, &leaving)
        };
        if self.is_stopped(by, asked, is_trash, now) {
            self.hold_messages(by, id, uids, now, found);
        } else {
            self.mailbox_mut(id).messages.retain(|uid, _| !uids.contains(uid));
        }
    }

    /// How many of these messages are nowhere else.
    pub fn removals(&self, id: MailboxId, leaving: &[EmailId]) -> Count {
        let places = |email: &EmailId| {
            let all = self.mailboxes.values().flat_map(|mailbox| mailbox.messages.values());
            all.filter(|message| message.email == *email).count()
        };
        let here = |email: &EmailId| leaving.iter().filter(|other| *other == email).count();
        let distinct: BTreeSet<EmailId> = leaving.iter().copied().collect();
        let count = distinct.iter().filter(|email| places(email) == here(email)).count() as u64;
        (count, if self.mailbox(id).role == Some(Role::Inbox) { count } else { 0 })
    }

    fn trash_of_its_own(&self, by: DeviceId, count: u64, now: Timestamp) -> Count {
        let Some(mut pace) = self.devices.get(&by).map(|device| device.pace.clone()) else { return (0, 0) };
        pace.advance(now);
        let put_away = pace.sum(|event| event.put_away);
        (count.min(put_away.0), count.min(put_away.1))
    }

    /// The rule of the brake, as docs/decisions/0008 has it; what is asked for is counted.
    pub fn is_stopped(&mut self, by: DeviceId, asked: Count, from_trash: bool, now: Timestamp) -> bool {
        let ordinary = |mailbox: &&Mailbox| !matches!(mailbox.role, Some(Role::Trash | Role::Junk | Role::Held));
        let kept: usize = self.mailboxes.values().filter(ordinary).map(|m| m.messages.len()).sum();
        let in_inbox = self.mailbox(self.inbox()).messages.len();
        let Some(device) = self.devices.get_mut(&by).filter(|_| asked.0 > 0) else { return false };
        let pace = &mut device.pace;
        pace.advance(now);
        let (removed, put_away) = (pace.sum(|event| event.removed), pace.sum(|event| event.put_away));
        let all = (removed.0 + asked.0, removed.1 + asked.1);
        let there = (kept as u64 + removed.0 + put_away.0, in_inbox as u64 + removed.1 + put_away.1);
        let away_days = pace.last.map_or(0, |last| (now.0 - last.0).max(0) as u64 / (24 * HOUR_MILLIS as u64));
        let usual = pace.largest * away_days.clamp(3, 60);
        let is_part = |all, there, part| all > MESSAGES_MIN && all * part >= there;
        let is_much = is_part(all.0, there.0, 4) || is_part(all.1, there.1, 2);
        let is_held = device.brake && is_much && all.0 > MESSAGES_MIN.max(usual);
        if from_trash {
            pace.take_put_away(asked);
        }
        pace.add(Event { removed: asked, is_held, ..Event::default() }, now);
        if !is_held {
            let passed = pace.sum(|event| if event.is_held { (0, 0) } else { event.removed });
            pace.events.last_mut().unwrap().peak = passed.0;
        }
        pace.last = pace.last.max(Some(now));
        is_held
    }

    pub fn note_put_away(&mut self, by: DeviceId, from: MailboxId, to: MailboxId, count: usize, now: Timestamp) {
        let is_trash = |role: Option<Role>| matches!(role, Some(Role::Trash | Role::Junk));
        let (from, to) = (self.mailbox(from).role, self.mailbox(to).role);
        let Some(device) = self.devices.get_mut(&by).filter(|_| count > 0 && is_trash(to) && !is_trash(from)) else {
            return;
        };
        let put_away = (count as u64, if from == Some(Role::Inbox) { count as u64 } else { 0 });
        device.pace.advance(now);
        device.pace.add(Event { put_away, ..Event::default() }, now);
    }

    /// The hold of a device without an answer, or a new one; for that one there will be a message.
    fn hold_of(&mut self, by: DeviceId) -> (u32, bool) {
        let pace = &mut self.devices.get_mut(&by).unwrap().pace;
        if let Some(hold) = pace.hold {
            return (hold, false);
        }
        self.last_hold += 1;
        let id = self.last_hold;
        pace.hold = Some(id);
        self.holds.insert(id, Hold { device: by, messages: 0, answer: None, perhaps_gone: false, parts: Vec::new() });
        (id, true)
    }

    fn hold_messages(&mut self, by: DeviceId, id: MailboxId, uids: &[u32], now: Timestamp, found: &Found) {
        let (hold, is_new) = self.hold_of(by);
        let held = self.held_mailbox().unwrap_or_else(|| {
            let held = self.make_mailbox("Held", Some(Role::Held), found);
            self.mailbox_mut(held).subscribed = true;
            held
        });
        let name = self.mailbox(id).name.clone();
        let mut messages = Vec::new();
        for uid in uids {
            let message = self.mailbox_mut(id).messages.remove(uid).unwrap();
            let flags: Names = message.flags.iter().filter(|flag| *flag != "\\Deleted").cloned().collect();
            let at = self.mailbox(held).uid_next;
            messages.push((at, message.email, flags.clone()));
            self.put(held, Message { flags, ..message });
        }
        let hold = self.holds.get_mut(&hold).unwrap();
        hold.messages += messages.len() as u64;
        hold.parts.push(Part::Moved { from: id, name, messages });
        self.letter(is_new, now, found);
    }

    pub fn hold_maildrop(
        &mut self,
        by: DeviceId,
        places: &BTreeMap<MailboxId, BTreeSet<EmailId>>,
        policy: RemovalPolicy,
        now: Timestamp,
        found: &Found,
    ) {
        let (hold, is_new) = self.hold_of(by);
        let expunges = matches!(policy, RemovalPolicy::Expunge | RemovalPolicy::KeepWhenShared);
        for (mailbox, emails) in places {
            self.devices.get_mut(&by).unwrap().stays.extend(emails);
            let hold = self.holds.get_mut(&hold).unwrap();
            hold.messages += emails.len() as u64;
            hold.parts.push(Part::Kept { mailbox: *mailbox, expunges, emails: emails.clone() });
        }
        self.letter(is_new, now, found);
    }

    /// The server writes to the owner.
    fn letter(&mut self, is_new: bool, now: Timestamp, found: &Found) {
        if !is_new {
            return;
        }
        let inbox = self.inbox();
        let (email, size) = found.message(inbox, self.mailbox(inbox).uid_next).unwrap_or_default();
        self.put(inbox, Message { email, flags: Names::new() });
        let (body, removed_at, purged) = (None, None, Purged::No);
        let known = self.emails.insert(email, Email { body, size, date: now, arrived_in: inbox, removed_at, purged });
        assert!(known.is_none(), "EMAILID {} was given out twice", email.text());
    }

    fn put(&mut self, id: MailboxId, message: Message) -> u32 {
        let mailbox = self.mailbox_mut(id);
        let uid = mailbox.uid_next;
        mailbox.messages.insert(uid, message);
        mailbox.uid_next += 1;
        uid
    }

    pub fn answer(&mut self, id: u32, kept: bool, (now, found): (Timestamp, &Found)) -> Result<Reply, Error> {
        let is_there = |hold: &&Hold| !hold.perhaps_gone || found.holds.iter().any(|hold| hold.id.0 == id);
        let hold = self.holds.get(&id).filter(is_there).cloned().ok_or(Error::NotAllowed("no such hold"))?;
        match hold.answer {
            Some((before, _)) if before == kept => return Ok(Reply::Answered { kept: 0, removed: 0 }),
            Some(_) => return Err(Error::NotAllowed("answered")),
            None => {}
        }
        let (mut stayed, mut removed) = (0, 0);
        for part in &hold.parts {
            match part {
                Part::Moved { from, name, messages } => {
                    let to = self.home(*from, name, kept, found);
                    let count = self.put_back(to, messages, kept);
                    if kept { stayed += count } else { removed += count }
                }
                Part::Kept { emails, .. } if kept => stayed += emails.len(),
                Part::Kept { mailbox, expunges, emails } => {
                    let device = self.devices.get_mut(&hold.device).unwrap();
                    device.stays.retain(|email| !emails.contains(email));
                    if *expunges && self.mailboxes.contains_key(mailbox) {
                        removed += self.expunge_emails(*mailbox, emails);
                    }
                }
            }
        }
        let pace = &mut self.devices.get_mut(&hold.device).unwrap().pace;
        let largest = if kept { pace.largest } else { pace.largest.max(hold.messages) };
        *pace = Pace { largest, last: pace.last, ..Pace::default() };
        let closed = Hold { answer: Some((kept, now)), parts: Vec::new(), ..hold };
        self.holds.insert(id, closed);
        Ok(Reply::Answered { kept: stayed, removed })
    }

    fn home(&mut self, from: MailboxId, name: &str, kept: bool, found: &Found) -> MailboxId {
        if self.mailboxes.contains_key(&from) {
            return from;
        }
        if !kept {
            return self.inbox();
        }
        match self.by_name(name) {
            Some(id) if Some(id) == self.held_mailbox() => self.inbox(),
            Some(id) => id,
            None => {
                self.make_parents(name, found);
                let id = self.make_mailbox(name, None, found);
                self.mailbox_mut(id).subscribed = true;
                id
            }
        }
    }

    /// Back to a mailbox; or only through it, when they are removed.
    fn put_back(&mut self, to: MailboxId, messages: &[(u32, EmailId, Names)], stay: bool) -> usize {
        let held = self.held_mailbox().unwrap();
        for (at, email, flags) in messages {
            let message = self.mailbox_mut(held).messages.remove(at);
            assert_eq!(message.map(|message| message.email), Some(*email), "what is held does not change");
            let uid = self.put(to, Message { email: *email, flags: flags.clone() });
            if !stay {
                self.mailbox_mut(to).messages.remove(&uid);
            }
        }
        messages.len()
    }

    /// What a device lists though it lies in the mailbox of what is held: where it was, and what.
    pub fn held_of_others(&self, by: DeviceId) -> Vec<(MailboxId, EmailId)> {
        let open = self.holds.values().filter(|hold| hold.answer.is_none() && hold.device != by);
        let mut held: Vec<(u32, MailboxId, EmailId)> = Vec::new();
        for part in open.flat_map(|hold| &hold.parts) {
            if let Part::Moved { from, messages, .. } = part {
                held.extend(messages.iter().map(|(at, email, _)| (*at, *from, *email)));
            }
        }
        held.sort_by_key(|(at, from, _)| (*from, *at));
        held.into_iter().map(|(_, from, email)| (from, email)).collect()
    }
}
