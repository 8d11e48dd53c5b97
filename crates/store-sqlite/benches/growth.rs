//! What a delivery costs as a data directory grows, in messages and in accounts: processor time, and what is read and written.
//!
//! `cargo bench -p store-sqlite --bench growth` measures in the target directory; `BENCH_DIRECTORY` names another place,
//! `BENCH_ACCOUNTS` and `BENCH_MESSAGES` other numbers, separated by commas. What comes before the store in a delivery (SMTP,
//! who an address belongs to) is not in it: `benches/growth.py` has that.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use store::sim::SimObjects;
use store::{AccountId, Actor, DeviceId, Flags, NewMessage, Protocol, Store, Target, Timestamp};
use store_sqlite::{SqliteEngine, SqliteOptions};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const SERVER: Actor = Actor { device: DeviceId(0), protocol: Protocol::Lmtp, now: NOW };
const THREADS: u32 = 64;
/// The last ones before each number, of which the cost is told.
const MEASURED: u32 = 5_000;
/// Messages of different accounts come in turns that have nothing to do with the order of the accounts.
const STRIDE: u64 = 7_919;

fn main() {
    let place = std::env::var("BENCH_DIRECTORY").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
    let numbers = |name, default: &[u32]| {
        std::env::var(name).map_or(default.to_vec(), |text| text.split(',').map(|n| n.parse().unwrap()).collect())
    };
    println!(
        "| accounts | messages | ms of processor | KiB written | KiB read | writes | reads |\n|---|---|---|---|---|---|---|"
    );
    for accounts in numbers("BENCH_ACCOUNTS", &[10, 1_000, 100_000]) {
        let directory = tempfile::tempdir_in(&place).unwrap();
        let engine = SqliteEngine::open(directory.path(), &SqliteOptions::default()).unwrap();
        let store = Store::new(Arc::new(engine), Arc::new(SimObjects::new()));
        by_threads(0..accounts, |n| drop(store.create_account(account(n), NOW).unwrap()));
        let mut done = 0;
        for count in numbers("BENCH_MESSAGES", &[10_000, 100_000, 1_000_000]) {
            by_threads(done..count - MEASURED, |n| deliver(&store, accounts, n));
            let before = Costs::now();
            by_threads(count - MEASURED..count, |n| deliver(&store, accounts, n));
            println!("| {accounts} | {count} | {} |", Costs::now().since(&before));
            done = count;
        }
    }
}

fn account(number: u32) -> AccountId {
    AccountId(16 + number)
}

fn deliver(store: &Store, accounts: u32, number: u32) {
    let to = (u64::from(number) * STRIDE % u64::from(accounts)) as u32;
    let body = format!(
        "From: <s@example.net>\r\nTo: <a@example.org>\r\nSubject: message {number}\r\nMessage-ID: <{number}@example.net>\r\n\
         Date: Mon, 2 Feb 2026 10:00:00 +0000\r\n\r\n{}",
        "A line of text that is nothing but a line.\r\n".repeat(45)
    );
    let message = NewMessage { body: body.into_bytes(), flags: Flags::default(), internal_date: NOW };
    store.account(account(to)).append(SERVER, Target::Inbox, message).unwrap();
}

/// So many threads at once, as sessions do: their operations share commits.
fn by_threads(numbers: std::ops::Range<u32>, work: impl Fn(u32) + Sync) {
    let next = AtomicU32::new(numbers.start);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        return;
                    }
                    work(number);
                }
            });
        }
    });
}

/// What this process has used up.
struct Costs {
    ticks: u64,
    /// Octets written and read, writes and reads.
    io: [u64; 4],
}

impl Costs {
    fn now() -> Self {
        let io = fs::read_to_string("/proc/self/io").unwrap();
        let value = |name| io.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap();
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        // utime and stime, counted from the name in parentheses on.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = [11, 12].map(|at| fields[at].parse::<u64>().unwrap());
        Self { ticks: ticks.iter().sum(), io: ["wchar:", "rchar:", "syscw:", "syscr:"].map(value) }
    }

    /// For one delivery.
    fn since(&self, before: &Self) -> String {
        let each = |after: u64, before: u64, unit: f64| (after - before) as f64 / unit / f64::from(MEASURED);
        let millis = each(self.ticks, before.ticks, 0.1);
        let units = [1024.0, 1024.0, 1.0, 1.0];
        let io = std::array::from_fn::<f64, 4, _>(|at| each(self.io[at], before.io[at], units[at]));
        format!("{millis:.3} | {}", io.map(|value| format!("{value:.1}")).join(" | "))
    }
}
