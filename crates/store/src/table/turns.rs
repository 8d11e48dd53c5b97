//! Changes of a table take turns, and those that come at once share a commit: while one flushes, the others stand in line;
//! then each runs on what those before it want to write, and the last of them commits for all. A lonely one waits for
//! nobody.
//!
//! Each change runs on the thread that asked for it (one of an account runs on that of a leader), so that it may borrow.
//!
//! Invariant: nobody is answered before the commit is durable that holds what the answer rests on.

use super::{Rows, Table};
use crate::engine::{Commit, CommitError, Write};
use crate::error::Error;
use crate::ids::ModSeq;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// A change is tried again this often after conflicts with other writers of the table.
pub(super) const CONFLICTS_MAX: u32 = 100;
/// One commit holds at most this many changes ...
const CHANGES_PER_COMMIT_MAX: usize = 128;
/// ... and is full with so many octets: commits of the accounts beside it wait.
const BYTES_PER_COMMIT_MAX: usize = 8 << 20;
/// So many commits are remembered of a table that somebody holds in memory ...
const REMEMBERED_MAX: usize = 64;
/// ... unless one has more octets than this.
const REMEMBERED_BYTES_MAX: usize = 1 << 20;

/// What the handles of a table share.
#[derive(Default)]
pub(crate) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether the log says so already.
    pub(super) is_read_from_copy: AtomicBool,
}

#[derive(Default)]
struct State {
    /// How many wait for the commit that is under way, to run after it.
    in_line: usize,
    is_committing: bool,
    batch: Batch,
    /// Somebody asks what has changed.
    is_followed: bool,
    remembered: VecDeque<Remembered>,
}

/// What has run and is not committed.
#[derive(Default)]
struct Batch {
    /// The version that it is for.
    on: ModSeq,
    rows: Rows,
    changes: usize,
    bytes: usize,
    verdict: Arc<OnceLock<Verdict>>,
}

struct Remembered {
    on: ModSeq,
    rows: Arc<Rows>,
}

/// What a change wants to write, and the version that it was computed from.
pub(super) struct Change {
    pub(super) on: ModSeq,
    pub(super) changes: Rows,
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// All of it is committed; or there was nothing to commit.
    Durable,
    /// Nothing of it counts: run again.
    Again,
    /// Nothing of it counts, for want of room or because of damage, which may concern the others only: run again alone.
    Alone,
    /// Nothing of it counts, or nobody knows.
    Refused(Error),
}

impl Turns {
    /// Runs `change` when it is its turn, and commits what it wants to write; gives its answer and what became of it.
    pub(super) fn take<T>(
        &self,
        table: &Table,
        alone: bool,
        change: impl FnOnce(&Rows) -> (Option<Change>, T),
    ) -> (T, Verdict) {
        let state = self.enter(table, alone);
        // A panic is this change's own failure: what the others of the batch wait for is done all the same.
        let (wanted, answer) = match catch_unwind(AssertUnwindSafe(|| change(&state.batch.rows))) {
            Ok((wanted, answer)) => (wanted, Ok(answer)),
            Err(panic) => (None, Err(panic)),
        };
        let verdict = self.join(table, state, wanted, alone);
        (answer.unwrap_or_else(|panic| resume_unwind(panic)), verdict)
    }

    /// Adds to the batch and waits for what becomes of it; the last in line commits it.
    fn join<'a>(
        &'a self,
        table: &Table,
        mut state: MutexGuard<'a, State>,
        wanted: Option<Change>,
        alone: bool,
    ) -> Verdict {
        match wanted {
            // Another process has written: what ran before it, and this, ran on what is not there any more.
            Some(wanted) if state.batch.changes > 0 && wanted.on != state.batch.on => {
                self.decide(std::mem::take(&mut state.batch), Verdict::Again);
                return Verdict::Again;
            }
            Some(wanted) => state.batch.add(wanted),
            None => {}
        }
        if state.batch.changes == 0 {
            return Verdict::Durable;
        }
        let verdict = Arc::clone(&state.batch.verdict);
        if alone || state.in_line == 0 || state.batch.is_full() {
            state = self.commit(table, state);
        }
        loop {
            if let Some(verdict) = verdict.get() {
                return verdict.clone();
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What was committed from one version to another.
    pub(super) fn changed(&self, since: ModSeq, to: ModSeq) -> Option<Vec<Arc<Rows>>> {
        let mut state = self.lock();
        state.is_followed = true;
        // A commit is seen on disk a moment before it is remembered.
        while state.is_committing {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut next, mut rows) = (since, Vec::new());
        for remembered in &state.remembered {
            if next < to && remembered.on == next {
                rows.push(Arc::clone(&remembered.rows));
                next.0 += 1;
            }
        }
        (next == to).then_some(rows)
    }

    fn enter(&self, table: &Table, alone: bool) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        loop {
            if state.is_committing {
                state.in_line += 1;
                while state.is_committing {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                state.in_line -= 1;
            }
            if !alone || state.batch.changes == 0 {
                return state;
            }
            state = self.commit(table, state);
        }
    }

    fn commit<'a>(&'a self, table: &Table, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let mut batch = std::mem::take(&mut state.batch);
        state.is_committing = true;
        let is_followed = state.is_followed && batch.bytes <= REMEMBERED_BYTES_MAX;
        drop(state);
        let (on, rows) = (batch.on, Arc::new(batch.rows.clone()));
        let remembered = is_followed.then(|| Remembered { on, rows: Arc::clone(&rows) });
        let verdict = batch.commit(table);
        let is_durable = matches!(verdict, Verdict::Durable);
        if is_durable {
            table.follow_with_copy(on, &rows);
            table.store.watches().wake(table.id.keyspace());
        }
        let mut state = self.lock();
        state.is_committing = false;
        if is_durable && let Some(remembered) = remembered {
            if state.remembered.len() >= REMEMBERED_MAX {
                state.remembered.pop_front();
            }
            state.remembered.push_back(remembered);
        }
        self.decide(batch, verdict);
        state
    }

    fn decide(&self, batch: Batch, verdict: Verdict) {
        // Nobody else does.
        let _ = batch.verdict.set(verdict);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn add(&mut self, wanted: Change) {
        let Change { on, changes } = wanted;
        if changes.is_empty() {
            return;
        }
        self.on = on;
        self.changes += 1;
        self.bytes += changes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum::<usize>();
        self.rows.extend(changes);
    }

    fn is_full(&self) -> bool {
        self.changes >= CHANGES_PER_COMMIT_MAX || self.bytes >= BYTES_PER_COMMIT_MAX
    }

    fn commit(&mut self, table: &Table) -> Verdict {
        let write = |(key, value)| match value {
            Some(value) => Write::Put { key, value },
            None => Write::Delete { key },
        };
        let writes = std::mem::take(&mut self.rows).into_iter().map(write).collect();
        let (account, expected, next) = (table.id.keyspace(), self.on, ModSeq(self.on.0 + 1));
        match table.store.engine().commit(Commit { account, expected, next, writes }) {
            Ok(()) => Verdict::Durable,
            Err(CommitError::Conflict { .. }) => Verdict::Again,
            Err(CommitError::Full { .. } | CommitError::Damaged { .. } | CommitError::ReadOnly { .. })
                if self.changes > 1 =>
            {
                Verdict::Alone
            }
            Err(CommitError::Full { .. }) if table.store.space().make_room() => Verdict::Again,
            Err(CommitError::Full { what }) => Verdict::Refused(Error::NoSpace(what)),
            Err(CommitError::ReadOnly { .. }) => Verdict::Refused(Error::ReadOnly),
            Err(CommitError::Damaged { what }) => {
                Verdict::Refused(Error::damaged(format_args!("{}: {what}", table.id)))
            }
            Err(error @ CommitError::Failed { .. }) => Verdict::Refused(Error::fault(error)),
        }
    }
}

#[cfg(test)]
mod tests;
