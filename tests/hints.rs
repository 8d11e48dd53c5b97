//! Several servers on one database that tell each other over NATS what has moved: it is seen at once because of that, and seen all the
//! same where NATS is not there, goes, comes back, or says what is not so.

#![allow(clippy::unwrap_used)]

#[path = "../crates/store-objects/tests/bucket/mod.rs"]
mod bucket;
#[path = "../crates/store-postgres/tests/cluster/mod.rs"]
mod database;
#[path = "cluster/ground.rs"]
mod ground;
#[path = "../crates/hints/tests/nats/mod.rs"]
mod nats;
mod support;

use ground::{ALICE, Ground, MAIN, PATIENCE, deliver, imap};
use nats::{Nats, Stranger};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::imap::Imap;
use support::link::Link;
use support::server::{Addresses, Server};

const COME: &str = "hints of all other servers come";
const DO_NOT_COME: &str = "hints of other servers do not come";
/// More looks a second than hints may ask for, with what may be done at once.
const LOOKS_PER_SECOND: f64 = 200.0;
const LOOKS_AT_ONCE: f64 = 20.0;
/// A flood takes no more memory than this.
const GROWS_MAX: u64 = 64 << 20;

fn options(url: &str) -> String {
    format!("cluster.hints = \"{url}\"\nlisten.metrics = [\"127.0.0.1:0\"]\n")
}

fn until(mut is_so: impl FnMut() -> bool, what: &str) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        thread::yield_now();
    }
}

/// How often lines of the log have this text.
fn logged(node: &Server, text: &str) -> usize {
    node.log().matches(text).count()
}

/// The value of a metric, 0 where it is not told.
fn metric(at: &Addresses, name: &str) -> f64 {
    let mut stream = TcpStream::connect(at.of("metrics")).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_default()
}

fn hinted_looks(at: &Addresses) -> f64 {
    metric(at, "pillarbox_looks_total{why=\"hint\"}")
}

/// Octets of memory that a process has.
fn memory(node: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Who flags the only message on one server, and who hears of it on another.
struct Pair {
    flags: Imap,
    is_flagged: bool,
    lines: Receiver<(Instant, String)>,
}

impl Pair {
    fn new(one: &Addresses, two: &Addresses) -> Self {
        let mut link = Link::plain(two.of("imap")).unwrap();
        let login = format!("a LOGIN {ALICE} \"{MAIN}\"\r\nb SELECT INBOX\r\nc IDLE\r\n");
        link.send(login.as_bytes()).unwrap();
        let (told, lines) = channel::<(Instant, String)>();
        thread::spawn(move || {
            while let Ok(line) = link.line() {
                if told.send((Instant::now(), String::from_utf8_lossy(&line).into())).is_err() {
                    return;
                }
            }
        });
        while !lines.recv_timeout(PATIENCE).unwrap().1.starts_with('+') {}
        Self { flags: imap(one).unwrap(), is_flagged: false, lines }
    }

    /// From when the change was acknowledged until it was told; it may have been told before.
    fn flag(&mut self) -> Duration {
        self.is_flagged = !self.is_flagged;
        let sign = if self.is_flagged { '+' } else { '-' };
        self.flags.command(&format!("STORE 1 {sign}FLAGS (\\Flagged)")).unwrap();
        let acknowledged = Instant::now();
        loop {
            let (at, line) = self.lines.recv_timeout(PATIENCE).expect("the change is told");
            if line.contains("FETCH") && line.contains("\\Flagged") == self.is_flagged {
                return at.saturating_duration_since(acknowledged);
            }
        }
    }
}

/// Two servers with one message, and who waits on the second.
fn servers(ground: &Ground, url: &str) -> (Vec<Server>, Pair) {
    let nodes = ground.nodes(&["one", "two"], &options(url));
    let [one, two] = [nodes[0].addresses(), nodes[1].addresses()];
    deliver(one, "1@example.net", 600).unwrap();
    let pair = Pair::new(one, two);
    (nodes, pair)
}

fn until_all(nodes: &[Server], text: &str, times: usize) {
    for node in nodes {
        until(|| logged(node, text) == times, text);
    }
}

#[test]
fn what_another_server_does_is_seen_whether_nats_is_there_or_not_and_sooner_where_it_is() {
    let Some(ground) = Ground::new() else { return };
    let Some(mut nats) = Nats::new(&[]) else { return };
    let (nodes, mut pair) = servers(&ground, &nats.url());
    let two = nodes[1].addresses();
    // It is not there when they start.
    until_all(&nodes, DO_NOT_COME, 1);
    pair.flag();
    assert!(hinted_looks(two) == 0.0 && metric(two, "pillarbox_hints_come") == 0.0);
    for times in 1..=2 {
        nats.run();
        until_all(&nodes, COME, times);
        assert_eq!(metric(two, "pillarbox_hints_come"), 1.0);
        // Looks at everything go on beside them, so one of a few is seen through a hint.
        let before = hinted_looks(two);
        until(|| hinted_looks(two) > before || pair.flag() > PATIENCE, "a look because of a hint");
        nats.kill();
        until_all(&nodes, DO_NOT_COME, 1 + times);
        pair.flag();
    }
    for node in &nodes {
        assert_eq!((logged(node, COME), logged(node, DO_NOT_COME)), (2, 3), "one line each way:\n{}", node.log());
        assert!(!node.has_logged("connected successfully"), "the client keeps its words to itself");
    }
    let status = nodes[1].cli_any(&["status"]);
    assert!(status.contains("hints        of other servers do not come: "), "{status}");
}

/// It is stopped and keeps its connections, as a machine does whose network is gone.
#[test]
fn a_nats_that_says_nothing_any_more_is_missed_and_holds_up_nobody() {
    let Some(ground) = Ground::new() else { return };
    let Some(nats) = Nats::start(&[]) else { return };
    let (nodes, mut pair) = servers(&ground, &nats.url());
    until_all(&nodes, COME, 1);
    let process = rustix::process::Pid::from_child(nats.process());
    rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    (0..10).for_each(|_| {
        pair.flag();
    });
    until_all(&nodes, DO_NOT_COME, 1);
    assert!(nodes[1].has_logged("nothing is heard of "), "{}", nodes[1].log());
    pair.flag();
    rustix::process::kill_process(process, rustix::process::Signal::CONT).unwrap();
    until_all(&nodes, COME, 2);
    pair.flag();
}

#[test]
fn what_a_stranger_says_has_somebody_look_and_does_nothing_else() {
    const HINTS: u64 = 100_000;
    let Some(ground) = Ground::new() else { return };
    let Some(nats) = Nats::start(&[]) else { return };
    let (nodes, mut pair) = servers(&ground, &nats.url());
    let [one, two] = [nodes[0].addresses(), nodes[1].addresses()];
    until_all(&nodes, COME, 1);
    let mut stranger = Stranger::at(&nats);
    stranger.listen();
    let (subject, genuine) = loop {
        let (subject, octets) = stranger.hear();
        // One that names an account.
        if octets.starts_with(b"PBH1\x03one") && octets.len() > 8 {
            break (subject, octets);
        }
        pair.flag();
    };
    let account: [u8; 4] = genuine[8..12].try_into().unwrap();
    let forged = |account: [u8; 4], head: u64| [&genuine[..8], &account, &head.to_be_bytes()].concat();
    drop(stranger);
    let mut stranger = Stranger::at(&nats);
    // No hints at all, and hints of accounts that do not exist.
    let huge = vec![b'x'; 1_000_000];
    let garbage = [&b""[..], b"PBH1", b"PBH1\xff", b"\r\n", &huge];
    garbage.iter().for_each(|octets| stranger.publish(&subject, octets));
    (0..100).for_each(|n| stranger.publish(&subject, &forged([0x7f, 0, 0, n], 1)));
    stranger.publish(&subject, &genuine);
    let malformed = "pillarbox_hints_total{what=\"malformed\"}";
    until(|| metric(two, malformed) >= garbage.len() as f64, "what is no hint is counted");
    pair.flag();

    let (before, looks, begun) = (memory(&nodes[1]), hinted_looks(two), Instant::now());
    let is_over = AtomicBool::new(false);
    let answered = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut other = imap(two).unwrap();
            while !is_over.load(Ordering::Acquire) {
                other.command("NOOP").unwrap();
                answered.fetch_add(1, Ordering::AcqRel);
            }
        });
        for number in 0..HINTS {
            stranger.publish(&subject, &forged(account, 1000 + number));
        }
        stranger.wait();
        pair.flag();
        is_over.store(true, Ordering::Release);
    });
    pair.flag();
    let (made, time) = (hinted_looks(two) - looks, begun.elapsed());
    let grown = memory(&nodes[1]).saturating_sub(before);
    println!(
        "{HINTS} forged hints in {time:.1?}: {made} looks, {} KiB of memory, {} commands meanwhile",
        grown >> 10,
        answered.load(Ordering::Acquire)
    );
    assert!(made <= LOOKS_PER_SECOND * time.as_secs_f64() + LOOKS_AT_ONCE, "{made} looks in {time:?}");
    assert!(grown < GROWS_MAX, "{grown} octets more");
    assert!(answered.load(Ordering::Acquire) > 0);
    // The other one is as well as before.
    deliver(one, "2@example.net", 600).unwrap();
    for node in &nodes {
        assert_eq!(node.faults(), Vec::<String>::new());
    }
}

/// What speaks as NATS does, and passes on that servers are there, but nothing of what they have done.
fn forgetful() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let all = Arc::<Mutex<Vec<TcpStream>>>::default();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let all = Arc::clone(&all);
            thread::spawn(move || serve(stream, &all));
        }
    });
    port
}

fn serve(stream: TcpStream, all: &Mutex<Vec<TcpStream>>) -> Option<()> {
    let mut answers = stream.try_clone().ok()?;
    answers.write_all(b"INFO {\"server_id\":\"x\",\"version\":\"2\",\"max_payload\":1048576}\r\n").ok()?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        match words[..] {
            ["PING"] => answers.write_all(b"PONG\r\n").ok()?,
            ["SUB", ..] => all.lock().unwrap().push(answers.try_clone().ok()?),
            ["PUB", subject, length] => {
                let mut octets = vec![0; length.parse::<usize>().unwrap() + 2];
                lines.read_exact(&mut octets).ok()?;
                // The mark, the length of the name and the name: nothing else.
                let is_beat = octets.len() == 5 + usize::from(octets[4]) + 2;
                let message = [format!("MSG {subject} 1 {length}\r\n").as_bytes(), &octets].concat();
                if is_beat {
                    all.lock().unwrap().iter_mut().for_each(|to| drop(to.write_all(&message)));
                }
            }
            _ => {}
        }
    }
}

#[test]
fn what_no_hint_tells_of_is_seen_all_the_same() {
    let Some(ground) = Ground::new() else { return };
    let (nodes, mut pair) = servers(&ground, &format!("nats://127.0.0.1:{}", forgetful()));
    until_all(&nodes, COME, 1);
    let took: Vec<Duration> = (0..5).map(|_| pair.flag()).collect();
    println!("without the hints of them, while others seem to come: {took:.0?}");
    let two = nodes[1].addresses();
    assert_eq!((hinted_looks(two), metric(two, "pillarbox_hints_come")), (0.0, 1.0));
    until_all(&nodes, DO_NOT_COME, 0);
}

/// From the answer to a STORE on one server to the FETCH of who idles on another: 500 of them with NATS, and as many without.
#[test]
fn how_soon_a_flag_is_seen_on_another_server() {
    const TIMES: usize = 500;
    let Some(ground) = Ground::new() else { return };
    let Some(mut nats) = Nats::start(&[]) else { return };
    let (nodes, mut pair) = servers(&ground, &nats.url());
    let mut measure = |what: &str| {
        let mut took: Vec<Duration> = (0..TIMES).map(|_| pair.flag()).collect();
        took.sort_unstable();
        println!(
            "{what}: median {:.2?}, p99 {:.2?}, most {:.2?}",
            took[TIMES / 2],
            took[TIMES * 99 / 100],
            took[TIMES - 1]
        );
        took[TIMES / 2]
    };
    until_all(&nodes, COME, 1);
    let with = measure("with NATS");
    nats.kill();
    until_all(&nodes, DO_NOT_COME, 1);
    let without = measure("without");
    assert!(with < without, "hints are of no use: {with:?} with, {without:?} without");
}
