//! More than there is room for, and everybody at once: senders and clients that come by the hundred to a server with room for few, and
//! clients by the thousand that all come back after a restart. What they are told is counted; how long it took is told, and fails nothing.

#![allow(clippy::unwrap_used)]

mod rig;

#[path = "support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use rig::{Lines, PATIENCE, Serving, free_ports};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

const ALICE: &str = "alice@example.org";
const MIB: usize = 1024 * 1024;

/// Connections that there is room for, those of two people and of whoever looks among them ...
const ROOM: usize = 100;
/// ... and messages that come at once, each by a connection of its own.
const SENDERS: usize = 12 * ROOM;
/// Who is in all the time, over IMAP and over POP3.
const PEOPLE: usize = 2;
/// Octets of anonymous memory that a full server may have more than one at rest, whoever wants more.
///
/// It was 31 MiB on 2026-12-01, of which most is what the caches of the database take of 1,200 messages; with room for all senders at once,
/// 42 MiB. So this does not tell whether places are counted, which the test does itself; it is twice what was measured, and tells
/// whether those that are put off (6,756 times) leave more than 5 KiB each behind.
const MEMORY_MAX: usize = 64 * MIB;

/// Clients that are in IDLE before a restart and after it.
const CLIENTS: usize = 1_000;
const ACCOUNTS: usize = 10;

/// Descriptors that this process has to have, as both tests may run at the same time; a server has as many.
const DESCRIPTORS: u64 = (SENDERS + CLIENTS) as u64 + 800;

/// Takes as many as it may have. Where that is too few it says so.
fn has_descriptors() -> bool {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let is_enough = maximum.is_none_or(|files| files >= DESCRIPTORS);
    if !is_enough {
        not_tested::because(format_args!("{DESCRIPTORS} files have to be open at a time (ulimit -Hn)"));
    }
    is_enough
}

fn application_password(server: &Serving, address: &str) -> String {
    let told = server.says(&["device", "add", address, "phone", "--policy", "keep", "--json"]);
    let told: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    told["password"].as_str().unwrap().to_owned()
}

/// A connection, which may be refused, and the first line that came.
fn greeted(server: &Serving, service: &str) -> (Lines, String) {
    let mut lines = server.connect_plain(service);
    let greeting = lines.line();
    (lines, greeting)
}

/// All messages that still wait come at the same time; those that were put off.
fn come_at_once(server: &Serving, waiting: &[usize], meanwhile: &mut dyn FnMut()) -> Vec<usize> {
    let connected: Vec<(usize, Lines)> = waiting.iter().map(|n| (*n, server.connect_plain("lmtp"))).collect();
    let (mut taken, mut put_off) = (Vec::new(), Vec::new());
    for (n, mut lmtp) in connected {
        let greeting = lmtp.line();
        if greeting.starts_with("220 ") {
            taken.push((n, lmtp));
        } else {
            assert!(greeting.starts_with("421 4.4.5 "), "{greeting}");
            put_off.push(n);
        }
    }
    // Each has sent all of its message but the end, and no one has an answer, while others ask.
    for (n, lmtp) in &mut taken {
        lmtp.ask("LHLO outside.example", "250 ");
        lmtp.send(&format!("MAIL FROM:<carol@example.net>\r\nRCPT TO:<{ALICE}>\r\nDATA"));
        lmtp.until("354 ");
        lmtp.send(&format!(
            "From: <carol@example.net>\r\nSubject: load-{n}\r\n\r\n{}",
            "A line of a message.\r\n".repeat(150)
        ));
    }
    meanwhile();
    taken.iter_mut().for_each(|(_, lmtp)| lmtp.send("."));
    for (n, lmtp) in &mut taken {
        let answer = lmtp.line();
        assert!(answer.starts_with("250 "), "{n}: {answer}");
        lmtp.ask("QUIT", "221 ");
    }
    // Nobody left before all had their greeting: each place was taken once.
    assert_eq!(taken.len(), waiting.len().min(ROOM - PEOPLE), "of {}", waiting.len());
    drop(taken);
    until_there_are(server, PEOPLE);
    put_off
}

/// A place is free a moment after its connection has ended: so many are connected then.
fn until_there_are(server: &Serving, expected: usize) {
    let begun = Instant::now();
    loop {
        let there = connected(server);
        if there == expected {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{there} are connected");
    }
}

fn subjects(imap: &mut Lines) -> Vec<String> {
    let lines = imap.ask("f FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])", "f OK");
    lines.iter().filter_map(|line| line.strip_prefix("Subject: ")).map(str::to_owned).collect()
}

/// Connections that the server knows of.
fn connected(server: &Serving) -> usize {
    let told: Value = serde_json::from_str(&server.says_all(&["status", "--json"])).unwrap();
    let open = told["connections"].as_array().unwrap().iter();
    open.map(|service| service["open"].as_u64().unwrap() as usize).sum()
}

#[test]
fn at_twelve_times_what_there_is_room_for_new_work_is_put_off_and_what_was_taken_is_done_once() {
    if !has_descriptors() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let limits = format!(
        "limits.connections_max = {ROOM}\nlimits.connections_per_loopback_max = {ROOM}\nlimits.connections_per_address_max = 10\n"
    );
    let more = format!("{limits}sender.greeting_pause_millis = 0\n");
    let server = Serving::start(dir.path(), &more);
    server.says(&["domain", "add", "example.org"]);
    server.says(&["account", "add", ALICE, "--generate"]);
    let password = application_password(&server, ALICE);
    let mut imap = server.connect_plain("imap");
    imap.until("* OK");
    imap.ask(&format!("l LOGIN {ALICE} {password}"), "l OK");
    imap.ask("s SELECT INBOX", "s OK");
    let mut pop = server.connect_plain("pop3");
    pop.until("+OK");
    pop.ask(&format!("USER {ALICE}"), "+OK");
    pop.ask(&format!("PASS {password}"), "+OK");

    // Once before, so that what a first message costs is not counted.
    assert_eq!(come_at_once(&server, &[SENDERS], &mut || {}), [0; 0]);
    let before = server.anonymous_bytes();
    let (mut waiting, mut rounds, mut refused) = ((0..SENDERS).collect::<Vec<_>>(), 0, 0);
    while !waiting.is_empty() {
        let is_full = waiting.len() >= ROOM - PEOPLE;
        waiting = come_at_once(&server, &waiting, &mut || {
            // Whoever is in goes on.
            imap.ask("n NOOP", "n OK");
            imap.ask("f FETCH 1 (FLAGS ENVELOPE)", "f OK");
            pop.ask("NOOP", "+OK");
            if is_full {
                for (service, words) in
                    [("imap", "* BYE [UNAVAILABLE] "), ("pop3", "-ERR [SYS/TEMP] "), ("smtp", "421 4.4.5 ")]
                {
                    let (mut lines, greeting) = greeted(&server, service);
                    assert!(greeting.starts_with(words), "{service}: {greeting}");
                    assert_eq!(lines.until_or_end("anything"), None, "{service}: it is over");
                }
            }
        });
        (rounds, refused) = (rounds + 1, refused + waiting.len());
        assert!(rounds <= 2 * SENDERS / ROOM, "{} still wait", waiting.len());
    }
    assert!(refused >= SENDERS - ROOM, "{refused}");
    let grown = server.anonymous_bytes().saturating_sub(before);
    println!("{SENDERS} senders in {rounds} rounds, {refused} times put off; {} MiB more in memory", grown / MIB);
    assert!(grown <= MEMORY_MAX, "{} MiB more in memory", grown / MIB);

    // All that was taken is there, once.
    imap.ask("n NOOP", "n OK");
    let there = subjects(&mut imap);
    let expected: BTreeSet<String> = (0..=SENDERS).map(|n| format!("load-{n}")).collect();
    assert_eq!((there.len(), there.into_iter().collect::<BTreeSet<_>>()), (expected.len(), expected));
    // Afterwards everything is as before: the two are connected, and there is room for others.
    until_there_are(&server, PEOPLE);
    for (service, words) in
        [("imap", "* OK "), ("pop3", "+OK "), ("smtp", "220 "), ("submission", "220 "), ("lmtp", "220 ")]
    {
        let (_, greeting) = greeted(&server, service);
        assert!(greeting.starts_with(words), "{service}: {greeting}");
    }
    pop.ask("QUIT", "+OK");
    assert!(server.says(&["check", "--bodies"]).contains("All is well"));
    server.stop();
}

/// All clients come at once, as soon as somebody listens, until each is in IDLE.
fn come_back(port: u16, log_ins: &[String]) -> Vec<Lines> {
    let begun = Instant::now();
    let connect = || loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                break Lines::new(Box::new(stream));
            }
            // The server is not there yet: there is no other sign of it on the network.
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
        thread::park_timeout(Duration::from_millis(5));
    };
    let mut clients: Vec<Lines> = (0..CLIENTS).map(|_| connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(&format!("{}\r\nb SELECT INBOX\r\nc IDLE", log_ins[n % ACCOUNTS]));
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.until_or_end("b OK"), Some(()), "{n} is lost");
        assert_eq!(client.until_or_end("+ "), Some(()), "{n} is lost");
    }
    clients
}

/// Each client hears of a message that comes.
fn all_are_there(server: &Serving, clients: &mut [Lines], messages: usize) {
    let mut lmtp = server.connect_plain("lmtp");
    lmtp.until("220 ");
    lmtp.ask("LHLO outside.example", "250 ");
    for n in 0..ACCOUNTS {
        lmtp.ask("MAIL FROM:<carol@example.net>", "250 ");
        lmtp.ask(&format!("RCPT TO:<user{n}@example.org>"), "250 ");
        lmtp.ask("DATA", "354 ");
        lmtp.ask(&format!("Subject: news {messages}\r\n\r\nNews.\r\n."), "250 ");
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.until_or_end(&format!("* {messages} EXISTS")), Some(()), "{n} hears nothing");
    }
}

#[test]
fn after_a_stop_and_after_a_kill_all_clients_are_back_in_idle() {
    if !has_descriptors() {
        return;
    }
    let (dir, [port]) = (tempfile::tempdir().unwrap(), free_ports::<1>());
    let most = CLIENTS + 200;
    let limits = format!("limits.connections_max = {most}\nlimits.connections_per_loopback_max = {most}\n");
    let more = format!("{limits}listen.imap = [\"127.0.0.1:{port}\"]\n");
    let mut server = Serving::start(dir.path(), &more);
    server.says(&["domain", "add", "example.org"]);
    let people: String = (0..ACCOUNTS).map(|n| format!("user{n}@example.org,the password of {n}\n")).collect();
    let list = dir.path().join("people.csv");
    fs::write(&list, format!("address,password\n{people}")).unwrap();
    server.says(&["account", "import", list.to_str().unwrap()]);
    let log_in =
        |n| format!("a LOGIN user{n}@example.org {}", application_password(&server, &format!("user{n}@example.org")));
    let log_ins: Vec<String> = (0..ACCOUNTS).map(log_in).collect();
    let mut clients = come_back(port, &log_ins);
    all_are_there(&server, &mut clients, 1);
    for (messages, is_killed) in [(2, false), (3, true)] {
        if is_killed {
            server.kill()
        } else {
            server.stop()
        }
        for (n, client) in clients.iter_mut().enumerate() {
            let goodbye = client.until_or_end("* BYE");
            assert_eq!(goodbye.is_none(), is_killed, "{n}");
        }
        let begun = Instant::now();
        (server, clients) = thread::scope(|scope| {
            let clients = scope.spawn(|| come_back(port, &log_ins));
            (Serving::start(dir.path(), &more), clients.join().unwrap())
        });
        let what = if is_killed { "SIGKILL" } else { "SIGTERM" };
        println!("after {what} {CLIENTS} clients are back after {:.1?}", begun.elapsed());
        all_are_there(&server, &mut clients, messages);
    }
    drop(clients);
    server.stop();
}
