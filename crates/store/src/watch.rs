//! Wake-ups: whoever watches an account is woken after every commit of it.
//!
//! A wake-up is a hint, the journal is the truth: it carries nothing, may come late, twice or not at all. Who watches looks
//! after subscribing (so nothing between look and subscription is missed) and again every half minute or so.
//!
//! What logins rest on (that a device is not revoked, and what a table says of the account) has wake-ups of its own, which
//! also count: a session that compares the count before each command need not look at what did not change.

use crate::ids::{AccountId, ModSeq};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

#[derive(Default)]
pub(crate) struct Watches(Mutex<Registry>);

#[derive(Default)]
struct Registry {
    next: u64,
    by_account: HashMap<AccountId, Watched>,
}

#[derive(Default)]
struct Watched {
    changes: Arc<AtomicU64>,
    wakers: Vec<(u64, Waker)>,
}

/// As long as it lives, its waker is woken after commits of its account.
pub struct Watch {
    watches: Arc<Watches>,
    account: AccountId,
    number: u64,
    changes: Arc<AtomicU64>,
}

impl Watch {
    /// How often its waker was woken since somebody has watched the account.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }
}

impl Watches {
    pub(crate) fn watch(self: &Arc<Self>, account: AccountId, waker: Waker) -> Watch {
        let mut registry = self.lock();
        registry.next += 1;
        let number = registry.next;
        let watched = registry.by_account.entry(account).or_default();
        watched.wakers.push((number, waker));
        let changes = Arc::clone(&watched.changes);
        drop(registry);
        Watch { watches: Arc::clone(self), account, number, changes }
    }

    pub(crate) fn wake(&self, account: AccountId) {
        let wakers: Vec<Waker> = match self.lock().by_account.get(&account) {
            Some(watched) => {
                watched.changes.fetch_add(1, Ordering::AcqRel);
                watched.wakers.iter().map(|(_, waker)| waker.clone()).collect()
            }
            None => return,
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whatever is watched.
    pub(crate) fn wake_all(&self) {
        self.watched().into_iter().for_each(|account| self.wake(account));
    }

    /// Those that somebody watches.
    pub(crate) fn watched_of(&self, heads: &[(AccountId, ModSeq)]) -> BTreeSet<AccountId> {
        let registry = self.lock();
        heads.iter().map(|(id, _)| *id).filter(|id| registry.by_account.contains_key(id)).collect()
    }

    /// What somebody watches.
    pub(crate) fn watched(&self) -> Vec<AccountId> {
        self.lock().by_account.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut registry = self.watches.lock();
        if let Some(watched) = registry.by_account.get_mut(&self.account) {
            watched.wakers.retain(|(number, _)| *number != self.number);
            if watched.wakers.is_empty() {
                registry.by_account.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn only_who_watches_the_account_is_woken_and_only_as_long_as_he_does() {
        let watches = Arc::new(Watches::default());
        let count = Arc::new(Count(AtomicU32::new(0)));
        let watch = watches.watch(AccountId(20), Arc::clone(&count).into());
        watches.wake(AccountId(20));
        watches.wake(AccountId(21));
        assert_eq!(watch.changes(), 1);
        drop(watch);
        watches.wake(AccountId(20));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(watches.lock().by_account.is_empty());
    }
}
