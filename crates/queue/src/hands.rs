//! Which messages threads of this process have in their hands, from before they look whether one is to be sent until what became of it
//! is durable. Where this server leads again, in another term or in the same one, what the threads of before still have is not sent anew.
//!
//! Invariant: a message is in the hands of one sender's threads at a time.

use crate::entry::QueueId;
use crate::machine::{Condvar, Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Of one process.
#[derive(Debug, Default)]
pub(crate) struct Hands {
    held: Mutex<HashMap<QueueId, Held>>,
    free: Condvar,
    holders: AtomicU64,
}

/// Threads that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder(u64);

#[derive(Debug)]
struct Held {
    by: Holder,
    jobs: usize,
}

/// A message that is in somebody's hands as long as it lives.
#[derive(Debug)]
pub(crate) struct Hand {
    hands: Arc<Hands>,
    id: QueueId,
}

impl Hands {
    /// A new one.
    pub(crate) fn holder(&self) -> Holder {
        Holder(self.holders.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes a message, which may go to several places at once; `None`: for so long others have had it.
    pub(crate) fn take(self: &Arc<Self>, id: QueueId, by: Holder, wait: Duration) -> Option<Hand> {
        let is_others = |held: &mut HashMap<QueueId, Held>| held.get(&id).is_some_and(|held| held.by != by);
        let waited = self.free.wait_timeout_while(self.lock(), wait, is_others);
        let (mut held, result) = waited.unwrap_or_else(PoisonError::into_inner);
        if result.timed_out() {
            return None;
        }
        held.entry(id).or_insert(Held { by, jobs: 0 }).jobs += 1;
        Some(Hand { hands: Arc::clone(self), id })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QueueId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        let mut held = self.hands.lock();
        if let Some(of) = held.get_mut(&self.id) {
            of.jobs -= 1;
            if of.jobs == 0 {
                held.remove(&self.id);
                self.hands.free.notify_all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_one_holder_until_all_of_its_jobs_have_ended() {
        let hands = Arc::new(Hands::default());
        let (before, after) = (hands.holder(), hands.holder());
        let take = |by, id| hands.take(QueueId(id), by, Duration::ZERO);
        let (first, second) = (take(before, 1).unwrap(), take(before, 1).unwrap());
        drop(first);
        assert!(take(after, 1).is_none() && take(after, 2).is_some());
        drop(second);
        assert!(take(after, 1).is_some());
        assert!(hands.lock().is_empty());
    }
}
