//! How fast mail leaves, and what that takes: `cargo bench -p queue`.
//!
//! Messages (`PILLARBOX_BENCH_MESSAGES`, else 100,000) of 20 accounts to 1,000 domains are queued on a store on disk
//! (`BENCH_DIRECTORY` names another place than the target directory), then sent to a sink on loopback that takes everything; the
//! domains are found in a name server of its own. Who queues, who sends, and the sink with the name server are processes of their
//! own, so that the memory that is printed is that of the sender alone. With `PILLARBOX_BENCH_SINK=127.0.0.1:PORT` mail goes to
//! another sink there, and the time ends when the queue is empty; `PILLARBOX_BENCH_BYTES` is the size of a message (else 4,096);
//! `PILLARBOX_BENCH_ONLY_START=1` stops when the first message has left. Printed are messages a second, commits of the queue's table
//! for each, connections, how long after the start the first message was settled, memory, and the processor time of the process that
//! sends, which hardly depends on what else the machine does.

#![allow(clippy::unwrap_used, missing_docs)]

use dns::fake::FakeServer;
use dns::{Dns, Options};
use queue::{Direct, Limits, NewEntry, Outgoing, Policy, Queue, Rates, Sender, Via, Ways};
use smtp_proto::{ForwardPath, ReversePath};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use store::sim::SimObjects;
use store::{AccountId, Store, TableId, Timestamp};
use store_sqlite::{SqliteEngine, SqliteOptions};

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ACCOUNTS: u64 = 20;
const DOMAINS: u64 = 1000;
const THREADS: u64 = 64;
const NOW: Timestamp = Timestamp(1_790_000_000_000);

#[derive(Default)]
struct Seen {
    messages: AtomicU64,
    connections: AtomicU64,
}

fn main() {
    match std::env::var("PILLARBOX_BENCH_ROLE").as_deref() {
        Ok("fill") => fill(&open(&directory())),
        Ok("send") => send(),
        _ => direct(),
    }
}

/// Runs the sink and the name server, and has others queue and send.
fn direct() {
    let place = std::env::var("BENCH_DIRECTORY").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
    let directory = tempfile::tempdir_in(place).unwrap();
    let seen = Arc::new(Seen::default());
    let foreign = std::env::var("PILLARBOX_BENCH_SINK").ok();
    let sink = foreign.map_or_else(|| start_sink(Arc::clone(&seen)), |address| address.parse().unwrap());
    let names = FakeServer::start();
    for domain in 0..DOMAINS {
        names.add(&format!("d{domain}.example"), "MX", &format!("10 mx.d{domain}.example."));
        names.add(&format!("mx.d{domain}.example"), "A", &sink.ip().to_string());
    }
    for role in ["fill", "send"] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.env("PILLARBOX_BENCH_ROLE", role).env("PILLARBOX_BENCH_QUEUE", directory.path());
        child.env("PILLARBOX_BENCH_SINK", sink.to_string()).env("PILLARBOX_BENCH_NAMES", names.address().to_string());
        assert!(child.status().unwrap().success(), "{role}");
    }
    let (taken, connections) = (seen.messages.load(Ordering::SeqCst), seen.connections.load(Ordering::SeqCst));
    if connections > 0 {
        println!("the sink took {taken} over {connections} connections");
    }
}

fn directory() -> PathBuf {
    std::env::var("PILLARBOX_BENCH_QUEUE").unwrap().into()
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

fn messages() -> u64 {
    number("PILLARBOX_BENCH_MESSAGES", 100_000)
}

/// Sends what is queued.
fn send() {
    let address = |variable: &str| -> SocketAddr { std::env::var(variable).unwrap().parse().unwrap() };
    let servers = vec![address("PILLARBOX_BENCH_NAMES")];
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let direct = Direct {
        dns: Dns::new(&Options { servers, dnssec: false, ..Options::default() }).unwrap(),
        runtime: runtime.handle().clone(),
        port: address("PILLARBOX_BENCH_SINK").port(),
        connections_max: THREADS as usize,
        per_domain_max: 10,
        rates: Rates::default(),
        sts: None,
        tls_told: None,
    };
    let hello = "mail.example.org".to_owned();
    let outgoing = Outgoing { hello, smarthost: None, direct: Some(direct), ways: Ways::all(Via::Mx) };

    let begin = Instant::now();
    let store = open(&directory());
    println!("start: the store was open after {:.3} s", begin.elapsed().as_secs_f64());
    let queue = queue_of(&store);
    let version = || store.table(TableId::Queue).version().unwrap().0;
    let before = version();
    let nothing = Arc::new(|_: &queue::Entry, _: Vec<u8>| Ok(queue::Released::default()));
    let sender =
        Sender::start(queue.clone(), outgoing, Arc::new(|_| Ok(Vec::new())), nothing, Arc::new(|| NOW)).unwrap();
    wait(|| version() > before);
    let messages = messages();
    println!(
        "start: the first message was settled after {:.3} s, with {messages} in the queue; memory: {}",
        begin.elapsed().as_secs_f64(),
        memory("VmHWM")
    );
    if number("PILLARBOX_BENCH_ONLY_START", 0) == 0 {
        wait(|| queue.list(None, 1).unwrap().is_empty());
        let seconds = begin.elapsed().as_secs_f64();
        let commits = version() - before;
        let (rate, each) = (messages as f64 / seconds, commits as f64 / messages as f64);
        let processor = processor_millis() / messages as f64;
        println!("sent: {rate:.0} messages/s, {each:.3} commits and {processor:.3} ms of a processor each");
    }
    sender.stop(Duration::from_secs(5));
    println!("memory of the sender: {}, at most {}", memory("VmRSS"), memory("VmHWM"));
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
        account_recipients_per_day: u64::MAX / 86_400_000,
        ..Limits::DEFAULT
    };
    Queue::open(store, Policy::default()).with_limits(limits)
}

/// Queues the messages.
fn fill(store: &Store) {
    let (queue, messages, begin) = (queue_of(store), messages(), Instant::now());
    let bytes = number("PILLARBOX_BENCH_BYTES", 4096) as usize;
    let content: Arc<Vec<u8>> =
        Arc::new(b"Subject: bench\r\n\r\n0123456789012345678901234567890123456789\r\n".repeat(bytes / 60));
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
    let rate = messages as f64 / begin.elapsed().as_secs_f64();
    let commits = store.table(TableId::Queue).version().unwrap().0;
    println!(
        "queued: {rate:.0} messages/s with {THREADS} threads, {:.3} commits each; memory: {}",
        commits as f64 / messages as f64,
        memory("VmHWM")
    );
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

/// The processor time that this process has used.
fn processor_millis() -> f64 {
    // The name, in parentheses, may have spaces; utime and stime are the 14th and 15th field, in hundredths of a second.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10.0
}

fn memory(what: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap_or(": unknown");
    line.trim_start_matches(':').trim().to_owned()
}
