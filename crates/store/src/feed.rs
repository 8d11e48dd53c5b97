//! What is committed, as it is committed, for whoever keeps a second copy of it (crate `standby`).
//!
//! [`FedEngine`] stands before an engine: what became durable there is put into a [`Feed`], a ring in memory that forgets its oldest.
//! As long as nobody asks for news nothing is kept, and a commit costs one look at a flag.
//!
//! Invariant: after somebody has begun to listen, each account that changes is in the news, or the news have been overrun, which
//! is told. The news of a change come after it is durable; the head that each change names is what says whether something lacks.

use crate::engine::{Commit, CommitError, Engine, EngineError, Inspect, Snapshot, Write};
use crate::group_commit::Flushes;
use crate::ids::{AccountId, ModSeq};
use metrics::Stopwatch;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// News take at most so many octets of memory; then the oldest are forgotten.
const FEED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// When so many octets have come since somebody asked last, nobody listens any more.
const UNASKED_BYTES_MAX: usize = 2 * FEED_BYTES_MAX;
/// What an item takes beside its keys and values.
const ITEM_BYTES: usize = 128;
/// What a key with its value takes beside them.
const WRITE_BYTES: usize = 64;

/// One of the news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is durable.
    Commit(Commit),
    /// The account has changed, and the news do not say how: it was removed, or nobody knows whether a commit happened.
    Look(AccountId),
}

impl News {
    /// Which account has changed.
    #[must_use]
    pub fn account(&self) -> AccountId {
        match self {
            Self::Commit(commit) => commit.account,
            Self::Look(account) => *account,
        }
    }

    fn bytes(&self) -> usize {
        let writes = match self {
            Self::Commit(commit) => commit.writes.as_slice(),
            Self::Look(_) => &[],
        };
        let bytes = |write: &Write| match write {
            Write::Put { key, value } => key.len() + value.len() + WRITE_BYTES,
            Write::Delete { key } => key.len() + WRITE_BYTES,
        };
        ITEM_BYTES + writes.iter().map(bytes).sum::<usize>()
    }
}

/// News that follow each other.
#[derive(Clone, Debug)]
pub struct Batch {
    /// In the order in which they became durable, for each account.
    pub news: Vec<Arc<News>>,
    /// Where the next ones begin.
    pub to: u64,
    /// Where the newest ended.
    pub end: u64,
    /// How long the oldest has waited here.
    pub age: Duration,
}

/// How far whoever listens is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Commits that it does not have.
    pub behind: u64,
    /// Since when it lacks the oldest of them.
    pub lag: Duration,
    /// When it has asked last.
    pub asked: Duration,
}

/// The news of one process.
#[derive(Debug)]
pub struct Feed {
    epoch: u64,
    bytes_max: usize,
    listens: AtomicBool,
    ring: Mutex<Ring>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct Ring {
    /// The position of the first of `items`.
    first: u64,
    items: VecDeque<Item>,
    bytes: usize,
    unasked_bytes: usize,
    /// Up to where whoever asked last has all, and when that was.
    asked: Option<(u64, Stopwatch)>,
}

#[derive(Debug)]
struct Item {
    news: Arc<News>,
    bytes: usize,
    since: Stopwatch,
}

impl Ring {
    fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    fn forget_first(&mut self) {
        if let Some(item) = self.items.pop_front() {
            self.bytes -= item.bytes;
            self.first += 1;
        }
    }

    /// No position of before counts any more.
    fn forget_all(&mut self) {
        self.first = self.end() + 1;
        (self.bytes, self.unasked_bytes, self.asked) = (0, 0, None);
        self.items.clear();
    }
}

impl Feed {
    /// The news of a process that calls itself `epoch`: no other one may.
    #[must_use]
    pub fn new(epoch: u64) -> Arc<Self> {
        Self::with_room(epoch, FEED_BYTES_MAX)
    }

    /// The same with another bound, for tests.
    #[must_use]
    pub fn with_room(epoch: u64, bytes_max: usize) -> Arc<Self> {
        let (listens, ring, came) = (AtomicBool::new(false), Mutex::default(), Condvar::new());
        Arc::new(Self { epoch, bytes_max, listens, ring, came })
    }

    /// Positions of another epoch mean nothing here.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Somebody listens from now on; the position from which the news are complete. What was durable before is to be read
    /// afterwards.
    #[must_use]
    pub fn listen(&self) -> u64 {
        let mut ring = self.lock();
        ring.unasked_bytes = 0;
        self.listens.store(true, Ordering::SeqCst);
        ring.end()
    }

    /// The news from `position` on, of about `bytes_max` octets, at least one; none come for at most `wait`. Who asks has all that
    /// comes before, durably. `None`: they are forgotten.
    #[must_use]
    pub fn after(&self, position: u64, bytes_max: usize, wait: Duration) -> Option<Batch> {
        let mut ring = self.lock();
        ring.unasked_bytes = 0;
        ring.asked = Some((position, Stopwatch::start()));
        if ring.end() == position {
            let waited = self.came.wait_timeout_while(ring, wait, |ring| ring.end() == position);
            ring = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if !self.listens.load(Ordering::SeqCst) || position < ring.first || position > ring.end() {
            return None;
        }
        let skipped = usize::try_from(position - ring.first).ok()?;
        let (mut news, mut bytes) = (Vec::new(), 0);
        for item in ring.items.iter().skip(skipped) {
            if bytes > 0 && bytes + item.bytes > bytes_max {
                break;
            }
            bytes += item.bytes;
            news.push(Arc::clone(&item.news));
        }
        let age = ring.items.get(skipped).map_or(Duration::ZERO, |item| item.since.elapsed());
        Some(Batch { to: position + news.len() as u64, news, end: ring.end(), age })
    }

    /// How far whoever listens is; `None`: nobody does.
    #[must_use]
    pub fn listener(&self) -> Option<Listener> {
        let ring = self.lock();
        let (position, asked) = ring.asked.as_ref().filter(|_| self.listens.load(Ordering::SeqCst))?;
        let lacked = usize::try_from(position.saturating_sub(ring.first)).unwrap_or(usize::MAX);
        let lag = ring.items.get(lacked).map_or(Duration::ZERO, |item| item.since.elapsed());
        Some(Listener { behind: ring.end().saturating_sub(*position), lag, asked: asked.elapsed() })
    }

    fn publish(&self, news: News) {
        let bytes = news.bytes();
        let mut ring = self.lock();
        ring.items.push_back(Item { news: Arc::new(news), bytes, since: Stopwatch::start() });
        ring.bytes += bytes;
        ring.unasked_bytes += bytes;
        if ring.unasked_bytes > UNASKED_BYTES_MAX.min(2 * self.bytes_max) {
            ring.forget_all();
            self.listens.store(false, Ordering::SeqCst);
        }
        while ring.bytes > self.bytes_max {
            ring.forget_first();
        }
        drop(ring);
        self.came.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An engine whose changes are news.
pub struct FedEngine {
    engine: Arc<dyn Engine>,
    feed: Arc<Feed>,
}

impl FedEngine {
    /// All changes of `engine` are made here.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, feed: Arc<Feed>) -> Self {
        Self { engine, feed }
    }

    /// Looked at after the change is durable as well: who began to listen meanwhile may have read what was before it.
    fn tell(&self, account: AccountId, commit: Option<Commit>, outcome: &Result<(), CommitError>) {
        if !self.feed.listens.load(Ordering::SeqCst) {
            return;
        }
        match (outcome, commit) {
            (Ok(()), Some(commit)) => self.feed.publish(News::Commit(commit)),
            (Ok(()), None) | (Err(CommitError::Failed { .. }), _) => self.feed.publish(News::Look(account)),
            (
                Err(
                    CommitError::Conflict { .. }
                    | CommitError::Full { .. }
                    | CommitError::Damaged { .. }
                    | CommitError::ReadOnly { .. },
                ),
                _,
            ) => {}
        }
    }
}

impl Engine for FedEngine {
    fn snapshot(&self, account: AccountId) -> Result<Box<dyn Snapshot + '_>, EngineError> {
        self.engine.snapshot(account)
    }

    fn head(&self, account: AccountId) -> Result<ModSeq, EngineError> {
        self.engine.head(account)
    }

    fn heads(&self, accounts: &[AccountId]) -> Result<Vec<ModSeq>, EngineError> {
        self.engine.heads(accounts)
    }

    fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let account = commit.account;
        let told = self.feed.listens.load(Ordering::SeqCst).then(|| commit.clone());
        let outcome = self.engine.commit(commit);
        self.tell(account, told, &outcome);
        outcome
    }

    fn accounts(&self) -> Result<Vec<AccountId>, EngineError> {
        self.engine.accounts()
    }

    fn inspect(&self, account: AccountId, visit: &mut Inspect<'_>) -> Result<(), EngineError> {
        self.engine.inspect(account, visit)
    }

    fn check_files(&self) -> Vec<String> {
        self.engine.check_files()
    }

    fn lie_apart(&self, one: AccountId, other: AccountId) -> bool {
        self.engine.lie_apart(one, other)
    }

    fn reusable_bytes(&self) -> u64 {
        self.engine.reusable_bytes()
    }

    fn closed(&self) -> Vec<String> {
        self.engine.closed()
    }

    fn read_only(&self) -> Option<String> {
        self.engine.read_only()
    }

    fn flushes(&self) -> Option<&Flushes> {
        self.engine.flushes()
    }

    fn remove_account(&self, account: AccountId) -> Result<(), CommitError> {
        let outcome = self.engine.remove_account(account);
        self.tell(account, None, &outcome);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Fault, SimEngine};

    const ALICE: AccountId = AccountId(16);

    fn commit(expected: u64, bytes: usize) -> Commit {
        let writes = vec![Write::Put { key: b"k".to_vec(), value: vec![0; bytes] }];
        Commit { account: ALICE, expected: ModSeq(expected), next: ModSeq(expected + 1), writes }
    }

    fn fed(bytes_max: usize) -> (SimEngine, FedEngine, Arc<Feed>) {
        let (engine, feed) = (SimEngine::new(), Feed::with_room(7, bytes_max));
        (engine.clone(), FedEngine::new(Arc::new(engine), feed.clone()), feed)
    }

    fn heads(batch: &Batch) -> Vec<Option<u64>> {
        let next = |news: &Arc<News>| match &**news {
            News::Commit(commit) => Some(commit.next.0),
            News::Look(_) => None,
        };
        batch.news.iter().map(next).collect()
    }

    #[test]
    fn who_listens_has_each_change_once_it_is_durable() {
        let (sim, engine, feed) = fed(1 << 20);
        engine.commit(commit(0, 1)).unwrap();
        let from = feed.listen();
        assert_eq!(feed.after(from, 1000, Duration::ZERO).unwrap().news.len(), 0, "it is read, not told");
        engine.commit(commit(1, 1)).unwrap();
        engine.commit(commit(7, 1)).unwrap_err();
        sim.plan(0, Fault::Full);
        engine.commit(commit(2, 1)).unwrap_err();
        sim.plan(0, Fault::Failed);
        engine.commit(commit(2, 1)).unwrap_err();
        engine.remove_account(ALICE).unwrap();
        let batch = feed.after(from, 1 << 20, Duration::ZERO).unwrap();
        assert_eq!((heads(&batch), batch.to, batch.end), (vec![Some(2), None, None], from + 3, from + 3));
        let one = feed.after(from, 1, Duration::ZERO).unwrap();
        assert_eq!((heads(&one), one.to, one.end), (vec![Some(2)], from + 1, from + 3));
        assert_eq!(feed.listener().unwrap().behind, 3);
        assert!(feed.after(batch.to, 1, Duration::ZERO).unwrap().news.is_empty());
        assert_eq!(feed.listener().map(|listener| (listener.behind, listener.lag)), Some((0, Duration::ZERO)));
        assert!(feed.after(batch.to + 1, 1, Duration::ZERO).is_none(), "of another process");
    }

    #[test]
    fn what_became_durable_while_somebody_began_to_listen_was_neither_read_nor_told() {
        let (_, engine, feed) = fed(1 << 20);
        // The commit began before anybody listened, and ended after.
        engine.engine.commit(commit(0, 1)).unwrap();
        let from = feed.listen();
        engine.tell(ALICE, None, &Ok(()));
        assert_eq!(heads(&feed.after(from, 1, Duration::ZERO).unwrap()), vec![None]);
    }

    #[test]
    fn news_have_a_bound_and_who_lost_some_is_told_so() {
        let (_, engine, feed) = fed(3 * (ITEM_BYTES + WRITE_BYTES + 101));
        let from = feed.listen();
        (0..3).for_each(|head| engine.commit(commit(head, 100)).unwrap());
        assert_eq!(heads(&feed.after(from, 1 << 20, Duration::ZERO).unwrap()).len(), 3, "at the limit");
        engine.commit(commit(3, 100)).unwrap();
        assert!(feed.after(from, 1 << 20, Duration::ZERO).is_none(), "one past it");
        assert_eq!(heads(&feed.after(from + 1, 1 << 20, Duration::ZERO).unwrap()), [Some(2), Some(3), Some(4)]);
        // Nobody asks any more: nothing is kept, and what was not kept is not taken for nothing later.
        let asked = from + 4;
        (4..20).for_each(|head| engine.commit(commit(head, 100)).unwrap());
        assert!(feed.listener().is_none() && feed.lock().items.is_empty());
        let again = feed.listen();
        assert!(feed.after(asked, 1, Duration::ZERO).is_none());
        engine.commit(commit(20, 100)).unwrap();
        assert_eq!(heads(&feed.after(again, 1, Duration::ZERO).unwrap()), [Some(21)]);
    }
}
