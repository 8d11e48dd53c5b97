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
/// One transaction removes at most so many changes of the flags of many messages.
const BULK_PER_COMMIT_MAX: usize = 64;

/// Where the journal is too long, one octet in so many of what it may take is made free: not with each change anew.
const HISTORY_ROOM_PART: u64 = 10;
/// So many holds that were answered are known at most.
const HOLDS_ANSWERED_MAX: usize = 1000;

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

    /// Tells what was removed since then and is still kept, the first first: when, which message, by which device.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn removed_since(
        &self,
        since: Timestamp,
        mut visit: impl FnMut(Timestamp, EmailId, DeviceId),
    ) -> Result<(), Error> {
        let range = (key::retained(since, EmailId(0)), key::kind(b'R').1);
        state::scan(&*self.snapshot()?, range, |key, value| {
            let read = || Ok((key::long_at(key, 1)?, EmailId(key::long_at(key, 9)?)));
            let (at, email) = read().map_err(Error::corrupt("a retention key"))?;
            let device = DeviceId(value.try_into().map_or(0, u32::from_be_bytes));
            visit(Timestamp(i64::try_from(at).unwrap_or(i64::MAX)), email, device);
            Ok(())
        })
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

    /// Removes the oldest of the journal until it takes no more than `bytes_max` octets and there is some room: first what
    /// changed the flags of many messages, which are most of it and lead nowhere else, then all, up to a moment. From there on
    /// undo, timeline and the list of what vanished for a client go back less far.
    pub(super) fn keep_history_within(&self, bytes_max: u64) -> Result<(), Error> {
        let wanted = bytes_max - bytes_max / HISTORY_ROOM_PART;
        if self.cell.state()?.history_bytes <= bytes_max {
            return Ok(());
        }
        while self.cell.state()?.history_bytes > wanted {
            if self.cell.transact(move |tx| purge_history(tx, wanted))? == 0 {
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

    /// Removes what was removed from the mailbox before `before`, and journal entries from before it; and what guests have seen of
    /// messages that are gone.
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
                self.tidy_marks()?;
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
        state::each_object(&*snapshot, |name| {
            orphans.remove(&name);
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
        let rows = [key::email(email), key::summary(email), key::body(email), key::shown(email), key::taught(email)];
        for key in rows {
            tx.delete(key);
        }
        devices.keys().for_each(|device| tx.delete(key::taken(*device, email)));
        record.names.iter().for_each(|name| tx.delete(key::named(*name, email)));
    }
    Ok((count, objects))
}

fn purge_journal(tx: &mut Tx<'_>, before: Timestamp) -> Result<usize, Error> {
    tx.forget_answered_holds(before)?;
    tx.forget_devices(before)?;
    let (mut due, mut rows) = (Vec::new(), 0);
    tx.scan_before(key::kind(b'J'), |key, value| {
        let entry = entry_of(key, value)?;
        if entry.at >= before || rows >= PURGED_PER_COMMIT_MAX {
            return Ok(ControlFlow::Break(()));
        }
        rows += 1 + entry.change.emails().len();
        due.push(entry);
        Ok(ControlFlow::Continue(()))
    })?;
    tx.forget_entries(&due)
}

/// One commit's worth of the oldest of the journal, until it takes no more than `wanted` octets.
fn purge_history(tx: &mut Tx<'_>, wanted: u64) -> Result<usize, Error> {
    let mut bulk = Vec::new();
    let mut left = tx.state.history_bytes;
    for (key, _) in tx.rows(key::kind(b'G'), BULK_PER_COMMIT_MAX)? {
        let modseq = ModSeq(key::long_at(&key, 1).map_err(Error::corrupt("a row of many flags"))?);
        if left > wanted {
            let size = tx.get(&key::journal(modseq))?.map_or(0, |entry| entry.len());
            left = left.saturating_sub(size as u64);
            bulk.push(modseq);
        }
    }
    if let Some(last) = bulk.last() {
        tx.pack_up_to(*last)?;
        for modseq in &bulk {
            tx.delete_history(key::bulk(*modseq))?;
            tx.delete_history(key::journal(*modseq))?;
        }
        return Ok(bulk.len());
    }
    let (mut due, mut rows) = (Vec::new(), 0);
    tx.scan_before(key::kind(b'J'), |key, value| {
        if left <= wanted || rows >= PURGED_PER_COMMIT_MAX {
            return Ok(ControlFlow::Break(()));
        }
        let entry = entry_of(key, value)?;
        let messages = entry.change.emails().len();
        left = left.saturating_sub((key.len() + value.len()) as u64);
        rows += 1 + messages;
        due.push(entry);
        Ok(ControlFlow::Continue(()))
    })?;
    tx.forget_entries(&due)
}

fn entry_of(key: &[u8], value: &[u8]) -> Result<JournalEntry, Error> {
    let entry = key::long_at(key, 1).and_then(|modseq| JournalEntry::decode(ModSeq(modseq), value));
    entry.map_err(Error::corrupt("a journal entry"))
}

impl Tx<'_> {
    /// Removes the oldest entries of the journal; gives how many.
    fn forget_entries(&mut self, due: &[JournalEntry]) -> Result<usize, Error> {
        let Some(floor) = due.last().map(|entry| entry.modseq) else { return Ok(0) };
        self.pack_up_to(floor)?;
        let record = self.change_record();
        record.journal_floor = record.journal_floor.max(floor);
        for entry in due {
            for email in entry.change.emails() {
                self.delete_history(key::history(email, entry.modseq))?;
            }
            self.delete_history(key::bulk(entry.modseq))?;
            self.delete_history(key::journal(entry.modseq))?;
        }
        Ok(due.len())
    }

    /// Forgets the holds that were answered before a moment, and the oldest where there are too many.
    fn forget_answered_holds(&mut self, before: Timestamp) -> Result<(), Error> {
        let (mut due, mut answered) = (Vec::new(), Vec::new());
        self.scan_before(key::kind(b'O'), |key, value| {
            let hold = key::number_at(key, 1).and_then(|id| Hold::decode(HoldId(id), value));
            let hold = hold.map_err(Error::corrupt("a hold"))?;
            match hold.answer {
                Some(answer) if answer.at < before => due.push(hold.id),
                Some(_) => answered.push(hold.id),
                None => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
        due.extend(answered.iter().take(answered.len().saturating_sub(HOLDS_ANSWERED_MAX)));
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
