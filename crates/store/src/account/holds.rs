//! The brake at work: a removal is judged and counted, and carried out or held ([`crate::brake`], [`crate::hold`]).

mod answer;
mod read;

pub use read::HeldIn;
pub(super) use read::origins;

use super::update::Places;
use crate::brake::{Findings, Pace, Removals, Verdict, decide};
use crate::error::Error;
use crate::flags::{FlagBits, Flags, Keywords, SystemFlag};
use crate::hold::{Batch, Hold};
use crate::ids::{DeviceId, EmailId, HoldId, MailboxId};
use crate::index::Entry;
use crate::journal::{Actor, Change, Listed, MESSAGES_PER_ENTRY_MAX, Relisted};
use crate::key;
use crate::letter::{self, Wanted};
use crate::record::Role;
use crate::removal::Effect;
use crate::store::StoreOptions;
use crate::tx::Tx;
use std::collections::{HashMap, HashSet};

const NOT_HERE: &str = "nothing changes in the mailbox of what is held: its owner answers on the page /held, or an \
                        administrator with `pillarbox held`";

/// Where a device removes from.
enum From {
    /// Mailboxes in which mail is kept.
    Mailboxes(Removals),
    /// Trash or Junk: so many messages, whoever brought them there.
    Trash(u64),
}

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
        let from = match self.mailbox(mailbox)?.role {
            Some(Role::Trash | Role::Junk) => From::Trash(entries.len() as u64),
            _ => From::Mailboxes(self.removals(mailbox, entries)?),
        };
        match self.judge(actor, from, options)? {
            Verdict::Pass => self.expunge(actor, mailbox, entries),
            Verdict::Hold => self.hold_entries(actor, mailbox, entries, options),
        }
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
        let mut asked = Removals::default();
        for (mailbox, emails) in places {
            let mut entries = self.entries_of(*mailbox, emails)?;
            entries.retain(|entry| !had.contains(&entry.email));
            asked = asked + self.removals(*mailbox, &entries)?;
        }
        self.judge(actor, From::Mailboxes(asked), options)
    }

    /// What a device deleted over POP3 stays where it is until the owner has answered.
    pub(super) fn hold_maildrop(
        &mut self,
        actor: Actor,
        places: &Places,
        effect: Effect,
        options: &StoreOptions,
    ) -> Result<(), Error> {
        let (mut hold, is_new) = self.hold_of(actor)?;
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
        self.put_hold(actor, hold, is_new, options)
    }

    /// Notes that a device brings messages to a mailbox, which matters where that is Trash or Junk: it may be about to
    /// empty it.
    pub(super) fn note_put_away(
        &mut self,
        actor: Actor,
        (from, to): (MailboxId, MailboxId),
        count: usize,
    ) -> Result<(), Error> {
        let is_trash = |role| matches!(role, Some(Role::Trash | Role::Junk));
        let (from, to) = (self.mailbox(from)?.role, self.mailbox(to)?.role);
        if count == 0 || !is_trash(to) || is_trash(from) || !self.state.devices.contains_key(&actor.device) {
            return Ok(());
        }
        let messages = count as u64;
        let of_inbox = if from == Some(Role::Inbox) { messages } else { 0 };
        let mut pace = self.pace(actor.device)?;
        pace.advance(actor.now);
        pace.count_put_away(Removals { messages, of_inbox }, actor.now);
        self.put(key::pace(actor.device), pace.encode());
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

    /// How many messages are in no mailbox any more once these entries are gone.
    fn removals(&mut self, mailbox: MailboxId, entries: &[Entry]) -> Result<Removals, Error> {
        let mut leaving: HashMap<EmailId, u32> = HashMap::new();
        entries.iter().for_each(|entry| *leaving.entry(entry.email).or_default() += 1);
        let mut messages = 0;
        for (email, places) in leaving {
            messages += u64::from(self.email(email)?.places <= places);
        }
        let is_inbox = self.mailbox(mailbox).is_ok_and(|mailbox| mailbox.role == Some(Role::Inbox));
        Ok(Removals { messages, of_inbox: if is_inbox { messages } else { 0 } })
    }

    /// Judges a removal and counts it. What the server does itself, or the owner through it, is nobody's to judge.
    fn judge(&mut self, actor: Actor, from: From, options: &StoreOptions) -> Result<Verdict, Error> {
        let Some(device) = self.state.devices.get(&actor.device) else { return Ok(Verdict::Pass) };
        let has_brake = device.brake;
        let mut pace = self.pace(actor.device)?;
        pace.advance(actor.now);
        let put_away = pace.put_away();
        let asked = match from {
            From::Mailboxes(removals) => removals,
            From::Trash(count) => {
                let asked = Removals { messages: count.min(put_away.messages), of_inbox: count.min(put_away.of_inbox) };
                pace.take_put_away(asked);
                asked
            }
        };
        if asked.messages == 0 {
            return Ok(Verdict::Pass);
        }
        let removed = pace.removed();
        let verdict = decide(&Findings {
            messages_min: options.brake_messages_min,
            asked,
            removed,
            largest_day: pace.largest_day,
            away_days: pace.away_days(actor.now),
            there: self.kept_mail() + removed + put_away,
        });
        let verdict = if has_brake { verdict } else { Verdict::Pass };
        pace.count(asked, verdict, actor.now);
        self.put(key::pace(actor.device), pace.encode());
        Ok(verdict)
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

    pub(super) fn pace(&mut self, device: DeviceId) -> Result<Pace, Error> {
        let bytes = self.get(&key::pace(device))?;
        let pace = bytes.map(|bytes| Pace::decode(&bytes).map_err(Error::corrupt("the pace of a device"))).transpose();
        pace.map(Option::unwrap_or_default)
    }

    /// The entries leave their mailbox, as the device expects, and lie where all others find them.
    fn hold_entries(
        &mut self,
        actor: Actor,
        mailbox: MailboxId,
        entries: &[Entry],
        options: &StoreOptions,
    ) -> Result<(), Error> {
        let (mut hold, is_new) = self.hold_of(actor)?;
        let held = self.held_mailbox(actor)?;
        let (name, keywords) = {
            let mailbox = self.mailbox(mailbox)?;
            (mailbox.name.clone(), mailbox.keywords.clone())
        };
        for entries in entries.chunks(MESSAGES_PER_ENTRY_MAX) {
            let relisted = |entry: &Entry| {
                let flags = self.flags_in_held(held, &keywords.flags(entry.flags));
                Ok(Relisted { before: Listed::of(entry), uid: self.next_uid(held)?, flags })
            };
            let messages: Vec<Relisted> = entries.iter().map(relisted).collect::<Result<_, Error>>()?;
            self.move_batch(actor, (mailbox, entries), held, messages.clone())?;
            let emails: Vec<EmailId> = entries.iter().map(|entry| entry.email).collect();
            let (name, keywords) = (name.clone(), keywords.clone());
            self.add_batch(actor, &mut hold, &emails, &Batch::Moved { from: mailbox, name, keywords, messages });
        }
        self.put_hold(actor, hold, is_new, options)
    }

    /// A keyword for which there is no room is left out there; it comes back with the message.
    fn flags_in_held(&mut self, held: MailboxId, flags: &Flags) -> FlagBits {
        let known = |tx: &Self| tx.mailbox(held).map_or(&Keywords::default(), |held| &held.keywords).known_bits(flags);
        self.flag_bits(held, flags).unwrap_or_else(|_| known(self)).without(SystemFlag::Deleted)
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
        Ok((Hold { id, device, protocol, began_at: now, last_at: now, messages, answer: None, batches }, true))
    }

    pub(super) fn hold(&mut self, id: HoldId) -> Result<Option<Hold>, Error> {
        let bytes = self.get(&key::hold(id))?;
        bytes.map(|bytes| Hold::decode(id, &bytes).map_err(Error::corrupt("a hold"))).transpose()
    }

    fn add_batch(&mut self, actor: Actor, hold: &mut Hold, emails: &[EmailId], batch: &Batch) {
        self.put(key::held_batch(hold.id, hold.batches), batch.encode());
        hold.batches += 1;
        hold.messages += emails.len() as u64;
        self.journal(actor, Change::Held { hold: hold.id, emails: emails.to_vec() });
    }

    /// Writes a hold; of a new one its owner gets a message in the same commit.
    fn put_hold(&mut self, actor: Actor, mut hold: Hold, is_new: bool, options: &StoreOptions) -> Result<(), Error> {
        hold.last_at = hold.last_at.max(actor.now);
        self.put(key::hold(hold.id), hold.encode());
        let device = self.state.devices.get(&actor.device).map(|device| device.name.clone());
        if let Some(device) = device.filter(|_| is_new) {
            let held = self.state.mailboxes.values().find(|state| state.mailbox.role == Some(Role::Held));
            let held = held.map_or(Role::Held.default_name(), |held| &held.mailbox.name);
            let wanted = Wanted { hold: &hold, device: &device, held_mailbox: held, hostname: &options.hostname };
            self.append_letter(actor.now, &letter::compose(&wanted))?;
        }
        Ok(())
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
        let id = self.create_mailbox(actor, &name, Some(Role::Held))?;
        self.change_mailbox(id)?.mailbox.subscribed = true;
        Ok(id)
    }
}
