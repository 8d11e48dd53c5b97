//! Transactions: the one place where mail state is written and other devices are woken.
//!
//! Whoever wants to change an account queues an operation. The first one becomes the leader: it runs all that is queued, in
//! order, on one [`Tx`], commits them together and answers everybody; then it hands the lead to the next in the queue. So
//! the operations of an account share one flush when many come at once, and a lonely one waits for nobody.
//!
//! Invariant: an operation is answered `Ok` only after the commit that holds it is durable.
//! Invariant: an operation that fails leaves no trace in the commit.
//! Invariant: the published state is what the engine holds, or `None` when that is not known.

use crate::device::Device;
use crate::engine::{Commit, CommitError, Engine, Snapshot, Write};
use crate::error::Error;
use crate::ids::{AccountId, DeviceId, EmailId, MailboxId, ModSeq, Timestamp, UidValidity};
use crate::index::Index;
use crate::journal::{Actor, Change, JournalEntry};
use crate::key;
use crate::record::Mailbox;
use crate::state::{self, AccountState, MailboxState};
use crate::watch::Watches;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

/// One commit holds at most this many operations.
const OPERATIONS_PER_COMMIT_MAX: usize = 128;
/// A batch is tried again this often after conflicts with other writers of the same account.
const CONFLICTS_MAX: u32 = 100;

/// A clock at or past this (the year 10000) is wrong.
const CLOCK_MILLIS_MAX: i64 = 253_402_300_800_000;

/// An account of which this process holds the state.
pub(crate) struct AccountCell {
    pub(crate) id: AccountId,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) watches: Arc<Watches>,
    published: RwLock<Option<Arc<AccountState>>>,
    queue: Mutex<Queue>,
    /// Held from reading the state to publishing the next one: by the leader, and while the account is removed.
    turn: Mutex<()>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<dyn Operation>>,
    has_leader: bool,
}

/// An operation that is queued, whatever it gives back.
trait Operation: Send + Sync {
    fn run(&self, tx: &mut Tx<'_>) -> Result<(), Error>;
    fn finish(&self, outcome: Result<(), Error>);
    fn lead(&self);
}

struct Queued<F, T> {
    slot: Mutex<Slot<F, T>>,
    changed: Condvar,
}

struct Slot<F, T> {
    operation: F,
    result: Option<Result<T, Error>>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Leads,
    Done,
}

impl<F, T> Queued<F, T> {
    fn lock(&self) -> MutexGuard<'_, Slot<F, T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F, T> Operation for Queued<F, T>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, Error> + Send,
    T: Send,
{
    fn run(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let mut slot = self.lock();
        // A panic is this operation's own failure: the others of its batch go on, and so does the account.
        let result = catch_unwind(AssertUnwindSafe(|| (slot.operation)(tx)))
            .unwrap_or_else(|_| Err(Error::fault(format_args!("an operation on account {} panicked", tx.id))));
        let outcome = result.as_ref().map(|_| ()).map_err(Clone::clone);
        slot.result = Some(result);
        outcome
    }

    fn finish(&self, outcome: Result<(), Error>) {
        let mut slot = self.lock();
        if let Err(error) = outcome {
            slot.result = Some(Err(error));
        }
        slot.stage = Stage::Done;
        self.changed.notify_one();
    }

    fn lead(&self) {
        self.lock().stage = Stage::Leads;
        self.changed.notify_one();
    }
}

impl AccountCell {
    pub(crate) fn new(id: AccountId, engine: Arc<dyn Engine>, watches: Arc<Watches>) -> Self {
        Self { id, engine, watches, published: RwLock::new(None), queue: Mutex::default(), turn: Mutex::default() }
    }

    /// The state as of the last commit that this process knows of; [`Error::NoSuchAccount`] when there was none.
    pub(crate) fn state(&self) -> Result<Arc<AccountState>, Error> {
        let state = match self.published() {
            Some(state) => state,
            None => self.transact(|tx| Ok(tx.state.clone())).map(Arc::new)?,
        };
        if state.head == ModSeq(0) { Err(Error::NoSuchAccount) } else { Ok(state) }
    }

    /// The state with the index of `mailbox` in it.
    pub(crate) fn state_with_index(&self, mailbox: MailboxId) -> Result<Arc<AccountState>, Error> {
        let state = self.state()?;
        if state.mailbox(mailbox)?.index.is_some() {
            return Ok(state);
        }
        self.transact(move |tx| {
            tx.index(mailbox)?;
            Ok(tx.state.clone())
        })
        .map(Arc::new)
    }

    /// Notices what other processes have committed. Cheap when there is nothing.
    pub(crate) fn refresh(&self) -> Result<(), Error> {
        let Some(known) = self.published().map(|state| state.head) else { return Ok(()) };
        if self.engine.snapshot(self.id)?.head() != known {
            self.transact(|tx| tx.snapshot().map(drop))?;
            self.watches.wake(self.id);
        }
        Ok(())
    }

    /// Removes the account from the engine. Whoever holds a handle finds it gone.
    pub(crate) fn remove(&self) -> Result<(), CommitError> {
        let _turn = self.lock_turn();
        let removed = self.engine.remove_account(self.id);
        self.publish(None);
        removed
    }

    /// How many messages the indexes name that are held for this account.
    pub(crate) fn entries_held(&self) -> usize {
        let entries = |state: Arc<AccountState>| {
            state.mailboxes.values().filter_map(|mailbox| mailbox.index.as_ref()).map(Index::len).sum()
        };
        self.published().map_or(0, entries)
    }

    /// Runs `operation` in a transaction and gives its result once that is durable. `operation` may be run several times
    /// (after conflicts), on another thread; only its last run counts.
    pub(crate) fn transact<T: Send + 'static>(
        &self,
        operation: impl FnMut(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let queued = Arc::new(Queued {
            slot: Mutex::new(Slot { operation, result: None, stage: Stage::Waiting }),
            changed: Condvar::new(),
        });
        let leads = {
            let mut queue = self.lock_queue();
            queue.waiting.push_back(Arc::clone(&queued) as Arc<dyn Operation>);
            !std::mem::replace(&mut queue.has_leader, true)
        };
        if leads {
            self.lead();
        }
        loop {
            let mut slot = queued.lock();
            while slot.stage == Stage::Waiting {
                slot = queued.changed.wait(slot).unwrap_or_else(PoisonError::into_inner);
            }
            if slot.stage == Stage::Done {
                let lost = || Err(Error::fault("an operation ended without a result"));
                return slot.result.take().unwrap_or_else(lost);
            }
            slot.stage = Stage::Waiting;
            drop(slot);
            self.lead();
        }
    }

    /// Runs one batch, then hands the lead on.
    fn lead(&self) {
        let batch: Vec<Arc<dyn Operation>> = {
            let mut queue = self.lock_queue();
            let count = queue.waiting.len().min(OPERATIONS_PER_COMMIT_MAX);
            queue.waiting.drain(..count).collect()
        };
        if catch_unwind(AssertUnwindSafe(|| self.run_batch(&batch))).is_err() {
            self.publish(None);
            let error = Error::fault(format_args!("an operation on account {} panicked", self.id));
            batch.iter().for_each(|operation| operation.finish(Err(error.clone())));
        }
        let next = {
            let mut queue = self.lock_queue();
            queue.has_leader = !queue.waiting.is_empty();
            queue.waiting.front().cloned()
        };
        if let Some(next) = next {
            next.lead();
        }
    }

    fn run_batch(&self, batch: &[Arc<dyn Operation>]) {
        let finish_all = |error: Error| batch.iter().for_each(|operation| operation.finish(Err(error.clone())));
        for _ in 0..CONFLICTS_MAX {
            match self.try_batch(batch) {
                Ok(outcomes) => {
                    batch.iter().zip(outcomes).for_each(|(operation, outcome)| operation.finish(outcome));
                    return;
                }
                Err(CommitError::Conflict { .. }) => self.publish(None),
                // What takes no room, or gives some back, must not fail with what needs it.
                Err(CommitError::Full { .. }) if batch.len() > 1 => {
                    return batch.iter().for_each(|operation| self.run_batch(std::slice::from_ref(operation)));
                }
                Err(CommitError::Full { what }) => {
                    tracing::warn!(account = %self.id, %what, "no space");
                    return finish_all(Error::NoSpace(what));
                }
                Err(CommitError::Failed { what }) => {
                    self.publish(None);
                    // It may be durable: who watches must look.
                    self.watches.wake(self.id);
                    return finish_all(Error::fault(what));
                }
            }
        }
        finish_all(Error::fault(format_args!("account {} is written by too many at once", self.id)));
    }

    /// Runs and commits a batch once: each operation's own outcome, or why nothing of it counts.
    fn try_batch(&self, batch: &[Arc<dyn Operation>]) -> Result<Vec<Result<(), Error>>, CommitError> {
        let _turn = self.lock_turn();
        let mut tx = match Tx::begin(self, self.published()) {
            Ok(tx) => tx,
            Err(error) => return Ok(batch.iter().map(|_| Err(error.clone())).collect()),
        };
        let outcomes: Vec<Result<(), Error>> =
            batch.iter().map(|operation| tx.attempt(|tx| operation.run(tx))).collect();
        // Where no commit will prove that the state was the newest, a look at the engine does: nobody is refused, or told
        // that there was nothing to do, by an old one.
        let unproved = tx.writes.is_empty() || outcomes.iter().any(Result::is_err);
        let sealed = if unproved { tx.snapshot().map(drop) } else { Ok(()) }.and_then(|()| tx.seal());
        if let Some(head) = tx.moved_on {
            return Err(CommitError::Conflict { head });
        }
        if let Err(error) = sealed {
            return Ok(batch.iter().map(|_| Err(error.clone())).collect());
        }
        let Tx { state, writes, expected, snapshot, .. } = tx;
        // It holds a connection, or old pages, of the engine.
        drop(snapshot);
        if writes.is_empty() {
            self.publish(Some(state));
            return Ok(outcomes);
        }
        self.engine.commit(Commit { account: self.id, expected, next: state.head, writes })?;
        self.publish(Some(state));
        self.watches.wake(self.id);
        Ok(outcomes)
    }

    fn published(&self) -> Option<Arc<AccountState>> {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, state: Option<AccountState>) {
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = state.map(Arc::new);
    }

    fn lock_queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transaction: the account as it will be, and the writes that make it so.
pub(crate) struct Tx<'a> {
    pub(crate) state: AccountState,
    id: AccountId,
    engine: &'a dyn Engine,
    snapshot: Option<Box<dyn Snapshot + 'a>>,
    expected: ModSeq,
    writes: Vec<Write>,
    /// Where in `writes` the last change of a key is.
    written: BTreeMap<Vec<u8>, usize>,
    /// For each write, where the change of the same key before it is.
    overwrote: Vec<Option<usize>>,
    dirty_mailboxes: BTreeSet<MailboxId>,
    dirty_record: bool,
    /// The account's head, once it was found not to be `expected`: nothing of this transaction counts.
    moved_on: Option<ModSeq>,
}

impl<'a> Tx<'a> {
    fn begin(cell: &'a AccountCell, published: Option<Arc<AccountState>>) -> Result<Self, Error> {
        let mut snapshot = None;
        let state = match published {
            Some(state) => (*state).clone(),
            None => {
                let fresh = cell.engine.snapshot(cell.id)?;
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
            id: cell.id,
            engine: &*cell.engine,
            snapshot,
            expected: state.head,
            state,
            writes: Vec::new(),
            written: BTreeMap::new(),
            overwrote: Vec::new(),
            dirty_mailboxes: BTreeSet::new(),
            dirty_record: false,
            moved_on: None,
        })
    }

    /// Runs a part that leaves no trace when it fails.
    fn attempt<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
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
    fn snapshot(&mut self) -> Result<&dyn Snapshot, Error> {
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

    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.overwrote.push(self.written.insert(key.clone(), self.writes.len()));
        self.writes.push(Write::Put { key, value });
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.overwrote.push(self.written.insert(key.clone(), self.writes.len()));
        self.writes.push(Write::Delete { key });
    }

    /// Writes a journal entry and gives its modseq.
    pub(crate) fn journal(&mut self, actor: Actor, change: Change) -> ModSeq {
        let modseq = ModSeq(self.state.head.0 + 1);
        self.state.head = modseq;
        let Actor { device, protocol, now } = actor;
        let entry = JournalEntry { modseq, at: now, device, protocol, change };
        self.put(key::journal(modseq), entry.encode());
        modseq
    }

    /// The modseq that the next journal entry gets.
    pub(crate) fn next_modseq(&self) -> ModSeq {
        ModSeq(self.state.head.0 + 1)
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
        let stored = self.snapshot()?.get(&key::mailbox(id))?;
        let mut index = match stored {
            None => Index::default(),
            Some(bytes) => {
                let mailbox = Mailbox::decode(&bytes).map_err(Error::corrupt("a mailbox record"))?;
                state::load_index(self.snapshot()?, &mailbox)?
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

    pub(crate) fn put_device(&mut self, device: Device) {
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
        let last = &mut self.state.record.last_email;
        let next = last.0.checked_add(1).ok_or_else(|| Error::Limit("the account has used up its EMAILIDs".into()))?;
        let sane = (0..CLOCK_MILLIS_MAX).contains(&now.0);
        let clock = if sane { now.0.unsigned_abs() * 1000 } else { 0 };
        last.0 = clock.max(next);
        self.dirty_record = true;
        Ok(self.state.record.last_email)
    }

    pub(crate) fn change_record(&mut self) -> &mut crate::record::AccountRecord {
        self.dirty_record = true;
        &mut self.state.record
    }

    /// Writes the records that changed, and packs the indexes that are due.
    fn seal(&mut self) -> Result<(), Error> {
        if self.writes.is_empty() && self.dirty_mailboxes.is_empty() && !self.dirty_record {
            return Ok(());
        }
        for id in std::mem::take(&mut self.dirty_mailboxes) {
            if state::pack_is_due(self.mailbox(id)?, self.state.head)
                && let Err(error) = self.pack(id)
            {
                // It is a cache: what was asked for must not fail for it.
                tracing::warn!(account = %self.id, mailbox = %id, %error, "the index could not be packed");
            }
            let record = self.mailbox(id)?.encode();
            self.put(key::mailbox(id), record);
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
        let (header, pieces) = state::pack(head, self.index(id)?);
        let mut number = 0;
        for piece in pieces {
            self.put(key::pack_piece(id, number), piece);
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
        Ok(header.map_or(0, |header| state::pieces_packed(&header, mailbox)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Fault, SimEngine, SimObjects};
    use crate::store::Store;

    const ACCOUNT: AccountId = AccountId(16);

    fn account(engine: &SimEngine) -> Arc<AccountCell> {
        let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
        let account = match store.create_account(ACCOUNT, Timestamp(0)) {
            Err(Error::AlreadyExists) => store.account(ACCOUNT),
            created => created.unwrap(),
        };
        account.cell
    }

    type Part = fn(&mut Tx<'_>) -> Result<(), Error>;

    /// Runs operations in one batch and gives what each was answered.
    fn batch(cell: &AccountCell, parts: &[Part]) -> Vec<Result<(), Error>> {
        let queued = |part: &Part| {
            let slot = Slot { operation: *part, result: None, stage: Stage::Waiting };
            Arc::new(Queued { slot: Mutex::new(slot), changed: Condvar::new() })
        };
        let queued: Vec<Arc<Queued<Part, ()>>> = parts.iter().map(queued).collect();
        let batch: Vec<Arc<dyn Operation>> = queued.iter().map(|q| Arc::clone(q) as Arc<dyn Operation>).collect();
        cell.run_batch(&batch);
        queued.iter().map(|queued| queued.lock().result.take().unwrap()).collect()
    }

    fn stored(engine: &SimEngine) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let snapshot = engine.snapshot(ACCOUNT).unwrap();
        let mut visit = |key: &[u8], _: &[u8]| {
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        };
        snapshot.scan(b"x", b"y", &mut visit).unwrap();
        keys
    }

    fn put_a(tx: &mut Tx<'_>) -> Result<(), Error> {
        tx.put(b"xa".to_vec(), Vec::new());
        Ok(())
    }

    fn put_b(tx: &mut Tx<'_>) -> Result<(), Error> {
        tx.put(b"xb".to_vec(), Vec::new());
        Ok(())
    }

    fn look(tx: &mut Tx<'_>) -> Result<(), Error> {
        tx.snapshot().map(drop)
    }

    #[test]
    fn what_shares_a_batch_with_a_refresh_is_written_all_the_same() {
        let engine = SimEngine::new();
        let (cell, other) = (account(&engine), account(&engine));
        assert_eq!(batch(&other, &[put_a]), [Ok(())]);
        assert_eq!(batch(&cell, &[put_b, look]), [Ok(()), Ok(())]);
        assert_eq!(stored(&engine), [b"xa", b"xb"]);
    }

    #[test]
    fn an_index_is_never_published_beside_an_older_mailbox() {
        let engine = SimEngine::new();
        let (cell, other) = (account(&engine), account(&engine));
        let inbox = MailboxId(1);
        cell.state().unwrap();
        cell.publish(Some(AccountState::load(&*engine.snapshot(ACCOUNT).unwrap()).unwrap()));
        other
            .transact(move |tx| {
                tx.change_mailbox(inbox)?.mailbox.uid_next.0 = 9;
                Ok(())
            })
            .unwrap();
        let state = cell.state_with_index(inbox).unwrap();
        assert_eq!(state.mailbox(inbox).unwrap().mailbox.uid_next.0, 9);
        assert_eq!(state.head, other.state().unwrap().head);
    }

    #[test]
    fn an_operation_that_panics_or_fails_takes_no_other_with_it_and_leaves_no_trace() {
        let engine = SimEngine::new();
        let cell = account(&engine);
        let panics: Part = |tx| {
            put_a(tx)?;
            panic!("an operation panics");
        };
        let fails: Part = |tx| {
            put_b(tx)?;
            tx.delete(b"xc".to_vec());
            Err(Error::NoSuchMessage)
        };
        let both: Part = |tx| {
            tx.put(b"xc".to_vec(), b"new".to_vec());
            Ok(())
        };
        let sees: Part = |tx| {
            assert_eq!(tx.get(b"xa"), Ok(None));
            assert_eq!(tx.get(b"xb"), Ok(Some(Vec::new())));
            assert_eq!(tx.get(b"xc"), Ok(Some(b"new".to_vec())));
            Ok(())
        };
        let outcomes = batch(&cell, &[both, panics, put_b, fails, sees]);
        assert!(matches!(&outcomes[1], Err(Error::Fault(what)) if what.contains("panicked")));
        assert_eq!([&outcomes[0], &outcomes[2], &outcomes[4]], [&Ok(()); 3]);
        assert_eq!(outcomes[3], Err(Error::NoSuchMessage));
        assert_eq!(stored(&engine), [b"xb", b"xc"]);
    }

    #[test]
    fn what_needs_no_room_succeeds_beside_what_finds_none() {
        let engine = SimEngine::new();
        let cell = account(&engine);
        engine.plan(0, Fault::Full);
        engine.plan(1, Fault::Full);
        let outcomes = batch(&cell, &[put_a, look, put_b]);
        assert!(matches!(outcomes[0], Err(Error::NoSpace(_))));
        assert_eq!(outcomes[1..], [Ok(()), Ok(())]);
        assert_eq!(stored(&engine), [b"xb"]);
    }

    #[test]
    fn numbers_go_up_whatever_the_clock_says() {
        let engine = SimEngine::new();
        let cell = account(&engine);
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
