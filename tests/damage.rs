//! `pillarbox check` finds what is damaged on disk, says what it is in words, and goes on; what is sound is served.

#![allow(clippy::unwrap_used)]

mod rig;

use std::fs;
use std::path::{Path, PathBuf};

use rig::{Lines, Serving, run, says};
use serde_json::Value;
use tempfile::TempDir;

/// A data directory with mail of Alice (first shard) and Bob (second shard), of the newest format.
struct Sound {
    _place: TempDir,
    data: PathBuf,
}

impl Sound {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("data");
        rig::copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-0.1.0"), &data);
        assert!(says(&["check", "--data-dir", data.to_str().unwrap()]).starts_with("All is well"));
        Self { _place: place, data }
    }

    fn object(&self) -> PathBuf {
        let bucket = self.data.join("objects/00000010/02");
        fs::read_dir(bucket).unwrap().next().unwrap().unwrap().path()
    }

    /// Flips a bit of these octets in a shard.
    fn spoil(&self, shard: &str, octets: &str) {
        let path = self.data.join("store").join(shard);
        let mut file = fs::read(&path).unwrap();
        let at = file.windows(octets.len()).position(|window| window == octets.as_bytes()).unwrap();
        file[at] ^= 1;
        fs::write(&path, file).unwrap();
    }

    /// What a check finds, and its exit status.
    fn check(&self, more: &[&str]) -> (Vec<String>, i32) {
        let output = run(&[&["check", "--data-dir", self.data.to_str().unwrap()], more].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        (text.lines().map(str::to_owned).collect(), output.status.code().unwrap())
    }
}

fn one(findings: &[String], parts: &[&str]) {
    let found = findings.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count();
    assert_eq!(found, 1, "{parts:?} in {findings:#?}");
}

#[test]
fn a_check_sees_that_bodies_are_gone_or_have_another_length_without_reading_them() {
    let sound = Sound::new();
    let octets = fs::read(sound.object()).unwrap();
    fs::write(sound.object(), &octets[1..]).unwrap();
    let (findings, status) = sound.check(&[]);
    assert_eq!((findings.len(), status), (1, 3), "{findings:#?}");
    one(
        &findings,
        &["alice@example.org: ", "\"Fixture 13\"", "<fixture.13@example.net>", "44385 octets instead of 44386"],
    );
    fs::remove_dir_all(sound.data.join("objects")).unwrap();
    let (findings, status) = sound.check(&[]);
    assert_eq!((findings.len(), status), (1, 3), "{findings:#?}");
    one(&findings, &["alice@example.org: ", "\"Fixture 13\"", "cannot be read", "does not exist"]);
}

#[test]
fn only_a_check_that_reads_bodies_sees_a_bit_in_one_that_has_its_length() {
    let sound = Sound::new();
    let mut octets = fs::read(sound.object()).unwrap();
    octets[40_000] ^= 1;
    fs::write(sound.object(), octets).unwrap();
    assert_eq!(sound.check(&[]).1, 0);
    let (findings, status) = sound.check(&["--bodies"]);
    assert_eq!(status, 3);
    one(&findings, &["alice@example.org: ", "\"Fixture 13\"", "is damaged"]);
}

#[test]
fn a_check_goes_on_after_damage_and_names_all_of_it() {
    let sound = Sound::new();
    sound.spoil("shard-00.sqlite", "Message 7.");
    sound.spoil("shard-00.sqlite", "Message 9.");
    sound.spoil("shard-01.sqlite", "Message 22.");
    fs::remove_file(sound.object()).unwrap();
    let (findings, status) = sound.check(&[]);
    assert_eq!(status, 3);
    one(&findings, &["alice@example.org: ", "body of ", "\"Fixture 7\"", "damaged on disk"]);
    one(&findings, &["alice@example.org: ", "body of ", "\"Fixture 9\"", "damaged on disk"]);
    one(&findings, &["alice@example.org: ", "\"Fixture 13\"", "does not exist"]);
    one(&findings, &["bob@example.org: ", "body of ", "\"Fixture 22\"", "damaged on disk"]);
    assert_eq!(findings.len(), 4, "{findings:#?}");
}

#[test]
fn a_check_looks_at_the_pages_of_the_files_too() {
    let sound = Sound::new();
    let path = sound.data.join("store/shard-01.sqlite");
    let mut file = fs::read(&path).unwrap();
    // The fragmented octets of a page: no row is concerned.
    file[4096 + 7] ^= 0x40;
    fs::write(&path, file).unwrap();
    let (findings, status) = sound.check(&[]);
    assert_eq!(status, 3);
    one(&findings, &["files: ", "shard-01.sqlite is damaged"]);
}

fn password(serving: &Serving, user: &str) -> String {
    let accounts = fs::read_to_string(serving.config.with_file_name("data").join("try-accounts")).unwrap();
    accounts.lines().find_map(|line| line.strip_prefix(user)).unwrap().trim().to_owned()
}

fn imap(serving: &Serving, user: &str) -> Lines {
    let mut imap = serving.connect_tls("imaps");
    imap.until("* OK");
    imap.ask(&format!("a LOGIN {user} {}", password(serving, user)), "a OK");
    imap
}

#[test]
fn a_damaged_body_is_said_to_be_damaged_and_the_messages_beside_it_are_served() {
    let sound = Sound::new();
    sound.spoil("shard-00.sqlite", "Message 7.");
    let serving = Serving::start(sound.data.parent().unwrap(), "");
    let mut alice = imap(&serving, "alice@example.org");
    alice.ask("a SELECT INBOX", "a OK");
    let all = alice.ask("a UID FETCH 1:* BODY.PEEK[TEXT]", "a ");
    assert!(all.iter().any(|line| line == "Message 6.") && all.iter().any(|line| line == "Message 8."), "{all:?}");
    assert!(!all.iter().any(|line| line.starts_with("Message 7") || line.starts_with("Lessage 7")), "{all:?}");
    assert!(all.last().unwrap().starts_with("a NO"), "{all:?}");
    serving.stop();
}

#[test]
fn of_a_damaged_message_what_is_kept_apart_from_its_text_still_shows() {
    let sound = Sound::new();
    sound.spoil("shard-00.sqlite", "Message 7.");
    let mut octets = fs::read(sound.object()).unwrap();
    octets[40_000] ^= 1;
    fs::write(sound.object(), octets).unwrap();
    let serving = Serving::start(sound.data.parent().unwrap(), "");
    let mut alice = imap(&serving, "alice@example.org");
    alice.ask("a SELECT INBOX", "a OK");
    let all = alice.ask("a FETCH 1:* (EMAILID ENVELOPE BODYSTRUCTURE)", "a OK");
    let of = |subject: &str| all.iter().find(|line| line.contains(subject)).unwrap().clone();
    let (short, large) = (of("\"Fixture 7\""), of("\"Fixture 13\""));
    // The header of a large message is kept twice.
    let number = rig::between(&large, "* ", " ").to_owned();
    let header = alice.ask(&format!("a FETCH {number} BODY.PEEK[HEADER]"), "a OK");
    assert!(header.contains(&"Subject: Fixture 13".to_owned()), "{header:?}");
    let text = alice.ask(&format!("a FETCH {number} BODY.PEEK[]"), "a ");
    assert_eq!(text.last().unwrap(), "a NO [UNAVAILABLE] Some messages could not be read");
    let session = rig::log_in_on_the_pages(&serving, "alice@example.org", &password(&serving, "alice@example.org"));
    for (line, subject) in [(short, "Fixture 7"), (large, "Fixture 13")] {
        let id = rig::between(&line, "EMAILID (", ")").to_owned();
        let page = rig::page(&serving, &format!("GET /messages/{id}/read"), &session, "");
        assert!(
            page.contains(&format!("<h1><bdi>{subject}</bdi></h1>")) && page.contains("is damaged on the disk"),
            "{page}"
        );
    }
    serving.stop();
}

#[test]
fn a_shard_that_is_lost_stops_its_own_accounts_only() {
    let sound = Sound::new();
    // Bob is in the second shard; Alice and the directory of accounts are in the first.
    fs::write(sound.data.join("store/shard-01.sqlite"), "nothing of a database").unwrap();
    let (findings, status) = sound.check(&[]);
    assert_eq!(status, 3);
    one(&findings, &["files: ", "shard-01.sqlite"]);
    one(&findings, &["bob@example.org: ", "cannot be read", "shard-01.sqlite"]);
    let serving = Serving::start(sound.data.parent().unwrap(), "");
    let mut alice = serving.connect_tls("imaps");
    alice.until("* OK");
    // Whether the main password needs a second factor is written in what is lost, and in its copy in the first shard.
    alice.ask(&format!("a LOGIN alice@example.org {}", password(&serving, "alice@example.org")), "a OK");
    let selected = alice.ask("a SELECT INBOX", "a OK");
    assert!(selected.contains(&"* 20 EXISTS".to_owned()), "{selected:?}");
    serving.stop();
}

/// The directory of accounts and the mail of Alice are in the first shard; a copy of the directory is in the second.
#[test]
fn without_the_shard_of_the_directory_nobody_got_in() {
    let sound = Sound::new();
    fs::write(sound.data.join("store/shard-00.sqlite"), "nothing of a database").unwrap();
    let serving = Serving::start(sound.data.parent().unwrap(), "");
    let mut bob = serving.connect_tls("imaps");
    bob.until("* OK");
    bob.ask(&format!("a LOGIN bob@example.org {}", password(&serving, "bob@example.org")), "a OK");
    let selected = bob.ask("a SELECT INBOX", "a OK");
    assert!(selected.iter().any(|line| line.ends_with(" EXISTS") && !line.starts_with("* 0 ")), "{selected:?}");
    let mut alice = serving.connect_tls("imaps");
    alice.until("* OK");
    let lost = alice.ask(&format!("a LOGIN alice@example.org {}", password(&serving, "alice@example.org")), "a ");
    assert!(lost.last().unwrap().starts_with("a NO [UNAVAILABLE]"), "{lost:?}");
    serving.stop();
}

#[test]
fn one_damaged_row_of_the_directory_kept_everybody_out() {
    let sound = Sound::new();
    let path = sound.data.join("store/shard-00.sqlite");
    let mut file = fs::read(&path).unwrap();
    // In a value, where the order of keys does not give it away.
    let name = b"argon2id";
    let places: Vec<usize> =
        file.windows(name.len()).enumerate().filter(|(_, window)| window == name).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| file[at] ^= 1);
    fs::write(&path, file).unwrap();
    let (findings, status) = sound.check(&[]);
    assert_eq!(status, 3, "{findings:#?}");
    assert!(findings.iter().any(|line| line.contains("directory")), "{findings:#?}");
    let serving = Serving::start(sound.data.parent().unwrap(), "");
    for user in ["alice@example.org", "bob@example.org"] {
        imap(&serving, user).ask("a SELECT INBOX", "a OK");
    }
    serving.stop();
}

#[test]
fn one_damaged_account_hid_all_others_in_the_list() {
    let sound = Sound::new();
    fs::write(sound.data.join("store/shard-01.sqlite"), "nothing of a database").unwrap();
    let list = says(&["account", "list", "--json", "--data-dir", sound.data.to_str().unwrap()]);
    let accounts: Vec<Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |address: &str| accounts.iter().find(|account| account["address"] == address).unwrap();
    assert!(of("alice@example.org")["used_bytes"].as_u64().unwrap() > 0, "{list}");
    assert!(of("bob@example.org")["damage"].as_str().unwrap().contains("shard-01.sqlite"), "{list}");
    let table = says(&["account", "list", "--data-dir", sound.data.to_str().unwrap()]);
    assert!(table.lines().any(|line| line.starts_with("bob@example.org") && line.contains("DAMAGED")), "{table}");
}
