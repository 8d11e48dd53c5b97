//! Who logged in and who failed to, for whoever asks later: kept in memory until somebody writes it down, in rounds.
//!
//! A program that comes every few minutes is noted once in an hour: the same device from the same network. Failures of one name from
//! one network for one reason are one note with their count. What finds no room is counted alone.

use crate::throttle::network;
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::{AccountId, DeviceId, Protocol};

/// Log-ins that wait to be written down.
const LOGINS_MAX: usize = 500;
/// Failures that do, beside their counts.
const FAILURES_MAX: usize = 100;
/// Of one network so many do: nobody keeps those of others out.
const FAILURES_PER_NETWORK_MAX: usize = 10;
/// So many devices are known that were noted in this hour; beyond that all are noted anew.
const KNOWN_MAX: usize = 20_000;
/// What is known is forgotten after so many rounds.
const ROUNDS: u32 = 360;
/// A name is cut to this length: who sends it decides what it is.
const NAME_CHARS_MAX: usize = 100;

/// Somebody logged in, or failed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginNote {
    /// Over which protocol.
    pub protocol: Protocol,
    /// From where, the last time.
    pub address: IpAddr,
    /// The account's address, or that it is nobody's.
    pub name: String,
    /// As which device of which account; `None`: nobody was let in.
    pub device: Option<(AccountId, DeviceId)>,
    /// Why nobody was let in.
    pub why: &'static str,
    /// How often.
    pub times: u32,
}

/// What is to be written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginNotes {
    /// Those who were let in.
    pub logins: Vec<LoginNote>,
    /// Those who were not.
    pub failures: Vec<LoginNote>,
    /// So many more log-ins, and failures, there were.
    pub left_out: (u64, u64),
}

/// What is known, and what waits.
#[derive(Default)]
pub(crate) struct Noted(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    known: HashSet<(AccountId, DeviceId, u128)>,
    logins: Vec<LoginNote>,
    failures: BTreeMap<(u128, String, &'static str), LoginNote>,
    left_out: (u64, u64),
    rounds: u32,
}

impl Inner {
    fn of_network(&self, network: u128) -> usize {
        self.failures.range((network, String::new(), "")..).take_while(|((of, ..), _)| *of == network).count()
    }
}

impl Noted {
    pub(crate) fn login(&self, protocol: Protocol, address: IpAddr, name: &str, device: (AccountId, DeviceId)) {
        let inner = &mut *self.lock();
        if inner.known.len() >= KNOWN_MAX {
            inner.known.clear();
        }
        if !inner.known.insert((device.0, device.1, network(address))) {
            return;
        }
        if inner.logins.len() >= LOGINS_MAX {
            inner.left_out.0 += 1;
            return;
        }
        let (name, device) = (name.to_owned(), Some(device));
        inner.logins.push(LoginNote { protocol, address, name, device, why: "", times: 1 });
    }

    pub(crate) fn failure(&self, protocol: Protocol, (address, name): (IpAddr, &str), why: &'static str) {
        let inner = &mut *self.lock();
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        let key = (network(address), name, why);
        if let Some(note) = inner.failures.get_mut(&key) {
            note.times = note.times.saturating_add(1);
            note.address = address;
        } else if inner.failures.len() < FAILURES_MAX && inner.of_network(key.0) < FAILURES_PER_NETWORK_MAX {
            let note = LoginNote { protocol, address, name: key.1.clone(), device: None, why, times: 1 };
            inner.failures.insert(key, note);
        } else {
            inner.left_out.1 += 1;
        }
    }

    pub(crate) fn take(&self) -> LoginNotes {
        let inner = &mut *self.lock();
        inner.rounds += 1;
        if inner.rounds >= ROUNDS {
            inner.known.clear();
            inner.rounds = 0;
        }
        LoginNotes {
            logins: std::mem::take(&mut inner.logins),
            failures: std::mem::take(&mut inner.failures).into_values().collect(),
            left_out: std::mem::take(&mut inner.left_out),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0xc000_0200 + n).into()
    }

    #[test]
    fn a_device_is_noted_once_in_an_hour_from_each_network() {
        let noted = Noted::default();
        let login = |account, from| noted.login(Protocol::Imap, host(from), "a", (AccountId(account), DeviceId(1)));
        (0..3).for_each(|_| login(16, 1));
        login(16, 2);
        login(17, 1);
        let notes = noted.take();
        assert_eq!((notes.logins.len(), notes.left_out), (3, (0, 0)));
        login(16, 1);
        assert_eq!(noted.take(), LoginNotes::default());
        (2..ROUNDS).for_each(|_| drop(noted.take()));
        login(16, 1);
        assert_eq!(noted.take().logins.len(), 1, "the next hour");
        (0..LOGINS_MAX as u32 + 5).for_each(|n| login(1000 + n, 1));
        let notes = noted.take();
        assert_eq!((notes.logins.len(), notes.left_out), (LOGINS_MAX, (5, 0)));
    }

    #[test]
    fn failures_are_counted_by_who_and_from_where_and_a_flood_is_bounded() {
        let noted = Noted::default();
        let wrong = |from: u32, name: &str| noted.failure(Protocol::Pop3, (host(from), name), "wrong");
        (0..12).for_each(|_| wrong(1, "alice"));
        wrong(1, "bob");
        wrong(2, "alice");
        let failures: Vec<_> = noted.take().failures.into_iter().map(|note| (note.name, note.times)).collect();
        assert_eq!(failures, [("alice".to_owned(), 12), ("bob".to_owned(), 1), ("alice".to_owned(), 1)]);
        (0..FAILURES_PER_NETWORK_MAX + 3).for_each(|n| wrong(1, &format!("name {n}")));
        let notes = noted.take();
        assert_eq!((notes.failures.len(), notes.left_out), (FAILURES_PER_NETWORK_MAX, (0, 3)), "of one network");
        (0..FAILURES_MAX as u32 + 7).for_each(|n| wrong(n, &"x".repeat(5000)));
        wrong(1, &"x".repeat(NAME_CHARS_MAX));
        let notes = noted.take();
        assert_eq!((notes.failures.len(), notes.left_out), (FAILURES_MAX, (0, 7)));
        assert!(notes.failures.iter().all(|note| note.name.len() == NAME_CHARS_MAX));
        assert_eq!(notes.failures[1].times, 2, "the same name, as far as it is kept");
    }
}
