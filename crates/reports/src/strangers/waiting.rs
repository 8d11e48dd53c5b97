//! What was noted since the last round: bounded, in all and for each network, and each key once.

use super::network;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// Rows that wait to be written down, and as many that are written just now.
const WAITING_MAX: usize = 2_000;
/// Of them those of one /24 or /64: one guest does not take all places.
const PER_NETWORK_MAX: usize = 100;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Default)]
pub(super) struct Waiting {
    noted: Rows,
    of_network: HashMap<Vec<u8>, usize>,
    /// They count until they are in the table.
    in_writing: Rows,
}

impl Waiting {
    /// Notes a row for an address; whether there was room.
    pub(super) fn note(&mut self, address: IpAddr, key: Vec<u8>, value: Vec<u8>) -> bool {
        if let Some(known) = self.noted.get_mut(&key) {
            *known = value;
            return true;
        }
        if self.noted.len() >= WAITING_MAX {
            return false;
        }
        let count = self.of_network.entry(network(address)).or_default();
        if *count >= PER_NETWORK_MAX {
            return false;
        }
        *count += 1;
        self.noted.insert(key, value);
        true
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.noted.get(key).or_else(|| self.in_writing.get(key)).cloned()
    }

    /// All that waits.
    pub(super) fn begin_to_write(&mut self) -> Rows {
        self.of_network.clear();
        self.in_writing = std::mem::take(&mut self.noted);
        self.in_writing.clone()
    }

    /// They are in the table, or are given up.
    pub(super) fn written(&mut self) {
        self.in_writing.clear();
    }
}
