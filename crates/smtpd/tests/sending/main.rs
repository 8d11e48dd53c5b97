//! Mail that is sent, from the submission of a client to the hosts of others, or back into a mailbox here: the real sessions, queue,
//! sender with its threads, client of SMTP and reports, on a simulated disk, clock, network and DNS, with everything that can happen
//! drawn from a seed. Hosts take, put off, refuse, hang up before and after they have taken, and answer when nobody waits any more; the
//! process dies at any commit; commits fail, or nobody knows; the clock is set; days pass in milliseconds.
//!
//! [`checker`] knows what must hold, and nothing of how the workload was drawn: it believes what clients were told, what hosts saw, and
//! what is in mailboxes.
//!
//! `PILLARBOX_SIM_SEEDS=from..to` runs other seeds than those of every day.

#![allow(clippy::unwrap_used, missing_docs)]

mod checker;
mod internet;
mod story;
mod world;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;
use world::World;

const STEPS: u32 = 60;
/// The seeds of every day.
const SEEDS: Range<u64> = 0..160;

/// What must have come about in the seeds of every day, or they show nothing.
const HAPPENED: [&str; 15] = [
    "acknowledged",
    "handed over again",
    "again after a crash",
    "again after an answer that was lost",
    "tried when its time had come",
    "later",
    "later, after a crash",
    "bounced",
    "expired",
    "warned",
    "relayed",
    "clock back",
    "clock forward",
    "crash",
    "stop",
];

fn seeds(usual: Range<u64>) -> Range<u64> {
    let Ok(wanted) = std::env::var("PILLARBOX_SIM_SEEDS") else { return usual };
    let (from, to) = wanted.split_once("..").unwrap_or(("0", &wanted));
    from.parse().unwrap()..to.parse().unwrap()
}

fn play(seed: u64) -> (BTreeMap<&'static str, u64>, u64) {
    story::begin();
    let told = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        let turns = world.turns();
        (world.end().seen, turns)
    }));
    told.unwrap_or_else(|panic| {
        story::print();
        println!("PILLARBOX_SIM_SEEDS={seed}..{} shows it again", seed + 1);
        resume_unwind(panic)
    })
}

#[test]
fn whatever_hosts_and_crashes_do_each_message_arrives_or_comes_back_once() {
    let (next, all) = (Mutex::new(seeds(SEEDS)), Mutex::new(BTreeMap::<&str, u64>::new()));
    let work = || {
        while let Some(seed) = { next.lock().unwrap_or_else(PoisonError::into_inner).next() } {
            let played = catch_unwind(|| play(seed));
            if played.is_err() {
                // The other threads have enough to do.
                *next.lock().unwrap_or_else(PoisonError::into_inner) = 0..0;
            }
            let (seen, _) = played.unwrap_or_else(|panic| resume_unwind(panic));
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            seen.into_iter().for_each(|(what, count)| *all.entry(what).or_default() += count);
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let all = all.into_inner().unwrap();
    println!("{all:?}");
    for what in HAPPENED {
        let is_so = all.contains_key(what) || std::env::var_os("PILLARBOX_SIM_SEEDS").is_some();
        assert!(is_so, "no seed has come to {what:?}");
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in [3, 4] {
        assert_eq!(play(seed), play(seed), "{seed}");
    }
}
