//! A server under load, and its standby on another data directory: either is killed at any moment, the standby goes on, and what
//! it has is held against what clients of the server were told.
//!
//! `PILLARBOX_STANDBY_ROUNDS` makes it longer, `PILLARBOX_CRASH_SEED` brings a run's random numbers back.

#![allow(clippy::unwrap_used)]

mod rig;
mod support {
    #[allow(dead_code)]
    pub mod random;
}

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rig::{Lines, PATIENCE, Serving, free_ports, pillarbox, run, says};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::random::Random;

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";
/// What was acknowledged so long before the server died is on the standby. On an idle machine it is some milliseconds; this one may
/// be shared by many.
const LAG_MAX: Duration = Duration::from_secs(10);

/// A second machine.
struct Standby {
    child: Child,
    log: Receiver<Value>,
}

/// Both machines: `server` and `standby` below a place.
struct Place {
    _dir: tempfile::TempDir,
    server: PathBuf,
    standby: PathBuf,
    port: u16,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [port] = free_ports::<1>();
        let (server, standby) = (dir.path().join("server"), dir.path().join("standby"));
        fs::create_dir(&server).unwrap();
        fs::create_dir(&standby).unwrap();
        says(&["standby", "--new-token", server.join("token").to_str().unwrap()]);
        fs::write(standby.join("pillarbox.toml"), "data_dir = \"data\"\nlog.format = \"json\"\n").unwrap();
        Self { _dir: dir, server, standby, port }
    }

    fn serve(&self) -> Serving {
        let Self { port, .. } = self;
        let door = format!("listen.standby = [\"127.0.0.1:{port}\"]\nstandby.token_file = \"token\"\n");
        // Nobody listens there: what is queued stays.
        let more = "smarthost = { host = \"127.0.0.1\", port = 1, security = \"none\" }\n";
        Serving::start(&self.server, &format!("{door}{more}"))
    }

    fn config(&self) -> String {
        self.standby.join("pillarbox.toml").to_str().unwrap().to_owned()
    }

    fn follow(&self) -> Standby {
        let (of, token) = (format!("localhost:{}", self.port), self.server.join("token"));
        let authority = self.server.join("data/tls/ca.pem");
        let (token, authority, config) = (token.to_str().unwrap(), authority.to_str().unwrap(), self.config());
        let arguments = ["standby", "--of", &of, "--token-file", token, "--authority", authority, "--config", &config];
        let mut child = pillarbox(&arguments).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (told, log) = channel();
        thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                drop(told.send(value));
            });
        });
        Standby { child, log }
    }

    /// How the standby stands, and whether nothing of that needs a person.
    fn state(&self) -> (Value, bool) {
        let said = run(&["standby", "--json", "--config", &self.config()]);
        (serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{said:?}")), said.status.success())
    }

    fn promote(&self) -> String {
        says(&["promote", "--config", &self.config()])
    }
}

impl Standby {
    /// Waits until it has all that the server has.
    fn until_whole(&self) {
        self.until("this standby has everything that its server has");
    }

    /// Waits for a line of its log.
    fn until(&self, message: &str) -> Value {
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it never says: {message}"));
            if line["message"] == message {
                return line;
            }
        }
    }

    fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        // Only after a failed test it still runs.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// What was acknowledged, and when; by subject.
type Book = Arc<Mutex<Vec<(String, Instant)>>>;

/// Delivers over LMTP until the server is gone; every eighth message is large.
fn deliver(mut lmtp: Lines, (to, who): (&str, usize), (book, stop): (&Book, &AtomicBool)) {
    let asked = |lmtp: &mut Lines, line: &str, end: &str| {
        lmtp.send_or_end(line)?;
        lmtp.until_or_end(end)
    };
    lmtp.until("220 ");
    let mut n = 0;
    let mut one = || {
        let subject = format!("{to}-{who}-{n:06}");
        let text = format!("{n:070}\r\n").repeat(if n % 8 == 0 { 700 } else { 20 });
        asked(&mut lmtp, "RSET", "250 ")?;
        asked(&mut lmtp, "MAIL FROM:<carol@example.net>", "250 ")?;
        asked(&mut lmtp, &format!("RCPT TO:<{to}>"), "250 ")?;
        asked(&mut lmtp, "DATA", "354 ")?;
        asked(&mut lmtp, &format!("From: <carol@example.net>\r\nSubject: {subject}\r\n\r\n{text}."), "250 ")?;
        book.lock().unwrap().push((subject, Instant::now()));
        n += 1;
        Some(())
    };
    if one().is_none() {
        return;
    }
    while !stop.load(Ordering::Relaxed) && one().is_some() {}
}

/// UID, flags, subject, size.
type Shown = (u32, BTreeSet<String>, String, usize);

/// What a mailbox shows: by EMAILID the UID, the flags, the subject and the size; and its UIDVALIDITY.
fn shown(imap: &mut Lines, mailbox: &str) -> (BTreeMap<String, Shown>, u32) {
    let selected = imap.ask(&format!("s SELECT {mailbox}"), "s ");
    let validity = selected.iter().find_map(|line| line.split_once("[UIDVALIDITY ")).unwrap().1;
    let validity = validity.split_once(']').unwrap().0.parse().unwrap();
    let mut messages = BTreeMap::new();
    for line in imap.ask("f FETCH 1:* (UID FLAGS RFC822.SIZE EMAILID BODY.PEEK[HEADER.FIELDS (SUBJECT)])", "f ") {
        if line.starts_with("* ") && line.contains(" FETCH ") {
            let field = |name: &str, end: char| {
                let rest = line.split_once(name).unwrap().1;
                rest.split([end, ' ', ')']).next().unwrap().to_owned()
            };
            let flags = line.split_once("FLAGS (").unwrap().1.split(')').next().unwrap();
            let flags = flags.split_whitespace().filter(|flag| *flag != "\\Recent").map(str::to_owned).collect();
            let size = field("RFC822.SIZE ", ' ').parse().unwrap();
            messages.insert(field("EMAILID (", ')'), (field("UID ", ' ').parse().unwrap(), flags, String::new(), size));
            *LAST.lock().unwrap() = field("EMAILID (", ')');
        } else if let Some(subject) = line.strip_prefix("Subject: ") {
            messages.get_mut(&*LAST.lock().unwrap()).unwrap().2 = subject.to_owned();
        }
    }
    (messages, validity)
}

static LAST: Mutex<String> = Mutex::new(String::new());

fn uidls(serving: &Serving, password: &str) -> BTreeSet<String> {
    let mut pop = serving.connect_tls("pop3s");
    pop.until("+OK");
    pop.ask(&format!("USER {ALICE}"), "+OK");
    pop.ask(&format!("PASS {password}"), "+OK");
    let lines = pop.ask("UIDL", ".");
    pop.ask("QUIT", "+OK");
    let ids = lines.iter().filter(|line| !line.starts_with(['+', '.']));
    ids.map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
}

fn device(serving: &Serving, address: &str) -> String {
    let told = serving.says(&["device", "add", address, "laptop", "--policy", "keep", "--json"]);
    let told: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    told["password"].as_str().unwrap().to_owned()
}

fn submit(serving: &Serving, password: &str) {
    let mut smtp = serving.connect_tls("submissions");
    smtp.until("220 ");
    smtp.ask("EHLO laptop.example", "250 ");
    let login = STANDARD.encode(format!("\0{ALICE}\0{password}"));
    smtp.ask(&format!("AUTH PLAIN {login}"), "235 ");
    smtp.ask(&format!("MAIL FROM:<{ALICE}>"), "250 ");
    smtp.ask("RCPT TO:<dora@example.net>", "250 ");
    smtp.ask("DATA", "354 ");
    smtp.ask(&format!("From: <{ALICE}>\r\nTo: <dora@example.net>\r\nSubject: out\r\n\r\nHello\r\n."), "250 ");
}

/// Every message, flag, UID: those of the standby are those that the server had.
fn is_what_the_server_had(before: &BTreeMap<String, Shown>, now: &BTreeMap<String, Shown>) {
    for (id, message) in before {
        assert_eq!(now.get(id), Some(message), "{id}");
    }
}

#[test]
fn a_standby_goes_on_where_its_server_was_killed_under_load() {
    let mut random = Random::new(Random::seed("PILLARBOX_CRASH_SEED"));
    let rounds = env::var("PILLARBOX_STANDBY_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    for round in 1..=rounds {
        killed_under_load(&mut random, round);
    }
}

fn killed_under_load(random: &mut Random, round: u64) {
    let place = Place::new();
    let serving = place.serve();
    serving.says(&["domain", "add", "example.org"]);
    for address in [ALICE, BOB] {
        serving.says(&["account", "add", address, "--generate"]);
    }
    let password = device(&serving, ALICE);
    // Mail from before there is a standby, and what was done with it.
    let book = Book::default();
    let port = serving.port("lmtp");
    let lmtp = || {
        let mut lmtp = Lines::new(Box::new(TcpStream::connect(("127.0.0.1", port)).unwrap()));
        lmtp.send("LHLO outside.example");
        lmtp
    };
    let stop = AtomicBool::new(true);
    (0..20).for_each(|n| deliver(lmtp(), (ALICE, 100 + n), (&book, &stop)));
    submit(&serving, &password);
    let mut imap = serving.imap(ALICE, &password);
    imap.ask("c CREATE Kept", "c OK");
    imap.ask("s SELECT INBOX", "s ");
    imap.ask("1 STORE 3:9 +FLAGS (\\Seen $Important)", "1 OK");
    imap.ask("2 MOVE 5:6 Kept", "2 OK");
    imap.ask("3 STORE 1 +FLAGS (\\Deleted)", "3 OK");
    imap.ask("4 EXPUNGE", "4 OK");
    let (early, validity) = shown(&mut imap, "INBOX");
    let (kept, _) = shown(&mut imap, "Kept");
    assert_eq!((early.len(), kept.len()), (17, 2));
    let ids = uidls(&serving, &password);

    // Load from here on; the standby comes, is killed, comes again.
    stop.store(false, Ordering::Relaxed);
    let flagged = AtomicU64::new(0);
    let (killed, acknowledged) = thread::scope(|scope| {
        for (who, to) in [ALICE, ALICE, BOB].into_iter().enumerate() {
            let (lmtp, book, stop) = (lmtp(), book.clone(), &stop);
            scope.spawn(move || deliver(lmtp, (to, who), (&book, stop)));
        }
        let (flagged, stop) = (&flagged, &stop);
        let mut imap = serving.imap(ALICE, &password);
        scope.spawn(move || {
            imap.ask("s SELECT Kept", "s ");
            while !stop.load(Ordering::Relaxed) {
                let n = flagged.load(Ordering::Relaxed) + 1;
                if imap.send_or_end(&format!("f STORE 1 FLAGS (k{})", n % 40)).is_none()
                    || imap.until_or_end("f OK").is_none()
                {
                    return;
                }
                flagged.store(n, Ordering::Relaxed);
            }
        });
        for _ in 0..3 {
            let standby = place.follow();
            let until = book.lock().unwrap().len() + 20 + random.below(150) as usize;
            wait_for(|| book.lock().unwrap().len() >= until);
            standby.kill();
        }
        let standby = place.follow();
        standby.until_whole();
        let until = book.lock().unwrap().len() + 50 + random.below(300) as usize;
        wait_for(|| book.lock().unwrap().len() >= until);
        let killed = Instant::now();
        serving.kill();
        stop.store(true, Ordering::Relaxed);
        standby.stop();
        (killed, book.lock().unwrap().clone())
    });
    let told = place.promote();
    assert!(told.contains("COULD NOT BE TOLD TO STOP") && told.contains("2 accounts go on"), "{told}");

    let serving = Serving::start(&place.standby, "");
    assert!(serving.says(&["check", "--bodies"]).contains("All is well"));
    let mut imap = serving.imap(ALICE, &password);
    let (now, validity_now) = shown(&mut imap, "INBOX");
    assert!(validity_now > validity, "{validity_now} after {validity}");
    is_what_the_server_had(&early, &now);
    let (kept_now, _) = shown(&mut imap, "Kept");
    assert_eq!(kept_now.len(), 2);
    assert!(uidls(&serving, &password).is_superset(&ids.iter().filter(|id| !id.is_empty()).cloned().collect()));
    // What is missing is the end of what each client was told, and not more than the lag.
    let there: Vec<&String> = now.values().map(|(_, _, subject, _)| subject).collect();
    let unique: BTreeSet<&String> = there.iter().copied().collect();
    assert_eq!(unique.len(), there.len(), "none is there twice");
    let (mut missing, mut worst) = (0, Duration::ZERO);
    for who in 0..2 {
        let of_client = format!("{ALICE}-{who}-");
        let mut is_lost = false;
        for (subject, at) in acknowledged.iter().filter(|(subject, _)| subject.starts_with(&of_client)) {
            let is_there = unique.contains(subject);
            assert!(!(is_there && is_lost), "{subject} is there, and one before it is not");
            is_lost = !is_there;
            if is_lost {
                missing += 1;
                worst = worst.max(killed.saturating_duration_since(*at));
            }
        }
    }
    assert!(worst < LAG_MAX, "{worst:?}");
    println!(
        "round {round}: {} acknowledged, {missing} of them lost, the oldest {worst:?} before the kill; {} flags",
        acknowledged.len(),
        flagged.load(Ordering::Relaxed)
    );
    // New numbers are new, also where those that were lost had been given.
    let known: BTreeSet<String> = now.keys().cloned().collect();
    let book = Book::default();
    let mut lmtp = serving.connect_plain("lmtp");
    lmtp.send("LHLO outside.example");
    deliver(lmtp, (ALICE, 999), (&book, &AtomicBool::new(true)));
    let (after, _) = shown(&mut imap, "INBOX");
    let new: Vec<&String> = after.keys().filter(|id| !known.contains(*id)).collect();
    assert_eq!(new.len(), 1);
    assert!(known.iter().all(|id| id < new[0]), "EMAILIDs go up");
    let status = imap.ask("s STATUS INBOX (HIGHESTMODSEQ)", "s OK");
    let modseq = status.iter().find_map(|line| line.split_once("(HIGHESTMODSEQ ")).unwrap().1;
    assert!(modseq.trim_end_matches(')').parse::<u64>().unwrap() > 1 << 20, "{status:?}");
    // The mail that waited for another server waits there still, or was given up by nobody.
    let queue = serving.says(&["queue", "list"]);
    assert!(queue.contains("dora@example.net"), "{queue}");
    serving.stop();
}

fn wait_for(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE);
        thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_server_whose_standby_is_promoted_stops_and_does_not_start_again() {
    let place = Place::new();
    let serving = place.serve();
    serving.says(&["domain", "add", "example.org"]);
    serving.says(&["account", "add", ALICE, "--generate"]);
    let password = device(&serving, ALICE);
    let standby = place.follow();
    standby.until_whole();
    // It is a standby's directory, and nothing else's.
    let config = place.config();
    let in_use = run(&["promote", "--config", &config]);
    assert!(!in_use.status.success() && String::from_utf8_lossy(&in_use.stderr).contains("in use"), "{in_use:?}");
    let status = serving.says_all(&["status"]);
    assert!(status.contains("standby") && status.contains("commits behind"), "{status}");
    // How it stands is said on its own machine, too.
    let (state, is_well) = place.state();
    let (of, needs) = (format!("localhost:{}", place.port), Value::Array(Vec::new()));
    assert!(is_well && state["of"] == of && state["running"] == true && state["needs"] == needs, "{state}");
    assert!(state["whole"] == true && state["whole_at"].is_string() && state["trouble"].is_null(), "{state}");
    let book = Book::default();
    let mut lmtp = serving.connect_plain("lmtp");
    lmtp.send("LHLO outside.example");
    deliver(lmtp, (ALICE, 1), (&book, &AtomicBool::new(true)));
    let (before, _) = shown(&mut serving.imap(ALICE, &password), "INBOX");
    assert_eq!(before.len(), 1);
    // Started again it has everything, also what came while it was not there.
    standby.stop();
    let standby = place.follow();
    standby.until_whole();
    let compared = standby.until("all that is here was compared with the server");
    assert!(compared["compared"].as_u64().unwrap() >= 3, "{compared}");
    standby.stop();
    let (state, is_well) = place.state();
    assert!(!is_well && state["running"] == false && state["whole_at"].is_string(), "{state}");
    assert!(state["needs"][0].as_str().unwrap().contains("does not run"), "{state}");
    // What the server has now it cannot know.
    assert!(state["whole"] == false && state["behind_commits"].is_null() && state["reached_at"].is_string(), "{state}");
    assert_eq!(state["last_known"]["behind_commits"], 0, "{state}");
    let nowhere = run(&["standby", "--status", "--data-dir", "/nowhere"]);
    assert_eq!(nowhere.status.code(), Some(3), "{nowhere:?}");
    let both = run(&["standby", "--json", "--of", "localhost:1", "--token-file", "token", "--config", &config]);
    assert_eq!(both.status.code(), Some(2), "{both:?}");
    let refused = run(&["account", "list", "--config", &config]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("follows localhost"), "{said}");

    let told = place.promote();
    assert!(told.contains("was told to stop"), "{told}");
    assert!(serving.wait().success(), "it ends in good order");
    let again = run(&["serve", "--config", place.server.join("pillarbox.toml").to_str().unwrap()]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && said.contains("in whose place a standby goes on"), "{said}");
    // What it had can still be brought out of it.
    let list = says(&["account", "list", "--config", place.server.join("pillarbox.toml").to_str().unwrap()]);
    assert!(list.contains(ALICE), "{list}");

    let twice = run(&["promote", "--config", &config]);
    assert!(String::from_utf8_lossy(&twice.stderr).contains("not that of a standby"), "{twice:?}");
    let no_more = run(&["standby", "--json", "--config", &config]);
    assert!(String::from_utf8_lossy(&no_more.stderr).contains("not that of a standby"), "{no_more:?}");
    let new = Serving::start(&place.standby, "");
    let (now, _) = shown(&mut new.imap(ALICE, &password), "INBOX");
    is_what_the_server_had(&before, &now);
    new.stop();
    let back = run(&["standby", "--of", "localhost:1", "--token-file", "t", "--config", &config]);
    assert!(!back.status.success());
}

#[test]
fn nobody_gets_mail_through_the_door_of_the_standby_without_its_token() {
    let place = Place::new();
    let serving = place.serve();
    let ask = |request: &str, token: &str| {
        let socket = TcpStream::connect(("127.0.0.1", place.port)).unwrap();
        let mut tls = rig::tls(socket, &serving.authority());
        write!(tls, "{request} HTTP/1.1\r\nHost: localhost\r\n{token}Connection: close\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        drop(tls.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).into_owned()
    };
    let right = fs::read_to_string(place.server.join("token")).unwrap();
    let right = format!("Authorization: Bearer {}\r\n", right.trim());
    let requests =
        ["GET /heads", "GET /beside", "GET /news?epoch=0&position=0", "POST /compare?keyspace=0", "POST /superseded"];
    for request in requests {
        for token in [String::new(), right.replace("Bearer ", "Bearer 0"), right.replace("Bearer", "Basic")] {
            let answer = ask(request, &token);
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 401 ") && body.is_empty(), "{request} {token}: {answer}");
        }
    }
    assert!(ask("GET /beside", &right).contains("auth-secret"));
    assert!(ask("GET /news?epoch=0&position=0", &right).starts_with("HTTP/1.1 410 "));
    assert!(ask("GET /", &right).starts_with("HTTP/1.1 404 "));
    // Of another server's standby it is not told to stop.
    assert!(ask("POST /superseded", &right).starts_with("HTTP/1.1 409 "));
    let other = format!("POST /superseded?lineage={}", "0".repeat(64));
    assert!(ask(&other, &right).starts_with("HTTP/1.1 409 "));
    // A standby with another token ends, and says why.
    says(&["standby", "--new-token", place.standby.join("token").to_str().unwrap()]);
    let of = format!("localhost:{}", place.port);
    let (token, authority) = (place.standby.join("token"), serving.authority());
    let files: [&Path; 2] = [&token, &authority];
    let [token, authority] = files.map(|file| file.to_str().unwrap());
    let config = place.config();
    let refused = run(&["standby", "--of", &of, "--token-file", token, "--authority", authority, "--config", &config]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("does not take this token"), "{said}");
    // Neither is what never had anything promoted, nor a server's directory made a standby's.
    let early = run(&["promote", "--config", &config]);
    assert!(String::from_utf8_lossy(&early.stderr).contains("has never had all"), "{early:?}");
    serving.stop();
    let own = place.server.join("pillarbox.toml");
    let own = own.to_str().unwrap();
    let other = run(&["standby", "--of", &of, "--token-file", token, "--authority", authority, "--config", own]);
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && said.contains("is that of a server"), "{said}");
}
