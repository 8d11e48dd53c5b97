//! What it costs to find mail by its Message-ID: deliveries with one beside deliveries without, in turns, on a disk.
//!
//! `cargo bench -p store-sqlite --bench names` measures in the target directory; `BENCH_DIRECTORY` names another place.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use store::sim::SimObjects;
use store::{Account, AccountId, Actor, DeviceId, Flags, NewMessage, Protocol, Store, Submission, Target, Timestamp};
use store_sqlite::{SqliteEngine, SqliteOptions};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const SERVER: Actor = Actor { device: DeviceId(0), protocol: Protocol::Lmtp, now: NOW };
const MESSAGES: u64 = 20_000;
const ROUNDS: u64 = 5;
const THREADS: u64 = 64;

fn main() {
    let place = std::env::var("BENCH_DIRECTORY").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
    let directory = tempfile::tempdir_in(&place).unwrap();
    let engine = Arc::new(SqliteEngine::open(directory.path(), &SqliteOptions::default()).unwrap());
    let store = Store::new(engine, Arc::new(SimObjects::new()));
    let with = store.create_account(AccountId(16), NOW).unwrap();
    let without = store.create_account(AccountId(17), NOW).unwrap();
    for round in 0..ROUNDS {
        let first = round * MESSAGES;
        let bare = deliveries(&without, first, "X-Nothing-00");
        let named = deliveries(&with, first, "Message-ID");
        let ratio = bare.as_secs_f64() / named.as_secs_f64();
        let started = Instant::now();
        let indexed = with.index_message_ids(usize::MAX).unwrap();
        println!("{first} messages: {}, {} with a Message-ID; {ratio:.3}", rate(bare), rate(named));
        println!("  {indexed} messages indexed in {:?}", started.elapsed());
    }
    let answers = timed(500, 1, |number| {
        let body =
            format!("In-Reply-To: <{}.message@bench.example>\r\nSubject: Re: a message\r\n\r\nyes\r\n", number * 7);
        let actor = Actor { protocol: Protocol::Submission, ..SERVER };
        let submitted = with
            .submit(actor, Submission { body: Arc::new(body.as_bytes().to_vec()), added_bytes: 0, handover: None })
            .unwrap();
        assert_eq!(submitted.flagged, 1);
    });
    println!("an answer to one of {} messages is kept, and marks it, in {:?}", ROUNDS * MESSAGES, answers / 500);
}

fn rate(took: Duration) -> String {
    format!("{:.0} deliveries/s", MESSAGES as f64 / took.as_secs_f64())
}

fn deliveries(account: &Account, first: u64, field: &str) -> Duration {
    timed(MESSAGES, THREADS, |number| {
        let number = first + number;
        let header = format!("{field}: <{number}.message@bench.example>\r\nSubject: a message\r\n\r\n");
        let body = (header + &"text ".repeat(700) + "\r\n").into_bytes();
        let message = NewMessage { body, flags: Flags::default(), internal_date: NOW };
        account.append(SERVER, Target::Inbox, message).unwrap();
    })
}

/// So many threads at once, as sessions do: their operations share commits.
fn timed(count: u64, threads: u64, operation: impl Fn(u64) + Sync) -> Duration {
    let next = AtomicU64::new(0);
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    operation(number);
                }
            });
        }
    });
    started.elapsed()
}
