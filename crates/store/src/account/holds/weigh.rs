//! What a removal takes from the account: what stays in another mailbox, and what the device brought itself, does not count.
//!
//! What would let a device empty a mailbox by a detour counts after all: what it moved or copied elsewhere within the window,
//! and removes there.

use crate::brake::{Pace, Removals, Share};
use crate::codec::Corrupt;
use crate::error::Error;
use crate::identity::Name;
use crate::ids::{DeviceId, EmailId, MailboxId, Timestamp};
use crate::index::Entry;
use crate::journal::{Actor, JournalEntry, Protocol};
use crate::key;
use crate::record::{BodyRecord, Digest};
use crate::role::Role;
use crate::store::StoreOptions;
use crate::tx::Tx;
use message::Summary;
use std::collections::{BTreeMap, HashMap};

/// What a device asks to remove.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) removals: Removals,
    /// Of mailboxes other than INBOX, Trash and Junk.
    pub(super) of: BTreeMap<MailboxId, u64>,
}

impl Asked {
    fn add(&mut self, (mailbox, role): (MailboxId, Option<Role>), removals: Removals) {
        self.removals = self.removals + removals;
        match role {
            Some(Role::Inbox | Role::Trash | Role::Junk) => {}
            Some(Role::Drafts | Role::Sent | Role::Archive | Role::Held) | None => {
                *self.of.entry(mailbox).or_default() += removals.messages;
            }
        }
    }
}

impl Tx<'_> {
    /// Weighs the removal of entries of a mailbox, and notes what it says of later ones.
    pub(super) fn weigh(
        &mut self,
        actor: Actor,
        pace: &mut Pace,
        (mailbox, entries): (MailboxId, &[Entry]),
        options: &StoreOptions,
    ) -> Result<Asked, Error> {
        let (role, mut asked) = (self.mailbox(mailbox)?.role, Asked::default());
        let last = self.last_places(entries)?;
        if matches!(role, Some(Role::Trash | Role::Junk)) {
            let count = entries.len() as u64;
            let put_away = pace.put_away();
            // Once something is held nobody knows any more what is rubbish.
            let messages = if pace.held() > 0 { count } else { count.min(put_away.messages) };
            let own = Removals { messages, of_inbox: count.min(put_away.of_inbox) };
            pace.take_put_away(own);
            let detours = if pace.elsewhere().messages > 0 { self.uploads_among(actor, &last)? } else { 0 };
            asked.add((mailbox, role), own + take_detours(pace, detours));
            return Ok(asked);
        }
        let in_inbox = |messages: u64| if role == Some(Role::Inbox) { messages } else { 0 };
        // COPY and EXPUNGE: it left INBOX and is elsewhere.
        let stays = distinct(entries) - last.len() as u64;
        pace.count_elsewhere(Removals { messages: 0, of_inbox: in_inbox(stays) }, actor.now);
        let mut messages = last.len() as u64;
        let mut detours = Removals::default();
        if pace.removed().messages + messages > options.brake_messages_min {
            let copied = self.copied_among(&last)?;
            let uploads = self.uploads_among(actor, &last)?.min(messages - copied);
            detours = take_detours(pace, uploads);
            pace.count_elsewhere(Removals { messages: copied, of_inbox: in_inbox(copied) }, actor.now);
            messages -= copied + uploads;
        }
        asked.add((mailbox, role), Removals { messages, of_inbox: in_inbox(messages) } + detours);
        Ok(asked)
    }

    /// Weighs what a device deletes over POP3.
    pub(super) fn weigh_maildrop(&mut self, places: &[(MailboxId, Vec<Entry>)]) -> Result<Asked, Error> {
        let mut asked = Asked::default();
        for (mailbox, entries) in places {
            let (role, messages) = (self.mailbox(*mailbox)?.role, self.last_places(entries)?.len() as u64);
            let of_inbox = if role == Some(Role::Inbox) { messages } else { 0 };
            asked.add((*mailbox, role), Removals { messages, of_inbox });
        }
        Ok(asked)
    }

    /// The mailbox other than INBOX of which most is removed. What came there from INBOX within the window, before nearly all
    /// of it is removed, counts as removed from INBOX.
    pub(super) fn emptied_most(
        &mut self,
        asked: &mut Asked,
        pace: &mut Pace,
        now: Timestamp,
        options: &StoreOptions,
    ) -> Result<Option<(MailboxId, Share)>, Error> {
        let mut most: Option<(MailboxId, Share)> = None;
        for (mailbox, removed) in &asked.of {
            let before = pace.removed_of(*mailbox, now);
            let there = u64::from(self.mailbox(*mailbox)?.counts.messages) + before;
            let share = Share { removed: before + removed, there };
            if most.is_none_or(|(_, other)| share.is_more_than(other)) {
                most = Some((*mailbox, share));
            }
        }
        if let Some((_, share)) = most.filter(|(_, share)| share.is_nearly_all(options.brake_messages_min)) {
            let of_inbox = share.removed.min(pace.elsewhere().of_inbox);
            pace.take_elsewhere(Removals { messages: 0, of_inbox });
            asked.removals.of_inbox += of_inbox;
        }
        Ok(most)
    }

    /// The messages that are in no mailbox any more once these entries are gone.
    fn last_places(&mut self, entries: &[Entry]) -> Result<Vec<EmailId>, Error> {
        let mut leaving: HashMap<EmailId, u32> = HashMap::new();
        entries.iter().for_each(|entry| *leaving.entry(entry.email).or_default() += 1);
        let mut last = Vec::with_capacity(leaving.len());
        for (email, places) in leaving {
            if self.email(email)?.places <= places {
                last.push(email);
            }
        }
        Ok(last)
    }

    /// How many of these messages have a copy of the same octets in a mailbox, which a program uploaded: programs that file
    /// mail on their own disk move it like that (mbsync).
    fn copied_among(&mut self, emails: &[EmailId]) -> Result<u64, Error> {
        let mut count = 0;
        for email in emails {
            count += u64::from(self.has_copy(*email)?);
        }
        Ok(count)
    }

    pub(super) fn has_copy(&mut self, email: EmailId) -> Result<bool, Error> {
        // A message whose summary is not kept has none.
        let summary = self.get(&key::summary(email))?.unwrap_or_default();
        let Some(name) = Summary::decode(&summary).ok().as_ref().and_then(Name::of) else { return Ok(false) };
        let hash = self.hash_of(email)?;
        for (other, own) in self.namesakes_of(name)? {
            let is_there = other != email && own.is_some() && self.email(other)?.places > 0;
            if is_there && hash.is_some() && self.hash_of(other)? == hash {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn hash_of(&mut self, email: EmailId) -> Result<Option<[u8; 32]>, Error> {
        let Some(bytes) = self.get(&key::body(email))? else { return Ok(None) };
        let record = BodyRecord::decode(&bytes).map_err(Error::corrupt("a body's record"))?;
        let (BodyRecord::Inline { hash, .. } | BodyRecord::Object { digest: Digest { hash, .. }, .. }) = record;
        Ok(Some(hash))
    }

    /// How many of these messages the device uploaded itself within the window: drafts, and what a program tries out.
    fn uploads_among(&mut self, actor: Actor, emails: &[EmailId]) -> Result<u64, Error> {
        let mut count = 0;
        for email in emails {
            count += u64::from(self.is_own_upload(actor, *email)?);
        }
        Ok(count)
    }

    pub(super) fn is_own_upload(&mut self, actor: Actor, email: EmailId) -> Result<bool, Error> {
        let Some(modseq) = self.email(email)?.arrival.map(|arrival| arrival.modseq) else { return Ok(false) };
        let Some(bytes) = self.get(&key::journal(modseq))? else { return Ok(false) };
        let entry = JournalEntry::decode(modseq, &bytes).map_err(|Corrupt| Corrupt);
        let JournalEntry { at, device, protocol, .. } = entry.map_err(Error::corrupt("a journal entry"))?;
        let same = device != DeviceId(0) && self.pace_owner(device) == self.pace_owner(actor.device);
        Ok(same && protocol == Protocol::Imap && at > actor.now.days_before(1))
    }
}

/// What it uploaded counts when it stands for what was removed before.
fn take_detours(pace: &mut Pace, uploads: u64) -> Removals {
    let elsewhere = pace.elsewhere();
    let detours = Removals { messages: uploads.min(elsewhere.messages), of_inbox: uploads.min(elsewhere.of_inbox) };
    let detours = Removals { of_inbox: detours.of_inbox.min(detours.messages), ..detours };
    pace.take_elsewhere(detours);
    detours
}

/// How many messages: a copy in the same mailbox is the same message.
fn distinct(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| entry.email).collect::<std::collections::HashSet<EmailId>>().len() as u64
}
