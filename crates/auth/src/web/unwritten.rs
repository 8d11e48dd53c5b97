//! Sessions that the disk did not take: whoever logs in while it takes nothing can read their pages all the same.
//!
//! They live in memory, as long as the process does; then their owners log in again.

use super::SESSIONS_MAX;
use super::record::SessionRecord;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::{AccountId, Timestamp};

/// All accounts together have at most so many; the one that was not used for the longest time goes.
pub(super) const UNWRITTEN_MAX: usize = 1000;

type Hash = [u8; 32];

#[derive(Default)]
pub(super) struct Unwritten(Mutex<HashMap<Hash, SessionRecord>>);

impl Unwritten {
    pub(super) fn get(&self, hash: &Hash) -> Option<SessionRecord> {
        self.lock().get(hash).cloned()
    }

    pub(super) fn add(&self, hash: Hash, session: SessionRecord) {
        let mut sessions = self.lock();
        let account = session.account;
        make_room(&mut sessions, SESSIONS_MAX, |other| other.account == account);
        make_room(&mut sessions, UNWRITTEN_MAX, |_| true);
        sessions.insert(hash, session);
    }

    /// Whether it is one of these.
    pub(super) fn note_use(&self, hash: &Hash, now: Timestamp) -> bool {
        self.lock().get_mut(hash).map(|session| session.last_used_at = now).is_some()
    }

    pub(super) fn of(&self, account: AccountId) -> Vec<(Hash, SessionRecord)> {
        let sessions = self.lock();
        let of_account = sessions.iter().filter(|(_, session)| session.account == account);
        of_account.map(|(hash, session)| (*hash, session.clone())).collect()
    }

    /// How many were taken away.
    pub(super) fn remove(&self, is_over: impl Fn(&Hash, &SessionRecord) -> bool) -> usize {
        let mut sessions = self.lock();
        let before = sessions.len();
        sessions.retain(|hash, session| !is_over(hash, session));
        before - sessions.len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, SessionRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For one more among those that `counts`.
fn make_room(sessions: &mut HashMap<Hash, SessionRecord>, most: usize, counts: impl Fn(&SessionRecord) -> bool) {
    let counted = || sessions.iter().filter(|(_, session)| counts(session));
    let oldest = counted().min_by_key(|(_, session)| session.last_used_at).map(|(hash, _)| *hash);
    if let Some(oldest) = oldest.filter(|_| counted().count() >= most) {
        sessions.remove(&oldest);
    }
}
