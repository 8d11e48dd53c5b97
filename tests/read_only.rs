//! A server that is started on a disk that takes nothing serves what is there to be read, over every protocol, on the pages
//! and on the command line; it says so, refuses everything else in words that say why, and what it could not write is right
//! afterwards.

#![allow(clippy::unwrap_used)]

mod rig;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use rig::{Lines, Mounted, Serving, between, page, says};
use serde_json::Value;

const ALICE: &str = "alice@example.org";
const PASSWORD: &str = "a long main password";

/// Alice has four messages, the last one large, and one device with a password of its own; her main password was never used.
fn begin(place: &Path) -> (Serving, String) {
    let serving = Serving::start(place, "");
    serving.says(&["domain", "add", "example.org"]);
    let config = serving.config.to_str().unwrap();
    let mut child = rig::pillarbox(&["account", "add", ALICE, "--password-stdin", "--config", config])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let device: Value =
        serde_json::from_str(&serving.says(&["device", "add", ALICE, "PC", "--policy", "expunge", "--json"])).unwrap();
    for n in 1..=4 {
        let reply = deliver(&serving, &n.to_string(), if n == 4 { 200_000 } else { 500 });
        assert!(reply.starts_with("250 "), "{reply}");
    }
    (serving, device["password"].as_str().unwrap().to_owned())
}

/// The reply to a delivery of so many octets.
fn deliver(serving: &Serving, subject: &str, octets: usize) -> String {
    let mut lmtp = serving.connect_plain("lmtp");
    lmtp.until("220 ");
    lmtp.ask("LHLO outside.example", "250 ");
    lmtp.ask("MAIL FROM:<carol@example.net>", "250 ");
    lmtp.ask(&format!("RCPT TO:<{ALICE}>"), "250 ");
    lmtp.ask("DATA", "354 ");
    lmtp.send(&format!("Subject: {subject}\r\n\r\n{}\r\n.", "A line of text, 32 octets long.\r\n".repeat(octets / 32)));
    lmtp.line()
}

fn imap(serving: &Serving) -> Lines {
    let mut imap = serving.connect_tls("imaps");
    imap.until("* OK");
    imap.ask(&format!("a LOGIN {ALICE} \"{PASSWORD}\""), "a OK");
    imap
}

fn last(mut lines: Vec<String>) -> String {
    lines.pop().unwrap()
}

fn check_imap(serving: &Serving) {
    let mut imap = imap(serving);
    imap.ask("a ID (\"name\" \"Somebody's new program\")", "a OK");
    let selected = imap.ask("a SELECT INBOX", "a OK");
    assert!(selected.contains(&"* 4 EXISTS".to_owned()), "{selected:?}");
    assert!(last(selected).starts_with("a OK [READ-ONLY] "));
    let read = imap.ask("a UID FETCH 4 BODY[]", "a OK");
    assert!(read.iter().any(|line| line.starts_with("A line of text")), "a large body can be read");
    assert_eq!(imap.ask("a SEARCH SUBJECT 3", "a OK")[0], "* SEARCH 3");
    assert!(last(imap.ask("a STORE 1 +FLAGS (\\Seen)", "a ")).starts_with("a NO [READ-ONLY]"));
    for command in ["CREATE Holidays", "COPY 1 Archive", "APPEND INBOX {11+}\r\nSubject: x\r\n"] {
        let refused = last(imap.ask(&format!("a {command}"), "a "));
        assert!(refused.starts_with("a NO [UNAVAILABLE] nothing can be changed"), "{command}: {refused}");
    }
    imap.ask("a LOGOUT", "a OK");
}

fn check_pop(serving: &Serving, password: &str) {
    let mut pop = serving.connect_tls("pop3s");
    pop.until("+OK");
    pop.ask(&format!("USER {ALICE}"), "+OK");
    pop.ask(&format!("PASS {password}"), "+OK");
    assert!(last(pop.ask("STAT", "+OK")).starts_with("+OK 4 "));
    assert!(pop.ask("RETR 4", ".").len() > 6000);
    pop.ask("DELE 1", "+OK");
    let refused = last(pop.ask("QUIT", "-ERR"));
    assert!(refused.starts_with("-ERR [SYS/TEMP] This server can read its disk and not write to it"), "{refused}");
}

fn check_submission(serving: &Serving) {
    let mut smtp = serving.connect_tls("submissions");
    smtp.until("220 ");
    smtp.ask("EHLO laptop", "250 ");
    // RFC 4616: NUL alice@example.org NUL a long main password.
    smtp.ask("AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAGEgbG9uZyBtYWluIHBhc3N3b3Jk", "235 ");
    smtp.ask(&format!("MAIL FROM:<{ALICE}>"), "250 ");
    smtp.ask(&format!("RCPT TO:<{ALICE}>"), "250 ");
    smtp.ask("DATA", "354 ");
    smtp.send(&format!("From: {ALICE}\r\nSubject: to myself\r\n\r\nx\r\n."));
    let refused = smtp.line();
    assert!(refused.starts_with("451 4.3.2 This server can read its disk"), "{refused}");
}

fn check_pages(serving: &Serving) {
    let session = rig::log_in_on_the_pages(serving, ALICE, PASSWORD);
    let session = session.as_str();
    let overview = page(serving, "GET /", session, "");
    assert!(overview.starts_with("HTTP/1.1 200 ") && overview.contains("PC"), "{overview}");
    assert!(overview.contains("this server can read its disk and not write to it"), "{overview}");
    let csrf = between(&overview, "name=\"csrf\" value=\"", "\"");
    let refused = page(serving, "POST /devices/1/seen", session, &format!("csrf={csrf}"));
    assert!(!refused.starts_with("HTTP/1.1 5") && refused.contains("nothing can be changed"), "{refused}");
    let out = page(serving, "POST /logout", session, &format!("csrf={csrf}"));
    assert!(out.starts_with("HTTP/1.1 303 "), "{out}");
    assert!(page(serving, "GET /", session, "").starts_with("HTTP/1.1 303 "), "the session is over");
}

/// Everything that must go on, and how the rest is refused.
fn use_it(serving: &Serving, password: &str) {
    let told = |line: &Value| line["message"].as_str().is_some_and(|text| text.starts_with("NOTHING CAN BE WRITTEN"));
    assert!(serving.said.iter().any(told), "{:?}", serving.said);
    check_imap(serving);
    check_pop(serving, password);
    check_pop(serving, PASSWORD);
    check_submission(serving);
    check_pages(serving);
    let refused = deliver(serving, "nobody can keep this", 100);
    assert!(refused.starts_with("451 4.3.2 This server can read its disk"), "{refused}");
    // What comes in lies in a file, and may not come so far.
    let refused = deliver(serving, "nor this", 3_000_000);
    assert!(refused.starts_with("451 4.3") || refused.starts_with("452 4.3.1"), "{refused}");
}

fn check_command_line(config: &Path) {
    let config = config.to_str().unwrap();
    let ask = |arguments: &[&str]| says(&[arguments, &["--config", config]].concat());
    assert!(ask(&["account", "list"]).contains(ALICE));
    assert!(ask(&["device", "list", ALICE]).contains("PC"));
    assert!(ask(&["timeline", ALICE]).contains("Subject") || !ask(&["timeline", ALICE]).is_empty());
    assert!(ask(&["queue", "list"]).len() < 1000);
    assert!(ask(&["check", "--bodies"]).starts_with("All is well"));
    let refused = rig::run(&["device", "add", ALICE, "never", "--config", config]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && text.contains("nothing can be changed"), "{text}");
}

/// Nothing is lost, nothing is there that nobody acknowledged, and what nobody could note is noted now.
fn check_afterwards(place: &Path, password: &str) {
    let serving = Serving::start(place, "");
    let mut imap = imap(&serving);
    let selected = imap.ask("a SELECT INBOX", "a OK");
    assert!(selected.contains(&"* 4 EXISTS".to_owned()) && last(selected).starts_with("a OK [READ-WRITE]"));
    imap.ask("a STORE 1 +FLAGS (\\Seen)", "a OK");
    assert!(serving.says(&["device", "list", ALICE]).contains("Mail program with your main password over IMAP"));
    let mut pop = serving.connect_tls("pop3s");
    pop.until("+OK");
    pop.ask(&format!("USER {ALICE}"), "+OK");
    pop.ask(&format!("PASS {password}"), "+OK");
    assert!(last(pop.ask("STAT", "+OK")).starts_with("+OK 4 "), "nothing was deleted");
    assert!(deliver(&serving, "it is taken again", 100).starts_with("250 "));
    let config = serving.config.clone();
    serving.stop();
    assert!(says(&["check", "--bodies", "--config", config.to_str().unwrap()]).starts_with("All is well"));
}

/// How the server ends before the disk takes nothing any more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Stopped,
    Killed,
    /// As from a backup: SQLite's index of the log is not there.
    KilledWithoutIndex,
}

fn play(end: End) {
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = Mounted::new(place.path()) else { return };
    let (serving, password) = begin(place.path());
    match end {
        End::Stopped => serving.stop(),
        End::Killed | End::KilledWithoutIndex => drop(serving),
    }
    let log = fs::metadata(disk.0.join("store/shard-00.sqlite-wal"));
    assert_eq!(log.is_ok_and(|log| log.len() > 0), end != End::Stopped, "what was written last is in the log only");
    if end == End::KilledWithoutIndex {
        (0..2).for_each(|n| fs::remove_file(disk.0.join(format!("store/shard-0{n}.sqlite-shm"))).unwrap());
    }
    disk.remount("ro");

    // Beside no server, and beside one: nobody can write.
    check_command_line(&place.path().join("pillarbox.toml"));
    let serving = Serving::start(place.path(), "");
    use_it(&serving, &password);
    check_command_line(&serving.config);
    serving.stop();

    disk.remount("rw");
    check_afterwards(place.path(), &password);
}

#[test]
fn a_stopped_server_did_not_start_on_a_read_only_disk() {
    play(End::Stopped);
}

#[test]
fn a_killed_server_did_not_start_on_a_read_only_disk() {
    play(End::Killed);
}

#[test]
fn a_killed_server_without_the_index_of_its_log_did_not_start_on_a_read_only_disk() {
    play(End::KilledWithoutIndex);
}

#[test]
fn a_server_did_not_start_where_every_write_fails() {
    for killed in [false, true] {
        let place = tempfile::tempdir().unwrap();
        let (serving, password) = begin(place.path());
        if killed {
            drop(serving)
        } else {
            serving.stop()
        }
        // No file may grow, nor be written at any place: each write ends with an error that is not "no room".
        let mut limited = Command::new("sh");
        limited.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_pillarbox")]);
        let serving = Serving::start_as(limited, place.path(), "");
        use_it(&serving, &password);
        // The command line asks the server: another process may be able to write.
        assert!(serving.says(&["account", "list"]).contains(ALICE));
        serving.stop();
        check_afterwards(place.path(), &password);
    }
}

#[test]
fn a_server_did_not_start_on_a_disk_that_others_filled_after_its_reserve_was_given_up() {
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = Mounted::new(place.path()) else { return };
    let (serving, password) = begin(place.path());
    serving.stop();
    fs::remove_file(disk.0.join("reserve")).unwrap();
    let ballast = disk.0.join("ballast");
    let mut file = fs::File::create(&ballast).unwrap();
    while file.write(&[1; 4096]).is_ok_and(|written| written > 0) {}
    drop(file);
    let serving = Serving::start(place.path(), "");
    use_it(&serving, &password);
    serving.stop();
    fs::remove_file(ballast).unwrap();
    check_afterwards(place.path(), &password);
}
