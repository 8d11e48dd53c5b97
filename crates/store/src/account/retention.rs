//! What has left retention goes from disk: removed messages with their bodies, and old journal entries.

use super::Account;
use crate::error::Error;
use crate::ids::{EmailId, ModSeq, Timestamp};
use crate::journal::JournalEntry;
use crate::key;
use crate::transact::Tx;

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
            // The message is gone for good; an object that stays behind after a crash here is found by the sweep.
            for name in objects {
                self.objects.remove(self.id(), &name)?;
            }
            let journal_entries = self.transact(move |tx| purge_journal(tx, before))?;
            purged.messages += messages;
            purged.journal_entries += journal_entries;
            if messages == 0 && journal_entries == 0 {
                return Ok(purged);
            }
        }
    }
}

fn purge_messages(tx: &mut Tx<'_>, before: Timestamp) -> Result<(usize, Vec<String>), Error> {
    let mut due = Vec::new();
    let range = (key::kind(b'R').0, key::retained(before, EmailId(0)));
    tx.scan_before(range, |key, _| {
        if due.len() < PURGED_PER_COMMIT_MAX {
            due.push((key.to_vec(), EmailId(key::long_at(key, 9).map_err(Error::corrupt("a retention key"))?)));
        }
        Ok(())
    })?;
    let mut objects = Vec::new();
    let (count, devices) = (due.len(), tx.state.devices.clone());
    for (retained, email) in due {
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

/// A packed index that still needs an entry keeps it, and all after it.
fn purge_journal(tx: &mut Tx<'_>, before: Timestamp) -> Result<usize, Error> {
    let mailboxes = tx.state.mailboxes.values().map(|state| &state.mailbox);
    let needed_after = mailboxes.filter(|m| m.packed_to > ModSeq(0) && m.unpacked > 0).map(|m| m.packed_to).min();
    let last = needed_after.unwrap_or(tx.state.head);
    let mut due = Vec::new();
    let mut young = false;
    tx.scan_before(key::kind(b'J'), |key, value| {
        let modseq = ModSeq(key::long_at(key, 1).map_err(Error::corrupt("a journal key"))?);
        if young || modseq > last || due.len() >= PURGED_PER_COMMIT_MAX {
            young = true;
            return Ok(());
        }
        let entry = JournalEntry::decode(modseq, value).map_err(Error::corrupt("a journal entry"))?;
        young = entry.at >= before;
        if !young {
            due.push(modseq);
        }
        Ok(())
    })?;
    if let Some(floor) = due.last() {
        tx.change_record().journal_floor = *floor;
    }
    due.iter().for_each(|modseq| tx.delete(key::journal(*modseq)));
    Ok(due.len())
}
