//! The brake at work: a removal is judged and counted, and carried out or held ([`crate::brake`], [`crate::hold`]).

mod answer;
mod pull_back;
mod read;
mod weigh;

pub use read::HeldIn;
pub(super) use read::origins;

use super::close_maildrop::Places;
use crate::brake::{Burst, Findings, Of, Pace, Removals, Share, Verdict, decide};
use crate::device::{Credential, Device};
use crate::error::Error;
use crate::flags::{FlagBits, Flags, SystemFlag};
use crate::hold::{Batch, Hold};
use crate::ids::{DeviceId, EmailId, HoldId, MailboxId};
use crate::index::Entry;
use crate::journal::{Actor, Change, Listed, MESSAGES_PER_ENTRY_MAX, OfDevice, Relisted};
use crate::key;
use crate::removal::Effect;
use crate::role::Role;
use crate::store::StoreOptions;
use crate::tx::Tx;
use std::collections::HashSet;
use weigh::Asked;

const NOT_HERE: &str = "nothing changes in the mailbox of what is held: its owner answers on the page /held, or an \
                        administrator with `pillarbox held`";

/// The device whose number the pace of the main password has: the server itself, which has none.
const MAIN_PASSWORD: DeviceId = DeviceId(0);

impl Tx<'_> {
    /// Removes entries of a mailbox at the wish of a device: expunges them, or holds them.
    pub(super) fn remove(
        &mut self,
        actor: Actor,
        mailbox: MailboxId,
        entries: &[Entry],
        options: &StoreOptions,
    ) -> Result<(), Error> {
        self.must_not_be_held(mailbox)?;
        match self.judge_removal(actor, mailbox, entries, options)? {
            Verdict::Pass | Verdict::Tell => self.expunge(actor, mailbox, entries),
            Verdict::Hold => self.hold_entries(actor, mailbox, (entries, entries.len() as u64), options),
        }
    }

    /// Judges and counts the removal of entries of a mailbox, all that an operation is about.
    pub(super) fn judge_removal(
        &mut self,
        actor: Actor,
        mailbox: MailboxId,
        entries: &[Entry],
        options: &StoreOptions,
    ) -> Result<Verdict, Error> {
        // What the server does itself, or the owner through it, is nobody's to judge.
        if !self.state.devices.contains_key(&actor.device) {
            return Ok(Verdict::Pass);
        }
        let mut pace = self.shared_pace(actor.device)?;
        pace.advance(actor.now);
        let asked = self.weigh(actor, &mut pace, (mailbox, entries), options)?;
        self.judge(actor, pace, asked, options)
    }

    /// Judges what a device deletes over POP3 with an effect that removes. `newly`: what it has deleted just now; `had`: what
    /// it has downloaded and nobody else misses.
    pub(super) fn judge_maildrop(
        &mut self,
        actor: Actor,
        places: &Places,
        had: &HashSet<EmailId>,
        options: &StoreOptions,
    ) -> Result<Verdict, Error> {
        let mut asked = Vec::new();
        for (mailbox, emails) in places {
            let mut entries = self.entries_of(*mailbox, emails)?;
            entries.retain(|entry| !had.contains(&entry.email));
            if !entries.is_empty() {
                asked.push((*mailbox, entries));
            }
        }
        let asked = self.weigh_maildrop(&asked)?;
        let mut pace = self.shared_pace(actor.device)?;
        pace.advance(actor.now);
        self.judge(actor, pace, asked, options)
    }

    /// What a device deleted over POP3 stays where it is until the owner has answered: some of `all` that it wants to remove.
    pub(super) fn hold_maildrop(
        &mut self,
        actor: Actor,
        (places, all): (&Places, u64),
        effect: Effect,
        options: &StoreOptions,
    ) -> Result<(), Error> {
        let (mut hold, is_new) = self.hold_of(actor)?;
        if is_new {
            self.pull_back(actor, &mut hold)?;
        }
        for (mailbox, emails) in places {
            let mut emails: Vec<EmailId> = emails.iter().copied().collect();
            emails.sort_unstable();
            for email in &emails {
                let mut taken = self.taken(actor.device, *email)?.unwrap_or_default();
                taken.stays = true;
                self.put(key::taken(actor.device, *email), taken.encode());
            }
            for emails in emails.chunks(MESSAGES_PER_ENTRY_MAX) {
                let (mailbox, emails) = (*mailbox, emails.to_vec());
                self.add_batch(actor, &mut hold, &emails, &Batch::Kept { mailbox, effect, emails: emails.clone() });
            }
        }
        self.put_hold(actor, hold, is_new.then_some(all), options)
    }

    /// Notes that a device brings messages to a mailbox, which matters where that is Trash or Junk, or they were in INBOX: it may
    /// be about to empty it.
    pub(super) fn note_put_away(
        &mut self,
        actor: Actor,
        (from, to): (MailboxId, MailboxId),
        count: usize,
    ) -> Result<(), Error> {
        let is_trash = |role| matches!(role, Some(Role::Trash | Role::Junk));
        let (from, to) = (self.mailbox(from)?.role, self.mailbox(to)?.role);
        let is_put_away = is_trash(to) && !is_trash(from);
        let leaves_inbox = from == Some(Role::Inbox);
        if count == 0 || !(is_put_away || leaves_inbox) || !self.state.devices.contains_key(&actor.device) {
            return Ok(());
        }
        let messages = count as u64;
        let of_inbox = if leaves_inbox { messages } else { 0 };
        let mut pace = self.shared_pace(actor.device)?;
        pace.advance(actor.now);
        match is_put_away {
            true => pace.count_put_away(Removals { messages, of_inbox }, actor.now),
            false => pace.count_elsewhere(Removals { messages: 0, of_inbox }, actor.now),
        }
        self.put(key::pace(self.pace_owner(actor.device)), pace.encode());
        Ok(())
    }

    /// Only the answer to a hold changes anything in the mailbox of what is held.
    pub(super) fn must_not_be_held(&self, mailbox: MailboxId) -> Result<(), Error> {
        if self.is_held(mailbox) { Err(Error::NotAllowed(NOT_HERE)) } else { Ok(()) }
    }

    /// Whether it is the mailbox of what is held.
    pub(super) fn is_held(&self, mailbox: MailboxId) -> bool {
        self.mailbox(mailbox).is_ok_and(|mailbox| mailbox.role == Some(Role::Held))
    }

    /// Judges a removal and counts it.
    fn judge(
        &mut self,
        actor: Actor,
        mut pace: Pace,
        mut asked: Asked,
        options: &StoreOptions,
    ) -> Result<Verdict, Error> {
        let Some(device) = self.state.devices.get(&actor.device) else { return Ok(Verdict::Pass) };
        let has_brake = device.brake;
        let mailbox = self.emptied_most(&mut asked, &mut pace, actor.now, options)?;
        let (removals, removed) = (asked.removals, pace.removed());
        let there = self.kept_mail() + removed + pace.put_away();
        let findings = Findings {
            messages_min: options.brake_messages_min,
            asked: removals,
            removed,
            held: pace.held(),
            largest_day: pace.largest_day,
            away_days: pace.away_days(actor.now),
            there: there + Removals { messages: 0, of_inbox: pace.elsewhere().of_inbox },
            mailbox: mailbox.map(|(_, share)| share),
        };
        let (verdict, of) = match decide(&findings) {
            decided if has_brake => decided,
            // Its owner does not want it held, and is told all the same.
            (Verdict::Hold | Verdict::Tell, of @ (Of::Account | Of::Inbox | Of::Mailbox)) => (Verdict::Tell, of),
            (Verdict::Hold | Verdict::Tell | Verdict::Pass, of) => (Verdict::Pass, of),
        };
        if removals.messages > 0 {
            pace.count(removals, verdict, actor.now);
        }
        for (mailbox, messages) in asked.of.iter().filter(|(_, messages)| **messages > 0) {
            pace.count_of(*mailbox, *messages, actor.now);
        }
        self.put(key::pace(self.pace_owner(actor.device)), pace.encode());
        match verdict {
            Verdict::Pass => {}
            Verdict::Tell | Verdict::Hold => self.note_burst(actor, (verdict, of), &findings, mailbox)?,
        }
        Ok(verdict)
    }

    /// Notes for the owner what was too much.
    fn note_burst(
        &mut self,
        actor: Actor,
        (verdict, of): (Verdict, Of),
        findings: &Findings,
        mailbox: Option<(MailboxId, Share)>,
    ) -> Result<(), Error> {
        let all = findings.removed + findings.asked;
        let account = Share { removed: all.messages, there: findings.there.messages };
        let (mailbox, Share { removed, there }) = match (of, mailbox) {
            (Of::Inbox, _) => {
                let inbox = self.state.inbox()?.name.clone();
                (Some(inbox), Share { removed: all.of_inbox, there: findings.there.of_inbox })
            }
            (Of::Mailbox, Some((id, share))) => (Some(self.mailbox(id)?.name.clone()), share),
            (Of::Mailbox, None) | (Of::Account | Of::Before, _) => (None, account),
        };
        let mut pace = self.pace(actor.device)?;
        if let Some(burst) = pace.burst.as_mut().filter(|burst| of == Of::Before && burst.is_held) {
            (burst.at, burst.removed) = (actor.now, burst.removed + findings.asked.messages);
            burst.there = burst.there.max(burst.removed);
            self.put(key::pace(actor.device), pace.encode());
            return Ok(());
        }
        let is_held = verdict == Verdict::Hold;
        pace.burst = Some(Burst { at: actor.now, is_held, mailbox, removed, there });
        self.put(key::pace(actor.device), pace.encode());
        Ok(())
    }

    /// What is in mailboxes in which mail is kept.
    fn kept_mail(&self) -> Removals {
        let count = |sum: Removals, role, messages: u32| match role {
            Some(Role::Trash | Role::Junk | Role::Held) => sum,
            Some(Role::Inbox) => sum + Removals { messages: messages.into(), of_inbox: messages.into() },
            Some(Role::Drafts | Role::Sent | Role::Archive) | None => {
                sum + Removals { messages: messages.into(), of_inbox: 0 }
            }
        };
        let mailboxes = self.state.mailboxes.values().map(|state| &state.mailbox);
        mailboxes.fold(Removals::default(), |sum, mailbox| count(sum, mailbox.role, mailbox.counts.messages))
    }

    /// The devices of the main password have one pace: who holds it chooses what it calls itself.
    pub(super) fn pace_owner(&self, device: DeviceId) -> DeviceId {
        match self.state.devices.get(&device).map(|device| &device.credential) {
            Some(Credential::MainPassword { .. }) => MAIN_PASSWORD,
            Some(Credential::ApplicationPassword { .. } | Credential::Guest { .. } | Credential::Import { .. })
            | None => device,
        }
    }

    /// How fast a device removes, with those that have the same password.
    pub(super) fn shared_pace(&mut self, device: DeviceId) -> Result<Pace, Error> {
        let owner = self.pace_owner(device);
        if owner != MAIN_PASSWORD || self.get(&key::pace(owner))?.is_some() {
            return self.pace(owner);
        }
        // Before they had one together, each had its own.
        let ids: Vec<DeviceId> =
            self.state.devices.keys().copied().filter(|id| self.pace_owner(*id) == owner).collect();
        ids.into_iter().try_fold(Pace::default(), |pace, id| Ok(pace.with(&self.pace(id)?)))
    }

    /// What a device itself did: its hold, and what its owner sees of it.
    pub(super) fn pace(&mut self, device: DeviceId) -> Result<Pace, Error> {
        let bytes = self.get(&key::pace(device))?;
        let pace = bytes.map(|bytes| Pace::decode(&bytes).map_err(Error::corrupt("the pace of a device"))).transpose();
        pace.map(Option::unwrap_or_default)
    }

    /// The entries leave their mailbox, as the device expects, and lie where all others find them. They are some of `all`
    /// that the device wants to remove.
    pub(super) fn hold_entries(
        &mut self,
        actor: Actor,
        mailbox: MailboxId,
        (entries, all): (&[Entry], u64),
        options: &StoreOptions,
    ) -> Result<(), Error> {
        let (mut hold, is_new) = self.hold_of(actor)?;
        let held = self.held_mailbox(actor)?;
        if is_new {
            self.pull_back(actor, &mut hold)?;
        }
        let (name, keywords) = {
            let mailbox = self.mailbox(mailbox)?;
            (mailbox.name.clone(), mailbox.keywords.clone())
        };
        for entries in entries.chunks(MESSAGES_PER_ENTRY_MAX) {
            let relisted = |entry: &Entry| {
                let flags = self.flags_in_held(held, &keywords.flags(entry.flags))?;
                Ok(Relisted { before: Listed::of(entry), uid: self.next_uid(held)?, flags })
            };
            let messages: Vec<Relisted> = entries.iter().map(relisted).collect::<Result<_, Error>>()?;
            self.move_batch(actor, (mailbox, entries), held, messages.clone())?;
            let emails: Vec<EmailId> = entries.iter().map(|entry| entry.email).collect();
            let (name, keywords) = (name.clone(), keywords.clone());
            self.add_batch(actor, &mut hold, &emails, &Batch::Moved { from: mailbox, name, keywords, messages });
        }
        self.put_hold(actor, hold, is_new.then_some(all), options)
    }

    /// A keyword for which there is no room is left out there; it comes back with the message.
    fn flags_in_held(&mut self, held: MailboxId, flags: &Flags) -> Result<FlagBits, Error> {
        Ok(self.flag_bits_with_room(held, flags)?.without(SystemFlag::Deleted))
    }

    /// The hold of a device that has no answer yet, or a new one.
    fn hold_of(&mut self, actor: Actor) -> Result<(Hold, bool), Error> {
        let mut pace = self.pace(actor.device)?;
        if let Some(id) = pace.hold {
            let open = self.hold(id)?.filter(|hold| hold.answer.is_none());
            let open = open.ok_or_else(|| Error::fault(format_args!("hold {id} is missing; run `pillarbox check`")))?;
            return Ok((open, false));
        }
        let record = self.change_record();
        let next = record.last_hold.0.checked_add(1);
        let id = HoldId(next.ok_or_else(|| Error::Limit("the account has used up its numbers of holds".into()))?);
        record.last_hold = id;
        record.open_holds = record.open_holds.saturating_add(1);
        pace.hold = Some(id);
        self.put(key::pace(actor.device), pace.encode());
        let Actor { device, protocol, now } = actor;
        let (messages, batches) = (0, 0);
        Ok((
            Hold { id, device, protocol, began_at: now, last_at: now, messages, answer: None, batches, answered: 0 },
            true,
        ))
    }

    pub(super) fn hold(&mut self, id: HoldId) -> Result<Option<Hold>, Error> {
        let bytes = self.get(&key::hold(id))?;
        bytes.map(|bytes| Hold::decode(id, &bytes).map_err(Error::corrupt("a hold"))).transpose()
    }

    fn add_batch(&mut self, actor: Actor, hold: &mut Hold, emails: &[EmailId], batch: &Batch) {
        self.put(key::held_batch(hold.id, hold.batches), batch.encode());
        hold.batches += 1;
        hold.messages += emails.len() as u64;
        self.journal(actor, Change::Device(OfDevice::Held { hold: hold.id, emails: emails.to_vec() }));
    }

    /// Writes a hold; of a new one its owner gets a message in the same commit, which tells how many messages it is about.
    fn put_hold(
        &mut self,
        actor: Actor,
        mut hold: Hold,
        new: Option<u64>,
        options: &StoreOptions,
    ) -> Result<(), Error> {
        hold.last_at = hold.last_at.max(actor.now);
        self.put(key::hold(hold.id), hold.encode());
        let device = self.state.devices.get(&actor.device).map(Device::shown_name);
        if let (Some(device), Some(all)) = (device, new)
            && !self.has_asked_before(&hold)?
        {
            hold.messages = hold.messages.max(all);
            let held = self.state.mailboxes.values().find(|state| state.mailbox.role == Some(Role::Held));
            let held = held.map_or(Role::Held.default_name(), |held| &held.mailbox.name);
            if let Some(writer) = &options.asks_owner {
                let letter = writer.letter(&hold, &device, held, self.state.record.settings.language);
                self.append_letter(actor.now, &letter)?;
            }
        }
        Ok(())
    }

    /// Whether another hold of the same password waits for an answer: its owner is asked once.
    fn has_asked_before(&mut self, hold: &Hold) -> Result<bool, Error> {
        let owner = self.pace_owner(hold.device);
        for (key, value) in self.rows(key::kind(b'O'), usize::MAX)? {
            let other = key::number_at(&key, 1).and_then(|id| Hold::decode(HoldId(id), &value));
            let other = other.map_err(Error::corrupt("a hold"))?;
            if other.id != hold.id && other.answer.is_none() && self.pace_owner(other.device) == owner {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The mailbox of what is held, which is made by need and stays: a client that has seen it finds it again.
    fn held_mailbox(&mut self, actor: Actor) -> Result<MailboxId, Error> {
        let mut mailboxes = self.state.mailboxes.values().map(|state| &state.mailbox);
        if let Some(held) = mailboxes.find(|mailbox| mailbox.role == Some(Role::Held)) {
            return Ok(held.id);
        }
        let names = (1..).map(|number: u32| match number {
            1 => Role::Held.default_name().to_owned(),
            _ => format!("{} ({number})", Role::Held.default_name()),
        });
        let mut free = names.skip_while(|name| self.state.by_name(name).is_some());
        let name = free.next().unwrap_or_default();
        let actor = Actor { device: DeviceId(0), protocol: crate::journal::Protocol::Server, ..actor };
        self.create_mailbox(actor, &name, Some(Role::Held))
    }
}
