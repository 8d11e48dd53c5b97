//! Logins that were verified lately, so that the next one costs microseconds instead of an argon2id.
//!
//! What is held is a keyed hash of (account, stored hash, password) under a key that lives as long as the process.
//! Since the stored hash is part of it, a new password makes all that was verified before worthless at once.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use store::{AccountId, Timestamp};

/// A verified login is verified anew after this time.
pub(crate) const VERIFIED_FOR_MILLIS: i64 = 60 * 60 * 1000;
/// The addresses that a verified login is remembered to have come from: the last ones.
const ADDRESSES_MAX: usize = 4;
/// At most this many are held; the oldest quarter goes when there are more.
pub(crate) const VERIFIED_MAX: usize = 16_384;

/// The verified logins.
pub(crate) struct Verified {
    key: [u8; 32],
    known: RwLock<HashMap<[u8; 32], Known>>,
}

struct Known {
    account: AccountId,
    at: Timestamp,
    /// From where it came, the last one last.
    addresses: Vec<u128>,
}

/// A login as the cache knows it.
#[derive(Clone, Copy)]
pub(crate) struct Proof {
    hash: [u8; 32],
    account: AccountId,
}

impl Verified {
    pub(crate) fn new() -> Result<Self, store::Error> {
        let mut key = [0; 32];
        directory::secret::fill(&mut key)?;
        Ok(Self { key, known: RwLock::default() })
    }

    /// The proof that `password` belongs to the stored hash `phc` of `account`.
    pub(crate) fn proof(&self, account: AccountId, phc: &str, password: &str) -> Proof {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&account.0.to_be_bytes()).update(&(phc.len() as u64).to_be_bytes());
        hasher.update(phc.as_bytes()).update(password.as_bytes());
        Proof { hash: *hasher.finalize().as_bytes(), account }
    }

    /// The proof that somebody knows the password with the stored hash `phc` of `account`, by whichever mechanism: it opens nothing, and
    /// says of whom has proven it anew whether they come from where they came before.
    pub(crate) fn acquaintance(&self, account: AccountId, phc: &str) -> Proof {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        // No password is hashed with a stored hash of this length.
        hasher.update(&account.0.to_be_bytes()).update(&u64::MAX.to_be_bytes()).update(phc.as_bytes());
        Proof { hash: *hasher.finalize().as_bytes(), account }
    }

    /// Whether this was verified less than [`VERIFIED_FOR_MILLIS`] ago.
    pub(crate) fn holds(&self, proof: &Proof, now: Timestamp) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&proof.hash).is_some_and(|known| known.is_fresh(now))
    }

    /// Whether this was verified less than [`VERIFIED_FOR_MILLIS`] ago, and came from this very address.
    pub(crate) fn holds_from(&self, proof: &Proof, address: u128, now: Timestamp) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&proof.hash).is_some_and(|known| known.is_fresh(now) && known.addresses.contains(&address))
    }

    /// It comes from here too.
    pub(crate) fn note(&self, proof: &Proof, address: u128) {
        if let Some(known) = self.known.write().unwrap_or_else(PoisonError::into_inner).get_mut(&proof.hash) {
            known.note(address);
        }
    }

    pub(crate) fn add(&self, proof: &Proof, address: u128, now: Timestamp) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= VERIFIED_MAX {
            known.retain(|_, known| known.is_fresh(now));
        }
        if known.len() >= VERIFIED_MAX {
            let mut ages: Vec<Timestamp> = known.values().map(|known| known.at).collect();
            let (_, &mut limit, _) = ages.select_nth_unstable(VERIFIED_MAX / 4);
            let mut leave = VERIFIED_MAX / 4;
            known.retain(|_, known| {
                let leaves = known.at <= limit && leave > 0;
                leave -= usize::from(leaves);
                !leaves
            });
        }
        known.insert(proof.hash, Known { account: proof.account, at: now, addresses: vec![address] });
    }

    /// Every login of the account is verified anew.
    pub(crate) fn forget(&self, account: AccountId) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).retain(|_, known| known.account != account);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Known {
    fn note(&mut self, address: u128) {
        if self.addresses.contains(&address) {
            return;
        }
        if self.addresses.len() >= ADDRESSES_MAX {
            self.addresses.remove(0);
        }
        self.addresses.push(address);
    }

    /// A clock that was set back makes nothing older or younger than it is allowed to be.
    fn is_fresh(&self, now: Timestamp) -> bool {
        (0..VERIFIED_FOR_MILLIS).contains(&now.0.saturating_sub(self.at.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_its_time_and_for_nothing_else() {
        let verified = Verified::new().unwrap();
        let (account, start) = (AccountId(16), Timestamp(1000));
        let proof = verified.proof(account, "hash", "password");
        assert!(!verified.holds(&proof, start));
        verified.add(&proof, 1, start);
        for (later, expected) in [(0, true), (VERIFIED_FOR_MILLIS - 1, true), (VERIFIED_FOR_MILLIS, false), (-1, false)]
        {
            assert_eq!(verified.holds(&proof, Timestamp(start.0 + later)), expected, "{later}");
        }
        for other in [
            verified.proof(AccountId(17), "hash", "password"),
            verified.proof(account, "hash2", "password"),
            verified.proof(account, "hash", "passwore"),
            verified.proof(account, "hashp", "assword"),
        ] {
            assert!(!verified.holds(&other, start));
        }
        verified.forget(AccountId(17));
        assert!(verified.holds(&proof, start));
        verified.forget(account);
        assert!(!verified.holds(&proof, start));
    }

    #[test]
    fn the_last_addresses_are_known() {
        let verified = Verified::new().unwrap();
        let (proof, now) = (verified.proof(AccountId(16), "hash", "password"), Timestamp(0));
        verified.add(&proof, 0, now);
        (1..=ADDRESSES_MAX as u128).for_each(|address| verified.note(&proof, address));
        for (address, expected) in [(0, false), (1, true), (ADDRESSES_MAX as u128, true), (99, false)] {
            assert_eq!(verified.holds_from(&proof, address, now), expected, "{address}");
        }
        assert!(!verified.holds_from(&proof, 1, Timestamp(VERIFIED_FOR_MILLIS)));
    }

    #[test]
    fn what_is_held_is_bounded_and_the_oldest_goes() {
        let verified = Verified::new().unwrap();
        let proof = |n: usize| verified.proof(AccountId(16), "hash", &n.to_string());
        for n in 0..VERIFIED_MAX {
            verified.add(&proof(n), 1, Timestamp(n as i64));
        }
        assert_eq!(verified.len(), VERIFIED_MAX);
        let now = Timestamp(VERIFIED_MAX as i64);
        assert!(verified.holds(&proof(0), now));
        verified.add(&proof(VERIFIED_MAX), 1, now);
        assert_eq!(verified.len(), VERIFIED_MAX - VERIFIED_MAX / 4 + 1);
        assert!(!verified.holds(&proof(0), now) && verified.holds(&proof(VERIFIED_MAX), now));
        // Those that have expired go first.
        let later = Timestamp(now.0 + VERIFIED_FOR_MILLIS);
        for n in 0..VERIFIED_MAX / 4 {
            verified.add(&proof(VERIFIED_MAX + 1 + n), 1, later);
        }
        assert_eq!(verified.len(), VERIFIED_MAX / 4);
    }
}
