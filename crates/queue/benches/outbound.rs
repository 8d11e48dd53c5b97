//! How fast mail leaves: `cargo bench -p queue`.
//!
//! Messages (`PILLARBOX_BENCH_MESSAGES`, else 100,000) of 20 accounts to 1,000 domains are queued on a store on disk
//! (`BENCH_DIRECTORY` names another place than the target directory), then sent to a sink on loopback that takes everything; the
//! domains are found in a name server of its own. With `PILLARBOX_BENCH_SINK=127.0.0.1:PORT` they go to another sink there, and the
//! time ends when the queue is empty. Printed are messages a second, commits of the queue's table for each, connections, how long
//! after the start the first message left, and the memory of the process.

#![allow(clippy::unwrap_used, missing_docs)]

use dns::fake::FakeServer;
use dns::{Dns, Options};
use queue::{Direct, Limits, NewEntry, Outgoing, Policy, Queue, Sender, Via, Ways};
use smtp_proto::{ForwardPath, ReversePath};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use store::sim::SimObjects;
use store::{AccountId, Store, TableId, Timestamp};
use store_sqlite::{SqliteEngine, SqliteOptions};

const ACCOUNTS: u64 = 20;
const DOMAINS: u64 = 1000;
const THREADS: u64 = 64;
const MESSAGE_BYTES: usize = 4096;
const NOW: Timestamp = Timestamp(1_790_000_000_000);

#[derive(Default)]
struct Seen {
    messages: AtomicU64,
    connections: AtomicU64,
}

fn main() {
    let messages: u64 = std::env::var("PILLARBOX_BENCH_MESSAGES").map_or(100_000, |text| text.parse().unwrap());
    let place = std::env::var("BENCH_DIRECTORY").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
    let directory = tempfile::tempdir_in(place).unwrap();
    let begin = Instant::now();
    let before = fill(&open(directory.path()), messages);
    let rate = messages as f64 / begin.elapsed().as_secs_f64();
    println!(
        "queued: {rate:.0} messages/s with {THREADS} threads, {:.3} commits each",
        before as f64 / messages as f64
    );

    let seen = Arc::new(Seen::default());
    let foreign = std::env::var("PILLARBOX_BENCH_SINK").ok();
    let sink = foreign.as_ref().map_or_else(|| start_sink(Arc::clone(&seen)), |address| address.parse().unwrap());
    let names = FakeServer::start();
    for domain in 0..DOMAINS {
        names.add(&format!("d{domain}.example"), "MX", &format!("10 mx.d{domain}.example."));
        names.add(&format!("mx.d{domain}.example"), "A", &sink.ip().to_string());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let dns = Dns::new(&Options { servers: vec![names.address()], dnssec: false, ..Options::default() }).unwrap();
    let direct = Direct {
        dns,
        runtime: runtime.handle().clone(),
        port: sink.port(),
        connections_max: THREADS as usize,
        per_domain_max: 10,
        sts: None,
        tls_told: None,
    };
    let hello = "mail.example.org".to_owned();
    let outgoing = Outgoing { hello, smarthost: None, direct: Some(direct), ways: Ways::all(Via::Mx) };

    let begin = Instant::now();
    let store = open(directory.path());
    let queue = queue_of(&store);
    let sender = Sender::start(queue.clone(), outgoing, Arc::new(|_| Ok(Vec::new())), Arc::new(|| NOW)).unwrap();
    let is_first_gone = || match foreign {
        Some(_) => queue.show(queue::QueueId(1)).is_err(),
        None => seen.messages.load(Ordering::SeqCst) > 0,
    };
    wait(is_first_gone);
    println!(
        "start: the first message left after {:.3} s, with {messages} in the queue",
        begin.elapsed().as_secs_f64()
    );
    wait(|| queue.list(None, 1).unwrap().is_empty());
    let seconds = begin.elapsed().as_secs_f64();
    sender.stop(Duration::from_secs(5));
    let commits = store.table(TableId::Queue).version().unwrap().0 - before;
    let (taken, connections) = (seen.messages.load(Ordering::SeqCst), seen.connections.load(Ordering::SeqCst));
    println!(
        "sent: {:.0} messages/s, {:.3} commits each; the sink took {taken} over {connections} connections",
        messages as f64 / seconds,
        commits as f64 / messages as f64
    );
    println!("memory: {}, at most {} (with the sink and the name server)", memory("VmRSS"), memory("VmHWM"));
}

fn open(directory: &std::path::Path) -> Store {
    let engine = SqliteEngine::open(directory, &SqliteOptions::default()).unwrap();
    Store::new(Arc::new(engine), Arc::new(SimObjects::new()))
}

fn queue_of(store: &Store) -> Queue {
    let limits = Limits {
        entries: u64::MAX,
        account_entries: u64::MAX,
        account_recipients_per_hour: u64::MAX / 3_600_000,
        ..Limits::DEFAULT
    };
    Queue::open(store, Policy::default()).with_limits(limits)
}

/// Queues the messages; gives the version of the table.
fn fill(store: &Store, messages: u64) -> u64 {
    let queue = queue_of(store);
    let content: Arc<Vec<u8>> =
        Arc::new(b"Subject: bench\r\n\r\n0123456789012345678901234567890123456789\r\n".repeat(MESSAGE_BYTES / 60));
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (queue, content) = (&queue, &content);
            scope.spawn(move || {
                for message in (number..messages).step_by(THREADS as usize) {
                    let to = format!("somebody@d{}.example", message % DOMAINS);
                    let from = ReversePath::Mailbox("me@example.org".parse().unwrap());
                    let to = vec![ForwardPath::Mailbox(to.parse().unwrap()).into()];
                    let account = Some(AccountId(16 + (message % ACCOUNTS) as u32));
                    let new = NewEntry { account, ..NewEntry::new(from, to, content.clone()) };
                    queue.enqueue(new, NOW).unwrap();
                }
            });
        }
    });
    println!("memory: {} with {messages} in the queue", memory("VmRSS"));
    store.table(TableId::Queue).version().unwrap().0
}

fn start_sink(seen: Arc<Seen>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let seen = Arc::clone(&seen);
            seen.connections.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || drop(take(socket.unwrap(), &seen)));
        }
    });
    address
}

fn take(socket: TcpStream, seen: &Seen) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut lines = BufReader::new(socket);
    lines.get_mut().write_all(b"220 sink\r\n")?;
    let mut line = Vec::new();
    let mut replies = Vec::new();
    let mut is_data = false;
    while lines.read_until(b'\n', &mut line)? > 0 {
        match line.first() {
            Some(b'.') if is_data && line == b".\r\n" => {
                is_data = false;
                seen.messages.fetch_add(1, Ordering::SeqCst);
                replies.extend_from_slice(b"250 2.0.0 taken\r\n");
            }
            _ if is_data => {}
            Some(b'E') => replies.extend_from_slice(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"),
            Some(b'D') => {
                is_data = true;
                replies.extend_from_slice(b"354 go\r\n");
            }
            Some(b'Q') => return lines.get_mut().write_all(b"221 bye\r\n"),
            _ => replies.extend_from_slice(b"250 ok\r\n"),
        }
        line.clear();
        if lines.buffer().is_empty() {
            lines.get_mut().write_all(&replies)?;
            replies.clear();
        }
    }
    Ok(())
}

fn wait(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::sleep(Duration::from_millis(10));
    }
}

fn memory(what: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap_or(": unknown");
    line.trim_start_matches(':').trim().to_owned()
}
