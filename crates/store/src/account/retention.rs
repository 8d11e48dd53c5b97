//! What has left retention goes from disk: removed messages with their bodies, and old journal entries.

use super::Account;
use crate::error::Error;
use crate::hold::Hold;
use crate::ids::{DeviceId, EmailId, HoldId, MailboxId, ModSeq, Timestamp};
use crate::journal::JournalEntry;
use crate::key;
use crate::record::{EmailRecord, Retained};
use crate::state;
use crate::tx::Tx;
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

/// One transaction purges at most this many messages and journal entries.
const PURGED_PER_COMMIT_MAX: usize = 250;

/// What a purge removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Purged {
    /// Messages.
    pub messages: usize,
    /// Journal entries.
    pub journal_entries: usize,
}

impl Account {
    /// What was removed and is still restorable.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn retained(&self) -> Result<Retained, Error> {
        Ok(self.cell.state()?.record.retained)
    }

    /// When the first of what is restorable was removed; `None` when nothing is.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn retained_since(&self) -> Result<Option<Timestamp>, Error> {
        let mut first = None;
        state::scan_while(&*self.snapshot()?, key::kind(b'R'), |key, _| {
            let millis = key::long_at(key, 1).map_err(Error::corrupt("a retention key"))?;
            first = Some(Timestamp(i64::try_from(millis).unwrap_or(i64::MAX)));
            Ok(ControlFlow::Break(()))
        })?;
        Ok(first)
    }

    /// What is restorable takes at most so many octets.
    #[must_use]
    pub fn retention_bytes_max(&self) -> u64 {
        self.options.retention_bytes_max
    }

    /// What each device removed and is still restorable; 0 stands for the server and for what an earlier version removed.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn retained_by_device(&self) -> Result<BTreeMap<DeviceId, Retained>, Error> {
        let mut by_device: BTreeMap<DeviceId, Retained> = BTreeMap::new();
        let snapshot = self.snapshot()?;
        state::scan(&*snapshot, key::kind(b'R'), |key, value| {
            let email = EmailId(key::long_at(key, 9).map_err(Error::corrupt("a retention key"))?);
            let device = DeviceId(value.try_into().map_or(0, u32::from_be_bytes));
            if let Some(record) = snapshot.get(&key::email(email))? {
                let record = EmailRecord::decode(&record).map_err(Error::corrupt("a message's record"))?;
                by_device.entry(device).or_default().add(record.size);
            }
            Ok(())
        })?;
        Ok(by_device)
    }

    /// Removes the oldest of what is restorable until it is no more than `bytes_max` octets.
    pub(super) fn keep_retention_within(&self, bytes_max: u64) -> Result<(), Error> {
        while self.cell.state()?.record.retained.bytes > bytes_max {
            if self.purge_some(Due { before: None, bytes_max })? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// One commit's worth of messages.
    fn purge_some(&self, due: Due) -> Result<usize, Error> {
        let (messages, objects) = self.cell.transact(move |tx| purge_messages(tx, due))?;
        // The messages are gone for good; an object that stays behind is found by the sweep. Each gets its try.
        let removals = objects.iter().map(|name| self.objects.remove(self.id(), name));
        removals.fold(Ok(()), Result::and)?;
        Ok(messages)
    }

    /// Removes what was removed from the mailbox before `before`, early, because the disk is full; the journal stays. Gives
    /// how many messages went.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::NoSpace`], faults.
    pub fn give_way(&self, before: Timestamp) -> Result<usize, Error> {
        let mut gone = 0;
        if self.retained_since()?.is_none_or(|since| since >= before) {
            return Ok(gone);
        }
        loop {
            let before_it = self.retained()?.messages;
            let looked_at = self.purge_some(Due { before: Some(before), bytes_max: u64::MAX })?;
            gone += usize::try_from(before_it.saturating_sub(self.retained()?.messages)).unwrap_or_default();
            if looked_at == 0 {
                return Ok(gone);
            }
        }
    }

    /// Removes what was removed from the mailbox before `before`, and journal entries from before it.
    ///
    /// # Errors
    /// [`Error::NoSpace`], faults.
    pub fn purge(&self, before: Timestamp) -> Result<Purged, Error> {
        let mut purged = Purged::default();
        self.head()?;
        loop {
            let messages = self.purge_some(Due { before: Some(before), bytes_max: u64::MAX })?;
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

/// What of the retained messages goes, the oldest first.
#[derive(Clone, Copy)]
struct Due {
    /// What was removed before.
    before: Option<Timestamp>,
    /// What is over this.
    bytes_max: u64,
}

fn purge_messages(tx: &mut Tx<'_>, Due { before, bytes_max }: Due) -> Result<(usize, Vec<String>), Error> {
    let mut due = Vec::new();
    let (first, end) = key::kind(b'R');
    let end = before.map_or(end, |before| key::retained(before, EmailId(0)));
    tx.scan_before((first, end), |key, _| {
        due.push((key.to_vec(), EmailId(key::long_at(key, 9).map_err(Error::corrupt("a retention key"))?)));
        Ok(if due.len() < PURGED_PER_COMMIT_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    let mut objects = Vec::new();
    let (mut count, devices) = (0, tx.state.devices.clone());
    for (retained, email) in due {
        if before.is_none() && tx.state.record.retained.bytes <= bytes_max {
            break;
        }
        count += 1;
        if tx.get(&retained)?.is_none() {
            // Another purge in the same commit.
            continue;
        }
        let record = tx.email(email)?;
        tx.delete(retained);
        if record.places > 0 {
            continue;
        }
        tx.change_record().retained.remove(record.size);
        objects.extend(record.object);
        if let Some(uidl) = tx.shown(email)?.and_then(|shown| shown.uidl) {
            tx.delete(key::uidl(&uidl));
        }
        for key in [key::email(email), key::summary(email), key::body(email), key::shown(email)] {
            tx.delete(key);
        }
        devices.keys().for_each(|device| tx.delete(key::taken(*device, email)));
        record.names.iter().for_each(|name| tx.delete(key::named(*name, email)));
    }
    Ok((count, objects))
}

fn purge_journal(tx: &mut Tx<'_>, before: Timestamp) -> Result<usize, Error> {
    let (mut due, mut histories) = (Vec::new(), Vec::new());
    tx.scan_before(key::kind(b'J'), |key, value| {
        let modseq = ModSeq(key::long_at(key, 1).map_err(Error::corrupt("a journal key"))?);
        let entry = JournalEntry::decode(modseq, value).map_err(Error::corrupt("a journal entry"))?;
        if entry.at >= before || due.len() + histories.len() >= PURGED_PER_COMMIT_MAX {
            return Ok(ControlFlow::Break(()));
        }
        due.push(modseq);
        histories.extend(entry.change.emails().into_iter().map(|email| key::history(email, modseq)));
        Ok(ControlFlow::Continue(()))
    })?;
    let Some(floor) = due.last().copied() else { return Ok(0) };
    tx.forget_answered_holds(before)?;
    tx.pack_up_to(floor)?;
    let record = tx.change_record();
    record.journal_floor = record.journal_floor.max(floor);
    due.iter().for_each(|modseq| tx.delete(key::journal(*modseq)));
    histories.into_iter().for_each(|key| tx.delete(key));
    Ok(due.len())
}

impl Tx<'_> {
    /// Forgets the holds that were answered before a moment.
    fn forget_answered_holds(&mut self, before: Timestamp) -> Result<(), Error> {
        let mut due = Vec::new();
        self.scan_before(key::kind(b'O'), |key, value| {
            let hold = key::number_at(key, 1).and_then(|id| Hold::decode(HoldId(id), value));
            let hold = hold.map_err(Error::corrupt("a hold"))?;
            due.extend(hold.answer.filter(|answer| answer.at < before).map(|_| hold.id));
            Ok(ControlFlow::Continue(()))
        })?;
        due.into_iter().for_each(|id| self.delete(key::hold(id)));
        Ok(())
    }

    /// Packs every index that needs journal entries up to `floor`: a mailbox that nobody changes any more must neither
    /// keep the journal for ever nor miss what leaves it.
    fn pack_up_to(&mut self, floor: ModSeq) -> Result<(), Error> {
        let mailboxes = self.state.mailboxes.values().map(|state| &state.mailbox);
        let behind = mailboxes.filter(|m| m.packed_to > ModSeq(0) && m.packed_to < floor && m.unpacked > 0);
        let behind: Vec<MailboxId> = behind.map(|mailbox| mailbox.id).collect();
        behind.into_iter().try_for_each(|id| self.pack(id))
    }
}
