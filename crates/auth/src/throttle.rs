//! Failed logins slow the next ones down.
//!
//! Tallies count failures, and forgive one of them a minute:
//! - of an *address* (IPv4: the address; IPv6: its /64): from [`ADDRESS_FAILURES_MAX`] on nothing from there is tried;
//! - of a user name *from an address*: from [`PAIR_FAILURES_MAX`] on that name is not tried from there;
//! - of a *user name* from anywhere: the answer to a failure is delayed, but every attempt is tried, so that nobody can
//!   lock an owner out;
//! - of an *account's codes*, after the right password: from [`CODE_FAILURES_MAX`] on they do not count. Whoever knows the
//!   password has a million codes to try, and many addresses to try them from.
//!
//! A program that repeats one wrong password all day (it was changed, and the phone was not told) tells an attacker
//! nothing: repetitions count once, and so a forgotten phone does not lock out the household it belongs to.
//! User names count as they are typed, known or not: what is counted does not tell which exist.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::{AccountId, Timestamp};

/// From so many failures on, nothing from an address is tried.
pub(crate) const ADDRESS_FAILURES_MAX: u32 = 50;
/// From so many failures on, a user name is not tried from an address.
pub(crate) const PAIR_FAILURES_MAX: u32 = 10;
/// From so many wrong codes with the right password on, from whichever addresses, an account's codes of six digits do not
/// count (RFC 4226 §7.3); recovery codes, which nobody guesses, do.
pub(crate) const CODE_FAILURES_MAX: u32 = 20;
/// One failure is forgiven every minute.
pub(crate) const FORGIVEN_EVERY_MILLIS: i64 = 60 * 1000;
/// The delay after the first failure; each further one doubles it.
pub(crate) const DELAY_FIRST_MILLIS: u64 = 250;
/// No delay is longer: who answers holds a connection for that long.
pub(crate) const DELAY_MAX_MILLIS: u64 = 8000;
/// No delay is longer for failures that came from other addresses.
pub(crate) const DELAY_ELSEWHERE_MAX_MILLIS: u64 = 2000;
/// A tally holds at most this many; those with the fewest failures go first.
const TALLY_MAX: usize = 32_768;

/// The failures so far.
pub(crate) struct Throttle {
    key: [u8; 32],
    tallies: Mutex<Tallies>,
}

#[derive(Default)]
struct Tallies {
    addresses: Tally,
    pairs: Tally,
    users: Tally,
    /// Wrong codes of a second factor after the right password, by account.
    codes: Tally,
}

/// Who tries to log in, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The network that counts as one address.
    pub(crate) address: u128,
    pub(crate) pair: u128,
    user: u128,
}

#[derive(Default)]
struct Tally(HashMap<u128, Failures>);

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    /// Failures are forgiven from here on.
    since: Timestamp,
    /// What was wrong the last time.
    last_wrong: u128,
}

impl Throttle {
    pub(crate) fn new() -> Result<Self, store::Error> {
        let mut key = [0; 32];
        directory::secret::fill(&mut key)?;
        Ok(Self { key, tallies: Mutex::default() })
    }

    /// `user` is the name as typed, folded.
    pub(crate) fn source(&self, address: IpAddr, user: &str) -> Source {
        let address = network(address);
        Source {
            address,
            pair: self.short_hash(&[&address.to_be_bytes(), user.as_bytes()]),
            user: self.short_hash(&[user.as_bytes()]),
        }
    }

    /// Whether nothing is tried now. Gives the delay of the answer.
    pub(crate) fn closed(&self, source: Source, now: Timestamp) -> Option<u64> {
        let tallies = self.lock();
        let closed = tallies.addresses.count(source.address, now) >= ADDRESS_FAILURES_MAX
            || tallies.pairs.count(source.pair, now) >= PAIR_FAILURES_MAX;
        closed.then_some(DELAY_MAX_MILLIS)
    }

    /// Notes a failure. Gives the delay of the answer.
    pub(crate) fn failed(&self, source: Source, password: &str, now: Timestamp) -> u64 {
        let wrong = self.short_hash(&[&source.pair.to_be_bytes(), password.as_bytes()]);
        let tallies = &mut *self.lock();
        let known = tallies.pairs.0.get(&source.pair);
        if known.is_none_or(|known| known.last_wrong != wrong) {
            tallies.addresses.add(source.address, wrong, now);
            tallies.pairs.add(source.pair, wrong, now);
            tallies.users.add(source.user, wrong, now);
        }
        let here = delay(tallies.pairs.count(source.pair, now));
        // An address fails for several users: its delay grows slower.
        let address = delay(tallies.addresses.count(source.address, now) / 5);
        let elsewhere = delay(tallies.users.count(source.user, now)).min(DELAY_ELSEWHERE_MAX_MILLIS);
        here.max(address).max(elsewhere).max(DELAY_FIRST_MILLIS)
    }

    /// Whether an account's codes of six digits count for nothing now, because too many were wrong.
    pub(crate) fn codes_closed(&self, account: AccountId, now: Timestamp) -> bool {
        self.lock().codes.count(account.0.into(), now) >= CODE_FAILURES_MAX
    }

    /// Notes that somebody with the right password had a wrong code.
    pub(crate) fn code_failed(&self, account: AccountId, now: Timestamp) {
        self.lock().codes.add(account.0.into(), 0, now);
    }

    /// The owner is there: what failed before from this address was a mistake. The address itself stays suspect, or an
    /// attacker would clear it with an account of their own.
    pub(crate) fn succeeded(&self, source: Source) {
        self.lock().pairs.0.remove(&source.pair);
    }

    fn short_hash(&self, parts: &[&[u8]]) -> u128 {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
        let mut short = [0; 16];
        hasher.finalize_xof().fill(&mut short);
        u128::from_be_bytes(short)
    }

    fn lock(&self) -> MutexGuard<'_, Tallies> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn count(&self, key: u128, now: Timestamp) -> u32 {
        self.0.get(&key).map_or(0, |failures| failures.count_at(now))
    }

    fn add(&mut self, key: u128, wrong: u128, now: Timestamp) {
        if self.0.len() >= TALLY_MAX && !self.0.contains_key(&key) {
            self.make_room(now);
        }
        let failures = self.0.entry(key).or_insert(Failures { count: 0, since: now, last_wrong: wrong });
        failures.forgive(now);
        failures.count = failures.count.saturating_add(1);
        failures.last_wrong = wrong;
    }

    /// Takes out what is forgiven, and of the rest the quarter with the fewest failures.
    fn make_room(&mut self, now: Timestamp) {
        self.0.retain(|_, failures| failures.count_at(now) > 0);
        if self.0.len() < TALLY_MAX {
            return;
        }
        let mut counts: Vec<u32> = self.0.values().map(|failures| failures.count_at(now)).collect();
        let (_, &mut limit, _) = counts.select_nth_unstable(TALLY_MAX / 4);
        let mut leave = TALLY_MAX / 4;
        self.0.retain(|_, failures| {
            let leaves = failures.count_at(now) <= limit && leave > 0;
            leave -= usize::from(leaves);
            !leaves
        });
    }
}

impl Failures {
    fn forgiven(&self, now: Timestamp) -> u32 {
        let elapsed = now.0.saturating_sub(self.since.0).max(0);
        u32::try_from(elapsed / FORGIVEN_EVERY_MILLIS).unwrap_or(u32::MAX)
    }

    fn count_at(&self, now: Timestamp) -> u32 {
        self.count.saturating_sub(self.forgiven(now))
    }

    fn forgive(&mut self, now: Timestamp) {
        let forgiven = self.forgiven(now);
        self.count = self.count.saturating_sub(forgiven);
        let part = i64::from(forgiven).saturating_mul(FORGIVEN_EVERY_MILLIS);
        // A clock that was set back must not let the failures last longer.
        self.since = Timestamp(if self.count == 0 { now.0 } else { self.since.0.saturating_add(part).min(now.0) });
    }
}

/// What counts as one address: whoever has one of an IPv6 /64 has all of them.
pub(crate) fn network(address: IpAddr) -> u128 {
    const V4: u128 = 0xffff << 32;
    match address.to_canonical() {
        IpAddr::V4(address) => V4 | u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

fn delay(failures: u32) -> u64 {
    match failures {
        0 => 0,
        n => DELAY_FIRST_MILLIS.saturating_mul(1 << (n - 1).min(16)).min(DELAY_MAX_MILLIS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_790_000_000_000);

    fn later(minutes: i64) -> Timestamp {
        Timestamp(START.0 + minutes * FORGIVEN_EVERY_MILLIS)
    }

    fn throttle() -> Throttle {
        Throttle::new().unwrap()
    }

    fn fail(throttle: &Throttle, address: &str, user: &str, times: u32) -> Vec<u64> {
        let source = throttle.source(address.parse().unwrap(), user);
        (0..times).map(|n| throttle.failed(source, &format!("{user} {n}"), START)).collect()
    }

    fn is_closed(throttle: &Throttle, address: &str, user: &str, now: Timestamp) -> bool {
        throttle.closed(throttle.source(address.parse().unwrap(), user), now).is_some()
    }

    #[test]
    fn delays_grow_to_a_limit() {
        assert_eq!(fail(&throttle(), "192.0.2.1", "alice", 8), [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(delay(u32::MAX), DELAY_MAX_MILLIS);
    }

    #[test]
    fn a_name_is_closed_from_one_address_only_and_opens_again() {
        let throttle = throttle();
        fail(&throttle, "192.0.2.1", "alice", PAIR_FAILURES_MAX - 1);
        assert!(!is_closed(&throttle, "192.0.2.1", "alice", START));
        let source = throttle.source("192.0.2.1".parse().unwrap(), "alice");
        throttle.failed(source, "one more", START);
        assert!(is_closed(&throttle, "192.0.2.1", "alice", START));
        assert!(!is_closed(&throttle, "192.0.2.1", "bob", START));
        assert!(!is_closed(&throttle, "192.0.2.2", "alice", START));
        assert!(!is_closed(&throttle, "192.0.2.1", "alice", later(1)));
        assert!(is_closed(&throttle, "192.0.2.1", "alice", Timestamp(later(1).0 - 1)));
        // A failure elsewhere is delayed a little, however many there were here.
        assert_eq!(fail(&throttle, "192.0.2.2", "alice", 1), [DELAY_ELSEWHERE_MAX_MILLIS]);
    }

    #[test]
    fn an_address_that_tries_many_names_is_closed_for_all() {
        let throttle = throttle();
        for user in 0..ADDRESS_FAILURES_MAX {
            assert!(!is_closed(&throttle, "2001:db8::1", "alice", START));
            fail(&throttle, &format!("2001:db8::{user:x}"), &format!("user{user}"), 1);
        }
        assert!(is_closed(&throttle, "2001:db8::ffff", "alice", START), "the same /64");
        assert!(!is_closed(&throttle, "2001:db8:0:1::1", "alice", START), "another /64");
        assert!(!is_closed(&throttle, "2001:db8::1", "alice", later(1)));
    }

    #[test]
    fn a_success_clears_the_name_but_not_the_address() {
        let throttle = throttle();
        for user in 0..10 {
            fail(&throttle, "192.0.2.1", &format!("user{user}"), 5);
            let source = throttle.source("192.0.2.1".parse().unwrap(), &format!("user{user}"));
            throttle.succeeded(source);
            assert_eq!(throttle.lock().pairs.count(source.pair, START), 0);
        }
        assert!(is_closed(&throttle, "192.0.2.1", "alice", START));
    }

    #[test]
    fn a_forgotten_phone_repeats_itself_and_closes_nothing() {
        let throttle = throttle();
        let source = throttle.source("192.0.2.1".parse().unwrap(), "alice");
        for _ in 0..1000 {
            assert_eq!(throttle.failed(source, "the old password", START), DELAY_FIRST_MILLIS);
        }
        assert_eq!(throttle.closed(source, START), None);
    }

    #[test]
    fn addresses_that_count_as_one() {
        fn check(a: &str, b: &str, expected: bool) {
            assert_eq!(network(a.parse().unwrap()) == network(b.parse().unwrap()), expected, "{a} {b}");
        }
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "::ffff:192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true);
        check("2001:db8::1", "2001:db8:0:1::1", false);
        check("0.0.0.1", "::1", false);
    }

    #[test]
    fn the_tallies_are_bounded_and_keep_the_worst() {
        let mut tally = Tally::default();
        for _ in 0..5 {
            tally.add(u128::MAX, 0, START);
        }
        for key in 0..3 * TALLY_MAX as u128 {
            tally.add(key, 0, START);
            assert!(tally.0.len() <= TALLY_MAX);
        }
        assert_eq!(tally.count(u128::MAX, START), 5);
        // All are forgiven: there is room for as many.
        tally.add(u128::MAX - 1, 0, later(10));
        let mut tally_full = Tally::default();
        (0..TALLY_MAX as u128).for_each(|key| tally_full.add(key, 0, START));
        tally_full.add(u128::MAX, 0, later(1));
        assert_eq!(tally_full.0.len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_neither_panics_nor_punishes() {
        let mut tally = Tally::default();
        for _ in 0..3 {
            tally.add(1, 0, later(100));
        }
        tally.add(1, 0, START);
        assert_eq!(tally.count(1, START), 4);
        assert_eq!(tally.count(1, later(4)), 0);
        tally.add(2, 0, Timestamp(i64::MIN));
        tally.add(2, 0, Timestamp(i64::MAX));
        assert_eq!(tally.count(2, Timestamp(i64::MAX)), 1);
    }
}
