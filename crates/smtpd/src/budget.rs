//! How much memory the messages that are coming in may take, all sessions together.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Octets of messages in flight, shared by all sessions of all services. Delivering a message takes up to three times
/// its length for a moment, which is not counted.
#[derive(Debug)]
pub struct Budget {
    bytes_max: usize,
    per_address_max: usize,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    bytes: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Budget {
    /// At most `bytes_max` octets, of which one address (an IPv6 /64) may hold `per_address_max`: it cannot take the place
    /// of all others.
    #[must_use]
    pub fn new(bytes_max: usize, per_address_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, per_address_max, used: Mutex::default() })
    }

    /// How much is left for an address.
    #[must_use]
    pub fn available_to(&self, address: IpAddr) -> usize {
        let used = self.lock();
        let held = used.by_address.get(&site(address)).copied().unwrap_or(0);
        self.bytes_max.saturating_sub(used.bytes).min(self.per_address_max.saturating_sub(held))
    }

    fn take(&self, site: IpAddr, bytes: usize) -> bool {
        let mut used = self.lock();
        let held = used.by_address.get(&site).copied().unwrap_or(0);
        let (Some(all), Some(held)) = (used.bytes.checked_add(bytes), held.checked_add(bytes)) else { return false };
        if all > self.bytes_max || held > self.per_address_max {
            return false;
        }
        used.bytes = all;
        if held > 0 {
            used.by_address.insert(site, held);
        }
        true
    }

    fn give_back(&self, site: IpAddr, bytes: usize) {
        let mut used = self.lock();
        used.bytes = used.bytes.saturating_sub(bytes);
        if let Some(held) = used.by_address.get_mut(&site) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                used.by_address.remove(&site);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of an address that one customer has: an IPv4 address, an IPv6 /64.
fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// A message's part of the budget; given back with the drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    site: IpAddr,
    bytes: usize,
}

impl Reservation {
    pub(crate) fn new(budget: &Arc<Budget>, address: IpAddr) -> Self {
        Self { budget: Arc::clone(budget), site: site(address), bytes: 0 }
    }

    /// Takes more; false, and nothing taken, if there is no more.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let taken = self.budget.take(self.site, bytes);
        self.bytes += if taken { bytes } else { 0 };
        taken
    }

    /// Takes what is lacking to `bytes`; false, and nothing taken, if there is no more.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        self.grow(bytes.saturating_sub(self.bytes))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give_back(self.site, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_limit_is_held_and_given_back() {
        let (budget, here) = (Budget::new(10, 10), address("192.0.2.1"));
        let mut first = Reservation::new(&budget, here);
        let mut second = Reservation::new(&budget, here);
        assert!(first.grow(6) && second.grow(4));
        assert!(!second.grow(1) && !first.grow(usize::MAX));
        drop(first);
        assert_eq!(budget.available_to(here), 6);
        assert!(second.grow_to(10) && second.grow_to(3) && !second.grow_to(11));
        drop(second);
        assert_eq!(budget.available_to(here), 10);
        assert!(budget.lock().by_address.is_empty());
    }

    #[test]
    fn one_address_cannot_take_the_place_of_the_others() {
        let budget = Budget::new(10, 4);
        let mut greedy = Reservation::new(&budget, address("2001:db8::1"));
        let mut neighbour = Reservation::new(&budget, address("2001:db8::2"));
        let mut other = Reservation::new(&budget, address("::ffff:192.0.2.1"));
        assert!(greedy.grow(4) && !greedy.grow(1) && !neighbour.grow(1), "one /64 is one address");
        assert!(other.grow(4) && !other.grow(1));
        assert_eq!(budget.available_to(address("192.0.2.1")), 0);
        assert_eq!(budget.available_to(address("192.0.2.2")), 2);
    }
}
