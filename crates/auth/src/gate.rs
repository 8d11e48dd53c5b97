//! At most a few passwords are verified at once: each takes megabytes and a core. The others wait, but not without end.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// At most this many logins wait for their turn; at 20 ms each that is half a second. Each holds a thread of the server,
/// which has a hundred: sessions of others must go on.
pub(crate) const WAITING_MAX: usize = 48;
/// Of these from one address, so that one address cannot take all places.
pub(crate) const WAITING_PER_ADDRESS_MAX: usize = 16;

/// The gate.
pub(crate) struct Gate {
    at_once: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    waiting: usize,
    /// Waiting and running, by address.
    inside: HashMap<u128, usize>,
}

/// A place inside the gate; given back when dropped.
pub(crate) struct Place<'a> {
    gate: &'a Gate,
    address: u128,
}

impl Gate {
    pub(crate) fn new(at_once: usize) -> Self {
        Self { at_once: at_once.max(1), state: Mutex::default(), freed: Condvar::new() }
    }

    /// Waits for a place. `None` when too many wait already.
    pub(crate) fn enter(&self, address: u128) -> Option<Place<'_>> {
        let mut state = self.lock();
        let from_there = state.inside.get(&address).copied().unwrap_or(0);
        let must_wait = state.running >= self.at_once;
        if must_wait && (state.waiting >= WAITING_MAX || from_there >= WAITING_PER_ADDRESS_MAX) {
            return None;
        }
        *state.inside.entry(address).or_default() += 1;
        state.waiting += 1;
        while state.running >= self.at_once {
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
        state.running += 1;
        Some(Place { gate: self, address })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.running -= 1;
        if let Some(inside) = state.inside.get_mut(&self.address) {
            *inside -= 1;
            if *inside == 0 {
                state.inside.remove(&self.address);
            }
        }
        drop(state);
        self.gate.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Fills the gate's queue from `addresses`, then asks `probe` for a place.
    fn probe_when_waiting(addresses: &[u128], probe: u128) -> bool {
        let gate = Gate::new(1);
        let holder = gate.enter(u128::MAX).unwrap();
        thread::scope(|scope| {
            for address in addresses {
                scope.spawn(|| assert!(gate.enter(*address).is_some()));
            }
            while gate.waiting() < addresses.len() {
                thread::yield_now();
            }
            // Whoever may wait would wait for the holder: only a refusal comes back at once.
            let prober = scope.spawn(|| gate.enter(probe).is_some());
            while gate.waiting() == addresses.len() && !prober.is_finished() {
                thread::yield_now();
            }
            drop(holder);
            prober.join().unwrap()
        })
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        assert!(probe_when_waiting(&[1; WAITING_PER_ADDRESS_MAX - 1], 1));
        assert!(!probe_when_waiting(&[1; WAITING_PER_ADDRESS_MAX], 1));
        assert!(probe_when_waiting(&[1; WAITING_PER_ADDRESS_MAX], 2));
    }

    #[test]
    fn the_queue_has_an_end() {
        let addresses: Vec<u128> = (0..WAITING_MAX as u128).collect();
        assert!(!probe_when_waiting(&addresses, 1000));
        assert!(probe_when_waiting(&addresses[1..], 1000));
    }

    #[test]
    fn places_are_given_back() {
        let gate = Gate::new(2);
        for _ in 0..3 {
            let (_a, _b) = (gate.enter(1).unwrap(), gate.enter(1).unwrap());
        }
        assert!(gate.lock().inside.is_empty());
    }
}
