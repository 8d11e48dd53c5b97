//! At most a few passwords are verified at once: each takes megabytes and a core. The others stand in line, without a thread.
//!
//! Each address has a line of its own, and the lines take turns: who fills one waits behind himself.
//!
//! Invariant: whoever is called has a place, until the [`Turn`] is dropped.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::thread::{self, Thread};

/// At most this many logins stand in line. At 20 ms each, with two processors, the last one waits for five seconds.
pub(crate) const WAITING_MAX: usize = 512;
/// Of these from one address, those that are being verified included: a household, or all users of a web mail.
pub(crate) const PER_ADDRESS_MAX: usize = 128;
/// Of these for one user name.
pub(crate) const PER_NAME_MAX: usize = 64;

/// The gate. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Inner>);

struct Inner {
    at_once: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    /// Who has a place.
    called: HashSet<u64>,
    waiting: usize,
    lines: HashMap<u128, VecDeque<(u64, Waker)>>,
    /// The addresses whose lines have somebody in them, the next one first.
    order: VecDeque<u128>,
    addresses: HashMap<u128, usize>,
    names: HashMap<u128, usize>,
}

/// A login's turn, in line or called.
pub struct Turn {
    gate: Gate,
    number: u64,
    address: u128,
    name: u128,
}

impl Gate {
    pub(crate) fn new(at_once: usize) -> Self {
        Self(Arc::new(Inner { at_once: at_once.max(1), state: Mutex::default() }))
    }

    /// Stands in line; `waker` is woken when it is called. `name`: which user name, from this address. `None` when too many
    /// stand there already.
    pub(crate) fn queue(&self, (address, name): (u128, u128), waker: Waker) -> Option<Turn> {
        let mut state = self.lock();
        let of = |counts: &HashMap<u128, usize>, key| counts.get(&key).copied().unwrap_or(0);
        if state.waiting >= WAITING_MAX
            || of(&state.addresses, address) >= PER_ADDRESS_MAX
            || of(&state.names, name) >= PER_NAME_MAX
        {
            return None;
        }
        state.next += 1;
        let number = state.next;
        *state.addresses.entry(address).or_default() += 1;
        *state.names.entry(name).or_default() += 1;
        state.waiting += 1;
        let line = state.lines.entry(address).or_default();
        line.push_back((number, waker));
        if line.len() == 1 {
            state.order.push_back(address);
        }
        let called = state.call(self.0.at_once);
        drop(state);
        called.into_iter().for_each(Waker::wake);
        Some(Turn { gate: self.clone(), number, address, name })
    }

    /// Waits for a place, on a thread that may wait.
    pub(crate) fn enter(&self, of: (u128, u128)) -> Option<Turn> {
        let turn = self.queue(of, Waker::from(Arc::new(Sleeper(thread::current()))))?;
        while !turn.is_called() {
            thread::park();
        }
        Some(turn)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting
    }
}

impl State {
    /// Gives free places to those whose turn it is; gives whom to wake.
    fn call(&mut self, at_once: usize) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while self.called.len() < at_once {
            let Some(address) = self.order.pop_front() else { break };
            let Some(line) = self.lines.get_mut(&address) else { continue };
            if let Some((number, waker)) = line.pop_front() {
                self.called.insert(number);
                self.waiting -= 1;
                wakers.push(waker);
            }
            if line.is_empty() {
                self.lines.remove(&address);
            } else {
                self.order.push_back(address);
            }
        }
        wakers
    }

    /// Takes somebody out of the line who gives up.
    fn leave(&mut self, number: u64, address: u128) {
        let Some(line) = self.lines.get_mut(&address) else { return };
        line.retain(|(other, _)| *other != number);
        self.waiting -= 1;
        if line.is_empty() {
            self.lines.remove(&address);
            self.order.retain(|other| *other != address);
        }
    }
}

impl Turn {
    /// Whether the password may be verified now.
    #[must_use]
    pub fn is_called(&self) -> bool {
        self.gate.lock().called.contains(&self.number)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        if !state.called.remove(&self.number) {
            state.leave(self.number, self.address);
        }
        let State { addresses, names, .. } = &mut *state;
        for (counts, key) in [(addresses, self.address), (names, self.name)] {
            if let Some(count) = counts.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&key);
                }
            }
        }
        let called = state.call(self.gate.0.at_once);
        drop(state);
        called.into_iter().for_each(Waker::wake);
    }
}

/// A thread that waits.
struct Sleeper(Thread);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(gate: &Gate, address: u128, name: u128) -> Option<Turn> {
        gate.queue((address, name), Waker::noop().clone())
    }

    #[test]
    fn lines_take_turns_and_each_keeps_its_order() {
        let gate = Gate::new(1);
        let holder = queue(&gate, 9, 9).unwrap();
        let turns: Vec<Turn> = [1, 1, 1, 2, 3].map(|address| queue(&gate, address, 0).unwrap()).into();
        let mut running = holder;
        let mut called = Vec::new();
        let mut turns: Vec<Option<Turn>> = turns.into_iter().map(Some).collect();
        for _ in 0..5 {
            drop(running);
            let now: Vec<usize> = (0..5).filter(|at| turns[*at].as_ref().is_some_and(Turn::is_called)).collect();
            assert_eq!(now.len(), 1, "one at once");
            called.push(now[0]);
            running = turns[now[0]].take().unwrap();
        }
        assert_eq!(called, [0, 3, 4, 1, 2]);
    }

    #[test]
    fn the_line_has_limits() {
        let check = |places: &[(u128, u128)], (address, name): (u128, u128)| {
            let gate = Gate::new(1);
            let _holder = queue(&gate, u128::MAX, u128::MAX).unwrap();
            let _held: Vec<Turn> =
                places.iter().map(|(address, name)| queue(&gate, *address, *name).unwrap()).collect();
            queue(&gate, address, name).is_some()
        };
        let of_address: Vec<(u128, u128)> = (0..PER_ADDRESS_MAX as u128).map(|name| (1, name)).collect();
        assert!(check(&of_address[1..], (1, 1000)));
        assert!(!check(&of_address, (1, 1000)));
        assert!(check(&of_address, (2, 1000)), "one address cannot take all places");
        let of_name: Vec<(u128, u128)> = vec![(1, 1); PER_NAME_MAX];
        assert!(check(&of_name[1..], (1, 1)));
        assert!(!check(&of_name, (1, 1)));
        assert!(check(&of_name, (1, 2)), "one name cannot take all places of its address");
        let all: Vec<(u128, u128)> = (0..WAITING_MAX as u128).map(|address| (address, address)).collect();
        assert!(check(&all[1..], (1000, 1000)));
        assert!(!check(&all, (1000, 1000)));
    }

    #[test]
    fn who_gives_up_leaves_nothing_behind() {
        let gate = Gate::new(2);
        let (first, second) = (queue(&gate, 1, 1).unwrap(), queue(&gate, 1, 1).unwrap());
        let (third, fourth) = (queue(&gate, 1, 1).unwrap(), queue(&gate, 2, 2).unwrap());
        drop(third);
        assert!(!fourth.is_called());
        drop(first);
        assert!(fourth.is_called() && second.is_called());
        drop((second, fourth));
        let state = gate.lock();
        assert!(
            state.addresses.is_empty() && state.names.is_empty() && state.lines.is_empty() && state.order.is_empty()
        );
        assert_eq!((state.waiting, state.called.len()), (0, 0));
    }

    #[test]
    fn a_thread_that_waits_is_called_too() {
        let gate = Gate::new(1);
        let holder = gate.enter((1, 1)).unwrap();
        thread::scope(|scope| {
            let waits = scope.spawn(|| gate.enter((1, 1)).is_some());
            while gate.waiting() == 0 {
                thread::yield_now();
            }
            drop(holder);
            assert!(waits.join().unwrap());
        });
    }
}
