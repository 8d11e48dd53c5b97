//! How fast the server is, beside what the machine can do at all: `cargo bench` prints a table, so that two commits can be compared.
//!
//! The real binary serves a directory of its own on the loopback interface. Right before each work its physical limit is measured:
//! how often a disk flushes, how often an octet goes to another process and back, how many octets go over the loopback interface,
//! or are copied. The ratio says how near the work comes to it; where many connections share flushes it can be above 1. The
//! processor time is the server's alone, and says more than the ratio where the machine does other things as well.
//!
//! `BENCH_MESSAGES` (5,000), `BENCH_TURNS` (3, of which medians are printed), and `BENCH_ONLY=FETCH` measure other numbers or those
//! works that have it in their names. The directory is where `TMPDIR` says: on the disk that is meant, not in memory.

#![allow(clippy::unwrap_used, missing_docs)]

mod client;
mod limits;
#[path = "../../tests/support/mod.rs"]
mod support;
mod works;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::Client;
use limits::Limit;
use support::server::Server;

const PASSWORD: &str = "a long main password";
/// Deliveries and APPENDs go to so many accounts.
const ACCOUNTS: usize = 16;
const BATCH: usize = 50;

/// The server, and what it is asked to keep.
pub struct World {
    server: Server,
    /// A command of MULTIAPPEND each.
    pub batches: Vec<Vec<u8>>,
    pub octets: u64,
    pub messages: usize,
}

/// A row of the table.
pub struct Work {
    pub name: &'static str,
    pub unit: &'static str,
    pub limit: Limit,
    pub run: fn(&World) -> io::Result<Sample>,
}

/// What one turn of a work took.
pub struct Sample {
    /// So many units of the work were done.
    pub units: f64,
    /// So many of the limit's units that needs at least.
    pub least: f64,
    pub seconds: f64,
    /// Of the server's processors.
    pub busy_seconds: f64,
}

fn main() -> io::Result<()> {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (messages, turns) = (number("BENCH_MESSAGES", 5_000), number("BENCH_TURNS", 3).max(1));
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let world = World::new(messages);
    println!("{messages} messages of {} KiB on average, {turns} turns", world.octets / messages as u64 / 1024);
    println!("| work | | its limit | here | of the limit | µs of processor for each |\n|---|---|---|---|---|---|");
    // The mailbox is filled, and searched for the first time, once.
    for work in works::first() {
        show(&work, &[turn(&work, &world)?]);
    }
    world.wait_for_the_index();
    for work in works::all().into_iter().filter(|work| work.name.contains(&only)) {
        let samples: Vec<_> = (0..turns).map(|_| turn(&work, &world)).collect::<io::Result<_>>()?;
        show(&work, &samples);
    }
    Ok(())
}

/// The limit, and the work right after it.
fn turn(work: &Work, world: &World) -> io::Result<(f64, Sample)> {
    let limit = work.limit.per_second(&std::env::temp_dir())?;
    (work.run)(world).map(|sample| (limit, sample))
}

fn show(work: &Work, turns: &[(f64, Sample)]) {
    let middle = |figure: &dyn Fn(&(f64, Sample)) -> f64| {
        let mut figures: Vec<f64> = turns.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let bound = middle(&|(limit, sample)| limit / sample.least * sample.units);
    let rate = middle(&|(_, sample)| sample.units / sample.seconds);
    let ratio = middle(&|(limit, sample)| sample.least / limit / sample.seconds);
    let micros = middle(&|(_, sample)| 1e6 * sample.busy_seconds / sample.units);
    let digits = if ratio < 0.1 { 4 } else { 2 };
    println!(
        "| {} | {}/s | {} {} | {} | {ratio:.digits$} | {micros:.1} |",
        work.name,
        work.unit,
        work.limit.name(),
        grouped(bound),
        grouped(rate),
    );
}

/// With commas, and a decimal where there are few.
fn grouped(figure: f64) -> String {
    if figure < 100.0 {
        return format!("{figure:.1}");
    }
    let digits = format!("{figure:.0}");
    let parts: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|part| str::from_utf8(part).unwrap()).collect();
    parts.join(",")
}

impl World {
    fn new(messages: usize) -> Self {
        let mut server = Server::new();
        (0..ACCOUNTS).for_each(|number| server.add_account(&user(number)));
        server.start();
        let all: Vec<Vec<u8>> = (0..messages).map(message).collect();
        let octets = all.iter().map(|message| message.len() as u64).sum();
        let batch = |some: &[Vec<u8>]| {
            let literals =
                some.iter().map(|message| [format!(" {{{}+}}\r\n", message.len()).as_bytes(), message].concat());
            [b"b APPEND INBOX".to_vec(), literals.collect::<Vec<_>>().concat(), b"\r\n".to_vec()].concat()
        };
        Self { batches: all.chunks(BATCH).map(batch).collect(), server, octets, messages }
    }

    pub fn address(&self, service: &str) -> SocketAddr {
        self.server.addresses().of(service)
    }

    /// Logged in, as the one whose INBOX has all messages.
    pub fn imap(&self) -> io::Result<Client> {
        Client::imap(self.address("imap"), &user(0), PASSWORD)
    }

    pub fn in_inbox(&self) -> io::Result<Client> {
        let mut client = self.imap()?;
        client.ask("SELECT INBOX")?;
        Ok(client)
    }

    /// Measures what is done to `units`, of which `work` says how many of the limit's units they need at least.
    pub fn measure(&self, units: usize, work: impl FnOnce() -> io::Result<f64>) -> io::Result<Sample> {
        let (busy, begin) = (self.busy_seconds()?, Instant::now());
        let least = work()?;
        let seconds = begin.elapsed().as_secs_f64();
        Ok(Sample { units: units as f64, least, seconds, busy_seconds: self.busy_seconds()? - busy })
    }

    /// Of all threads that the process has.
    fn busy_seconds(&self) -> io::Result<f64> {
        let mut nanos = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.server.pid()))? {
            // A thread may be gone since.
            let text = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            nanos += text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(nanos as f64 / 1e9)
    }

    /// It is made in the background, every ten seconds where somebody has searched: it is whole once the server has had nothing to
    /// do for longer.
    fn wait_for_the_index(&self) {
        let mut quiet = 0;
        while quiet < 25 {
            let before = self.busy_seconds().unwrap();
            std::thread::sleep(Duration::from_millis(500));
            quiet = if self.busy_seconds().unwrap() - before < 0.01 { quiet + 1 } else { 0 };
        }
    }
}

pub fn user(number: usize) -> String {
    format!("u{}@example.org", number % ACCOUNTS)
}

/// Half of them have up to 4 KiB, two of five up to 40, and a tenth up to 150, as mail comes.
fn message(number: usize) -> Vec<u8> {
    let mut random = Random(number as u64 + 1);
    let length = match random.next() % 10 {
        0..5 => 1_500 + random.next() % 2_500,
        5..9 => 4_000 + random.next() % 36_000,
        _ => 40_000 + random.next() % 110_000,
    };
    let mut text = format!(
        "From: Sender {s} <s{s}@example.net>\r\nTo: Alice <u0@example.org>\r\nDate: Mon, 2 Feb 2026 10:{:02}:{:02} +0000\r\n\
         Subject: {} {number}\r\nMessage-ID: <{number}@example.net>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nnumber{number}x\r\n",
        number / 60 % 60,
        number % 60,
        random.word(),
        s = number % 97
    );
    while (text.len() as u64) < length {
        (0..10).for_each(|_| text.push_str(&random.word()));
        text.push_str("\r\n");
    }
    text.into_bytes()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// One of some 20,000, with a space; the nth comes about as often as 1/n.
    fn word(&mut self) -> String {
        let mut rest = 20_000_f64.powf(self.next() as f64 / f64::from(1 << 31)) as u64;
        let mut word = String::new();
        while word.len() < 3 || rest > 0 {
            word.push(char::from(b"etaoinshrdlucmfwypvbgkjqxz"[(rest % 26) as usize]));
            word.push(char::from(b"aeiou"[(rest / 26 % 5) as usize]));
            rest /= 60;
        }
        word + " "
    }
}
