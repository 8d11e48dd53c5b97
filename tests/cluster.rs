//! Several servers on one database and one bucket, each of which serves every account: what one has acknowledged is there on the
//! others, also when it is killed; mail goes out once; what a dead one held is free soon.
//!
//! `PILLARBOX_CRASH_SEED` brings a run's random numbers back, `PILLARBOX_CRASH_ROUNDS` makes it longer.

#![allow(clippy::unwrap_used)]

#[path = "../crates/store-objects/tests/bucket/mod.rs"]
mod bucket;
#[path = "../crates/store-postgres/tests/cluster/mod.rs"]
mod database;
#[path = "cluster/ground.rs"]
mod ground;
mod support;

use ground::{ALICE, Gate, Ground, MAIN, PATIENCE, deliver, imap, leader, message, problems, smarthost};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};
use std::{env, fs, thread};
use support::link::Link;
use support::random::Random;
use support::server::{Addresses, Server};
use support::{Failure, Outcome};

const ROUNDS: u64 = 6;
const CLIENTS: u64 = 8;
/// What a server held that died is free after this time.
const TAKEN_OVER: Duration = Duration::from_secs(15);
/// What happens on one is seen on the others within this time.
const SEEN: Duration = Duration::from_secs(2);

/// What a client does again and again, whichever server is there, until it has an answer.
fn until_answered<T>(nodes: &[RwLock<Server>], random: &mut Random, work: impl Fn(&Addresses) -> Outcome<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        // One that is just killed, or started again, is none that somebody waits for.
        let node = nodes[random.below(nodes.len() as u64) as usize].try_read();
        let at = node.ok().and_then(|node| node.running().cloned());
        match at.map(|at| work(&at)) {
            Some(Ok(done)) => return done,
            // A client tries again, at the next server.
            Some(Err(Failure::Gone(_))) | None => {
                assert!(Instant::now() < end, "nobody answers");
                thread::yield_now();
            }
            Some(Err(Failure::Refused(text))) => panic!("{text}"),
        }
    }
}

/// Every client delivers, and flags what it delivered, each time on whichever of three servers; one after the other is killed.
#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_one_of_several_servers_is_killed() {
    let Some(ground) = Ground::new() else { return };
    let mut random = Random::new(Random::seed("PILLARBOX_CRASH_SEED"));
    let rounds = env::var("PILLARBOX_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let nodes: Vec<RwLock<Server>> = ground.nodes(&["one", "two", "three"], "").into_iter().map(RwLock::new).collect();
    let (acknowledged, count) = (Mutex::new(BTreeMap::new()), AtomicU64::new(0));
    let mut kills = Vec::new();
    for round in 0..rounds {
        let goal = count.load(Ordering::Acquire) + 60 + random.below(60);
        let is_over = || count.load(Ordering::Acquire) >= goal + 100;
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (nodes, acknowledged, count, mut random) = (&nodes, &acknowledged, &count, random.fork());
                scope.spawn(move || {
                    for number in 0.. {
                        if is_over() {
                            return;
                        }
                        let id = format!("{round}.{client}.{number}@example.net");
                        // One in eight lies in the bucket.
                        let octets = if number % 8 == 3 { 40_000 } else { 600 };
                        until_answered(nodes, &mut random, |at| deliver(at, &id, octets));
                        acknowledged.lock().unwrap().insert(id.clone(), None);
                        let uid = until_answered(nodes, &mut random, |at| flag(at, &id));
                        acknowledged.lock().unwrap().insert(id, Some(uid));
                        count.fetch_add(2, Ordering::AcqRel);
                    }
                });
            }
            while count.load(Ordering::Acquire) < goal {
                thread::yield_now();
            }
            let victim = &nodes[(round % 3) as usize];
            let at = Instant::now();
            victim.write().unwrap().kill();
            kills.push(at.elapsed());
            victim.write().unwrap().start();
        });
        let acknowledged = acknowledged.lock().unwrap();
        for node in &nodes {
            assert_eq!(problems(node.read().unwrap().addresses(), &acknowledged), Vec::<String>::new());
        }
    }
    let acknowledged = acknowledged.into_inner().unwrap();
    println!("{} messages, each flagged once, in {rounds} rounds with a kill each", acknowledged.len());
    let nodes: Vec<Server> = nodes.into_iter().map(|node| node.into_inner().unwrap()).collect();
    // What the check would say of a message that came twice, and of a flag that was lost.
    let at = nodes[0].addresses();
    let id = acknowledged.keys().next().unwrap().clone();
    deliver(at, &id, 700).unwrap();
    assert_eq!(problems(nodes[1].addresses(), &acknowledged).len(), 1);
    let lost = acknowledged.values().flatten().max().unwrap();
    imap(at).unwrap().command(&format!("UID STORE {lost} -FLAGS (\\Flagged)")).unwrap();
    assert_eq!(problems(nodes[2].addresses(), &acknowledged).len(), 2);
    let well = nodes[0].cli(&["check", "--bodies"], "");
    assert!(well.starts_with("All is well"), "{well}");
}

/// Flags a message that must be there, and exactly once; its UID.
fn flag(at: &Addresses, id: &str) -> Outcome<u32> {
    let mut imap = imap(at)?;
    let found = imap.command(&format!("UID SEARCH HEADER Message-ID \"<{id}>\""))?.found();
    let [uid] = found[..] else {
        return Err(Failure::Refused(format!("{id} is acknowledged, and found as {found:?}")));
    };
    imap.command(&format!("UID STORE {uid} +FLAGS (\\Flagged)"))?;
    Ok(uid)
}

/// The lines of a connection, as they come.
fn idle(at: &Addresses) -> Receiver<String> {
    let mut link = Link::plain(at.of("imap")).unwrap();
    let login = format!("a LOGIN {ALICE} \"{MAIN}\"\r\nb SELECT INBOX\r\nc IDLE\r\n");
    link.send(login.as_bytes()).unwrap();
    let (told, lines) = channel::<String>();
    thread::spawn(
        move || while link.line().is_ok_and(|line| told.send(String::from_utf8_lossy(&line).into()).is_ok()) {},
    );
    while !lines.recv_timeout(PATIENCE).unwrap().starts_with('+') {}
    lines
}

/// How long until a line comes that has `text`.
fn comes(lines: &Receiver<String>, text: &str, within: Duration) -> Duration {
    let begun = Instant::now();
    loop {
        match lines.recv_timeout(within.saturating_sub(begun.elapsed())) {
            Ok(line) if line.contains(text) => return begun.elapsed(),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => panic!("{text:?} did not come"),
        }
    }
}

#[test]
fn what_happens_on_one_server_is_seen_on_the_other() {
    let Some(ground) = Ground::new() else { return };
    let nodes = ground.nodes(&["one", "two"], "");
    let [one, two] = [nodes[0].addresses(), nodes[1].addresses()];
    let waits = idle(two);
    let mut seen = Vec::new();
    for number in 1..=20 {
        deliver(one, &format!("{number}@example.net"), 600).unwrap();
        comes(&waits, &format!("* {number} EXISTS"), SEEN);
        imap(one).unwrap().command(&format!("STORE {number} +FLAGS (\\Flagged)")).unwrap();
        seen.push(comes(&waits, "\\Flagged", SEEN));
    }
    seen.sort();
    println!("a flag is seen on the other server after {:.0?} (median), at most {:.0?}", seen[9], seen[19]);

    // A new password ends the sessions that the old one opened, on whichever server.
    nodes[0].cli(&["account", "password", ALICE, "--password-stdin"], "another long password\n");
    comes(&waits, "* BYE", SEEN);
    assert!(matches!(two.imap(ALICE, MAIN), Err(Failure::Refused(_))), "nor does it let anybody in");
    two.imap(ALICE, "another long password").unwrap();
}

#[test]
fn a_maildrop_has_one_session_on_all_servers_and_is_free_when_its_server_is_dead() {
    let Some(ground) = Ground::new() else { return };
    let mut nodes = ground.nodes(&["one", "two"], "");
    let password = nodes[1].add_device(ALICE, "pc", "expunge");
    let [one, two] = [nodes[0].addresses().clone(), nodes[1].addresses().clone()];
    deliver(&one, "1@example.net", 600).unwrap();
    let mut pc = one.pop3(ALICE, &password).unwrap();
    assert_eq!(pc.uidl().unwrap().len(), 1);
    let refused =
        |at: &Addresses| matches!(at.pop3(ALICE, &password), Err(Failure::Refused(text)) if text.contains("[IN-USE]"));
    assert!(refused(&two) && refused(&one));
    pc.quit().unwrap();
    let again = two.pop3(ALICE, &password).unwrap();
    assert!(refused(&one));
    again.quit().unwrap();

    let mut pc = one.pop3(ALICE, &password).unwrap();
    pc.command("DELE 1").unwrap();
    nodes[0].kill();
    let begun = Instant::now();
    let mut pc = loop {
        match two.pop3(ALICE, &password) {
            Ok(pc) => break pc,
            Err(error) => assert!(begun.elapsed() < TAKEN_OVER, "{error}"),
        }
    };
    println!("the maildrop of a dead server is free after {:.1?}", begun.elapsed());
    assert_eq!(pc.uidl().unwrap().len(), 1, "RFC 1939 §6: without QUIT nothing is deleted");
}

#[test]
fn one_server_sends_and_another_goes_on_when_it_is_killed() {
    const CONNECTIONS: usize = 4;
    let Some(ground) = Ground::new() else { return };
    let gate = Arc::new(Gate::default());
    let (port, messages) = smarthost(&gate);
    let more = format!(
        "queue.hold_strangers = 0\nsmarthost = {{ host = \"127.0.0.1\", port = {port}, security = \"none\" }}\n"
    );
    let mut nodes = ground.nodes(&["one", "two", "three"], &more);
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut number = 0;
    for round in 0..2 {
        let leads = leader(&nodes, Instant::now());
        // Those that do not lead take mail for the outside, too.
        let living: Vec<Addresses> = nodes.iter().map(|node| node.addresses().clone()).collect();
        let wanted = number + 40;
        while number < wanted {
            let at = &living[number % 3];
            let content = message(&format!("out-{number}"), 600);
            let content = [b"To: <friend@outside.example>\r\n".to_vec(), content].concat();
            let content = String::from_utf8(content).unwrap().replace("carol@example.net", ALICE).into_bytes();
            let mut smtp = at.submissions(ALICE, MAIN).unwrap();
            assert_eq!(smtp.deliver(ALICE, &["friend@outside.example"], &content).unwrap()[0].code, 250);
            number += 1;
        }
        nodes[leads].kill();
        gate.set(true);
        let died = Instant::now();
        let mut resumed = None;
        while taken.len() < number {
            let subject =
                messages.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{} of {number} came", taken.len()));
            if died.elapsed() > Duration::from_secs(1) {
                resumed.get_or_insert(died.elapsed());
            }
            *taken.entry(subject).or_default() += 1;
        }
        let resumed = resumed.expect("not all were under way");
        println!("round {round}: the queue of a dead server goes on after {resumed:.1?}");
        assert!(resumed < TAKEN_OVER);
        gate.set(false);
        let next = leader(&nodes, Instant::now());
        assert_ne!(next, leads);
        nodes[leads].start();
    }
    // What was under way at the moment of a kill, two messages of a connection, may have come twice, as when there is one server;
    // nothing else.
    let doubled: usize = taken.values().map(|count| count - 1).sum();
    println!("{} messages, {doubled} of them twice", taken.len());
    assert!(doubled <= 2 * 2 * CONNECTIONS, "{taken:?}");
    assert!(taken.keys().all(|subject| subject.starts_with("out-")), "{taken:?}");
}

#[test]
fn a_server_that_does_not_know_of_the_others_or_has_their_name_is_refused() {
    let Some(ground) = Ground::new() else { return };
    let nodes = ground.nodes(&["one"], "");
    let serve = |options: &str| {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("pillarbox.toml");
        let listen = "listen = { smtp = [], submission = [], submissions = [], lmtp = [], imaps = [], pop3 = [], pop3s = [], https = [], \
                      http = [], redirect = [], imap = [\"127.0.0.1:0\"] }\n";
        fs::write(&file, format!("data_dir = \"data\"\nhostname = \"localhost\"\n{options}{listen}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillarbox"));
        let command = command.args(["serve", "--config"]).arg(&file).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let alone = serve(&ground.options(None, ""));
    assert!(alone.contains("another server writes to"), "{alone}");
    let twin = serve(&ground.options(Some("one"), ""));
    assert!(twin.contains("another server that is called one"), "{twin}");
    // It has another secret than the others.
    let stranger = serve(&ground.options(Some("two"), ""));
    assert!(stranger.contains("bucket"), "{stranger}");
    drop(nodes);
}
