//! An engine of which one account hangs: its commits wait until they are let go, as those of a database do that wait for a lock.

use super::SimEngine;
use crate::engine::{Commit, CommitError, Engine, EngineError, Snapshot};
use crate::ids::AccountId;
use crate::table_id::TableId;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A [`SimEngine`] for one process, of which the commits to an account can be held. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HeldEngine {
    engine: SimEngine,
    held: Arc<(Mutex<Held>, Condvar)>,
}

#[derive(Debug, Default)]
struct Held {
    account: Option<AccountId>,
    waiting: usize,
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
    pub fn until_one_waits(&self) {
        let held = self.held.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.held.1.wait_while(held, |held| held.waiting == 0));
    }

    fn pass(&self, account: AccountId) {
        let mut held = self.held.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.waiting += 1;
        self.held.1.notify_all();
        let waited = self.held.1.wait_while(held, |held| held.account == Some(account));
        waited.unwrap_or_else(PoisonError::into_inner).waiting -= 1;
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
