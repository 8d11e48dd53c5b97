//! The scenario: two IMAP devices, two POP3 devices (one leaves mail on the server, one deletes it) and the web at the same
//! time, over interleavings drawn from a seed, with real sessions of two processes on one simulated engine.
//!
//! The clients believe every response and nothing else; between two of their octets anything may happen. [`checker`] knows
//! what must hold, and nothing of how the workload was drawn: all views agree, nothing is lost, unique ids never change.
//!
//! `PILLARBOX_SIM_SEEDS=from..to` runs other seeds than those of every day.

#![allow(clippy::unwrap_used)]

mod checker;
mod house;
mod imap;
mod link;
mod pop;
mod web;

use house::House;
use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

const STEPS: u32 = 500;
/// The seeds of every day.
const SEEDS: Range<u64> = 0..48;

fn seeds(usual: Range<u64>) -> Range<u64> {
    let Ok(wanted) = std::env::var("PILLARBOX_SIM_SEEDS") else { return usual };
    let (from, to) = wanted.split_once("..").unwrap_or(("0", &wanted));
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn two_imap_devices_two_pop_devices_and_the_web_agree_and_lose_nothing() {
    let mut happened = BTreeSet::new();
    for seed in seeds(SEEDS) {
        let story = || {
            let mut house = House::new(seed);
            (0..STEPS).for_each(|_| house.step());
            house.end()
        };
        match catch_unwind(AssertUnwindSafe(story)) {
            Ok(changes) => happened.extend(changes),
            Err(panic) => {
                println!("PILLARBOX_SIM_SEEDS={seed}..{} shows it again", seed + 1);
                std::panic::resume_unwind(panic);
            }
        }
    }
    for what in
        ["Held over IMAP", "Held over POP", "kept", "allowed", "Expunged", "Moved", "Restored", "Undone", "Cleared"]
    {
        assert!(happened.contains(what) || std::env::var("PILLARBOX_SIM_SEEDS").is_ok(), "no seed has come to {what}");
    }
}
