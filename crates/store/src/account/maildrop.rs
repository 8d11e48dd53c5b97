//! A maildrop: one POP3 device's own view of the account.
//!
//! It lists what is in INBOX and this device has not deleted, each message once, in order of arrival. What the device
//! takes and deletes is its own affair; what that does to the mailbox is its removal policy's ([`crate::removal`]).

use super::Account;
use crate::codec::Corrupt;
use crate::error::Error;
use crate::ids::{DeviceId, EmailId, Timestamp};
use crate::index::Entry;
use crate::journal::{Actor, Change, MESSAGES_PER_ENTRY_MAX};
use crate::key;
use crate::maildrops::MaildropLock;
use crate::record::{open, versioned};
use crate::removal::Effect;
use crate::state;
use crate::tx::Tx;
use std::collections::{HashMap, HashSet};

/// What a device has done with a message over POP3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Taken {
    /// First downloaded whole.
    pub(crate) taken_at: Option<Timestamp>,
    /// Deleted from the device's maildrop.
    pub(crate) deleted_at: Option<Timestamp>,
}

impl Taken {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut w = versioned();
        for at in [self.taken_at, self.deleted_at] {
            w.option(at, |w, at| {
                w.signed(at.0);
            });
        }
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut r = open(bytes)?;
        let taken = Self {
            taken_at: r.option(|r| r.signed().map(Timestamp))?,
            deleted_at: r.option(|r| r.signed().map(Timestamp))?,
        };
        r.end().map(|()| taken)
    }
}

/// A message in a maildrop; its number is its place in the list, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaildropMessage {
    /// UIDL is its text.
    pub email: EmailId,
    /// Octets.
    pub size: u32,
}

/// An open maildrop: fixed for the session, and locked for the device until it is dropped.
pub struct Maildrop {
    device: DeviceId,
    messages: Vec<MaildropMessage>,
    _lock: MaildropLock,
}

/// What became of the messages that a session deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MaildropOutcome {
    /// Gone from this device's maildrop, still in the mailbox.
    pub kept: usize,
    /// Gone from the mailbox too.
    pub expunged: usize,
}

impl Maildrop {
    /// The messages in order of their numbers.
    #[must_use]
    pub fn messages(&self) -> &[MaildropMessage] {
        &self.messages
    }
}

impl Account {
    /// Opens a device's maildrop.
    ///
    /// # Errors
    /// [`Error::MaildropInUse`], [`Error::NoSuchDevice`], faults.
    pub fn open_maildrop(&self, device: DeviceId) -> Result<Maildrop, Error> {
        let lock = self.maildrops.lock(self.id(), device).ok_or(Error::MaildropInUse)?;
        let inbox = self.cell.state()?.inbox()?.id;
        let state = self.cell.state_with_index(inbox)?;
        if state.devices.get(&device).is_none_or(|device| device.revoked_at.is_some()) {
            return Err(Error::NoSuchDevice);
        }
        let mut hidden = HashSet::new();
        let snapshot = self.snapshot()?;
        state::scan(&*snapshot, key::kind_of(b'P', device.0), |key, value| {
            let taken = Taken::decode(value).map_err(Error::corrupt("a maildrop record"))?;
            if taken.deleted_at.is_some() {
                hidden.insert(EmailId(key::long_at(key, 5).map_err(Error::corrupt("a maildrop key"))?));
            }
            Ok(())
        })?;
        let index = state.mailbox(inbox)?.index.clone().unwrap_or_default();
        // A copy of a message within INBOX is the same message: `hidden` also holds what is listed already.
        let messages = index.iter().filter(|entry| hidden.insert(entry.email));
        let messages = messages.map(|entry| MaildropMessage { email: entry.email, size: entry.size }).collect();
        Ok(Maildrop { device, messages, _lock: lock })
    }

    /// Ends a session that got as far as QUIT: notes what it took and removes what it deleted (RFC 1939 §6, UPDATE state).
    /// `taken` and `deleted` name messages of the maildrop; a message that has left the mailbox meanwhile is passed over.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::NoSpace`], faults; then nothing was removed.
    pub fn close_maildrop(
        &self,
        actor: Actor,
        maildrop: &Maildrop,
        taken: Vec<EmailId>,
        deleted: Vec<EmailId>,
    ) -> Result<MaildropOutcome, Error> {
        debug_assert_eq!(actor.device, maildrop.device, "a device closes its own maildrop");
        if taken.is_empty() && deleted.is_empty() {
            return Ok(MaildropOutcome::default());
        }
        self.transact(move |tx| close(tx, actor, &taken, &deleted))
    }
}

fn close(tx: &mut Tx<'_>, actor: Actor, taken: &[EmailId], deleted: &[EmailId]) -> Result<MaildropOutcome, Error> {
    let effect = {
        let devices = &tx.state.devices;
        let device = devices.get(&actor.device).ok_or(Error::NoSuchDevice)?;
        let shared = devices.values().any(|other| other.id != device.id && other.reads_mail());
        device.pop.removal.decide(shared)
    };
    let newly_taken = note(tx, actor, taken, |record, now| record.taken_at.replace(now).is_none())?;
    let newly_deleted = note(tx, actor, deleted, |record, now| record.deleted_at.replace(now).is_none())?;
    for emails in newly_taken.chunks(MESSAGES_PER_ENTRY_MAX) {
        tx.journal(actor, Change::PopTaken { emails: emails.to_vec() });
    }
    for emails in newly_deleted.chunks(MESSAGES_PER_ENTRY_MAX) {
        tx.journal(actor, Change::PopDeleted { emails: emails.to_vec() });
    }
    let expunged = match effect {
        Effect::Keep => 0,
        Effect::Expunge => expunge(tx, actor, deleted)?,
    };
    Ok(MaildropOutcome { kept: newly_deleted.len().saturating_sub(expunged), expunged })
}

/// Changes the device's record of each message; gives those for which that was news.
fn note(
    tx: &mut Tx<'_>,
    actor: Actor,
    emails: &[EmailId],
    change: impl Fn(&mut Taken, Timestamp) -> bool,
) -> Result<Vec<EmailId>, Error> {
    let mut news = Vec::new();
    for email in emails {
        if tx.get(&key::email(*email))?.is_none() {
            continue;
        }
        let key = key::taken(actor.device, *email);
        let before = match tx.get(&key)? {
            None => Taken::default(),
            Some(bytes) => Taken::decode(&bytes).map_err(Error::corrupt("a maildrop record"))?,
        };
        let mut after = before;
        if change(&mut after, actor.now) {
            tx.put(key, after.encode());
            news.push(*email);
        }
    }
    Ok(news)
}

/// Expunges messages from INBOX; gives how many of them were there.
fn expunge(tx: &mut Tx<'_>, actor: Actor, emails: &[EmailId]) -> Result<usize, Error> {
    if emails.is_empty() {
        return Ok(0);
    }
    let inbox = tx.state.inbox()?.id;
    let mut gone: HashMap<EmailId, bool> = emails.iter().map(|email| (*email, false)).collect();
    let index = tx.index(inbox)?;
    let entries: Vec<Entry> =
        index.iter().filter(|entry| gone.get_mut(&entry.email).map(|gone| *gone = true).is_some()).copied().collect();
    tx.expunge(actor, inbox, &entries)?;
    Ok(gone.values().filter(|gone| **gone).count())
}
