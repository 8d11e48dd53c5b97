//! What has left retention goes from disk: removed messages with their bodies, and old journal entries.

use super::Account;
use crate::error::Error;
use crate::ids::{EmailId, MailboxId, ModSeq, Timestamp};
use crate::journal::JournalEntry;
use crate::key;
use crate::record::EmailRecord;
use crate::state;
use crate::tx::Tx;
use std::collections::HashSet;
use std::ops::ControlFlow;

/// One transaction purges at most this many messages and journal entries.
const PURGED_PER_COMMIT_MAX: usize = 1000;

/// What a purge removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Purged {
    /// Messages.
    pub messages: usize,
    /// Journal entries.
    pub journal_entries: usize,
}

impl Account {
    /// Removes what was removed from the mailbox before `before`, and journal entries from before it.
    ///
    /// # Errors
    /// [`Error::NoSpace`], faults.
    pub fn purge(&self, before: Timestamp) -> Result<Purged, Error> {
        let mut purged = Purged::default();
        loop {
            let (messages, objects) = self.transact(move |tx| purge_messages(tx, before))?;
            // The messages are gone for good; an object that stays behind is found by the sweep. Each gets its try.
            let removals = objects.iter().map(|name| self.objects.remove(self.id(), name));
            removals.fold(Ok(()), Result::and)?;
            let journal_entries = self.transact(move |tx| purge_journal(tx, before))?;
            purged.messages += messages;
            purged.journal_entries += journal_entries;
            if messages == 0 && journal_entries == 0 {
                return Ok(purged);
            }
        }
    }
}

impl Account {
    /// Removes objects that no message refers to and that were written before `before`: a crash, or a fault, left them.
    /// An append writes its object first, so `before` must be older than any that still runs: a day ago, say. Gives how
    /// many were removed.
    ///
    /// # Errors
    /// Faults; whatever is damaged or cannot be read, nothing that may be needed is removed.
    pub fn sweep(&self, before: Timestamp) -> Result<usize, Error> {
        let old = self.objects.list(self.id())?.into_iter().filter(|(_, written)| *written < before.0);
        let mut orphans: HashSet<String> = old.map(|(name, _)| name).collect();
        if orphans.is_empty() {
            return Ok(0);
        }
        // The snapshot after the list: what was listed is long committed, or never will be.
        let snapshot = self.cell.engine.snapshot(self.id())?;
        state::scan(&*snapshot, key::kind(b'E'), |_, value| {
            let record = EmailRecord::decode(value).map_err(Error::corrupt("a message's record"))?;
            if let Some(name) = record.object {
                orphans.remove(&name);
            }
            Ok(())
        })?;
        let removals = orphans.iter().map(|name| self.objects.remove(self.id(), name));
        removals.fold(Ok(()), Result::and)?;
        Ok(orphans.len())
    }
}

fn purge_messages(tx: &mut Tx<'_>, before: Timestamp) -> Result<(usize, Vec<String>), Error> {
    let mut due = Vec::new();
    let range = (key::kind(b'R').0, key::retained(before, EmailId(0)));
    tx.scan_before(range, |key, _| {
        due.push((key.to_vec(), EmailId(key::long_at(key, 9).map_err(Error::corrupt("a retention key"))?)));
        Ok(if due.len() < PURGED_PER_COMMIT_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    let mut objects = Vec::new();
    let (count, devices) = (due.len(), tx.state.devices.clone());
    for (retained, email) in due {
        if tx.get(&retained)?.is_none() {
            // Another purge in the same commit.
            continue;
        }
        let record = tx.email(email)?;
        tx.delete(retained);
        if record.places > 0 {
            continue;
        }
        objects.extend(record.object);
        for key in [key::email(email), key::summary(email), key::body(email)] {
            tx.delete(key);
        }
        devices.keys().for_each(|device| tx.delete(key::taken(*device, email)));
    }
    Ok((count, objects))
}

fn purge_journal(tx: &mut Tx<'_>, before: Timestamp) -> Result<usize, Error> {
    let mut due = Vec::new();
    tx.scan_before(key::kind(b'J'), |key, value| {
        let modseq = ModSeq(key::long_at(key, 1).map_err(Error::corrupt("a journal key"))?);
        let entry = JournalEntry::decode(modseq, value).map_err(Error::corrupt("a journal entry"))?;
        if entry.at >= before || due.len() >= PURGED_PER_COMMIT_MAX {
            return Ok(ControlFlow::Break(()));
        }
        due.push(modseq);
        Ok(ControlFlow::Continue(()))
    })?;
    let Some(floor) = due.last().copied() else { return Ok(0) };
    tx.pack_up_to(floor)?;
    let record = tx.change_record();
    record.journal_floor = record.journal_floor.max(floor);
    due.iter().for_each(|modseq| tx.delete(key::journal(*modseq)));
    Ok(due.len())
}

impl Tx<'_> {
    /// Packs every index that needs journal entries up to `floor`: a mailbox that nobody changes any more must neither
    /// keep the journal for ever nor miss what leaves it.
    fn pack_up_to(&mut self, floor: ModSeq) -> Result<(), Error> {
        let mailboxes = self.state.mailboxes.values().map(|state| &state.mailbox);
        let behind = mailboxes.filter(|m| m.packed_to > ModSeq(0) && m.packed_to < floor && m.unpacked > 0);
        let behind: Vec<MailboxId> = behind.map(|mailbox| mailbox.id).collect();
        behind.into_iter().try_for_each(|id| self.pack(id))
    }
}
