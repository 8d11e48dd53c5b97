//! How long a stranger waits while somebody else has much to do: `cargo bench -p server`.
//!
//! A whole server on a directory of its own, over loopback. One account has a large mailbox (`PILLARBOX_BENCH_MESSAGES`,
//! else 100,000) and does what its clients do with all of it at once; meanwhile another account asks NOOP over IMAP and appends
//! messages, and a stranger connects to POP3, again and again. Printed is how long the work took, the worst answer that each
//! of the three had. Two columns are for comparison: `echo` is the worst answer of a thread that gives back what it gets, `disk`
//! the longest that a file took to be flushed after some octets more. An answer (or an APPEND, which has to be flushed) that is as
//! late as that was held up by the machine and its other work, not by the server.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use server::Preparation;
use server::clock::Clock;
use server::config::Config;
use server::driver::Work;
use server::lifecycle::{DataDir, Running, runtime};
use server::service::Service;
use server::services::Services;
use server::stores::Stores;
use store::{Account, Actor, DeviceId, Flags, NewMessage, Protocol, Target, Timestamp};

const PASSWORD: &str = "correct horse battery";
const OTHER_ACCOUNTS: usize = 4;
const NOW: Timestamp = Timestamp(1_790_000_000_000);
const SERVER: Actor = Actor { device: DeviceId(0), protocol: Protocol::Server, now: NOW };

struct Bench {
    addresses: Vec<(Service, SocketAddr)>,
    echo: SocketAddr,
    disk: PathBuf,
}

/// Gives back each line that it gets, one thread for a connection.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            stream.write_all(b"* OK\r\n").unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let mut line = Vec::new();
            thread::spawn(move || {
                while lines.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
                    stream.write_all(&line).unwrap();
                    line.clear();
                }
            });
        }
    });
    address
}

/// A connection that says a line and waits for the end of its answer.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self(BufReader::new(stream));
        client.line();
        client
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).unwrap();
        String::from_utf8_lossy(&line).into_owned()
    }

    fn write(&mut self, octets: &[u8]) {
        self.0.get_mut().write_all(octets).unwrap();
    }

    /// Says a line, reads until one that begins so.
    fn say(&mut self, line: &str, end: &str) -> String {
        self.write(format!("{line}\r\n").as_bytes());
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the server went away");
            if line.starts_with(end) {
                return line;
            }
        }
    }
}

impl Bench {
    fn at(&self, service: Service) -> SocketAddr {
        self.addresses.iter().find(|(other, _)| *other == service).unwrap().1
    }

    fn imap(&self, user: &str) -> Client {
        let mut client = Client::connect(self.at(Service::Imap));
        let answer = client.say(&format!("l LOGIN {user} \"{PASSWORD}\""), "l ");
        assert!(answer.starts_with("l OK"), "{answer}");
        client
    }

    /// Runs `work` and prints what it did to others.
    fn measure(&self, what: &str, work: impl FnOnce()) {
        let over = Arc::new(AtomicBool::new(false));
        let probe = |mut ask: Box<dyn FnMut() + Send>| {
            let over = over.clone();
            thread::spawn(move || {
                let mut worst = Duration::ZERO;
                while !over.load(Ordering::SeqCst) {
                    let began = Instant::now();
                    ask();
                    worst = worst.max(began.elapsed());
                    thread::sleep(Duration::from_millis(1));
                }
                worst
            })
        };
        let (mut noop, mut append) = (self.imap("bob@example.org"), self.imap("bob@example.org"));
        let mut flushed = File::create(&self.disk).unwrap();
        let (pop3, mut echo) = (self.at(Service::Pop3), Client::connect(self.echo));
        let probes = [
            probe(Box::new(move || drop(noop.say("n NOOP", "n OK")))),
            probe(Box::new(move || drop(append.say("p APPEND INBOX {10+}\r\na: b\r\n\r\nxx", "p OK")))),
            probe(Box::new(move || drop(Client::connect(pop3)))),
            probe(Box::new(move || drop(echo.say("n NOOP", "n")))),
            probe(Box::new(move || flushed.write_all(&[b'x'; 4096]).and_then(|()| flushed.sync_data()).unwrap())),
        ];
        thread::sleep(Duration::from_millis(100));
        let began = Instant::now();
        work();
        let took = began.elapsed();
        over.store(true, Ordering::SeqCst);
        let worst = probes.map(|probe| format!("{:>9.1} ms", probe.join().unwrap().as_secs_f64() * 1000.0));
        println!("{what:<34}{:>9.2} s {}", took.as_secs_f64(), worst.join(" "));
    }
}

fn append(account: &Account) {
    let message = NewMessage { body: b"a: b\r\n\r\n".to_vec(), flags: Flags::default(), internal_date: NOW };
    account.append(SERVER, Target::Inbox, message).unwrap();
}

/// The first thousand one by one, the rest as copies of them.
fn fill(account: &Account, messages: usize) {
    let inbox = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
    (0..messages.min(1000)).for_each(|_| append(account));
    loop {
        let index = account.view(inbox).unwrap().index().clone();
        let missing = messages.saturating_sub(index.len());
        if missing == 0 {
            return;
        }
        let uids = index.iter().take(missing).map(|entry| entry.uid).collect();
        account.copy(SERVER, inbox, uids, inbox).unwrap();
    }
}

fn deliver(bench: &Bench, what: &str, message: &[u8]) {
    let mut smtp = Client::connect(bench.at(Service::Smtp));
    smtp.say("HELO c", "250");
    smtp.say("MAIL FROM:<a@example.net>", "250");
    (0..OTHER_ACCOUNTS).for_each(|n| drop(smtp.say(&format!("RCPT TO:<user{n}@example.org>"), "250")));
    smtp.say("DATA", "354");
    bench.measure(what, || {
        smtp.write(message);
        let answer = smtp.say("\r\n.", "");
        assert!(answer.starts_with("250"), "{answer}");
    });
}

fn main() {
    let messages = std::env::var("PILLARBOX_BENCH_MESSAGES").map_or(100_000, |count| count.parse().unwrap());
    let place = tempfile::tempdir().unwrap();
    let config = Config::trial(place.path().join("data")).on_free_ports();
    let runtime = runtime().unwrap();
    let context = runtime.enter();
    let clock = Clock::start();
    let prepared = Preparation::new(&config, clock).unwrap();
    let data_dir = DataDir::open(&config.data_dir).unwrap();
    let stores = Stores::open(&data_dir, &config).unwrap();
    let directory = stores.auth.directory();
    directory.add_domain("example.org").unwrap();
    let others = (0..OTHER_ACCOUNTS).map(|n| format!("user{n}@example.org"));
    let names = ["alice@example.org".to_owned(), "bob@example.org".to_owned()].into_iter().chain(others);
    let ids: Vec<_> = names.map(|name| directory.add_account(&name, PASSWORD, "", NOW).unwrap()).collect();
    fill(&stores.store.account(ids[0]), messages);
    let work = Work::start().unwrap();
    let services = Services::new(&config, &stores, clock, &work, &prepared.dns).unwrap();
    let running = Running::start(&config, prepared, (clock, work), &|service| services.speaks(service)).unwrap();
    let bench = Bench { addresses: running.addresses().to_vec(), echo: echo(), disk: place.path().join("flushed") };

    let columns = ["took", "NOOP", "APPEND", "POP3 greets", "echo", "disk"].map(|column| format!("{column:>12}"));
    println!("{messages} messages\n{:<34}{}", "", columns.join(" "));
    bench.measure("nothing", || thread::sleep(Duration::from_secs(1)));
    let mut alice = bench.imap("alice@example.org");
    let mut next = |line: &str| {
        let short = line.trim_start_matches("a ").to_owned();
        bench.measure(&short, || assert!(alice.say(line, "a ").starts_with("a OK")));
    };
    next("a SELECT INBOX");
    next("a FETCH 1:* (FLAGS ENVELOPE)");
    next("a SEARCH TEXT nothing");
    next("a STORE 1:* +FLAGS (\\Flagged)");
    next("a COPY 1:* Archive");
    next("a MOVE 1:* Drafts");
    next("a SELECT Archive");
    next("a STORE 1:* +FLAGS.SILENT (\\Deleted)");
    next("a EXPUNGE");
    next("a DELETE Drafts");
    let large = [&b"Subject: large\r\n\r\n"[..], &[&b"x".repeat(70)[..], b"\r\n"].concat().repeat(640_000)].concat();
    deliver(&bench, "44 MiB to four accounts", &large);
    deliver(&bench, "7 million header fields", &b"a:b\r\n".repeat(7_000_000));
    runtime.block_on(running.stop());
    drop(context);
}
