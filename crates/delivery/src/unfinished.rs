//! Remembers who already has a message that was refused as a whole.
//!
//! SMTP has one reply for all recipients. When some accounts have the message and another cannot take it, the client is
//! told to try again, and would double the message for the first ones. So they are remembered, by envelope sender and
//! content, and left out of the next try. In memory and bounded: forgetting doubles, it never loses.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::{AccountId, Timestamp};

/// So many messages are remembered; the oldest is forgotten first.
pub(crate) const REMEMBERED_MAX: usize = 1000;
/// For so long: senders try again within hours.
pub(crate) const REMEMBERED_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// A message. The hash is keyed with random numbers, so that nobody can make two messages alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mark(u64, usize);

#[derive(Default)]
pub(crate) struct Unfinished {
    hasher: RandomState,
    held: Mutex<HashMap<Mark, (Timestamp, BTreeSet<AccountId>)>>,
}

impl Unfinished {
    pub(crate) fn mark(&self, reverse_path: &str, content: &[u8]) -> Mark {
        Mark(self.hasher.hash_one((reverse_path, content)), content.len())
    }

    /// Who has the message. Cheap when nothing is remembered, which is nearly always.
    pub(crate) fn who_has(&self, reverse_path: &str, content: &[u8], now: Timestamp) -> BTreeSet<AccountId> {
        if self.lock().is_empty() {
            return BTreeSet::new();
        }
        let mark = self.mark(reverse_path, content);
        let mut held = self.lock();
        match held.get(&mark) {
            Some((at, _)) if now.0.saturating_sub(at.0) > REMEMBERED_MILLIS => {
                held.remove(&mark);
                BTreeSet::new()
            }
            Some((_, accounts)) => accounts.clone(),
            None => BTreeSet::new(),
        }
    }

    /// `accounts` have the message, and it will come again.
    pub(crate) fn remember(&self, mark: Mark, accounts: BTreeSet<AccountId>, now: Timestamp) {
        let mut held = self.lock();
        if held.len() >= REMEMBERED_MAX && !held.contains_key(&mark) {
            let oldest = held.iter().min_by_key(|(_, (at, _))| *at).map(|(mark, _)| *mark);
            oldest.and_then(|oldest| held.remove(&oldest));
        }
        held.insert(mark, (now, accounts));
    }

    /// All have it.
    pub(crate) fn forget(&self, mark: Mark) {
        self.lock().remove(&mark);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Mark, (Timestamp, BTreeSet<AccountId>)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_in_number_and_time() {
        let unfinished = Unfinished::default();
        let accounts = || BTreeSet::from([AccountId(20)]);
        let content = |number: usize| number.to_string().into_bytes();
        let has = |number, now| !unfinished.who_has("a@x", &content(number), Timestamp(now)).is_empty();
        for number in 0..=REMEMBERED_MAX {
            let mark = unfinished.mark("a@x", &content(number));
            unfinished.remember(mark, accounts(), Timestamp(number as i64));
        }
        assert_eq!(unfinished.lock().len(), REMEMBERED_MAX);
        assert_eq!((has(0, 0), has(1, 0), has(REMEMBERED_MAX, 0)), (false, true, true));
        assert!(unfinished.who_has("b@x", &content(1), Timestamp(0)).is_empty());
        assert!(has(1, 1 + REMEMBERED_MILLIS));
        assert!(!has(1, 2 + REMEMBERED_MILLIS));
    }
}
