//! The jobs of all sessions: what computes, on a few threads; what waits, on none.
//!
//! Each job is a task of the runtime. One that computes waits in it for a place, and then for its thread, which holds the
//! place until it is done, whether anybody still wants to hear of it or not.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session::{Full, Jobs, Line, Owner, Ticket, Whom};
use tokio::task::{AbortHandle, spawn_blocking};

use super::work::Work;

/// So many jobs that compute stand in a line or run, in all. Passwords take 20 ms each: with two processors the last one
/// waits for six seconds.
pub(super) const COMPUTING_MAX: usize = 640;
/// Of these for one owner: a household, or all users of a web mail.
pub(super) const COMPUTING_PER_OWNER_MAX: usize = 128;
/// So many jobs wait for somebody else, in all. They hold some KiB each.
pub(super) const WAITING_MAX: usize = 4096;
/// Of these for one owner: a large host that sends much at the same time.
pub(super) const WAITING_PER_OWNER_MAX: usize = 256;

/// An owner has no more than this part of the places that are free: the more owners there are the fewer each has, and however many take
/// all they may, there are places for one who has none.
const FREE_PART: usize = 4;

/// Counts jobs.
#[derive(Debug)]
pub(super) struct Count {
    max: usize,
    per_owner_max: usize,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    all: usize,
    owners: HashMap<Owner, usize>,
}

/// One that is counted until it is dropped.
struct Counted {
    count: Arc<Count>,
    owner: Owner,
}

/// Dropped, it ends the task where it waits.
struct OnDrop(AbortHandle);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Count {
    pub(super) fn new(max: usize, per_owner_max: usize) -> Arc<Self> {
        Arc::new(Self { max, per_owner_max, now: Mutex::default() })
    }

    /// Of all owners.
    pub(super) fn all(&self) -> usize {
        self.lock().all
    }

    fn enter(self: &Arc<Self>, owner: Owner) -> Result<Counted, Full> {
        let mut now = self.lock();
        let own = now.owners.get(&owner).copied().unwrap_or(0);
        let share = self.max.saturating_sub(now.all).div_ceil(FREE_PART);
        if own >= share.min(self.per_owner_max) {
            return Err(Full);
        }
        now.all += 1;
        now.owners.insert(owner, own + 1);
        Ok(Counted { count: Arc::clone(self), owner })
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut now = self.count.lock();
        now.all -= 1;
        if let Some(own) = now.owners.get_mut(&self.owner) {
            *own -= 1;
            if *own == 0 {
                now.owners.remove(&self.owner);
            }
        }
    }
}

impl Jobs for Work {
    fn compute(&self, owner: Owner, line: Line, work: Box<dyn FnOnce() + Send>) -> Result<Ticket, Full> {
        let (places, count, kind) = match line {
            Line::Long => (&self.slices, &self.long, "long"),
            Line::Passwords => (&self.verifying, &self.passwords, "passwords"),
        };
        let counted = count.enter(owner).inspect_err(|Full| self.figures.jobs_refused.inc([kind]))?;
        let (places, whom) = (Arc::clone(places), Whom::at_work());
        let task = self.runtime.spawn(async move {
            let place = places.take(owner).await;
            // It is not waited for: called off from here on, it keeps its place all the same.
            drop(spawn_blocking(move || {
                let _held = (place, counted, whom.map(Whom::work));
                work();
            }));
        });
        Ok(Box::new(OnDrop(task.abort_handle())))
    }

    fn wait(&self, owner: Owner, mut work: Pin<Box<dyn Future<Output = ()> + Send>>) -> Result<Ticket, Full> {
        let counted = self.waiting.enter(owner).inspect_err(|Full| self.figures.jobs_refused.inc(["waiting"]))?;
        let whom = Whom::at_work();
        let task = self.runtime.spawn(async move {
            let _counted = counted;
            poll_fn(|context| {
                let _at_work = whom.map(Whom::work);
                work.as_mut().poll(context)
            })
            .await;
        });
        Ok(Box::new(OnDrop(task.abort_handle())))
    }
}

#[cfg(test)]
mod tests;
