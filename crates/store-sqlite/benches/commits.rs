//! Durable commits per second, beside what the disk can do, and how fast accounts are read.
//!
//! `cargo bench -p store-sqlite` measures in the target directory; `BENCH_DIRECTORY` names another place.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs::File;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use store::engine::{Commit, CommitError, Engine, Write};
use store::ids::{AccountId, ModSeq};
use store_sqlite::{SqliteEngine, SqliteOptions};

const FOR: Duration = Duration::from_secs(2);

fn main() {
    let place = std::env::var("BENCH_DIRECTORY").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let default = SqliteOptions::default();
    let options = SqliteOptions { shards: number("BENCH_SHARDS", u32::from(default.shards)) as u8, ..default };
    println!("{options:?} in {place}");
    println!("disk: {:.0} fdatasync/s of 4 KiB", flushes(Path::new(&place)));
    let cases = [(1, 1), (20, 1), (20, 8), (64, 8), (20, 64), (64, 64)];
    let only = number("BENCH_THREADS", 0);
    for (accounts, threads) in cases.into_iter().filter(|(_, threads)| only == 0 || only == *threads) {
        for (name, writes) in [("one 4 KiB value", one_value as Writes), ("a message", message)] {
            let directory = tempfile::tempdir_in(&place).unwrap();
            let engine = SqliteEngine::open(directory.path(), &options).unwrap();
            let (rate, slowest) = commits(&engine, accounts, threads, writes);
            println!("{threads:2} threads, {accounts:2} accounts, {name}: {rate:.0} commits/s, slowest {slowest:.1?}");
        }
    }
    let directory = tempfile::tempdir_in(&place).unwrap();
    let engine = SqliteEngine::open(directory.path(), &options).unwrap();
    reads(&engine);
}

fn flushes(place: &Path) -> f64 {
    let path = place.join("flushes");
    let file = File::create(&path).unwrap();
    file.write_at(&vec![1; 8 << 20], 0).unwrap();
    file.sync_all().unwrap();
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < FOR {
        file.write_at(&[2; 4096], (count % 2048) * 4096).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    std::fs::remove_file(path).unwrap();
    count as f64 / begin.elapsed().as_secs_f64()
}

type Writes = fn(u64, &[u8]) -> Vec<Write>;

fn put(table: u8, number: u64, value: &[u8]) -> Write {
    Write::Put { key: [&[table][..], &number.to_be_bytes()].concat(), value: value.to_vec() }
}

fn one_value(n: u64, noise: &[u8]) -> Vec<Write> {
    vec![put(1, n, &noise[n as usize % 1024..][..4096])]
}

/// What a delivery writes: journal, record, envelope, body, counters of mailbox and account.
fn message(n: u64, noise: &[u8]) -> Vec<Write> {
    let noise = &noise[n as usize % 1024..];
    vec![
        put(1, n, &noise[..40]),
        put(2, n, &noise[..60]),
        put(3, n, &noise[..700]),
        put(4, n, &noise[..4096]),
        put(5, 1, &noise[..60]),
        put(6, 1, &noise[..30]),
    ]
}

fn commits(engine: &SqliteEngine, accounts: u32, threads: u32, writes: Writes) -> (f64, Duration) {
    let noise: Vec<u8> = (0..8192_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (stop, total, slowest) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let heads: Vec<_> = (0..accounts).map(|_| std::sync::Mutex::new(0_u64)).collect();
    let work = |thread: u32| {
        let mut turn = thread;
        while !stop.load(Ordering::Relaxed) {
            let account = turn % accounts;
            turn += threads.min(accounts) | 1;
            // As the mail layer does it: one commit of an account at a time.
            let mut head = heads[account as usize].lock().unwrap();
            let begin = Instant::now();
            let commit = Commit {
                account: AccountId(16 + account),
                expected: ModSeq(*head),
                next: ModSeq(*head + 1),
                writes: writes(*head, &noise),
            };
            engine.commit(commit).unwrap();
            *head += 1;
            slowest.fetch_max(begin.elapsed().as_micros() as u64, Ordering::Relaxed);
            total.fetch_add(1, Ordering::Relaxed);
        }
    };
    let begin = Instant::now();
    thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || work(thread));
        }
        thread::sleep(FOR);
        stop.store(true, Ordering::Relaxed);
    });
    let rate = total.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64();
    (rate, Duration::from_micros(slowest.load(Ordering::Relaxed)))
}

fn reads(engine: &SqliteEngine) {
    let account = AccountId(16);
    let mut head = 0;
    let mut commit = |writes| -> Result<(), CommitError> {
        head += 1;
        engine.commit(Commit { account, expected: ModSeq(head - 1), next: ModSeq(head), writes })
    };
    for n in 0..100 {
        commit((0..1000).map(|m| put(1, n * 1000 + m, &[7; 50])).collect()).unwrap();
    }
    commit((0..32).map(|n| put(2, n, &vec![7; 128 << 10])).collect()).unwrap();
    let scan = |table: u8| {
        let snapshot = engine.snapshot(account).unwrap();
        let (mut rows, mut bytes) = (0, 0);
        let mut visit = |_: &[u8], value: &[u8]| {
            rows += 1;
            bytes += value.len();
            ControlFlow::Continue(())
        };
        snapshot.scan(&[table], &[table + 1], &mut visit).unwrap();
        (rows, bytes)
    };
    for (name, table) in [("100,000 records of 50 bytes", 1), ("4 MiB in values of 128 KiB", 2)] {
        let times: Vec<_> = (0..5)
            .map(|_| {
                let begin = Instant::now();
                black_box(scan(table));
                begin.elapsed()
            })
            .collect();
        println!("{name}: {:?} in {times:.1?}", scan(table));
    }
    let begin = Instant::now();
    for n in 0..20_000_u64 {
        let snapshot = engine.snapshot(account).unwrap();
        black_box(snapshot.get(&[&[1][..], &(n * 4).to_be_bytes()].concat()).unwrap().unwrap());
    }
    println!("a snapshot and one get: {:.1?}", begin.elapsed() / 20_000);
}
