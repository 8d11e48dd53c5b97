//! The mail of a server goes from SQLite to PostgreSQL and back, and no mail program notices.

#![allow(clippy::unwrap_used)]

mod rig;

#[path = "../crates/store-postgres/tests/cluster/mod.rs"]
mod cluster;

use cluster::Cluster;
use rig::{Serving, run};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

const ALICE: &str = "alice@example.org";

/// A server, and what says where its mail is.
struct Home {
    place: tempfile::TempDir,
    cluster: Cluster,
}

impl Home {
    fn new() -> Option<Self> {
        let (place, cluster) = (tempfile::tempdir().unwrap(), Cluster::start()?);
        fs::write(place.path().join("url"), cluster.url()).unwrap();
        Some(Self { place, cluster })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The options of a store in the database.
    fn postgres(&self) -> String {
        format!("store = {{ engine = \"postgres\", url_file = {:?} }}\n", self.path("url"))
    }

    fn serve(&self, store: &str) -> Serving {
        Serving::start(self.place.path(), store)
    }

    fn config(&self, name: &str, store: &str) -> String {
        let file = self.path(name);
        fs::write(&file, format!("data_dir = \"data\"\nhostname = \"localhost\"\n{store}")).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn move_store(&self, from: &str, to: &str) -> Output {
        run(&["move-store", "--config", &self.config("from.toml", from), "--to", &self.config("to.toml", to)])
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn deliver(serving: &Serving, n: usize, bytes: usize) {
    let mut lmtp = serving.connect_plain("lmtp");
    lmtp.until("220 ");
    lmtp.ask("LHLO outside.example", "250 ");
    lmtp.ask("MAIL FROM:<carol@example.net>", "250 ");
    lmtp.ask(&format!("RCPT TO:<{ALICE}>"), "250 ");
    lmtp.ask("DATA", "354 ");
    let text = format!("{n:0700}\r\n").repeat(bytes / 702);
    lmtp.ask(&format!("From: Carol <carol@example.net>\r\nSubject: {n}\r\n\r\n{text}."), "250 ");
}

/// All that a mail program could compare, but for what belongs to sessions (RFC 9051 §2.3.2 has no `\Recent` any more).
fn shown(serving: &Serving, password: &str) -> Vec<String> {
    let mut imap = serving.imap(ALICE, password);
    let mut shown = imap.ask("n NAMESPACE", "n OK");
    for mailbox in ["INBOX", "Kept"] {
        shown.extend(imap.ask(&format!("s EXAMINE {mailbox}"), "s OK"));
        shown.extend(imap.ask("f FETCH 1:* (UID FLAGS MODSEQ INTERNALDATE EMAILID BODY.PEEK[])", "f OK"));
    }
    shown.retain(|line| !line.ends_with(" RECENT"));
    shown.iter().map(|line| line.replace("\\Recent ", "").replace("\\Recent", "")).collect()
}

/// The first line of each that the other does not have.
fn assert_same(one: &[String], other: &[String]) {
    let differ = one.iter().zip(other).find(|(one, other)| one != other);
    assert!(one.len() == other.len() && differ.is_none(), "{} and {} lines, {differ:?}", one.len(), other.len());
}

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn with_mail(serving: &Serving) -> String {
    serving.says(&["domain", "add", "example.org"]);
    serving.says(&["account", "add", ALICE, "--generate"]);
    let device = &json(&serving.says(&["device", "add", ALICE, "laptop", "--policy", "keep", "--json"]))[0];
    let password = device["password"].as_str().unwrap().to_owned();
    (0..12).for_each(|n| deliver(serving, n, if n % 5 == 0 { 400_000 } else { 2_000 }));
    let mut imap = serving.imap(ALICE, &password);
    imap.ask("c CREATE Kept", "c OK");
    imap.ask("s SELECT INBOX", "s OK");
    imap.ask("1 STORE 3:9 +FLAGS (\\Seen $Important)", "1 OK");
    imap.ask("2 MOVE 5:6 Kept", "2 OK");
    imap.ask("3 STORE 1 +FLAGS (\\Deleted)", "3 OK");
    imap.ask("4 EXPUNGE", "4 OK");
    password
}

#[test]
fn no_mail_program_notices_that_the_mail_was_moved() {
    let Some(home) = Home::new() else { return };
    let (sqlite, postgres) = ("", home.postgres());
    let serving = home.serve(sqlite);
    let password = with_mail(&serving);
    let before = shown(&serving, &password);
    let refused = home.move_store(sqlite, &postgres);
    assert!(!refused.status.success() && said(&refused).contains("is in use"), "a server runs: {refused:?}");
    serving.stop();

    let moved = home.move_store(sqlite, &postgres);
    assert!(moved.status.success() && said(&moved).contains("is moved and compared"), "{moved:?}");
    // Nobody starts on what was left behind, nor moves it once more.
    let old = run(&["check", "--config", &home.config("from.toml", sqlite)]);
    assert!(!old.status.success() && said(&old).contains("`store.engine` must be \"postgres\""), "{old:?}");
    let again = home.move_store(sqlite, &postgres);
    assert!(!again.status.success() && said(&again).contains("was moved"), "{again:?}");

    let serving = home.serve(&postgres);
    assert_same(&shown(&serving, &password), &before);
    assert!(serving.says(&["check", "--bodies"]).contains("All is well"));
    deliver(&serving, 100, 2_000);
    let before = shown(&serving, &password);
    serving.stop();

    let moved = home.move_store(&postgres, sqlite);
    assert!(moved.status.success(), "{moved:?}");
    let serving = home.serve(sqlite);
    assert_same(&shown(&serving, &password), &before);
    assert!(serving.says(&["check", "--bodies"]).contains("All is well"));
    serving.stop();
    // What is left in the database is of an older time: it is not moved over the mail.
    let again = home.move_store(sqlite, &postgres);
    assert!(!again.status.success() && said(&again).contains("there is mail in postgres://"), "{again:?}");
}

#[test]
fn nothing_is_written_where_mail_comes_from_until_a_move_that_was_broken_off_is_finished() {
    let Some(mut home) = Home::new() else { return };
    let (sqlite, postgres) = ("", home.postgres());
    let serving = home.serve(sqlite);
    let password = with_mail(&serving);
    let before = shown(&serving, &password);
    serving.stop();
    // As a move leaves it whose machine went down when it had begun to copy.
    let moving = home.path("data/store-moving");
    home.cluster.kill();
    assert!(!home.move_store(sqlite, &postgres).status.success());
    assert!(!moving.exists(), "nothing has begun where there is no database");
    home.cluster.run(&[]);
    let directory = home.cluster.url().split(['@', '/']).nth(3).unwrap().replace("%2F", "/");
    fs::write(&moving, format!("postgres://{directory}/postgres\n")).unwrap();
    let check = run(&["check", "--config", &home.config("from.toml", sqlite)]);
    assert!(!check.status.success() && said(&check).contains("is on its way to postgres://"), "{check:?}");

    // Or when all was compared, and the new place counted already.
    fs::write(home.path("data/store-engine"), "postgres\n").unwrap();
    let moved = home.move_store(sqlite, &postgres);
    assert!(moved.status.success(), "{moved:?}");
    assert!(!moving.exists());
    let serving = home.serve(&postgres);
    assert_same(&shown(&serving, &password), &before);
    serving.stop();
}

#[test]
fn a_backup_of_sqlite_comes_back_into_postgres() {
    let Some(home) = Home::new() else { return };
    let serving = home.serve("");
    let password = with_mail(&serving);
    let bodies = |lines: Vec<String>| lines.into_iter().filter(|line| !line.starts_with('*')).collect::<Vec<_>>();
    let before = bodies(shown(&serving, &password));
    let backups = home.path("backups");
    serving.says(&["backup", backups.to_str().unwrap()]);
    serving.stop();
    fs::remove_dir_all(home.path("data")).unwrap();
    let config = home.config("from.toml", &home.postgres());
    let restored = run(&["restore", backups.to_str().unwrap(), "--config", &config]);
    assert!(restored.status.success(), "{restored:?}");
    assert!(!Path::new(&home.path("data/store")).exists());
    let serving = home.serve(&home.postgres());
    assert_same(&bodies(shown(&serving, &password)), &before);
    assert!(serving.says(&["check", "--bodies"]).contains("All is well"));
    serving.stop();
}
