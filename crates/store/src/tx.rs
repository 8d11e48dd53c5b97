//! A transaction: what an operation reads and writes of its account.
//!
//! Invariant: everything in it is as of one commit, that of its `expected` head; if the account has moved on, nothing of it
//! counts.

use crate::device::Device;
use crate::engine::{Commit, Engine, Snapshot, Write};
use crate::error::Error;
use crate::ids::{AccountId, DeviceId, EmailId, MailboxId, ModSeq, Timestamp, UidValidity};
use crate::index::Index;
use crate::journal::{Actor, Change, JournalEntry};
use crate::key;
use crate::known_nodes::NodeNumber;
use crate::pack;
use crate::record::{AccountRecord, Mailbox, Subscription};
use crate::state::{self, AccountState, MailboxState};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// A clock at or past this (the year 10000) is wrong.
const CLOCK_MILLIS_MAX: i64 = 253_402_300_800_000;

/// A key and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// A transaction: the account as it will be, and the writes that make it so.
pub(crate) struct Tx<'a> {
    pub(crate) state: AccountState,
    /// Whose guest does what is being done; `None`: the owner, or the server.
    pub(crate) guest: Option<AccountId>,
    id: AccountId,
    /// Which of several nodes does it.
    node: Option<NodeNumber>,
    engine: &'a dyn Engine,
    snapshot: Option<Box<dyn Snapshot + 'a>>,
    expected: ModSeq,
    writes: Vec<Write>,
    /// Where in `writes` the last change of a key is.
    written: BTreeMap<Vec<u8>, usize>,
    /// For each write, where the change of the same key before it is.
    overwrote: Vec<Option<usize>>,
    /// Put so far, also by what failed.
    bytes: usize,
    dirty_mailboxes: BTreeSet<MailboxId>,
    dirty_record: bool,
    /// A device was revoked, unless what did so failed.
    revokes: bool,
    history_bytes_before: u64,
    /// The account's head, once it was found not to be `expected`: nothing of this transaction counts.
    moved_on: Option<ModSeq>,
}

impl<'a> Tx<'a> {
    /// Begins on the state that is known, or else on what the engine holds.
    pub(crate) fn begin(
        id: AccountId,
        engine: &'a dyn Engine,
        known: Option<Arc<AccountState>>,
    ) -> Result<Self, Error> {
        let mut snapshot = None;
        let state = match known {
            Some(state) => (*state).clone(),
            None => {
                let fresh = engine.snapshot(id)?;
                let state = match AccountState::load(&*fresh) {
                    // An account is created by its first transaction.
                    Err(Error::NoSuchAccount) if fresh.head() == ModSeq(0) => AccountState::empty(Timestamp(0)),
                    loaded => loaded?,
                };
                snapshot = Some(fresh);
                state
            }
        };
        Ok(Self {
            id,
            node: None,
            engine,
            snapshot,
            expected: state.head,
            history_bytes_before: state.history_bytes,
            guest: None,
            state,
            writes: Vec::new(),
            written: BTreeMap::new(),
            overwrote: Vec::new(),
            bytes: 0,
            dirty_mailboxes: BTreeSet::new(),
            dirty_record: false,
            revokes: false,
            moved_on: None,
        })
    }

    /// Of a process among others.
    pub(crate) fn of_node(self, node: Option<NodeNumber>) -> Self {
        Self { node, ..self }
    }

    /// Which of several nodes does it.
    pub(crate) fn node(&self) -> Option<NodeNumber> {
        self.node
    }

    /// Runs a part that leaves no trace when it fails.
    pub(crate) fn attempt<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        // One before it may have panicked.
        self.guest = None;
        let state = self.state.clone();
        let (writes, dirty_mailboxes, dirty_record) =
            (self.writes.len(), self.dirty_mailboxes.clone(), self.dirty_record);
        let result = part(self);
        if result.is_err() {
            self.state = state;
            self.dirty_mailboxes = dirty_mailboxes;
            self.dirty_record = dirty_record;
            self.undo_writes(writes);
        }
        result
    }

    fn undo_writes(&mut self, keep: usize) {
        for (write, overwrote) in self.writes.drain(keep..).zip(self.overwrote.drain(keep..)).rev() {
            let (Write::Put { key, .. } | Write::Delete { key }) = write;
            match overwrote {
                Some(at) => self.written.insert(key, at),
                None => self.written.remove(&key),
            };
        }
    }

    /// The account as the engine holds it, which must still be what the state was read from: an index that is newer than
    /// its mailbox would be published with it.
    pub(crate) fn snapshot(&mut self) -> Result<&dyn Snapshot, Error> {
        if self.snapshot.is_none() {
            let snapshot = self.engine.snapshot(self.id)?;
            if snapshot.head() != self.expected {
                self.moved_on = Some(snapshot.head());
                return Err(Error::Fault("the account has moved on".into()));
            }
            self.snapshot = Some(snapshot);
        }
        self.snapshot.as_deref().ok_or_else(|| Error::fault("no snapshot"))
    }

    /// The value of a key as this transaction sees it.
    pub(crate) fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if let Some(write) = self.written.get(key).and_then(|at| self.writes.get(*at)) {
            return Ok(match write {
                Write::Put { value, .. } => Some(value.clone()),
                Write::Delete { .. } => None,
            });
        }
        Ok(self.snapshot()?.get(key)?)
    }

    /// Visits the keys of a range as they were before this transaction, until the visitor breaks.
    pub(crate) fn scan_before(
        &mut self,
        range: (Vec<u8>, Vec<u8>),
        visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        state::scan_while(self.snapshot()?, range, visit)
    }

    /// The first keys of a range with their values as this transaction sees them, at most `limit`.
    pub(crate) fn rows(&mut self, (from, to): (Vec<u8>, Vec<u8>), limit: usize) -> Result<Vec<Row>, Error> {
        let changed: Vec<Vec<u8>> = self.written.range(from.clone()..to.clone()).map(|(key, _)| key.clone()).collect();
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        // What was deleted here leaves a place to the next one.
        let wanted = limit.saturating_add(changed.len());
        self.scan_before((from, to), |key, value| {
            rows.insert(key.to_vec(), value.to_vec());
            Ok(if rows.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        for key in changed {
            match self.get(&key)? {
                Some(value) => drop(rows.insert(key, value)),
                None => drop(rows.remove(&key)),
            }
        }
        Ok(rows.into_iter().take(limit).collect())
    }

    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += value.len();
        self.overwrote.push(self.written.insert(key.clone(), self.writes.len()));
        self.writes.push(Write::Put { key, value });
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.overwrote.push(self.written.insert(key.clone(), self.writes.len()));
        self.writes.push(Write::Delete { key });
    }

    /// Writes a journal entry, and the history of the messages that it is about; gives its modseq.
    pub(crate) fn journal(&mut self, actor: Actor, change: Change) -> ModSeq {
        let modseq = self.next_modseq();
        match change.in_bulk() {
            Some(emails) => self.put_history(key::bulk(modseq), emails.encode()),
            // A message that is there twice has one row.
            None => {
                let emails: BTreeSet<EmailId> = change.emails().into_iter().collect();
                emails.into_iter().for_each(|email| self.put_history(key::history(email, modseq), Vec::new()));
            }
        }
        self.journal_arrival(actor, change)
    }

    /// Writes the journal entry of a message that comes into the account: its record tells that, and nothing else has to.
    pub(crate) fn journal_arrival(&mut self, actor: Actor, change: Change) -> ModSeq {
        let modseq = ModSeq(self.state.head.0 + 1);
        self.state.head = modseq;
        let Actor { device, protocol, now } = actor;
        let entry = JournalEntry { modseq, at: now, device, protocol, change };
        self.put_history(key::journal(modseq), entry.encode());
        modseq
    }

    /// Writes a row of the journal, or one that leads there; there is none of its key.
    fn put_history(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.state.history_bytes += (key.len() + value.len()) as u64;
        self.put(key, value);
    }

    /// Removes a row of the journal, or one that leads there, if it is there.
    pub(crate) fn delete_history(&mut self, key: Vec<u8>) -> Result<(), Error> {
        if let Some(value) = self.get(&key)? {
            let bytes = (key.len() + value.len()) as u64;
            self.state.history_bytes = self.state.history_bytes.saturating_sub(bytes);
            self.delete(key);
        }
        Ok(())
    }

    /// The modseq of the last journal entry.
    pub(crate) fn head(&self) -> ModSeq {
        self.state.head
    }

    /// The modseq that the next journal entry gets.
    pub(crate) fn next_modseq(&self) -> ModSeq {
        ModSeq(self.state.head.0 + 1)
    }

    /// Takes a modseq for what has no entry in the journal.
    pub(crate) fn pass_modseq(&mut self) -> ModSeq {
        self.state.head = self.next_modseq();
        self.state.head
    }

    /// The index of a mailbox, read if nobody did so before.
    pub(crate) fn index(&mut self, id: MailboxId) -> Result<&Index, Error> {
        if self.state.mailbox(id)?.index.is_none() {
            // Nobody changed this mailbox's messages in this transaction without its index, except by adding: see `add`.
            let index = self.read_index(id)?;
            self.mailbox_mut(id)?.index = Some(index);
        }
        self.state.mailbox(id)?.index.as_ref().ok_or(Error::NoSuchMailbox)
    }

    /// The stored index, brought up to date with what this transaction has already written.
    fn read_index(&mut self, id: MailboxId) -> Result<Index, Error> {
        let is_packed = self.mailbox(id)?.packed_to > ModSeq(0);
        let snapshot = self.snapshot()?;
        if !is_packed {
            let ranges = [key::only(key::mailbox(id)), key::flag_blocks(id), key::kind_of(b'M', id.0)];
            snapshot.fetch_ahead(&ranges)?;
        }
        let stored = snapshot.get(&key::mailbox(id))?;
        let mut index = match stored {
            None => Index::default(),
            Some(bytes) => {
                let mailbox = Mailbox::decode(&bytes).map_err(Error::corrupt("a mailbox record"))?;
                pack::load_index(self.snapshot()?, &mailbox)?
            }
        };
        for modseq in self.expected.0 + 1..=self.state.head.0 {
            let Some(bytes) = self.get(&key::journal(ModSeq(modseq)))? else { continue };
            let entry = JournalEntry::decode(ModSeq(modseq), &bytes).map_err(Error::corrupt("a journal entry"))?;
            entry.change.replay(id, entry.modseq, &mut index);
        }
        Ok(index)
    }

    pub(crate) fn mailbox(&self, id: MailboxId) -> Result<&Mailbox, Error> {
        self.state.mailbox(id).map(|state| &state.mailbox)
    }

    fn mailbox_mut(&mut self, id: MailboxId) -> Result<&mut MailboxState, Error> {
        self.state.mailboxes.get_mut(&id).map(Arc::make_mut).ok_or(Error::NoSuchMailbox)
    }

    /// A mailbox to change; its record is written with the commit.
    pub(crate) fn change_mailbox(&mut self, id: MailboxId) -> Result<&mut MailboxState, Error> {
        self.dirty_mailboxes.insert(id);
        self.mailbox_mut(id)
    }

    pub(crate) fn insert_mailbox(&mut self, mailbox: Mailbox) {
        let id = mailbox.id;
        self.dirty_mailboxes.insert(id);
        self.state.mailboxes.insert(id, Arc::new(MailboxState { mailbox, index: Some(Index::default()) }));
    }

    pub(crate) fn remove_mailbox(&mut self, id: MailboxId) {
        self.state.mailboxes.remove(&id);
        self.dirty_mailboxes.remove(&id);
        self.delete(key::mailbox(id));
    }

    /// Puts a name that no mailbox has on the list of subscriptions.
    pub(crate) fn insert_subscription(&mut self, name: &str) {
        self.put(key::subscription(name), Subscription::encode(name));
        Arc::make_mut(&mut self.state.subscriptions).insert(name.to_owned());
    }

    /// Takes a name that no mailbox has off the list of subscriptions; whether it was there.
    pub(crate) fn remove_subscription(&mut self, name: &str) -> bool {
        if !self.state.subscriptions.contains(name) {
            return false;
        }
        self.delete(key::subscription(name));
        Arc::make_mut(&mut self.state.subscriptions).remove(name)
    }

    pub(crate) fn put_device(&mut self, device: Device) {
        self.revokes |= device.revoked_at.is_some();
        self.put(key::device(device.id), device.encode());
        Arc::make_mut(&mut self.state.devices).insert(device.id, device);
    }

    pub(crate) fn next_device(&mut self) -> Result<DeviceId, Error> {
        let last = &mut self.change_record().last_device;
        *last = last.checked_add(1).ok_or_else(|| Error::Limit("the account has used up its device numbers".into()))?;
        Ok(DeviceId(*last))
    }

    pub(crate) fn next_mailbox(&mut self) -> Result<MailboxId, Error> {
        let last = &mut self.change_record().last_mailbox;
        let next = last.0.checked_add(1);
        last.0 = next.ok_or_else(|| Error::Limit("the account has used up its mailbox numbers".into()))?;
        Ok(*last)
    }

    /// RFC 9051 §2.3.1.1: above every one that the account had, and near the time, so that it also differs from that of an
    /// account that was lost and set up again.
    pub(crate) fn next_uid_validity(&mut self, now: Timestamp) -> Result<UidValidity, Error> {
        let last = &mut self.state.record.last_uid_validity;
        let next = last.0.checked_add(1).ok_or_else(|| Error::Limit("the account has used up UIDVALIDITY".into()))?;
        // A clock that has lost its mind is left out: from its number there would be no way up.
        last.0 = u32::try_from(now.unix_seconds()).unwrap_or(0).max(next);
        self.dirty_record = true;
        Ok(self.state.record.last_uid_validity)
    }

    /// Above every one that the account had, and near the time in microseconds, for the same reason.
    pub(crate) fn next_email(&mut self, now: Timestamp) -> Result<EmailId, Error> {
        let AccountRecord { last_email: last, sized_to, .. } = &mut self.state.record;
        let is_sized = sized_to == last;
        let next = last.0.checked_add(1).ok_or_else(|| Error::Limit("the account has used up its EMAILIDs".into()))?;
        let sane = (0..CLOCK_MILLIS_MAX).contains(&now.0);
        let clock = if sane { now.0.unsigned_abs() * 1000 } else { 0 };
        last.0 = clock.max(next);
        // Who takes the number notes the sizes of the message too.
        if is_sized {
            *sized_to = *last;
        }
        self.dirty_record = true;
        Ok(self.state.record.last_email)
    }

    pub(crate) fn change_record(&mut self) -> &mut AccountRecord {
        self.dirty_record = true;
        &mut self.state.record
    }

    /// How many writes there are so far.
    pub(crate) fn writes(&self) -> usize {
        self.writes.len()
    }

    /// How many octets were put so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a device may have been revoked.
    pub(crate) fn revokes(&self) -> bool {
        self.revokes
    }

    /// The account's head, if it was found not to be the one that this transaction began with.
    pub(crate) fn moved_on(&self) -> Option<ModSeq> {
        self.moved_on
    }

    /// The state after the transaction and, if there is anything to write, the commit that leads there. From then on it
    /// holds no connection, and no old pages, of the engine.
    pub(crate) fn finish(self) -> (AccountState, Option<Commit>) {
        let Self { id: account, expected, state, writes, written, .. } = self;
        let next = state.head;
        // Of a key the last change counts. In the order of the keys an engine goes through its tree once: rows of one kind, which
        // each of many messages brings, lie side by side.
        let mut writes: Vec<Option<Write>> = writes.into_iter().map(Some).collect();
        let writes: Vec<Write> = written.into_values().filter_map(|at| writes.get_mut(at)?.take()).collect();
        (state, (!writes.is_empty()).then_some(Commit { account, expected, next, writes }))
    }

    /// Writes the records that changed, and packs the indexes that are due.
    pub(crate) fn seal(&mut self) -> Result<(), Error> {
        if self.writes.is_empty() && self.dirty_mailboxes.is_empty() && !self.dirty_record {
            return Ok(());
        }
        for id in std::mem::take(&mut self.dirty_mailboxes) {
            if pack::pack_is_due(self.mailbox(id)?, self.state.head)
                && let Err(error) = self.pack(id)
            {
                // It is a cache: what was asked for must not fail for it.
                tracing::warn!(account = %self.id, mailbox = %id, %error, "the index could not be packed");
            }
            let record = self.mailbox(id)?.encode();
            self.put(key::mailbox(id), record);
        }
        if self.state.history_bytes != self.history_bytes_before {
            self.put(key::history_bytes(), state::write_history_bytes(self.state.history_bytes));
        }
        if self.dirty_record {
            let record = self.state.record.encode();
            self.put(key::account(), record);
        }
        if self.state.head == self.expected {
            // A commit always moves the head: other processes see by it that there is something to read.
            self.state.head = ModSeq(self.expected.0 + 1);
        }
        Ok(())
    }

    /// Writes the packed index of a mailbox as it is now.
    pub(crate) fn pack(&mut self, id: MailboxId) -> Result<(), Error> {
        let (head, before) = (self.state.head, self.pieces_packed(id)?);
        let (header, pieces) = pack::pack(head, self.index(id)?);
        let mut number = 0;
        for piece in pieces {
            let key = key::pack_piece(id, number);
            // Most of a mailbox that grows is as it was. One that cannot be read is written anew.
            if !matches!(self.get(&key), Ok(Some(stored)) if stored == piece) {
                self.put(key, piece);
            }
            number += 1;
        }
        (number..before).for_each(|number| self.delete(key::pack_piece(id, number)));
        self.put(key::pack(id), header);
        let mailbox = &mut self.change_mailbox(id)?.mailbox;
        mailbox.packed_to = head;
        mailbox.unpacked = 0;
        Ok(())
    }

    /// Removes the packed index of a mailbox.
    pub(crate) fn forget_pack(&mut self, id: MailboxId) -> Result<(), Error> {
        let before = self.pieces_packed(id)?;
        (0..before).for_each(|number| self.delete(key::pack_piece(id, number)));
        self.delete(key::pack(id));
        Ok(())
    }

    fn pieces_packed(&mut self, id: MailboxId) -> Result<u32, Error> {
        let header = self.get(&key::pack(id))?;
        let mailbox = self.mailbox(id)?;
        Ok(header.map_or(0, |header| pack::pieces_packed(&header, mailbox)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Uid;
    use crate::index::{Builder, Entry};
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;

    /// 50 messages that came together were 50 times through all of the tree.
    #[test]
    fn a_commit_has_each_key_once_and_in_order() {
        let engine = SimEngine::new();
        let mut tx = Tx::begin(AccountId(16), &engine, Some(Arc::new(AccountState::empty(Timestamp(0))))).unwrap();
        for (key, value) in [("b", "1"), ("c", "1"), ("a", "1"), ("b", "2")] {
            tx.put(key.into(), value.into());
        }
        tx.delete(b"c".to_vec());
        let failed = tx.attempt(|tx| {
            tx.put(b"a".to_vec(), b"3".to_vec());
            tx.delete(b"b".to_vec());
            tx.put(b"d".to_vec(), b"3".to_vec());
            Err::<(), _>(Error::NoSuchMessage)
        });
        assert!(failed.is_err());
        let writes = tx.finish().1.unwrap().writes;
        let told = |write: &Write| match write {
            Write::Put { key, value } => [&key[..], b"=", value].concat(),
            Write::Delete { key } => [key, &b"-"[..]].concat(),
        };
        assert_eq!(writes.iter().map(told).collect::<Vec<_>>(), [&b"a=1"[..], b"b=2", b"c-"]);
    }

    #[test]
    fn an_index_that_grew_was_packed_anew_from_its_first_message_on() {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let cell = store.create_account(AccountId(16), Timestamp(0)).unwrap().cell;
        let of = |count: u32| {
            let mut index = Builder::default();
            for n in 1..=count {
                let (uid, modseq, email) = (Uid(n), ModSeq(1), EmailId(n.into()));
                let (flags, internal_date) = (Default::default(), Timestamp(0));
                index.push(Entry { uid, size: 1, flags, modseq, email, internal_date });
            }
            index.finish()
        };
        let written = cell.transact(move |tx| {
            let inbox = tx.state.inbox()?.id;
            let packed = |tx: &mut Tx<'_>, count| {
                tx.change_mailbox(inbox)?.index = Some(of(count));
                let before = tx.writes.len();
                // One is the header.
                tx.pack(inbox).map(|()| tx.writes.len() - before - 1)
            };
            [5000, 5000, 10_000, 10_000].into_iter().map(|count| packed(tx, count)).collect::<Result<Vec<_>, _>>()
        });
        // The second piece was not full, and the third is new.
        assert_eq!(written.unwrap(), [2, 0, 2, 0]);
    }

    #[test]
    fn numbers_go_up_whatever_the_clock_says() {
        let engine = SimEngine::new();
        let store = Store::new(Arc::new(engine), Arc::new(SimObjects::new()));
        let cell = store.create_account(AccountId(16), Timestamp(0)).unwrap().cell;
        let numbers = cell.transact(|tx| {
            let clocks = [0, 1_790_000_000_000, i64::MAX, i64::MIN, -1, CLOCK_MILLIS_MAX - 1, 5];
            clocks
                .iter()
                .map(|now| Ok((tx.next_uid_validity(Timestamp(*now))?, tx.next_email(Timestamp(*now))?)))
                .collect()
        });
        let numbers: Vec<(UidValidity, EmailId)> = numbers.unwrap();
        assert!(numbers.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1), "{numbers:?}");
        cell.transact(|tx| {
            tx.change_record().last_uid_validity = UidValidity(u32::MAX);
            assert!(matches!(tx.next_uid_validity(Timestamp(0)), Err(Error::Limit(_))));
            tx.change_record().last_email = EmailId(u64::MAX);
            assert!(matches!(tx.next_email(Timestamp(0)), Err(Error::Limit(_))));
            Ok(())
        })
        .unwrap();
    }
}
