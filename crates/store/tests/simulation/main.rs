//! Deterministic simulation: devices, deliveries and POP sessions of two processes on one engine that fails on purpose.
//!
//! Each step one client asks one process for something, drawn from the seed. [`model`] says what must come of it, and
//! knows nothing of the store's code; where the answer was a fault, what was asked for must have happened as a whole or
//! not at all. [`found`] reads through a store that has just started, [`history`] holds it against all that was ever
//! seen: nothing acknowledged is lost or doubled, no UID, EMAILID, UIDVALIDITY is used again, no MODSEQ goes back, and
//! whoever stopped looking at any moment can find out what he missed.
//!
//! `PILLARBOX_SIM_SEEDS=from..to` runs other seeds than those of every day.

#![allow(clippy::unwrap_used)]

mod brake;
mod found;
mod history;
mod maildrop;
mod model;
mod workload;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use world::{Kind, World};

/// The seeds of every day.
const SEEDS: std::ops::Range<u64> = 0..320;

fn seeds(usual: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let Ok(wanted) = std::env::var("PILLARBOX_SIM_SEEDS") else { return usual };
    let (from, to) = wanted.split_once("..").unwrap_or(("0", &wanted));
    from.parse().unwrap()..to.parse().unwrap()
}

fn run(kind: Kind, seeds: std::ops::Range<u64>, steps: u32) {
    for seed in seeds {
        let story = || {
            let mut world = World::new(seed, kind);
            (0..steps).for_each(|_| world.step());
            world.end();
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(story)) {
            println!("{kind:?}: PILLARBOX_SIM_SEEDS={seed}..{} shows it again", seed + 1);
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn two_processes_on_an_engine_that_fails_lose_and_double_nothing() {
    run(Kind::Faults, seeds(SEEDS), 120);
}

#[test]
fn an_engine_that_never_fails_shows_every_device_exactly_what_happened() {
    run(Kind::Calm, seeds(SEEDS), 120);
}

#[test]
fn machines_that_crash_all_the_time_keep_what_they_acknowledged() {
    run(Kind::Crashes, seeds(SEEDS), 80);
}

#[test]
fn packed_indexes_are_what_the_records_say_whatever_fails() {
    run(Kind::Large, seeds(0..8), 40);
}
