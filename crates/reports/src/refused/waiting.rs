//! What was refused since the last round: bounded, in all and for each network, and what is alike once.

use super::{Refusal, Whose};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Refusals that wait to be written down.
const WAITING_MAX: usize = 500;
/// Of them those of one IPv4 address or IPv6 /64: one guest does not take all places.
const PER_NETWORK_MAX: usize = 50;

#[derive(Default)]
pub(super) struct Waiting {
    noted: Vec<(Whose, Refusal)>,
    /// Where in `noted` those of a network are.
    of_network: HashMap<IpAddr, Vec<usize>>,
    dropped: u64,
}

impl Waiting {
    pub(super) fn note(&mut self, whose: Whose, refusal: Refusal) {
        let places = self.of_network.entry(network(refusal.client)).or_default();
        for at in &*places {
            if let Some((_, known)) = self.noted.get_mut(*at).filter(|known| is_alike(known, &whose, &refusal)) {
                known.times = known.times.saturating_add(refusal.times);
                known.at = known.at.max(refusal.at);
                return;
            }
        }
        if places.len() >= PER_NETWORK_MAX || self.noted.len() >= WAITING_MAX {
            self.dropped = self.dropped.saturating_add(u64::from(refusal.times));
            if places.is_empty() {
                self.of_network.remove(&network(refusal.client));
            }
            return;
        }
        places.push(self.noted.len());
        self.noted.push((whose, refusal));
    }

    /// All that waits, and how many refusals found no place.
    pub(super) fn take(&mut self) -> (Vec<(Whose, Refusal)>, u64) {
        let Self { noted, dropped, .. } = std::mem::take(self);
        (noted, dropped)
    }
}

/// The same again: a message that comes again and again, or a recipient that is tried again and again.
fn is_alike((whose, known): &(Whose, Refusal), of: &Whose, other: &Refusal) -> bool {
    let same = |one: &Refusal| (one.code, one.from.clone(), one.to.clone(), one.about.message_id.clone());
    whose == of && known.code == other.code && same(known) == same(other)
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}
