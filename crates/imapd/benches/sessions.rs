//! What sessions cost, on the engine in memory: `cargo bench -p imapd`. No disk, no network, no TLS.
//!
//! For commands it prints the best of several runs and, as the physical limit, the time that copying the same output takes;
//! for sessions the resident memory that each adds beside the index that they share.

#![allow(clippy::unwrap_used)]

use auth::{Auth, AuthOptions};
use directory::{DirectoryOptions, PasswordCost};
use imapd::{ImapService, ImapSession, Limits};
use session::testing::TestJobs;
use session::{Moment, OUTPUT_HIGH_WATER_BYTES, Peer, Session as _, Step};
use std::fs;
use std::hint::black_box;
use std::mem;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};
use store::sim::{SimEngine, SimObjects};
use store::{Account, Actor, DeviceId, Flags, NewMessage, Protocol, Store, SystemFlag, Target, Timestamp};

const PASSWORD: &str = "correct horse battery";
const NOW: Moment = Moment { unix_millis: 1_769_940_000_000, monotonic_millis: 1_000_000 };
const RUNS: usize = 5;

struct Server {
    service: Arc<ImapService>,
    store: Store,
}

struct Client(ImapSession);

impl Server {
    fn new() -> Self {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let directory = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
        let options = AuthOptions { directory, ..AuthOptions::default() };
        let auth = Auth::open(store.clone(), [7; 32], options).unwrap();
        auth.directory().add_domain("example.org").unwrap();
        auth.directory().add_account("alice@example.org", PASSWORD, "", Timestamp(NOW.unix_millis)).unwrap();
        let service = Arc::new(ImapService {
            auth,
            hostname: "mail.example.org".to_owned(),
            tls_available: true,
            message_bytes_max: 100_000,
            spool: store_objects::Spool::new(
                std::env::temp_dir().join("pillarbox-test-spool"),
                store_objects::SpoolLimits { bytes_max: u64::MAX, per_holder_max: u64::MAX },
            ),
            indexes: None,
            sheets: Arc::default(),
            limits: Limits::default(),
            commands: metrics::Commands::default(),
        });
        Self { service, store }
    }

    fn account(&self) -> Account {
        self.store.account(self.store.accounts().unwrap()[0])
    }

    /// Messages of about 1 KiB; every tenth is unseen.
    fn fill(&self, numbers: std::ops::Range<usize>) {
        let account = self.account();
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: Timestamp(NOW.unix_millis) };
        for number in numbers {
            let body = format!(
                "Return-Path: <sender{number}@example.net>\r\nReceived: from mail.example.net by mail.example.org; \
                 Sun, 1 Feb 2026 10:00:00 +0000\r\nDate: Sun, 1 Feb 2026 10:00:00 +0000\r\n\
                 From: Sender {number} <sender{number}@example.net>\r\nTo: Alice <alice@example.org>\r\n\
                 Subject: About the number {number}\r\nMessage-ID: <{number}@example.net>\r\n\r\n{}",
                "A line of a message as people write them.\r\n".repeat(15)
            );
            let flags = if number.is_multiple_of(10) { Flags::default() } else { Flags::system(&[SystemFlag::Seen]) };
            let internal_date = Timestamp(NOW.unix_millis);
            account.append(actor, Target::Inbox, NewMessage { body: body.into_bytes(), flags, internal_date }).unwrap();
        }
    }

    fn log_in(&self) -> Client {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (waker, jobs) = (Waker::noop().clone(), TestJobs::at_once());
        let peer = Peer { address, port: 40_000, tls: None, waker, jobs };
        let mut client = Client(ImapSession::new(Arc::clone(&self.service), peer));
        client.run(&format!("l LOGIN alice@example.org \"{PASSWORD}\""));
        client
    }

    fn in_inbox(&self) -> Client {
        let mut client = self.log_in();
        client.run("s SELECT INBOX");
        client
    }
}

impl Client {
    /// Sends a line and drops what comes, as a driver does once it is written; its length.
    fn run(&mut self, line: &str) -> usize {
        self.0.receive(line.as_bytes());
        self.0.receive(b"\r\n");
        self.drive()
    }

    fn drive(&mut self) -> usize {
        let (mut output, mut bytes) = (Vec::with_capacity(OUTPUT_HIGH_WATER_BYTES * 5 / 4), 0);
        loop {
            let step = self.0.step(NOW, &mut output);
            bytes += black_box(&output).len();
            output.clear();
            if step == Step::Wait {
                return bytes;
            }
            assert_eq!(step, Step::Flush, "the session ended");
        }
    }
}

fn best(mut run: impl FnMut()) -> Duration {
    let time = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..RUNS).map(|_| time(&mut run)).min().unwrap()
}

/// How long it takes to copy so many bytes, in pieces of the output's size.
fn copying(bytes: usize) -> Duration {
    let (from, mut to) = (vec![1_u8; bytes.clamp(1, OUTPUT_HIGH_WATER_BYTES)], Vec::new());
    best(|| {
        let mut left = bytes;
        while left > 0 {
            let piece = left.min(from.len());
            to.clear();
            to.extend_from_slice(black_box(&from[..piece]));
            left -= piece;
        }
        black_box(&to);
    })
}

fn commands(server: &Server) {
    println!("100,000 messages, one session:");
    let mut client = server.in_inbox();
    let mut one = |line: &str| {
        let mut bytes = 0;
        let took = best(|| bytes = client.run(line));
        println!("  {line:<46} {took:>9.1?} {bytes:>11} octets, copying them {:.1?}", copying(bytes));
    };
    one("a NOOP");
    one("a SELECT INBOX");
    one("a STATUS INBOX (MESSAGES UNSEEN SIZE)");
    one("a FETCH 1:* (UID FLAGS)");
    one("a UID FETCH 1:* (FLAGS RFC822.SIZE MODSEQ)");
    one("a FETCH 1:* ENVELOPE");
    one("a FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]");
    one("a FETCH 1:* BODY.PEEK[]");
    one("a UID SEARCH ALL");
    one("a UID SEARCH RETURN (COUNT) UNSEEN");
    one("a UID SEARCH UNSEEN LARGER 100");
    one("a UID SEARCH SUBJECT 99999");
    one("a UID SEARCH TEXT nowhere");
}

/// Each of many sessions tells one new message.
fn idle(server: &Server, sessions: usize) {
    let mut clients: Vec<Client> = (0..sessions).map(|_| server.in_inbox()).collect();
    for client in &mut clients {
        client.run("a IDLE");
    }
    let mut number = 1_000_000;
    let mut news = || {
        server.fill(number..number + 1);
        number += 1;
        let start = Instant::now();
        let bytes: usize = clients.iter_mut().map(Client::drive).sum();
        assert_eq!(bytes % sessions, 0, "every session tells the same");
        assert!(bytes > 0);
        start.elapsed()
    };
    let took = (0..RUNS).map(|_| news()).min().unwrap();
    println!("  IDLE: news to {sessions} sessions {took:.1?}, {:.2?} each", took / u32::try_from(sessions).unwrap());
}

/// Resident memory of this process.
fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<usize>().ok());
    kib.unwrap_or(0) * 1024
}

fn memory(messages: usize, stage: &str, make: impl Fn(&Server) -> Client) {
    const SESSIONS: usize = 5_000;
    let server = Server::new();
    server.fill(0..messages);
    // What is made once is made before.
    mem::forget((0..100).map(|_| make(&server)).collect::<Vec<_>>());
    let mut clients = Vec::with_capacity(SESSIONS);
    let before = resident_bytes();
    clients.extend((0..SESSIONS).map(|_| make(&server)));
    let each = resident_bytes().saturating_sub(before) / SESSIONS;
    println!("  {messages:>5} messages, {stage:<14} {each:>6} octets a session");
    // Memory that is given back would be used again by what is measured next.
    mem::forget((clients, server));
}

/// The worst case: every session has last looked at another moment, and none has looked since.
fn memory_of_stale_sessions() {
    const SESSIONS: usize = 1_000;
    let server = Server::new();
    server.fill(0..1000);
    let other = Server::new();
    mem::forget((0..100).map(|_| server.in_inbox()).collect::<Vec<_>>());
    let grow = |server: &Server, clients: Option<&mut Vec<Client>>| {
        let before = resident_bytes();
        match clients {
            Some(clients) => {
                for number in 0..SESSIONS {
                    server.fill(number..number + 1);
                    clients.push(server.in_inbox());
                }
            }
            None => server.fill(0..SESSIONS),
        }
        resident_bytes().saturating_sub(before)
    };
    let mut clients = Vec::with_capacity(SESSIONS);
    let all = grow(&server, Some(&mut clients));
    other.fill(0..1000);
    let messages = grow(&other, None);
    println!(
        "  1000 messages, one came before each look: {} octets a session",
        all.saturating_sub(messages) / SESSIONS
    );
    mem::forget((clients, server, other));
}

fn main() {
    println!("memory of 5,000 sessions:");
    for messages in [0, 1, 1000] {
        memory(messages, "logged in", Server::log_in);
        memory(messages, "selected", Server::in_inbox);
        memory(messages, "idling", |server| {
            let mut client = server.in_inbox();
            client.run("a IDLE");
            client
        });
    }
    memory_of_stale_sessions();
    let server = Server::new();
    server.fill(0..100_000);
    commands(&server);
    idle(&server, 1000);
}
