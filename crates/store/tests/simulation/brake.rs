//! What the model says of the damage brake: what a hold does, and what an answer does. Whether a removal is held, within the
//! bounds of the rule, and what was pulled back of earlier ones it takes from what was found: the rule itself is tested
//! elsewhere (tests/brake).

use crate::found::Found;
use crate::model::{Email, Mailbox, Message, Model, Names, Purged, Reply};
use std::collections::{BTreeMap, BTreeSet};
use store::removal::RemovalPolicy;
use store::{DeviceId, EmailId, Error, MailboxId, Role, Timestamp, Uid};

/// As these stores are told; else most accounts here would be too small.
pub const MESSAGES_MIN: u64 = 1;
const WINDOW_MILLIS: i64 = 24 * 3600 * 1000;
/// The clock goes back now and then.
const SLACK_MILLIS: i64 = 60 * 1000;

/// A message that a device removed from a mailbox over IMAP.
#[derive(Clone, Debug)]
pub struct Removed {
    by: DeviceId,
    at: Timestamp,
    from: MailboxId,
    name: String,
    email: EmailId,
    flags: Names,
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
        let asked = if is_trash { 0 } else { self.removals(&leaving) };
        if self.is_stopped(by, asked, uids.len() as u64, found) {
            self.hold_messages(by, id, uids, now, found);
            return;
        }
        let before = self.removed.len();
        self.removed.retain(|removed| removed.at.0 > now.0 - WINDOW_MILLIS - 2 * SLACK_MILLIS);
        self.has_removed |= self.removed.len() < before;
        let name = self.mailbox(id).name.clone();
        for uid in uids {
            let Message { email, mut flags } = self.mailbox_mut(id).messages.remove(uid).unwrap();
            flags.remove("\\Deleted");
            self.removed.push(Removed { by, at: now, from: id, name: name.clone(), email, flags });
        }
    }

    /// How many of these messages are nowhere else.
    pub fn removals(&self, leaving: &[EmailId]) -> u64 {
        let places = |email: &EmailId| {
            let all = self.mailboxes.values().flat_map(|mailbox| mailbox.messages.values());
            all.filter(|message| message.email == *email).count()
        };
        let here = |email: &EmailId| leaving.iter().filter(|other| *other == email).count();
        let distinct: BTreeSet<EmailId> = leaving.iter().copied().collect();
        distinct.iter().filter(|email| places(email) == here(email)).count() as u64
    }

    /// `asked`: messages that would be nowhere any more; `most`: what they may count as at most.
    pub fn is_stopped(&mut self, by: DeviceId, asked: u64, most: u64, found: &Found) -> bool {
        let Some(device) = self.devices.get(&by) else { return false };
        let known = device.hold.map_or(0, |hold| self.holds[&hold].messages);
        let is_found =
            found.holds.iter().any(|hold| hold.device == by && hold.answer.is_none() && hold.messages > known);
        let before = self.removed.iter().filter(|removed| self.have_one_pace(removed.by, by)).count() as u64;
        let is_waiting = |hold: &Hold| hold.answer.is_none() && self.have_one_pace(hold.device, by);
        let may = most + before > MESSAGES_MIN || self.has_removed || self.holds.values().any(is_waiting);
        let ordinary = |mailbox: &&Mailbox| !matches!(mailbox.role, Some(Role::Trash | Role::Junk | Role::Held));
        let kept: usize = self.mailboxes.values().filter(ordinary).map(|m| m.messages.len()).sum();
        // All there is, of a device that never did that, whatever it did.
        let must = asked == kept as u64 && asked > MESSAGES_MIN && before == 0 && !self.has_removed;
        device.brake && may && (must || is_found)
    }

    /// All devices of the main password have one pace.
    fn have_one_pace(&self, one: DeviceId, other: DeviceId) -> bool {
        let has_main_password = |id| self.devices.get(&id).is_some_and(|device| device.fingerprint.is_some());
        one == other || (has_main_password(one) && has_main_password(other))
    }

    /// What the device removed before lies with what is held, ahead of it: `asked` messages that come there themselves.
    fn pull_back(&mut self, (by, hold): (DeviceId, u32), asked: usize, now: Timestamp, found: &Found) {
        let there = found.mailboxes.iter().find(|(_, there)| there.mailbox.role == Some(Role::Held));
        let Some((held, there)) = there else { return };
        let next = self.held_mailbox().map_or(1, |held| self.mailbox(held).uid_next);
        let mut came: Vec<(u32, EmailId)> =
            there.index.uids(Uid(next), Uid::MAX).map(|(_, entry)| (entry.uid.0, entry.email)).collect();
        came.truncate(came.len().saturating_sub(asked));
        if came.is_empty() {
            return;
        }
        if self.held_mailbox().is_none() {
            self.make_mailbox("Held", Some(Role::Held), found);
        }
        for (uid, email) in came {
            let last = self.removed.iter().rposition(|removed| removed.email == email);
            let is_listed = self.mailboxes.values().flat_map(|m| m.messages.values()).any(|there| there.email == email);
            let Some(removed) = last.map(|at| self.removed.remove(at)) else { return };
            let is_recent = removed.at.0 >= now.0 - WINDOW_MILLIS - SLACK_MILLIS;
            if is_listed || !is_recent || !self.have_one_pace(removed.by, by) {
                return;
            }
            let Removed { from, name, flags, .. } = removed;
            self.emails.get_mut(&email).unwrap().removed_at = None;
            assert_eq!(self.put(*held, Message { email, flags: flags.clone() }), uid);
            let hold = self.holds.get_mut(&hold).unwrap();
            hold.messages += 1;
            hold.parts.push(Part::Moved { from, name, messages: vec![(uid, email, flags)] });
        }
    }

    /// The hold of a device without an answer, or a new one; for that one there will be a message.
    fn hold_of(&mut self, by: DeviceId) -> (u32, bool) {
        let device = self.devices.get_mut(&by).unwrap();
        if let Some(hold) = device.hold {
            return (hold, false);
        }
        self.last_hold += 1;
        let id = self.last_hold;
        device.hold = Some(id);
        self.holds.insert(id, Hold { device: by, messages: 0, answer: None, perhaps_gone: false, parts: Vec::new() });
        (id, true)
    }

    fn hold_messages(&mut self, by: DeviceId, id: MailboxId, uids: &[u32], now: Timestamp, found: &Found) {
        let (hold, is_new) = self.hold_of(by);
        let held = self.held_mailbox().unwrap_or_else(|| self.make_mailbox("Held", Some(Role::Held), found));
        if is_new {
            self.pull_back((by, hold), uids.len(), now, found);
        }
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
        self.letter(is_new && !self.has_asked(by), now, found);
    }

    /// Whether the owner was asked about the same password before.
    fn has_asked(&self, by: DeviceId) -> bool {
        let waits = |hold: &&Hold| hold.answer.is_none() && self.have_one_pace(hold.device, by);
        self.holds.values().filter(waits).count() > 1
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
        if is_new {
            self.pull_back((by, hold), 0, now, found);
        }
        let expunges = matches!(policy, RemovalPolicy::Expunge | RemovalPolicy::KeepWhenShared);
        for (mailbox, emails) in places {
            self.devices.get_mut(&by).unwrap().stays.extend(emails);
            let hold = self.holds.get_mut(&hold).unwrap();
            hold.messages += emails.len() as u64;
            hold.parts.push(Part::Kept { mailbox: *mailbox, expunges, emails: emails.clone() });
        }
        self.letter(is_new && !self.has_asked(by), now, found);
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
        self.devices.get_mut(&hold.device).unwrap().hold = None;
        let allowed: Vec<DeviceId> =
            self.devices.keys().copied().filter(|id| self.have_one_pace(*id, hold.device)).collect();
        self.has_removed = true;
        // Its window begins anew.
        self.removed.retain(|removed| !allowed.contains(&removed.by));
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
