//! What the account must be: maps, changed by the rules of the RFCs, without a line of the store's own code.
//!
//! What only the store can know (new EMAILIDs, UIDVALIDITYs, MODSEQs) the model takes from what was found and holds
//! against the rules for such numbers; everything else it says on its own.

use crate::brake::{Hold, Removed};
use crate::found::{Found, LOOK_AT};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::device::{Credential, Device, main_password_name};
use store::pop::PopSettings;
use store::removal::RemovalPolicy;
use store::{
    DeviceId, EmailId, Error, MailboxId, ModSeq, PIECE_MESSAGES_MAX, Protocol, Quota, Resource, Role, Timestamp,
    UidValidity,
};

pub type Names = BTreeSet<String>;

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub email: EmailId,
    pub flags: Names,
}

#[derive(Clone, Debug)]
pub struct Mailbox {
    pub name: String,
    pub role: Option<Role>,
    pub subscribed: bool,
    pub uid_validity: UidValidity,
    pub uid_next: u32,
    pub messages: BTreeMap<u32, Message>,
}

#[derive(Clone, Debug)]
pub struct PopDevice {
    pub name: String,
    pub pop: PopSettings,
    pub pop_since: Timestamp,
    /// What it deleted before has no effect later.
    pub removal_since: Timestamp,
    pub added_at: Timestamp,
    pub revoked: bool,
    /// It has logged in over a protocol that reads, or that sends.
    pub reads: bool,
    pub sends: bool,
    pub uses_pop: bool,
    pub fingerprint: Option<String>,
    pub taken: BTreeSet<EmailId>,
    pub deleted: BTreeMap<EmailId, Timestamp>,
    /// What it deleted has no effect on the mailbox.
    pub stays: BTreeSet<EmailId>,
    pub brake: bool,
    /// Its hold without an answer.
    pub hold: Option<u32>,
}

impl PopDevice {
    /// An application password counts from the day it was made, unless it has only sent since.
    pub fn reads(&self) -> bool {
        self.reads || (self.fingerprint.is_none() && !self.sends)
    }

    fn puts_off(&self) -> bool {
        matches!(self.pop.removal, RemovalPolicy::ExpungeAfterDays(_) | RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt)
    }
}

#[derive(Clone, Debug)]
pub struct Email {
    /// `None`: a message of the server itself.
    pub body: Option<Arc<[u8]>>,
    pub size: usize,
    pub date: Timestamp,
    /// Where it came in.
    pub arrived_in: MailboxId,
    /// When it was in no mailbox any more.
    pub removed_at: Option<Timestamp>,
    pub purged: Purged,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Purged {
    No,
    /// A purge that was not acknowledged should have taken it.
    Perhaps,
    Yes,
}

#[derive(Clone, Debug)]
pub enum Op {
    Append { mailbox: Option<MailboxId>, body: Vec<u8>, flags: Names, date: Timestamp },
    Flags { mailbox: MailboxId, uids: Vec<u32>, mode: store::FlagMode, flags: Names, since: Option<ModSeq> },
    Expunge { by: DeviceId, mailbox: MailboxId, uids: Option<Vec<u32>> },
    Copy { by: DeviceId, from: MailboxId, uids: Vec<u32>, to: MailboxId },
    Move { by: DeviceId, from: MailboxId, uids: Vec<u32>, to: MailboxId },
    Create { name: String, role: Option<Role> },
    Rename { from: String, to: String },
    Delete { by: DeviceId, name: String },
    Subscribe { name: String, subscribed: bool },
    AddDevice { name: String, pop: PopSettings },
    MainDevice { fingerprint: String },
    Login { device: DeviceId, protocol: Protocol },
    Policy { device: DeviceId, pop: PopSettings },
    Brake { device: DeviceId, on: bool },
    Answer { hold: u32, kept: bool },
    Revoke { device: DeviceId },
    PopQuit { device: DeviceId, taken: Vec<EmailId>, deleted: Vec<(EmailId, MailboxId)> },
    RemoveDue,
    Quota { quota: Quota },
    Clear { before: Option<Timestamp> },
    Purge { before: Timestamp },
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Done,
    Appended { mailbox: MailboxId, uid: u32, email: EmailId },
    Modified(Vec<u32>),
    Gone(Vec<u32>),
    Pairs(Vec<(u32, u32)>),
    Mailbox(MailboxId),
    Device(DeviceId),
    Pop { kept: usize, expunged: usize, moved: usize },
    Removed(usize),
    Cleared { messages: usize, bytes: u64 },
    Answered { kept: usize, removed: usize },
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub mailboxes: BTreeMap<MailboxId, Mailbox>,
    pub emails: BTreeMap<EmailId, Email>,
    pub devices: BTreeMap<DeviceId, PopDevice>,
    /// Names that are subscribed and no mailboxes.
    pub subscriptions: Names,
    pub quota: Quota,
    pub holds: BTreeMap<u32, Hold>,
    pub last_hold: u32,
    /// What was removed over IMAP, the last one last.
    pub removed: Vec<Removed>,
    /// Some device removed something that is not among that, over POP3 or long ago.
    pub has_removed: bool,
    last_mailbox: u32,
    last_device: u32,
}

impl Model {
    /// An account that was just made.
    pub fn created(found: &Found) -> Self {
        let mut model = Self::default();
        for role in Role::ALL {
            model.make_mailbox(role.default_name(), Some(role), found);
        }
        model
    }

    pub fn mailbox(&self, id: MailboxId) -> &Mailbox {
        &self.mailboxes[&id]
    }

    pub fn mailbox_mut(&mut self, id: MailboxId) -> &mut Mailbox {
        self.mailboxes.get_mut(&id).unwrap()
    }

    pub fn by_name(&self, name: &str) -> Option<MailboxId> {
        self.mailboxes.iter().find(|(_, m)| canonical(&m.name) == canonical(name)).map(|(id, _)| *id)
    }

    pub fn inbox(&self) -> MailboxId {
        self.by_name("INBOX").unwrap()
    }

    /// Whether `op` is too much for one commit.
    pub fn is_large(&self, op: &Op) -> bool {
        let of = |id: &MailboxId| self.mailboxes.get(id).map_or(0, |mailbox| mailbox.messages.len());
        let messages = match op {
            Op::Flags { uids, .. } | Op::Copy { uids, .. } | Op::Move { uids, .. } => uids.len(),
            Op::Expunge { mailbox, uids, .. } => self.expunged(*mailbox, uids.as_deref()).len(),
            Op::Delete { name, .. } | Op::Rename { from: name, .. } => self.by_name(name).as_ref().map_or(0, of),
            Op::PopQuit { taken, deleted, .. } => taken.len() + deleted.len(),
            Op::Clear { .. } => self.mailboxes.keys().map(of).sum(),
            _ => 0,
        };
        messages > PIECE_MESSAGES_MAX
    }

    /// Whether the model knows what is left of `op` when it breaks off.
    pub fn may_break_off(&self, op: &Op) -> bool {
        !self.is_large(op) || matches!(op, Op::Flags { .. } | Op::Copy { .. } | Op::Move { .. })
    }

    /// A large operation broke off: some of its pieces are done, of a copy all or none.
    pub fn broken_off(&mut self, op: &Op, now: Timestamp, found: &Found) {
        let mut pieces = vec![self.clone()];
        let (Op::Flags { uids, .. } | Op::Copy { uids, .. } | Op::Move { uids, .. }) = op else { return };
        let all: BTreeSet<u32> = uids.iter().copied().collect();
        let some = |count: usize| all.iter().take(count).copied().collect::<Vec<u32>>();
        let counts = (PIECE_MESSAGES_MAX..all.len()).step_by(PIECE_MESSAGES_MAX).chain([all.len()]);
        for count in counts {
            let part = match op.clone() {
                Op::Flags { mailbox, mode, flags, since, .. } => {
                    Op::Flags { mailbox, uids: some(count), mode, flags, since }
                }
                Op::Move { by, from, to, .. } => Op::Move { by, from, uids: some(count), to },
                whole => whole,
            };
            let mut after = self.clone();
            if after.apply(&part, now, found).is_ok() {
                pieces.push(after);
            }
        }
        if let Op::Copy { to, .. } = op
            && let (Some(mailbox), Some(found)) = (pieces[0].mailboxes.get_mut(to), found.mailboxes.get(to))
        {
            // RFC 9051 §6.4.7: a copy that failed may have used up UIDs.
            mailbox.uid_next = mailbox.uid_next.max(found.mailbox.uid_next.0);
        }
        if let Some(same) = pieces.into_iter().find(|model| model.compare(found).is_ok()) {
            *self = same;
        }
    }

    /// Does what `op` asks for. On a refusal nothing is changed.
    pub fn apply(&mut self, op: &Op, now: Timestamp, found: &Found) -> Result<Reply, Error> {
        let mut after = self.clone();
        let reply = after.change(op, now, found)?;
        after.note_removals(now);
        *self = after;
        Ok(reply)
    }

    fn change(&mut self, op: &Op, now: Timestamp, found: &Found) -> Result<Reply, Error> {
        match op {
            Op::Append { mailbox, body, flags, date } => {
                let reply = self.append(mailbox.unwrap_or(self.inbox()), body, flags, *date, found)?;
                self.within_quota(true)?;
                Ok(reply)
            }
            Op::Flags { mailbox, uids, mode, flags, since } => {
                self.reflag(*mailbox, uids, *mode, flags, since.map(|since| (since, found)))
            }
            Op::Expunge { by, mailbox, uids } => self.expunge(*by, *mailbox, uids.as_deref(), (now, found)),
            Op::Copy { by: _, from, uids, to } => {
                let reply = self.relist(*from, uids, *to, false)?;
                self.within_quota(matches!(&reply, Reply::Pairs(pairs) if !pairs.is_empty()))?;
                Ok(reply)
            }
            Op::Move { by: _, from, uids, to } => self.relist(*from, uids, *to, true),
            Op::Create { name, role } => {
                if self.by_name(name).is_some() {
                    return Err(Error::AlreadyExists);
                }
                self.make_parents(name, found);
                Ok(Reply::Mailbox(self.make_mailbox(&canonical(name), *role, found)))
            }
            Op::Rename { from, to } => self.rename(from, to, found),
            Op::Delete { by, name } => self.delete(*by, name, now, found),
            Op::Subscribe { name, subscribed } => {
                match self.by_name(name) {
                    Some(id) => self.mailbox_mut(id).subscribed = *subscribed,
                    None if *subscribed => drop(self.subscriptions.insert(canonical(name))),
                    None => drop(self.subscriptions.remove(&canonical(name))),
                }
                Ok(Reply::Done)
            }
            Op::AddDevice { name, pop } => {
                if self.devices.values().any(|device| !device.revoked && device.name == *name) {
                    return Err(Error::AlreadyExists);
                }
                Ok(self.add_device(name.clone(), *pop, None, now))
            }
            Op::MainDevice { fingerprint } => {
                let same = |device: &PopDevice| !device.revoked && device.fingerprint.as_ref() == Some(fingerprint);
                match self.devices.iter().find(|(_, device)| same(device)) {
                    Some((id, _)) => Ok(Reply::Device(*id)),
                    None => {
                        let name = main_password_name(fingerprint);
                        Ok(self.add_device(name, PopSettings::default(), Some(fingerprint.clone()), now))
                    }
                }
            }
            Op::Login { device, protocol } => {
                let reads = [Protocol::Imap, Protocol::Pop3].contains(protocol);
                let device = self.active(*device)?;
                device.sends |= *protocol == Protocol::Submission;
                device.reads |= reads;
                device.uses_pop |= *protocol == Protocol::Pop3;
                Ok(Reply::Done)
            }
            Op::Policy { device, pop } => {
                let device = self.active(*device)?;
                if device.pop.window != pop.window {
                    device.pop_since = now;
                }
                if !device.puts_off() {
                    device.removal_since = now;
                }
                device.pop = *pop;
                Ok(Reply::Done)
            }
            Op::Brake { device, on } => {
                self.active(*device)?.brake = *on;
                Ok(Reply::Done)
            }
            Op::Answer { hold, kept } => self.answer(*hold, *kept, (now, found)),
            Op::Revoke { device } => {
                self.active(*device)?.revoked = true;
                Ok(Reply::Done)
            }
            Op::PopQuit { device, taken, deleted } => Ok(self.pop_quit(*device, taken, deleted, now, found)),
            Op::RemoveDue => Ok(self.remove_due(now)),
            Op::Quota { quota } => {
                self.quota = *quota;
                Ok(Reply::Done)
            }
            Op::Clear { before } => Ok(self.clear(*before)),
            Op::Purge { before } => {
                let due = |email: &&mut Email| email.removed_at.is_some_and(|at| at < *before);
                self.emails.values_mut().filter(due).for_each(|email| email.purged = Purged::Yes);
                self.holds_perhaps_gone(*before);
                Ok(Reply::Done)
            }
        }
    }

    fn append(
        &mut self,
        id: MailboxId,
        body: &[u8],
        flags: &Names,
        date: Timestamp,
        found: &Found,
    ) -> Result<Reply, Error> {
        self.must_not_be_held(id)?;
        let mailbox = self.mailboxes.get_mut(&id).ok_or(Error::NoSuchMailbox)?;
        let uid = mailbox.uid_next;
        // EMAILID 0 is never given out: where nothing is found, the comparison that follows says so.
        let email = found.email(id, uid).unwrap_or(EmailId(0));
        mailbox.uid_next += 1;
        mailbox.messages.insert(uid, Message { email, flags: flags.clone() });
        let email_state = Email {
            body: Some(body.into()),
            size: body.len(),
            date,
            arrived_in: id,
            removed_at: None,
            purged: Purged::No,
        };
        let known = self.emails.insert(email, email_state);
        assert!(known.is_none(), "EMAILID {} was given out twice", email.text());
        Ok(Reply::Appended { mailbox: id, uid, email })
    }

    /// RFC 9208: what adds nothing is not refused.
    fn within_quota(&self, adds: bool) -> Result<(), Error> {
        let messages = self.mailboxes.values().flat_map(|mailbox| mailbox.messages.values());
        let sizes: Vec<usize> = messages.map(|message| self.emails[&message.email].size).collect();
        let amounts = [
            (Resource::Storage, sizes.iter().sum(), self.quota.bytes),
            (Resource::Message, sizes.len(), self.quota.messages),
        ];
        for (resource, used, quota) in amounts {
            if let Some(quota) = quota.filter(|quota| adds && used as u64 > *quota) {
                return Err(Error::OverQuota { resource, used: 0, quota });
            }
        }
        Ok(())
    }

    fn reflag(
        &mut self,
        id: MailboxId,
        uids: &[u32],
        mode: store::FlagMode,
        flags: &Names,
        since: Option<(ModSeq, &Found)>,
    ) -> Result<Reply, Error> {
        self.must_not_be_held(id)?;
        let mailbox = self.mailboxes.get_mut(&id).ok_or(Error::NoSuchMailbox)?;
        let mut modified = BTreeSet::new();
        for uid in uids {
            let Some(message) = mailbox.messages.get_mut(uid) else { continue };
            if since.is_some_and(|(since, found)| found.before(id, *uid).is_some_and(|modseq| modseq > since)) {
                modified.insert(*uid);
                continue;
            }
            match mode {
                store::FlagMode::Add => message.flags.extend(flags.iter().cloned()),
                store::FlagMode::Remove => message.flags.retain(|flag| !flags.contains(flag)),
                store::FlagMode::Replace => message.flags = flags.clone(),
            }
        }
        Ok(Reply::Modified(modified.into_iter().collect()))
    }

    fn expunge(
        &mut self,
        by: DeviceId,
        id: MailboxId,
        among: Option<&[u32]>,
        (now, found): (Timestamp, &Found),
    ) -> Result<Reply, Error> {
        if !self.mailboxes.contains_key(&id) {
            return Err(Error::NoSuchMailbox);
        }
        let gone = self.expunged(id, among);
        self.remove(by, id, &gone, now, found);
        Ok(Reply::Gone(gone))
    }

    /// The UIDs that an expunge takes away.
    fn expunged(&self, id: MailboxId, among: Option<&[u32]>) -> Vec<u32> {
        let goes = |uid: &u32, message: &Message| {
            message.flags.contains("\\Deleted") && among.is_none_or(|among| among.contains(uid))
        };
        let messages = self.mailboxes.get(&id).into_iter().flat_map(|mailbox| &mailbox.messages);
        messages.filter(|(uid, message)| goes(uid, message)).map(|(uid, _)| *uid).collect()
    }

    pub fn relist(&mut self, from: MailboxId, uids: &[u32], to: MailboxId, moves: bool) -> Result<Reply, Error> {
        if !self.mailboxes.contains_key(&from) || !self.mailboxes.contains_key(&to) {
            return Err(Error::NoSuchMailbox);
        }
        self.must_not_be_held(to)?;
        if moves {
            self.must_not_be_held(from)?;
        }
        let uids: BTreeSet<u32> = uids.iter().copied().collect();
        let source: Vec<(u32, Message)> =
            uids.iter().filter_map(|uid| Some((*uid, self.mailbox(from).messages.get(uid)?.clone()))).collect();
        if moves {
            source.iter().for_each(|(uid, _)| drop(self.mailbox_mut(from).messages.remove(uid)));
        }
        let target = self.mailbox_mut(to);
        let mut pairs = Vec::new();
        for (uid, message) in source {
            pairs.push((uid, target.uid_next));
            target.messages.insert(target.uid_next, message);
            target.uid_next += 1;
        }
        Ok(Reply::Pairs(pairs))
    }

    pub fn make_parents(&mut self, name: &str, found: &Found) {
        for (end, _) in name.match_indices('/') {
            if self.by_name(&name[..end]).is_none() {
                self.make_mailbox(&canonical(&name[..end]), None, found);
            }
        }
    }

    pub fn make_mailbox(&mut self, name: &str, role: Option<Role>, found: &Found) -> MailboxId {
        if role.is_some() {
            self.mailboxes.values_mut().filter(|m| m.role == role).for_each(|m| m.role = None);
        }
        self.last_mailbox += 1;
        let id = MailboxId(self.last_mailbox);
        let uid_validity = found.mailboxes.get(&id).map_or(UidValidity(0), |mailbox| mailbox.mailbox.uid_validity);
        let subscribed = self.subscriptions.remove(name) || role.is_some();
        let (name, messages) = (name.to_owned(), BTreeMap::new());
        self.mailboxes.insert(id, Mailbox { name, role, subscribed, uid_validity, uid_next: 1, messages });
        id
    }

    fn rename(&mut self, from: &str, to: &str, found: &Found) -> Result<Reply, Error> {
        let id = self.by_name(from).ok_or(Error::NoSuchMailbox)?;
        self.must_not_be_held(id)?;
        let (before, is_inbox) = (self.mailbox(id).name.clone(), self.mailbox(id).role == Some(Role::Inbox));
        if self.by_name(to).is_some() {
            return Err(Error::AlreadyExists);
        }
        if !is_inbox && canonical(to).starts_with(&format!("{before}/")) {
            return Err(Error::NotAllowed("below itself"));
        }
        self.make_parents(to, found);
        if is_inbox {
            let new = self.make_mailbox(&canonical(to), None, found);
            let uids: Vec<u32> = self.mailbox(id).messages.keys().copied().collect();
            return self.relist(id, &uids, new, true).map(|_| Reply::Done);
        }
        for mailbox in self.mailboxes.values_mut() {
            if mailbox.name == before {
                mailbox.name = canonical(to);
            } else if let Some(rest) = mailbox.name.strip_prefix(&format!("{before}/")) {
                mailbox.name = format!("{}/{rest}", canonical(to));
            } else {
                continue;
            }
            mailbox.subscribed |= self.subscriptions.remove(&mailbox.name);
        }
        Ok(Reply::Done)
    }

    fn delete(&mut self, by: DeviceId, name: &str, now: Timestamp, found: &Found) -> Result<Reply, Error> {
        let id = self.by_name(name).ok_or(Error::NoSuchMailbox)?;
        self.must_not_be_held(id)?;
        let below = format!("{}/", self.mailbox(id).name);
        if self.mailbox(id).role == Some(Role::Inbox) || self.mailboxes.values().any(|m| m.name.starts_with(&below)) {
            return Err(Error::NotAllowed("INBOX, or not the lowest"));
        }
        let uids: Vec<u32> = self.mailbox(id).messages.keys().copied().collect();
        self.remove(by, id, &uids, now, found);
        let gone = self.mailboxes.remove(&id).unwrap();
        if gone.subscribed {
            self.subscriptions.insert(gone.name);
        }
        Ok(Reply::Done)
    }

    fn add_device(&mut self, name: String, pop: PopSettings, fingerprint: Option<String>, now: Timestamp) -> Reply {
        self.last_device += 1;
        let device = PopDevice {
            name,
            pop,
            pop_since: now,
            removal_since: now,
            added_at: now,
            revoked: false,
            reads: false,
            sends: false,
            uses_pop: false,
            fingerprint,
            taken: BTreeSet::new(),
            deleted: BTreeMap::new(),
            stays: BTreeSet::new(),
            brake: true,
            hold: None,
        };
        self.devices.insert(DeviceId(self.last_device), device);
        Reply::Device(DeviceId(self.last_device))
    }

    fn active(&mut self, id: DeviceId) -> Result<&mut PopDevice, Error> {
        self.devices.get_mut(&id).filter(|device| !device.revoked).ok_or(Error::NoSuchDevice)
    }

    fn note_removals(&mut self, now: Timestamp) {
        let listed: BTreeSet<EmailId> =
            self.mailboxes.values().flat_map(|m| m.messages.values().map(|message| message.email)).collect();
        for (id, email) in &mut self.emails {
            if !listed.contains(id) && email.removed_at.is_none() {
                email.removed_at = Some(now);
            }
        }
    }

    /// A purge may forget what was answered before.
    fn holds_perhaps_gone(&mut self, before: Timestamp) {
        let due = |hold: &&mut Hold| hold.answer.is_some_and(|(_, at)| at < before);
        self.holds.values_mut().filter(due).for_each(|hold| hold.perhaps_gone = true);
    }

    /// A purge that was not acknowledged may have taken some of what was due.
    pub fn perhaps_purged(&mut self, before: Timestamp) {
        self.holds_perhaps_gone(before);
        for email in self.emails.values_mut().filter(|email| email.removed_at.is_some_and(|at| at < before)) {
            if email.purged == Purged::No {
                email.purged = Purged::Perhaps;
            }
        }
    }

    /// Says where the account that was found differs from this one.
    pub fn compare(&self, found: &Found) -> Result<(), String> {
        same("mailboxes", self.mailboxes.keys(), found.mailboxes.keys())?;
        same("subscriptions", &self.subscriptions, &found.subscriptions)?;
        for (id, mailbox) in &self.mailboxes {
            compare_mailbox(mailbox, found, *id).map_err(|what| format!("{:?} ({id}): {what}", mailbox.name))?;
        }
        let is_found = |id: u32| found.holds.iter().any(|hold| hold.id.0 == id);
        let holds = self.holds.iter().filter(|(id, hold)| !hold.perhaps_gone || is_found(**id));
        let expected = holds.map(|(id, hold)| (*id, hold.device, hold.messages, hold.answer));
        let answer = |hold: &store::hold::Hold| hold.answer.map(|answer| (answer.kept, answer.at));
        let holds = found.holds.iter().rev().map(|hold| (hold.id.0, hold.device, hold.messages, answer(hold)));
        same("holds", expected, holds)?;
        same("devices", self.devices.keys(), found.devices.keys())?;
        for (id, device) in &self.devices {
            compare_device(device, &found.devices[id]).map_err(|what| format!("device {id}: {what}"))?;
            let maildrop = found.maildrops.get(id);
            if !device.revoked {
                same("maildrop", self.maildrop(*id, LOOK_AT).iter(), maildrop.into_iter().flatten())?;
            }
        }
        Ok(())
    }
}

fn compare_mailbox(mailbox: &Mailbox, found: &Found, id: MailboxId) -> Result<(), String> {
    let other = &found.mailboxes[&id];
    let (head, keywords) = (&other.mailbox, &other.mailbox.keywords);
    same("name", [&mailbox.name], [&head.name])?;
    same("role", [mailbox.role], [head.role])?;
    same("subscribed", [mailbox.subscribed], [head.subscribed])?;
    same("UIDVALIDITY", [mailbox.uid_validity], [head.uid_validity])?;
    same("UIDNEXT", [mailbox.uid_next], [head.uid_next.0])?;
    same("UIDs", mailbox.messages.keys().copied(), other.index.iter().map(|entry| entry.uid.0))?;
    for (message, entry) in mailbox.messages.values().zip(other.index.iter()) {
        same("EMAILID", [message.email], [entry.email])?;
        let flags = keywords.flags(entry.flags);
        let system = store::SystemFlag::ALL.iter().filter(|flag| flags.system.has(**flag));
        let names: Names = system.map(|flag| flag.name().to_owned()).chain(flags.keywords).collect();
        same(&format!("flags of {}", entry.uid), [&message.flags], [&names])?;
    }
    let unseen = mailbox.messages.values().filter(|m| !m.flags.contains("\\Seen")).count();
    same("unseen", [unseen as u32], [head.counts.unseen])?;
    same("messages", [mailbox.messages.len() as u32], [head.counts.messages])
}

fn compare_device(device: &PopDevice, found: &Device) -> Result<(), String> {
    same("name", [&device.name], [&found.name])?;
    same("POP settings", [device.pop], [found.pop])?;
    same("brake", [device.brake], [found.brake])?;
    same("revoked", [device.revoked], [found.revoked_at.is_some()])?;
    let fingerprint = match &found.credential {
        Credential::ApplicationPassword { .. } | Credential::Guest { .. } | Credential::Import { .. } => None,
        Credential::MainPassword { fingerprint } => Some(fingerprint),
    };
    same("fingerprint", [device.fingerprint.as_ref()], [fingerprint])?;
    same("reads", [device.reads() && !device.revoked], [found.reads_mail()])
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    model: impl IntoIterator<Item = T>,
    found: impl IntoIterator<Item = T>,
) -> Result<(), String> {
    let (model, found): (Vec<T>, Vec<T>) = (model.into_iter().collect(), found.into_iter().collect());
    if model == found { Ok(()) } else { Err(format!("{what}: should be {model:?}, is {found:?}")) }
}

/// RFC 9051 §5.1: INBOX in any case is INBOX, also as the first level.
fn canonical(name: &str) -> String {
    match name.split_once('/') {
        None if name.eq_ignore_ascii_case("INBOX") => "INBOX".to_owned(),
        Some((first, rest)) if first.eq_ignore_ascii_case("INBOX") => format!("INBOX/{rest}"),
        _ => name.to_owned(),
    }
}
