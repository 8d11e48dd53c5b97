//! What this process has committed, for others that work on the same storage: the newest head of each account, once, until
//! somebody takes them to tell. As long as nobody does, nothing is kept.
//!
//! They are hints: what finds no room is left out, and others find it with their next look.

use crate::ids::{AccountId, ModSeq};
use crate::table_id::TableId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The heads of so many accounts wait at most.
pub const ANNOUNCED_MAX: usize = 4096;

/// Commits that others are to hear of.
#[derive(Debug, Default)]
pub struct Announcements {
    is_taken: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    heads: BTreeMap<AccountId, ModSeq>,
    waker: Option<Waker>,
}

impl Announcements {
    /// What was committed since this was asked last: accounts with their heads, 0 of one that was removed. At most
    /// [`ANNOUNCED_MAX`]; where there is none, who asks is woken by the next one.
    pub fn poll_take(&self, context: &Context<'_>) -> Poll<Vec<(AccountId, ModSeq)>> {
        let mut waiting = self.lock();
        self.is_taken.store(true, Ordering::Release);
        if waiting.heads.is_empty() {
            waiting.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut waiting.heads).into_iter().collect())
    }

    /// From now on nobody takes them, until somebody asks again.
    pub fn leave(&self) {
        let mut waiting = self.lock();
        self.is_taken.store(false, Ordering::Release);
        *waiting = Waiting::default();
    }

    /// It is durable.
    pub(crate) fn note(&self, id: AccountId, head: ModSeq) {
        // That a server is alive nobody waits for.
        if !self.is_taken.load(Ordering::Acquire) || id == TableId::Nodes.keyspace() {
            return;
        }
        let waker = {
            let mut waiting = self.lock();
            // It may have been left meanwhile.
            let is_taken = self.is_taken.load(Ordering::Acquire);
            if !is_taken || waiting.heads.len() >= ANNOUNCED_MAX && !waiting.heads.contains_key(&id) {
                return;
            }
            waiting.heads.insert(id, head);
            waiting.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn id(number: usize) -> AccountId {
        AccountId(u32::try_from(number).unwrap() + 16)
    }

    #[test]
    fn the_newest_head_of_each_account_is_told_once_and_only_to_who_asks() {
        let (told, count) = (Announcements::default(), Arc::<Count>::default());
        let waker = Waker::from(Arc::clone(&count));
        let take = || told.poll_take(&Context::from_waker(&waker));
        told.note(id(0), ModSeq(1));
        assert_eq!(take(), Poll::Pending, "nobody had asked");
        told.note(TableId::Nodes.keyspace(), ModSeq(7));
        assert_eq!((count.0.load(Ordering::Relaxed), take()), (0, Poll::Pending), "a beat is no news");
        for (number, head) in [(1, 5), (0, 2), (0, 3), (1, 0)] {
            told.note(id(number), ModSeq(head));
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(take(), Poll::Ready(vec![(id(0), ModSeq(3)), (id(1), ModSeq(0))]));
        assert_eq!(take(), Poll::Pending);
        told.leave();
        told.note(id(0), ModSeq(4));
        assert_eq!((count.0.load(Ordering::Relaxed), take()), (1, Poll::Pending));
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let told = Announcements::default();
        let context = Context::from_waker(Waker::noop());
        assert_eq!(told.poll_take(&context), Poll::Pending);
        (0..=ANNOUNCED_MAX).for_each(|number| told.note(id(number), ModSeq(1)));
        told.note(id(0), ModSeq(2));
        let Poll::Ready(heads) = told.poll_take(&context) else { panic!("there is news") };
        assert_eq!((heads.len(), heads[0]), (ANNOUNCED_MAX, (id(0), ModSeq(2))));
    }
}
