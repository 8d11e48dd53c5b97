//! Changes of a table take turns, and those that come at once share a commit. While one commit flushes, the changes of the next
//! run, one after another, each on what the commit under way and those before it want to write; when the flush has ended one of
//! those that wait commits for all. A lonely one waits for nobody.
//!
//! Each change runs on the thread that asked for it (one of an account runs on that of a leader), so that it may borrow, and is
//! woken once, with what became of it.
//!
//! Invariant: nobody is answered before the commit is durable that holds what the answer rests on.
//! Invariant: what ran on a commit that fails does not count.

use super::{Rows, Table};
use crate::engine::{Commit, CommitError, Write};
use crate::error::Error;
use crate::ids::ModSeq;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

/// So many commits of this process are told from those of others.
const OWN_MAX: usize = 4096;

/// What the handles of a table share.
#[derive(Default)]
pub(crate) struct Turns {
    state: Mutex<State>,
    /// A commit has ended, or a place is free: for those in line.
    changed: Condvar,
    /// Whether the log says so already.
    pub(super) is_read_from_copy: AtomicBool,
    /// How often it was noticed that others had changed it.
    foreign: AtomicU64,
}

#[derive(Default)]
struct State {
    /// How many wait for a commit to end before they run, or look.
    in_line: usize,
    /// How many of them are to run alone, and go before the others.
    alone_in_line: usize,
    under_way: Option<UnderWay>,
    /// Commits that have ended.
    ended: u64,
    batch: Batch,
    /// Somebody asks what has changed.
    is_followed: bool,
    remembered: VecDeque<Remembered>,
    /// The versions that this process has made, the last ones.
    own: VecDeque<ModSeq>,
}

/// What is being committed.
struct UnderWay {
    on: ModSeq,
    rows: Arc<Rows>,
    fate: Arc<Fate>,
}

/// What has run and is not committed.
#[derive(Default)]
struct Batch {
    /// The version that it is for.
    on: ModSeq,
    rows: Rows,
    changes: usize,
    bytes: usize,
    fate: Arc<Fate>,
}

/// What becomes of a batch.
#[derive(Default)]
struct Fate {
    verdict: OnceLock<Verdict>,
    /// The verdict is there; or somebody has to commit.
    changed: Condvar,
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
    /// Runs `change` when it is its turn, on what is not committed yet, older rows first, and commits what it wants to write; gives
    /// its answer and what became of it.
    pub(super) fn take<T>(
        &self,
        table: &Table,
        alone: bool,
        change: impl FnOnce(&[&Rows]) -> (Option<Change>, T),
    ) -> (T, Verdict) {
        let state = self.enter(table, alone);
        let under_way = state.under_way.as_ref().map(|under_way| &*under_way.rows);
        let before: Vec<&Rows> = under_way.into_iter().chain([&state.batch.rows]).collect();
        // A panic is this change's own failure: what the others of the batch wait for is done all the same.
        let (wanted, answer) = match catch_unwind(AssertUnwindSafe(|| change(&before))) {
            Ok((wanted, answer)) => (wanted, Ok(answer)),
            Err(panic) => (None, Err(panic)),
        };
        let verdict = self.join(table, state, wanted);
        (answer.unwrap_or_else(|panic| resume_unwind(panic)), verdict)
    }

    /// Adds to the batch and waits for what becomes of it, or of what the answer rests on.
    fn join<'a>(&'a self, table: &Table, mut state: MutexGuard<'a, State>, wanted: Option<Change>) -> Verdict {
        match wanted {
            // Another process has written: what ran before it, and this, ran on what is not there any more.
            Some(wanted) if !state.fits(wanted.on) => {
                state.start_over();
                // As long as something is under way a change of the new version cannot follow it: to run again would be in vain.
                if let Some(fate) = state.under_way.as_ref().map(|under_way| Arc::clone(&under_way.fate)) {
                    let is_open = |_: &mut State| fate.verdict.get().is_none();
                    drop(fate.changed.wait_while(state, is_open));
                }
                return Verdict::Again;
            }
            Some(wanted) => state.add(wanted),
            None => {}
        }
        let State { batch, under_way, .. } = &*state;
        let (fate, is_of_batch) = match under_way {
            _ if batch.changes > 0 => (Arc::clone(&batch.fate), true),
            Some(under_way) => (Arc::clone(&under_way.fate), false),
            None => return Verdict::Durable,
        };
        loop {
            match fate.verdict.get() {
                Some(verdict) if is_of_batch => return verdict.clone(),
                Some(Verdict::Durable) => return Verdict::Durable,
                // It has only read what others wanted to write.
                Some(Verdict::Again | Verdict::Alone | Verdict::Refused(_)) => return Verdict::Again,
                None if is_of_batch && state.under_way.is_none() => state = self.commit(table, state),
                None => state = fate.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// What was committed from one version to another.
    pub(super) fn changed(&self, since: ModSeq, to: ModSeq) -> Option<Vec<Arc<Rows>>> {
        let mut state = self.lock();
        state.is_followed = true;
        // A commit is seen on disk a moment before it is remembered.
        let ended = state.ended;
        while state.under_way.is_some() && state.ended == ended {
            state = self.wait_in_line(state);
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

    /// Whether this process has made all versions from one on, up to another. One that it is just making may count as another's.
    pub(crate) fn are_own(&self, after: ModSeq, to: ModSeq) -> bool {
        let own =
            self.lock().own.iter().filter(|version| (after..=to).contains(*version) && **version != after).count();
        own as u64 == to.0.saturating_sub(after.0)
    }

    pub(crate) fn note_foreign(&self) {
        self.foreign.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn foreign(&self) -> u64 {
        self.foreign.load(Ordering::Acquire)
    }

    /// Waits for a place in the batch; `alone`: until there is nothing before it.
    fn enter(&self, table: &Table, alone: bool) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        if !alone {
            while state.alone_in_line > 0 || state.batch.is_full() {
                let may_commit = state.under_way.is_none() && state.alone_in_line == 0;
                state = if may_commit { self.commit(table, state) } else { self.wait_in_line(state) };
            }
            return state;
        }
        state.alone_in_line += 1;
        loop {
            match (&state.under_way, state.batch.changes) {
                (Some(_), _) => state = self.wait_in_line(state),
                (None, 0) => break,
                (None, 1..) => state = self.commit(table, state),
            }
        }
        state.alone_in_line -= 1;
        // It may have nothing to commit, which would be the next time to look.
        self.let_line_look(&state);
        state
    }

    fn wait_in_line<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.in_line += 1;
        state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.in_line -= 1;
        state
    }

    /// Commits the batch; nothing is under way.
    fn commit<'a>(&'a self, table: &Table, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let mut batch = std::mem::take(&mut state.batch);
        let (on, rows) = (batch.on, Arc::new(std::mem::take(&mut batch.rows)));
        state.under_way = Some(UnderWay { on, rows: Arc::clone(&rows), fate: Arc::clone(&batch.fate) });
        let is_followed = state.is_followed && batch.bytes <= REMEMBERED_BYTES_MAX;
        self.let_line_look(&state);
        drop(state);
        let remembered = is_followed.then(|| Remembered { on, rows: Arc::clone(&rows) });
        let verdict = batch.commit(table, &rows);
        let is_durable = matches!(verdict, Verdict::Durable);
        if is_durable {
            table.follow_with_copy(on, &rows);
            table.store.watches().wake(table.id.keyspace());
            table.store.announcements().note(table.id.keyspace(), ModSeq(on.0 + 1));
        }
        let mut state = self.lock();
        if is_durable {
            if state.own.len() >= OWN_MAX {
                state.own.pop_front();
            }
            state.own.push_back(ModSeq(on.0 + 1));
        }
        if is_durable && let Some(remembered) = remembered {
            if state.remembered.len() >= REMEMBERED_MAX {
                state.remembered.pop_front();
            }
            state.remembered.push_back(remembered);
        }
        self.end(&mut state, verdict);
        state
    }

    /// What was under way has ended.
    fn end(&self, state: &mut State, verdict: Verdict) {
        let is_durable = matches!(verdict, Verdict::Durable);
        state.ended += 1;
        if let Some(under_way) = state.under_way.take() {
            under_way.fate.decide(verdict);
        }
        if is_durable {
            // One of those that wait commits for all of them.
            state.batch.fate.changed.notify_one();
        } else {
            state.start_over();
        }
        self.let_line_look(state);
    }

    fn let_line_look(&self, state: &State) {
        // It costs a system call, also where nobody waits.
        if state.in_line > 0 {
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a change of this version can follow what is before it. What is under way may be seen on disk already, or not.
    fn fits(&self, on: ModSeq) -> bool {
        match &self.under_way {
            Some(under_way) => on == under_way.on || on == under_way.next(),
            None => self.batch.changes == 0 || on == self.batch.on,
        }
    }

    fn add(&mut self, wanted: Change) {
        let on = self.under_way.as_ref().map_or(wanted.on, UnderWay::next);
        self.batch.add(Change { on, ..wanted });
    }

    /// Nothing of the batch counts.
    fn start_over(&mut self) {
        std::mem::take(&mut self.batch).fate.decide(Verdict::Again);
    }
}

impl UnderWay {
    fn next(&self) -> ModSeq {
        ModSeq(self.on.0 + 1)
    }
}

impl Fate {
    fn decide(&self, verdict: Verdict) {
        // Nobody else does.
        let _ = self.verdict.set(verdict);
        self.changed.notify_all();
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

    fn commit(&self, table: &Table, rows: &Rows) -> Verdict {
        let write = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| match value {
            Some(value) => Write::Put { key: key.clone(), value: value.clone() },
            None => Write::Delete { key: key.clone() },
        };
        let writes = rows.iter().map(write).collect();
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
