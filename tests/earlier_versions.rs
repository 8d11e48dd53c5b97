//! A data directory that an earlier release has written opens, and shows the same mail under the same numbers.

#![allow(clippy::unwrap_used)]

mod rig;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use server::config::Config;
use server::lifecycle::DataDir;
use server::stores::Stores;
use store::check::{Depth, all};
use store::{Account, Entry, Mailbox, MaildropOptions, SystemFlag, Timestamp};
use tempfile::TempDir;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn unpacked(version: &str) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    rig::copy(&fixtures().join(format!("data-{version}")), &place.path().join("data"));
    place
}

/// What IMAP and POP3 would say, in the form of the fixtures.
fn told(stores: &Stores) -> String {
    let mut text = String::new();
    for user in ["alice", "bob"] {
        let account = account(stores, user);
        let mut mailboxes: Vec<Mailbox> = account.mailboxes().unwrap().iter().cloned().collect();
        mailboxes.sort_by(|a, b| a.name.cmp(&b.name));
        for mailbox in mailboxes {
            let Mailbox { id, name, counts, uid_validity, uid_next, highest_modseq, .. } = &mailbox;
            let numbers = (counts.messages, uid_validity, uid_next, highest_modseq);
            let (messages, uid_validity, uid_next, highest_modseq) = numbers;
            writeln!(text, "{user} {name:?} {messages} {uid_validity} {uid_next} {highest_modseq}").unwrap();
            for entry in account.view(*id).unwrap().index().iter() {
                text.push_str(&message(&account, &mailbox, entry));
            }
        }
    }
    text.push_str(&maildrop(&account(stores, "alice")));
    text
}

fn account(stores: &Stores, user: &str) -> Account {
    let info = stores.auth.directory().account(&format!("{user}@example.org")).unwrap().unwrap();
    stores.store.account(info.id)
}

fn message(account: &Account, mailbox: &Mailbox, entry: &Entry) -> String {
    let body = account.reader().unwrap().body(entry.email).unwrap();
    assert_eq!(entry.size as usize, body.len());
    let all = [SystemFlag::Answered, SystemFlag::Flagged, SystemFlag::Deleted, SystemFlag::Seen, SystemFlag::Draft];
    let mut flags: Vec<String> = mailbox.keywords.set_in(entry.flags).map(str::to_owned).collect();
    flags.extend(all.into_iter().filter(|flag| entry.flags.has(*flag)).map(|flag| flag.name().to_owned()));
    flags.sort_unstable();
    let (uid, modseq, email, size) = (entry.uid, entry.modseq, entry.email.text(), body.len());
    format!("  {uid} {modseq} {email} {size} {:016x} ({})\n", digest(&body), flags.join(" "))
}

/// FNV-1a with 64 bits: three lines in any language.
fn digest(body: &[u8]) -> u64 {
    body.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn maildrop(account: &Account) -> String {
    let devices = account.devices().unwrap();
    let (id, _) = devices.iter().find(|(_, device)| device.name == "old PC").unwrap();
    let maildrop = account.open_maildrop(*id, &MaildropOptions::default(), Timestamp(1_796_000_000_000)).unwrap();
    let uidls: Vec<String> = maildrop.messages().iter().map(|message| maildrop.uidl(message).into_owned()).collect();
    format!("old PC {}\n", uidls.join(" "))
}

fn check(version: &str) {
    let place = unpacked(version);
    let expected = fs::read_to_string(fixtures().join(format!("data-{version}.txt"))).unwrap();
    let config = Config::trial(place.path().join("data"));
    // The first time it is brought to the newest format, the second time it is of that format.
    for round in 1..=2 {
        let data_dir = DataDir::open(&config.data_dir).unwrap();
        let stores = Stores::open(&data_dir, &config).unwrap();
        assert_eq!(told(&stores), expected, "version {version}, opened for time {round}");
        assert_eq!(all(&stores.store, Depth::Bodies).unwrap(), [], "version {version}, opened for time {round}");
        let mut noted = 0;
        for id in stores.store.accounts().unwrap() {
            while let looked_at @ 1.. = stores.store.account(id).note_places().unwrap() {
                noted += looked_at;
            }
        }
        assert_eq!(noted > 0, round == 1, "where messages are is noted once");
        assert_eq!(all(&stores.store, Depth::Records).unwrap(), [], "version {version}, opened for time {round}");
        let domains = stores.auth.directory().domains().unwrap();
        assert!(domains.iter().map(|domain| domain.name.as_str()).eq(["example.com", "example.org"]));
    }
}

#[test]
fn what_each_release_has_written_is_read_as_it_was() {
    check("0.1.0");
}

#[test]
fn the_command_line_finds_all_well_in_what_each_release_has_written() {
    let place = unpacked("0.1.0");
    let output = Command::new(env!("CARGO_BIN_EXE_pillarbox"))
        .args(["check", "--bodies", "--data-dir"])
        .arg(place.path().join("data"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.starts_with("All is well"), "{output:?}");
}
