//! On a disk that is full to the last block the server starts, mail can be read, moved and deleted, over every protocol and
//! on the command line, and only new mail is refused; with room it is taken again.

#![allow(clippy::unwrap_used)]

mod rig;

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Instant;

use rig::{Lines, Mounted, PATIENCE, Serving, says};
use serde_json::Value;

const ALICE: &str = "alice@example.org";
const PASSWORD: &str = "a long main password";

/// A small file system of its own, for the data directory below `place`.
struct SmallDisk(Mounted);

impl SmallDisk {
    fn mount(place: &Path) -> Option<Self> {
        Mounted::new(place).map(Self)
    }

    /// To the last block.
    fn fill(&self) {
        let mut ballast = File::options().create(true).append(true).open(self.0.0.join("ballast")).unwrap();
        loop {
            match ballast.write(&[1; 4096]) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// So many octets, as if nobody but the server had used them.
    fn leave(&self, octets: u64) {
        let ballast = File::options().write(true).open(self.0.0.join("ballast")).unwrap();
        ballast.set_len(ballast.metadata().unwrap().len() - octets).unwrap();
    }

    /// So many more files there may be, and then none.
    fn take_all_files(&self) {
        self.0.remount("size=32m,nr_inodes=2000");
        let ballast = self.0.0.join("files");
        fs::create_dir_all(&ballast).unwrap();
        for n in 0.. {
            match File::create_new(ballast.join(n.to_string())) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn give_back_files(&self) {
        fs::remove_dir_all(self.0.0.join("files")).unwrap();
    }

    fn empty(&self) {
        fs::remove_file(self.0.0.join("ballast")).unwrap();
    }

    fn has_reserve(&self) -> bool {
        self.0.0.join("reserve").exists()
    }

    fn files_in_reserve(&self) -> usize {
        fs::read_dir(self.0.0.join("reserve-files")).map_or(0, Iterator::count)
    }
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
    imap.ask("a SELECT INBOX", "a OK");
    imap
}

fn exists(imap: &mut Lines) -> String {
    imap.ask("a SELECT INBOX", "a OK").into_iter().find(|line| line.ends_with(" EXISTS")).unwrap()
}

/// Everything that must go on, where so many messages are there.
fn use_it(serving: &Serving, pop_password: &str, count: usize) {
    let mut imap = imap(serving);
    assert_eq!(exists(&mut imap), format!("* {count} EXISTS"));
    let read = imap.ask("a UID FETCH 8 BODY.PEEK[]", "a OK");
    assert!(read.iter().any(|line| line.starts_with("A line of text")), "a large body can be read");
    imap.ask("a STORE 1 +FLAGS (\\Seen)", "a OK");
    imap.ask("a MOVE 2 Archive", "a OK");
    imap.ask("a COPY 2 Archive", "a OK");
    imap.ask("a STORE 2,3 +FLAGS (\\Deleted)", "a OK");
    imap.ask("a EXPUNGE", "a OK");
    assert_eq!(exists(&mut imap), format!("* {} EXISTS", count - 3));
    imap.send("a APPEND INBOX {11+}\r\nSubject: x\r\n");
    let refused = imap.until("a ").pop().unwrap();
    assert!(refused.starts_with("a NO [OVERQUOTA]"), "{refused}");

    let mut pop = serving.connect_tls("pop3s");
    pop.until("+OK");
    pop.ask(&format!("USER {ALICE}"), "+OK");
    pop.ask(&format!("PASS {pop_password}"), "+OK");
    pop.ask("RETR 1", ".");
    pop.ask("DELE 1", "+OK");
    pop.ask("QUIT", "+OK");

    let session = rig::log_in_on_the_pages(serving, ALICE, PASSWORD);
    assert!(rig::page(serving, "GET /", &session, "").starts_with("HTTP/1.1 200 "));

    let refused = deliver(serving, "no room for this", 100);
    assert!(refused.starts_with("452 4.3.1"), "{refused}");
    assert!(serving.says(&["account", "list"]).contains(ALICE));
    serving.says(&["device", "add", ALICE, "made on a full disk"]);
}

/// A server with eight messages, the last of which is large; and the password of a program that speaks POP3.
fn begin(place: &Path) -> (Serving, String) {
    let serving = Serving::start(place, "");
    serving.says(&["domain", "add", "example.org"]);
    let add = ["account", "add", ALICE, "--password-stdin"];
    let mut child = rig::pillarbox(&[&add[..], &["--config", serving.config.to_str().unwrap()]].concat())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let device: Value =
        serde_json::from_str(&serving.says(&["device", "add", ALICE, "PC", "--policy", "expunge", "--json"])).unwrap();
    let pop_password = device["password"].as_str().unwrap().to_owned();
    for n in 1..=8 {
        let reply = deliver(&serving, &n.to_string(), if n == 8 { 200_000 } else { 500 });
        assert!(reply.starts_with("250 "), "{reply}");
    }
    (serving, pop_password)
}

fn play(killed: bool) {
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(place.path()) else { return };
    let (serving, pop_password) = begin(place.path());
    assert!(disk.has_reserve());
    let config = serving.config.clone();
    if killed {
        drop(serving)
    } else {
        serving.stop()
    }
    disk.fill();

    if !killed {
        // Without a server the command line opens the files itself.
        assert!(says(&["account", "list", "--config", config.to_str().unwrap()]).contains(ALICE));
    }
    let serving = Serving::start(place.path(), "");
    // What a log that was copied at the start has given back.
    disk.fill();
    disk.leave(1 << 20);
    assert!(!disk.has_reserve(), "it was given up");
    use_it(&serving, &pop_password, 8);

    disk.empty();
    until_taken(&serving, "there is room again", 100);
    assert!(disk.has_reserve(), "it is there again");
    serving.stop();
    assert!(says(&["check", "--bodies", "--config", config.to_str().unwrap()]).starts_with("All is well"));
}

/// Delivers until there is room again.
fn until_taken(serving: &Serving, subject: &str, octets: usize) {
    let begin = Instant::now();
    while !deliver(serving, subject, octets).starts_with("250 ") {
        assert!(begin.elapsed() < PATIENCE, "there is room, and mail is refused");
    }
}

/// A file system may have a bound on files, too (inodes).
#[test]
fn where_no_more_files_can_be_made_reading_goes_on_and_new_mail_waits() {
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(place.path()) else { return };
    let (serving, pop_password) = begin(place.path());
    assert_eq!(disk.files_in_reserve(), 256);
    disk.take_all_files();
    // A large message is a file of its own.
    let refused = deliver(&serving, "no room for a file", 200_000);
    assert!(refused.starts_with("452 4.3.1"), "{refused}");
    // A small one is none, and is kept or refused until the server has looked at the disk again.
    let (begun, mut count) = (Instant::now(), 8);
    loop {
        let reply = deliver(&serving, "small", 100);
        if reply.starts_with("452 4.3.1") {
            break;
        }
        assert!(reply.starts_with("250 ") && begun.elapsed() < PATIENCE, "{reply}");
        count += 1;
    }
    assert_eq!(disk.files_in_reserve(), 0, "they were given up");
    use_it(&serving, &pop_password, count);
    // Before others come to it.
    let refused = deliver(&serving, "still no room for a file", 200_000);
    assert!(refused.starts_with("452 4.3.1"), "{refused}");
    disk.give_back_files();
    until_taken(&serving, "there is room again", 200_000);
    assert_eq!(disk.files_in_reserve(), 2000 / 32, "they are there again");
    assert_eq!(exists(&mut imap(&serving)), format!("* {} EXISTS", count - 3));
    // It was killed and starts; then it was stopped.
    let mut serving = serving;
    for killed in [true, false] {
        if killed {
            drop(serving)
        } else {
            serving.stop()
        }
        disk.take_all_files();
        serving = Serving::start(place.path(), "");
        let mut imap = imap(&serving);
        assert_eq!(exists(&mut imap), format!("* {} EXISTS", count - 3), "killed: {killed}");
        imap.ask("a STORE 1 +FLAGS (\\Flagged)", "a OK");
        imap.ask("a STORE 1 -FLAGS (\\Flagged)", "a OK");
        let refused = deliver(&serving, "no room for a file", 200_000);
        assert!(refused.starts_with("452 4.3.1"), "killed: {killed}, {refused}");
        disk.give_back_files();
        // The same message once more, of which a server that was killed does not know whether its sender heard of it, is one.
        until_taken(&serving, &format!("there is room, killed: {killed}"), 200_000);
        count += 1;
    }
    let config = serving.config.clone();
    serving.stop();
    assert!(says(&["check", "--bodies", "--config", config.to_str().unwrap()]).starts_with("All is well"));
}

#[test]
fn a_server_that_was_stopped_starts_on_a_full_disk_and_people_can_empty_it() {
    play(false);
}

#[test]
fn a_server_that_was_killed_starts_on_a_full_disk_and_people_can_empty_it() {
    play(true);
}
