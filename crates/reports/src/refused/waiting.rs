//! What was refused since the last round: bounded, in all and for each network, and what is alike once.
//!
//! Of what came to no recipient all is alike that one guest is refused with the same code: a flood of invented senders is one
//! row.

use super::{Refusal, Whose};
use session::Network;
use std::collections::HashMap;

/// Refusals that wait to be written down.
const WAITING_MAX: usize = 500;
/// Of them those of one IPv4 address or IPv6 /64: one guest does not take all places.
const PER_NETWORK_MAX: usize = 50;
/// What one host has, in IPv4 and IPv6; and what one who floods has who names nobody.
const HOST_BITS: (u8, u8) = (32, 64);
const GUEST_BITS: (u8, u8) = (24, 48);

#[derive(Default)]
pub(super) struct Waiting {
    noted: Vec<(Whose, Refusal)>,
    /// Where in `noted` those of a network are.
    of_network: HashMap<Network, Vec<usize>>,
    dropped: u64,
}

impl Waiting {
    pub(super) fn note(&mut self, whose: Whose, refusal: Refusal) {
        let bits = if whose == Whose::Recipient && refusal.to.is_empty() { GUEST_BITS } else { HOST_BITS };
        let network = Network::around(refusal.client, bits);
        let places = self.of_network.entry(network).or_default();
        for at in &*places {
            if let Some((_, known)) = self.noted.get_mut(*at).filter(|known| is_alike(known, &whose, &refusal)) {
                let times = known.times.saturating_add(refusal.times);
                let latest = if refusal.at >= known.at { refusal } else { known.clone() };
                *known = Refusal { times, ..latest };
                return;
            }
        }
        if places.len() >= PER_NETWORK_MAX || self.noted.len() >= WAITING_MAX {
            self.dropped = self.dropped.saturating_add(u64::from(refusal.times));
            if places.is_empty() {
                self.of_network.remove(&network);
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
    if *whose == Whose::Recipient && of == whose && known.to.is_empty() && other.to.is_empty() {
        return guest(known) == guest(other);
    }
    let same = |one: &Refusal| (one.code, one.from.clone(), one.to.clone(), one.about.message_id.clone());
    whose == of && known.code == other.code && same(known) == same(other)
}

/// Who is refused and with what, where nobody was named for whom it is.
pub(super) fn guest(refusal: &Refusal) -> (Network, u16, String) {
    (Network::around(refusal.client, GUEST_BITS), refusal.code, refusal.protocol.clone())
}
