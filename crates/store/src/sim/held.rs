//! An engine of which one account hangs: its commits wait until they are let go, as those of a database do that wait for a lock.

use super::SimEngine;
use crate::engine::{Commit, CommitError, Engine, EngineError, Snapshot};
use crate::ids::AccountId;
use crate::table_id::TableId;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A commit that is to wait comes before.
const PATIENCE: Duration = Duration::from_secs(20);

/// A [`SimEngine`] for one process, of which the commits to an account can be held. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HeldEngine {
    engine: SimEngine,
    held: Arc<(Mutex<Held>, Condvar)>,
}

#[derive(Debug, Default)]
struct Held {
    account: Option<AccountId>,
    /// Whose commits wait, or pass just now.
    waiting: Vec<AccountId>,
}

impl HeldEngine {
    /// Nothing is held yet.
    #[must_use]
    pub fn new(engine: &SimEngine) -> Self {
        Self { engine: engine.clone(), held: Arc::default() }
    }

    /// From now on commits to this account wait; `None`: those that wait, and all others, go on.
    pub fn hold(&self, account: Option<AccountId>) {
        self.held.0.lock().unwrap_or_else(PoisonError::into_inner).account = account;
        self.held.1.notify_all();
    }

    /// As [`HeldEngine::hold`], of a table.
    pub fn hold_table(&self, table: TableId) {
        self.hold(Some(table.keyspace()));
    }

    /// Returns when a commit waits.
    ///
    /// # Panics
    /// None does for a long time.
    pub fn until_one_waits(&self) {
        let held = self.held.0.lock().unwrap_or_else(PoisonError::into_inner);
        let nobody_waits = |held: &mut Held| !held.account.is_some_and(|account| held.waiting.contains(&account));
        let waited =
            self.held.1.wait_timeout_while(held, PATIENCE, nobody_waits).unwrap_or_else(PoisonError::into_inner);
        drop(waited.0);
        assert!(!waited.1.timed_out(), "no commit waits");
    }

    fn pass(&self, account: AccountId) {
        let mut held = self.held.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.waiting.push(account);
        self.held.1.notify_all();
        let waited = self.held.1.wait_while(held, |held| held.account == Some(account));
        let waiting = &mut waited.unwrap_or_else(PoisonError::into_inner).waiting;
        let at = waiting.iter().position(|waits| *waits == account);
        at.map(|at| waiting.swap_remove(at));
    }
}

impl Engine for HeldEngine {
    fn snapshot(&self, account: AccountId) -> Result<Box<dyn Snapshot + '_>, EngineError> {
        self.engine.snapshot(account)
    }

    fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.pass(commit.account);
        self.engine.commit(commit)
    }

    fn accounts(&self) -> Result<Vec<AccountId>, EngineError> {
        self.engine.accounts()
    }

    fn remove_account(&self, account: AccountId) -> Result<(), CommitError> {
        self.pass(account);
        self.engine.remove_account(account)
    }
}
