//! Transactions: the one place where mail state is written and other devices are woken.
//!
//! Whoever wants to change an account queues an operation. The first one becomes the leader: it runs all that is queued, in
//! order, on one [`Tx`], commits them together and answers everybody; then it hands the lead to the next in the queue. So
//! the operations of an account share one flush when many come at once, and a lonely one waits for nobody.
//!
//! Invariant: an operation is answered `Ok` only after the commit that holds it is durable.
//! Invariant: an operation that fails leaves no trace in the commit.
//! Invariant: the published state is what the engine holds, or `None` when that is not known.

use crate::account::copy_and_move::take_back;
use crate::account::quiet::Quiet;
use crate::account::recent::Recents;
use crate::account::seen::GuestViews;
use crate::device::Device;
use crate::engine::{CommitError, Engine};
use crate::error::Error;
use crate::figures::Figures;
use crate::ids::{AccountId, DeviceId, MailboxId, ModSeq};
use crate::index::Index;
use crate::key;
use crate::known_nodes::{self, NodeNumber, Nodes};
use crate::receipt::Claims;
use crate::space::Space;
use crate::state::{AccountState, MailboxState};
use crate::tx::Tx;
use crate::watch::Watches;
use metrics::Stopwatch;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

/// One commit holds at most this many operations.
const OPERATIONS_PER_COMMIT_MAX: usize = 128;
/// One commit begins no further operation once it has so many writes: commits of the other accounts of its shard wait.
const WRITES_PER_COMMIT_MAX: usize = 4096;
/// The same of octets.
const BYTES_PER_COMMIT_MAX: usize = 8 * 1024 * 1024;
/// No account has this head.
const UNSEEN: u64 = u64::MAX;
/// A batch is tried again this often after conflicts with other writers of the same account.
const CONFLICTS_MAX: u32 = 100;

/// An account of which this process holds the state.
pub(crate) struct AccountCell {
    pub(crate) id: AccountId,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) space: Arc<dyn Space>,
    figures: Arc<Figures>,
    pub(crate) watches: Arc<Watches>,
    pub(crate) claims: Arc<Claims>,
    pub(crate) recents: Recents,
    pub(crate) quiet: Quiet,
    pub(crate) guest_views: GuestViews,
    /// Of what logins rest on.
    pub(crate) logins: Arc<Watches>,
    published: RwLock<Option<Arc<AccountState>>>,
    queue: Mutex<Queue>,
    /// Held from reading the state to publishing the next one: by the leader, and while the account is removed.
    turn: Mutex<()>,
    pub(crate) nodes: Arc<Nodes>,
    /// What was left half-way was taken back: one more than [`Nodes::gone`] was then; 0: not yet.
    recovered: AtomicU64,
    recovery: Mutex<()>,
    /// [`Nodes::looks`] when the state was known to be the newest.
    sure_at: AtomicU64,
    /// The head that the last look at what others have done saw; [`UNSEEN`]: nobody looked.
    seen: AtomicU64,
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
    fn new(operation: F) -> Arc<Self> {
        let slot = Slot { operation, result: None, stage: Stage::Waiting };
        Arc::new(Self { slot: Mutex::new(slot), changed: Condvar::new() })
    }

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
        // What an earlier run gave does not count, and lets go of what it held.
        slot.result = None;
        // A panic is this operation's own failure: the others of its batch go on, and so does the account.
        let result = catch_unwind(AssertUnwindSafe(|| (slot.operation)(tx)))
            .unwrap_or_else(|_| Err(Error::fault("an operation panicked")));
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
    pub(crate) fn new(
        id: AccountId,
        (engine, space, figures): (Arc<dyn Engine>, Arc<dyn Space>, Arc<Figures>),
        (watches, logins): (Arc<Watches>, Arc<Watches>),
        nodes: Arc<Nodes>,
    ) -> Self {
        Self {
            id,
            engine,
            space,
            figures,
            watches,
            claims: Arc::default(),
            recents: Recents::default(),
            quiet: Quiet::default(),
            guest_views: GuestViews::default(),
            logins,
            published: RwLock::new(None),
            queue: Mutex::default(),
            turn: Mutex::default(),
            nodes,
            recovered: AtomicU64::new(0),
            recovery: Mutex::default(),
            sure_at: AtomicU64::new(0),
            seen: AtomicU64::new(UNSEEN),
        }
    }

    /// Before anybody sees the account, and again when another node has gone: takes back what was left half-way. A cell lives as
    /// long as anybody here uses the account, so that what of this process is half-way when it is new is nobody's.
    pub(crate) fn recover(&self) {
        let now = self.nodes.gone() + 1;
        if self.recovered.load(Ordering::Acquire) == now {
            return;
        }
        let _one = self.recovery.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.recovered.load(Ordering::Acquire);
        if before == now {
            return;
        }
        if let Err(error) = take_back(self, before == 0) {
            // Mail must be readable all the same; the next start tries again.
            tracing::error!(account = %self.id, %error, "what a crash left half-way could not be taken back");
        }
        self.recovered.store(now, Ordering::Release);
    }

    /// Whether what bears the number of a process is left half-way, to one that `is_new` to the account.
    pub(crate) fn is_nobodys(&self, owner: Option<NodeNumber>, is_new: bool) -> Result<bool, Error> {
        match (self.nodes.me(), owner) {
            // It is the only one that writes; or it was then.
            (None, _) | (Some(_), None) => Ok(true),
            (Some(me), Some(owner)) if me == owner => Ok(is_new),
            (Some(_), Some(owner)) => Ok(known_nodes::is_gone(&*self.engine, owner)?),
        }
    }

    /// The state as of the last commit that this process knows of; [`Error::NoSuchAccount`] when there was none.
    pub(crate) fn state(&self) -> Result<Arc<AccountState>, Error> {
        self.recover();
        self.be_sure()?;
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
        self.state_with_indexes(move |_| vec![mailbox])
    }

    /// The state with the indexes of all mailboxes that `choose` names in it.
    pub(crate) fn state_with_indexes(
        &self,
        choose: impl Fn(&AccountState) -> Vec<MailboxId> + Send + 'static,
    ) -> Result<Arc<AccountState>, Error> {
        let state = self.state()?;
        if choose(&state).iter().all(|id| state.mailboxes.get(id).is_some_and(|mailbox| mailbox.index.is_some())) {
            return Ok(state);
        }
        self.transact(move |tx| {
            choose(&tx.state).into_iter().try_for_each(|id| tx.index(id).map(drop))?;
            Ok(tx.state.clone())
        })
        .map(Arc::new)
    }

    /// Whether a device is there and not revoked. Waits for no turn.
    pub(crate) fn has_device(&self, id: DeviceId) -> Result<bool, Error> {
        // Where other nodes write too the row itself is read: this is asked within turns of other accounts.
        let device = match self.published().filter(|_| self.nodes.me().is_none()) {
            Some(state) => state.devices.get(&id).cloned(),
            None => {
                let row = self.engine.snapshot(self.id)?.get(&key::device(id))?;
                let device = row.map(|row| Device::decode(id, &row)).transpose();
                device.map_err(Error::corrupt("a device record"))?
            }
        };
        Ok(device.is_some_and(|device| device.revoked_at.is_none()))
    }

    /// Where other nodes write too, a state that is behind what the last look at what they did saw, or that nobody has compared with
    /// the engine since then, is compared now: only what somebody watches is looked at.
    fn be_sure(&self) -> Result<(), Error> {
        let look = self.nodes.looks();
        let is_unsure = self.nodes.me().is_some() && self.sure_at.load(Ordering::Acquire) != look;
        match self.known_head().filter(|_| self.is_behind()) {
            Some(known) => self.reload(known)?,
            None if is_unsure => self.refresh()?,
            None => return Ok(()),
        }
        self.is_sure_at(look);
        Ok(())
    }

    /// A look at what others have done has seen this head; whether the state is behind it. Waits for nobody: whoever uses the account
    /// next reads what is new.
    pub(crate) fn see(&self, head: ModSeq) -> bool {
        self.seen.store(head.0, Ordering::Release);
        self.is_behind()
    }

    pub(crate) fn is_behind(&self) -> bool {
        let Some(known) = self.known_head() else { return false };
        match self.seen.load(Ordering::Acquire) {
            UNSEEN => false,
            // Others have removed it.
            0 => known != ModSeq(0),
            seen => known.0 < seen,
        }
    }

    /// It is compared with the engine in the look of this number.
    pub(crate) fn is_sure_at(&self, look: u64) {
        self.sure_at.fetch_max(look, Ordering::AcqRel);
    }

    /// Notices what other processes have committed. Cheap when there is nothing.
    pub(crate) fn refresh(&self) -> Result<(), Error> {
        let Some(known) = self.published().map(|state| state.head) else { return Ok(()) };
        if self.engine.head(self.id)? != known { self.reload(known) } else { Ok(()) }
    }

    /// Reads what is there now, where a state of this head is not it.
    fn reload(&self, known: ModSeq) -> Result<(), Error> {
        let turn = self.lock_turn();
        // A transaction on it would only find out that it is old.
        if self.known_head() == Some(known) {
            self.publish(None);
        }
        drop(turn);
        self.transact(|tx| tx.snapshot().map(drop))?;
        self.logins.wake(self.id);
        self.watches.wake(self.id);
        Ok(())
    }

    /// Returns when what was being committed as it was called is committed.
    pub(crate) fn settle(&self) {
        drop(self.lock_turn());
    }

    /// Removes the account from the engine. Whoever holds a handle finds it gone.
    pub(crate) fn remove(&self) -> Result<(), CommitError> {
        let _turn = self.lock_turn();
        let mut removed = self.engine.remove_account(self.id);
        if matches!(removed, Err(CommitError::Full { .. })) && self.space.make_room() {
            removed = self.engine.remove_account(self.id);
        }
        self.publish(None);
        if removed.is_ok() {
            self.nodes.announcements.note(self.id, ModSeq(0));
        }
        removed
    }

    /// The last commit that this process knows of, where it holds the state.
    pub(crate) fn known_head(&self) -> Option<ModSeq> {
        self.published().map(|state| state.head)
    }

    /// The mailboxes whose index is here and has changed since it was packed, with the number of their messages.
    pub(crate) fn unpacked(&self) -> Vec<(MailboxId, usize)> {
        let Some(state) = self.published() else { return Vec::new() };
        let changed = |(id, state): (&MailboxId, &Arc<MailboxState>)| {
            let index = state.index.as_ref().filter(|_| state.mailbox.unpacked > 0)?;
            Some((*id, index.len()))
        };
        state.mailboxes.iter().filter_map(changed).collect()
    }

    /// How many messages the indexes name that are held for this account, those of its guests as well.
    pub(crate) fn entries_held(&self) -> usize {
        let entries = |state: Arc<AccountState>| {
            state.mailboxes.values().filter_map(|mailbox| mailbox.index.as_ref()).map(Index::len).sum()
        };
        self.published().map_or(0, entries) + self.guest_views.entries()
    }

    /// Runs `operation` in a transaction and gives its result once that is durable. `operation` may be run several times
    /// (after conflicts), on another thread; only its last run counts.
    pub(crate) fn transact<T: Send + 'static>(
        &self,
        operation: impl FnMut(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let lost = || Err(Error::fault("an operation was not queued"));
        self.transact_all(std::iter::once(operation)).pop().unwrap_or_else(lost)
    }

    /// As [`Self::transact`], for several operations in their order: they share commits. Each has a result of its own.
    pub(crate) fn transact_all<T: Send + 'static, F>(
        &self,
        operations: impl IntoIterator<Item = F>,
    ) -> Vec<Result<T, Error>>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    {
        let queued: Vec<Arc<Queued<F, T>>> = operations.into_iter().map(Queued::new).collect();
        if queued.is_empty() {
            return Vec::new();
        }
        let leads = {
            let mut queue = self.lock_queue();
            queue.waiting.extend(queued.iter().map(|queued| Arc::clone(queued) as Arc<dyn Operation>));
            !std::mem::replace(&mut queue.has_leader, true)
        };
        if leads {
            self.lead();
        }
        // The lead is given to the first that waits: when it is one of these, all before it are done.
        queued.iter().map(|queued| self.result_of(queued)).collect()
    }

    /// Waits for the result of an operation, and leads when it is its turn.
    fn result_of<T: Send + 'static, F>(&self, queued: &Queued<F, T>) -> Result<T, Error> {
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

    /// Runs operations, in as many commits as their writes need.
    fn run_batch(&self, batch: &[Arc<dyn Operation>]) {
        let mut rest = batch;
        while !rest.is_empty() {
            let done = self.run_some(rest);
            rest = rest.get(done..).unwrap_or_default();
        }
    }

    /// Runs the first of `batch` in one commit; gives how many of them have their answer.
    fn run_some(&self, batch: &[Arc<dyn Operation>]) -> usize {
        let finish_all = |error: Error| batch.iter().for_each(|operation| operation.finish(Err(error.clone())));
        for _ in 0..CONFLICTS_MAX {
            match self.try_batch(batch) {
                Ok(outcomes) => {
                    let done = outcomes.len();
                    batch.iter().zip(outcomes).for_each(|(operation, outcome)| operation.finish(outcome));
                    return done;
                }
                Err(CommitError::Conflict { .. }) => {
                    self.publish(None);
                    self.logins.wake(self.id);
                    // What others have done is told to nobody else.
                    self.watches.wake(self.id);
                }
                // What takes no room, or gives some back, must not fail with what needs it, nor what is sound with what is
                // damaged.
                Err(CommitError::Full { .. } | CommitError::Damaged { .. } | CommitError::ReadOnly { .. })
                    if batch.len() > 1 =>
                {
                    batch.iter().for_each(|operation| self.run_batch(std::slice::from_ref(operation)));
                    return batch.len();
                }
                Err(CommitError::Full { .. }) if self.space.make_room() => {}
                Err(CommitError::Full { what }) => {
                    tracing::warn!(account = %self.id, %what, "no space");
                    finish_all(Error::NoSpace(what));
                    return batch.len();
                }
                Err(CommitError::Damaged { what }) => {
                    finish_all(Error::damaged(what));
                    return batch.len();
                }
                Err(CommitError::ReadOnly { what }) => {
                    tracing::debug!(account = %self.id, %what, "nothing can be written");
                    finish_all(Error::ReadOnly);
                    return batch.len();
                }
                Err(CommitError::Failed { what }) => {
                    self.publish(None);
                    // It may be durable: who watches must look, elsewhere too.
                    self.watches.wake(self.id);
                    self.nodes.announcements.note(self.id, ModSeq(u64::MAX));
                    finish_all(Error::fault(what));
                    return batch.len();
                }
            }
        }
        finish_all(Error::fault(format_args!("account {} is written by too many at once", self.id)));
        batch.len()
    }

    /// Runs and commits the first operations of a batch once, as many as one commit takes: each operation's own outcome, or
    /// why nothing of it counts.
    fn try_batch(&self, batch: &[Arc<dyn Operation>]) -> Result<Vec<Result<(), Error>>, CommitError> {
        let _turn = self.lock_turn();
        let mut tx = match Tx::begin(self.id, &*self.engine, self.published()) {
            Ok(tx) => tx.of_node(self.nodes.me()),
            Err(error) => return Ok(batch.iter().map(|_| Err(error.clone())).collect()),
        };
        self.recents.opened(&tx.state);
        let mut outcomes: Vec<Result<(), Error>> = Vec::with_capacity(batch.len());
        for operation in batch {
            if tx.writes() >= WRITES_PER_COMMIT_MAX || tx.bytes() >= BYTES_PER_COMMIT_MAX {
                break;
            }
            outcomes.push(tx.attempt(|tx| operation.run(tx)));
        }
        // Where no commit will prove that the state was the newest, a look at the engine does: nobody is refused, or told
        // that there was nothing to do, by an old one.
        let unproved = tx.writes() == 0 || outcomes.iter().any(Result::is_err);
        let sealed = if unproved { tx.snapshot().map(drop) } else { Ok(()) }.and_then(|()| tx.seal());
        if let Some(head) = tx.moved_on() {
            return Err(CommitError::Conflict { head });
        }
        if let Err(error) = sealed {
            return Ok(outcomes.iter().map(|_| Err(error.clone())).collect());
        }
        let revokes = tx.revokes();
        let (state, commit) = tx.finish();
        let changes = commit.is_some();
        if let Some(commit) = commit {
            let stopwatch = Stopwatch::start();
            let committed = self.engine.commit(commit);
            self.figures.committed(&committed, outcomes.len(), stopwatch);
            committed?;
        }
        let head = state.head;
        self.publish(Some(state));
        if revokes {
            self.logins.wake(self.id);
        }
        if changes {
            self.watches.wake(self.id);
            self.nodes.announcements.note(self.id, head);
        }
        Ok(outcomes)
    }

    fn published(&self) -> Option<Arc<AccountState>> {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, state: Option<AccountState>) {
        if state.is_none() {
            self.quiet.forget();
        }
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = state.map(Arc::new);
    }

    fn lock_queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Timestamp;
    use crate::sim::{Fault, SimEngine, SimObjects};
    use crate::store::Store;
    use std::ops::ControlFlow;

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
    fn operations_of_one_caller_share_commits_and_each_has_its_own_result() {
        let engine = SimEngine::new();
        let cell = account(&engine);
        let before = engine.commits();
        let count = 2 * OPERATIONS_PER_COMMIT_MAX as u64 + 1;
        let results = cell.transact_all((0..count).map(|n| {
            move |tx: &mut Tx<'_>| {
                tx.change_record();
                if n % 7 == 3 { Err(Error::NoSuchMessage) } else { Ok(n) }
            }
        }));
        let expected = (0..count).map(|n| if n % 7 == 3 { Err(Error::NoSuchMessage) } else { Ok(n) });
        assert_eq!(results, expected.collect::<Vec<_>>());
        assert_eq!(engine.commits() - before, 3);
        assert_eq!(cell.transact_all(Vec::<fn(&mut Tx<'_>) -> Result<(), Error>>::new()), []);
    }

    #[test]
    fn a_commit_begins_no_operation_once_it_has_its_octets() {
        let engine = SimEngine::new();
        let cell = account(&engine);
        let before = engine.commits();
        let half = BYTES_PER_COMMIT_MAX / 2;
        let put = |n: u8| {
            move |tx: &mut Tx<'_>| {
                tx.put(vec![b'x', n], vec![n; half]);
                Ok(())
            }
        };
        assert_eq!(cell.transact_all((0..5).map(put)), vec![Ok(()); 5]);
        assert_eq!((engine.commits() - before, stored(&engine).len()), (3, 5));
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

    /// Nobody knows whether it happened: nobody may go on as if he did.
    #[test]
    fn after_a_commit_of_unknown_outcome_the_state_is_read_again() {
        let engine = SimEngine::new();
        let cell = account(&engine);
        // By the toss of a coin it was applied.
        for _ in 0..32 {
            engine.plan(0, Fault::Failed);
            assert!(matches!(batch(&cell, &[put_a])[..], [Err(Error::Fault(_))]));
            assert_eq!(cell.state().map(|state| state.head), Ok(engine.head(ACCOUNT).unwrap()));
        }
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
}
