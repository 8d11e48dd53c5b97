//! The drill: back up under load, lose the disk, restore, and compare every message, flag and unique id.

#![allow(clippy::unwrap_used)]

mod rig;

#[path = "../crates/store-objects/tests/bucket/mod.rs"]
mod bucket;

use bucket::Bucket;
use rig::{Lines, Serving, run, says};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const ALICE: &str = "alice@example.org";

fn deliver(lmtp: &mut Lines, n: usize, bytes: usize) {
    let text = format!("{n:0700}\r\n").repeat(bytes / 702);
    lmtp.ask("MAIL FROM:<carol@example.net>", "250 ");
    lmtp.ask(&format!("RCPT TO:<{ALICE}>"), "250 ");
    lmtp.ask("DATA", "354 ");
    lmtp.ask(&format!("From: Carol <carol@example.net>\r\nSubject: {n}\r\n\r\n{text}."), "250 ");
}

fn lmtp(serving: &Serving) -> Lines {
    let mut lmtp = serving.connect_plain("lmtp");
    lmtp.until("220 ");
    lmtp.ask("LHLO outside.example", "250 ");
    lmtp
}

fn imap(serving: &Serving, password: &str) -> Lines {
    let mut imap = serving.connect_tls("imaps");
    imap.until("* OK");
    imap.ask(&format!("l LOGIN {ALICE} {password}"), "l OK");
    imap
}

/// What a mailbox shows of each message, with UID, flags and MODSEQ, by its EMAILID; and its UIDVALIDITY.
fn shown(imap: &mut Lines, mailbox: &str) -> (BTreeMap<String, String>, u32) {
    let selected = imap.ask(&format!("s SELECT {mailbox}"), "s OK");
    let validity = selected.iter().find_map(|line| line.split_once("[UIDVALIDITY ")).unwrap().1;
    let lines = imap.ask("f FETCH 1:* (UID FLAGS INTERNALDATE EMAILID MODSEQ BODY.PEEK[])", "f OK");
    let mut messages = BTreeMap::new();
    let mut last = String::new();
    // The first that asks for MODSEQ is told of the highest one.
    for line in lines.iter().filter(|line| !line.starts_with("f OK") && !line.starts_with("* OK")) {
        if let Some(id) = line.split_once(" EMAILID (").filter(|_| line.starts_with("* ")) {
            last = id.1.split_once(')').unwrap().0.to_owned();
        }
        messages
            .entry(last.clone())
            .or_insert_with(String::new)
            .push_str(&line.replace("\\Recent ", "").replace("\\Recent", ""));
    }
    (messages, validity.split_once(']').unwrap().0.parse().unwrap())
}

fn uidl(serving: &Serving, password: &str) -> Vec<String> {
    let mut pop = serving.connect_tls("pop3s");
    pop.until("+OK");
    pop.ask(&format!("USER {ALICE}"), "+OK");
    pop.ask(&format!("PASS {password}"), "+OK");
    let lines = pop.ask("UIDL", ".");
    pop.ask("QUIT", "+OK");
    let ids = lines.iter().filter(|line| !line.starts_with(['+', '.']));
    ids.map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
}

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_server_that_lost_its_disk_comes_back_out_of_a_backup() {
    let place = tempfile::tempdir().unwrap();
    let (home, backups) = (place.path().join("home"), place.path().join("backups"));
    fs::create_dir(&home).unwrap();
    let backups = backups.to_str().unwrap();
    let serving = Serving::start(&home, "");
    serving.says(&["domain", "add", "example.org"]);
    serving.says(&["account", "add", ALICE, "--generate"]);
    let device = &json(&serving.says(&["device", "add", ALICE, "laptop", "--policy", "keep", "--json"]))[0];
    let password = device["password"].as_str().unwrap().to_owned();
    let mut to = lmtp(&serving);
    (0..40).for_each(|n| deliver(&mut to, n, if n % 10 == 0 { 400_000 } else { 2_000 }));
    let mut reader = imap(&serving, &password);
    reader.ask("c CREATE Kept", "c OK");
    reader.ask("s SELECT INBOX", "s OK");
    reader.ask("1 STORE 3:9 +FLAGS (\\Seen $Important)", "1 OK");
    reader.ask("2 MOVE 5:6 Kept", "2 OK");
    reader.ask("3 STORE 1 +FLAGS (\\Deleted)", "3 OK");
    reader.ask("4 EXPUNGE", "4 OK");
    let first = json(&serving.says(&["backup", backups, "--json"])).pop().unwrap();
    assert!(first["taken"]["bytes"].as_u64().unwrap() > 1_600_000, "{first}");

    // What stands before the second backup begins is in it, whatever goes on meanwhile.
    let (before, _) = shown(&mut reader, "INBOX");
    assert!(before.values().all(|message| message.contains("MODSEQ (")), "{:?}", before.values().next());
    let (kept, kept_validity) = shown(&mut reader, "Kept");
    assert_eq!((before.len(), kept.len()), (37, 2));
    let ids = uidl(&serving, &password);
    let config = home.join("pillarbox.toml");
    let again = |arguments: &[&str]| run(&[arguments, &["--config", config.to_str().unwrap()]].concat());
    let done = AtomicBool::new(false);
    let second = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut n = 100;
            while !done.load(Ordering::SeqCst) || n < 110 {
                deliver(&mut to, n, 3_000);
                n += 1;
            }
        });
        let second = again(&["backup", backups, "--keep", "1", "--json"]);
        done.store(true, Ordering::SeqCst);
        load.join().unwrap();
        second
    });
    assert!(second.status.success(), "{second:?}");
    let second = json(&String::from_utf8(second.stdout).unwrap()).pop().unwrap();
    assert_eq!(second["taken"]["removed"], 1, "{second}");
    let ((end, _), ids_end) = (shown(&mut reader, "INBOX"), uidl(&serving, &password));
    drop((reader, to));
    serving.stop();
    let refused = again(&["restore", backups]);
    assert_eq!(refused.status.code(), Some(1), "a server is there");

    fs::remove_dir_all(home.join("data")).unwrap();
    assert!(says(&["backup", backups, "--check"]).contains("all is well"));
    let restored = again(&["restore", backups]);
    let said = String::from_utf8_lossy(&restored.stdout).into_owned();
    assert!(restored.status.success() && said.contains("1 account is back"), "{restored:?}");
    assert_eq!(fs::read(home.join("data/restored")).unwrap().len(), 16, "the next backup reads everything");
    let serving = Serving::start(&home, "");
    assert!(serving.says(&["check", "--bodies"]).contains("All is well"));
    let mut reader = imap(&serving, &password);
    let (now, _) = shown(&mut reader, "INBOX");
    let without_number = |line: &String| line.split_once(" FETCH ").map_or(line.clone(), |(_, rest)| rest.to_owned());
    for (id, message) in &before {
        assert_eq!(now.get(id).map(without_number), Some(without_number(message)), "{id}");
    }
    // Of what was acknowledged meanwhile, one after the other, all up to the moment of the backup is there as it was, and nothing else.
    let taken: Vec<_> = end.iter().take(now.len()).map(|(id, message)| (id, without_number(message))).collect();
    let found: Vec<_> = now.iter().map(|(id, message)| (id, without_number(message))).collect();
    let differ = found.iter().zip(&taken).find(|(one, other)| one != other);
    assert!(found.len() == taken.len() && differ.is_none(), "{differ:?}");
    let (kept_now, validity) = shown(&mut reader, "Kept");
    assert_eq!(kept_now, kept);
    assert!(validity > kept_validity, "UIDs that were given after the backup would be given again");
    let ids_now = uidl(&serving, &password);
    // The same numbers in the same order, without those of what came later.
    let is_back = |id: &&String| now.contains_key(*id) || kept.contains_key(*id);
    assert_eq!(ids_now, ids_end.iter().filter(is_back).cloned().collect::<Vec<_>>());
    assert!(ids_now.len() == now.len() + kept.len() && ids.iter().all(|id| ids_now.contains(id)), "{ids:?}");
    // Work goes on, and so do the backups.
    deliver(&mut lmtp(&serving), 1000, 2_000);
    let third = json(&serving.says(&["backup", backups, "--json"])).pop().unwrap();
    assert_eq!(third["taken"]["accounts"], 1, "{third}");
    serving.stop();
}

#[test]
fn a_restore_that_was_broken_off_is_opened_by_nobody() {
    let place = tempfile::tempdir().unwrap();
    let (home, backups) = (place.path().join("home"), place.path().join("backups"));
    fs::create_dir(&home).unwrap();
    let backups = backups.to_str().unwrap();
    let serving = Serving::start(&home, "");
    serving.says(&["domain", "add", "example.org"]);
    serving.says(&["account", "add", ALICE, "--generate"]);
    (0..3).for_each(|n| deliver(&mut lmtp(&serving), n, 400_000));
    serving.says(&["backup", backups]);
    serving.stop();
    let bodies = Path::new(backups).join("bodies");
    let body = fs::read_dir(fs::read_dir(&bodies).unwrap().next().unwrap().unwrap().path()).unwrap().next().unwrap();
    fs::write(body.unwrap().path(), "something else").unwrap();
    let checked = run(&["backup", backups, "--check"]);
    assert_eq!(checked.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&checked.stdout).contains("is not what was written"), "{checked:?}");
    let to = place.path().join("new");
    let to = to.to_str().unwrap();
    let restored = run(&["restore", backups, "--data-dir", to]);
    assert_eq!(restored.status.code(), Some(3), "{restored:?}");
    let opened = run(&["account", "list", "--data-dir", to]);
    assert!(!opened.status.success());
    assert!(String::from_utf8_lossy(&opened.stderr).contains("did not come to its end"), "{opened:?}");
}

#[test]
fn mail_of_one_account_comes_back_beside_what_is_there_and_goes_again() {
    let place = tempfile::tempdir().unwrap();
    let (home, backups, key) = (place.path().join("home"), place.path().join("sealed"), place.path().join("key"));
    fs::create_dir(&home).unwrap();
    let (backups, key) = (backups.to_str().unwrap(), key.to_str().unwrap());
    let serving = Serving::start(&home, "");
    serving.says(&["domain", "add", "example.org"]);
    serving.says(&["account", "add", ALICE, "--generate"]);
    let device = &json(&serving.says(&["device", "add", ALICE, "laptop", "--policy", "keep", "--json"]))[0];
    let password = device["password"].as_str().unwrap().to_owned();
    let mut to = lmtp(&serving);
    (0..8).for_each(|n| deliver(&mut to, n, if n == 3 { 400_000 } else { 2_000 }));
    let mut reader = imap(&serving, &password);
    reader.ask("c CREATE Work", "c OK");
    reader.ask("s SELECT INBOX", "s OK");
    reader.ask("1 STORE 2:4 +FLAGS (\\Seen $Important)", "1 OK");
    reader.ask("2 MOVE 1:2 Work", "2 OK");

    assert!(says(&["backup", "--new-key", key]).contains("Keep a copy"));
    let sealed = ["backup", backups, "--key-file", key, "--rate", "500M", "--json"];
    let taken = json(&serving.says(&sealed)).pop().unwrap();
    let name = taken["taken"]["name"].as_str().unwrap().to_owned();
    let ((inbox_then, _), (work_then, _)) = (shown(&mut reader, "INBOX"), shown(&mut reader, "Work"));
    let config = home.join("pillarbox.toml");
    let again = |arguments: &[&str]| run(&[arguments, &["--config", config.to_str().unwrap()]].concat());
    for (arguments, why) in [
        (&["backup", backups][..], "are encrypted"),
        (&["backup", backups, "--check"], "are encrypted"),
        (&["restore", backups, "--account", ALICE], "are encrypted"),
        (&["restore", backups, "--key-file", key, "--account", ALICE, "--at", "2020-01-01"], "the oldest backup"),
        (&["restore", backups, "--key-file", key, "--account", ALICE, "--mailbox", "Play"], "no folder"),
    ] {
        let refused = again(arguments);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && said.contains(why), "{said}");
    }

    // Since then two messages were lost, and another came.
    reader.ask("s SELECT INBOX", "s OK");
    reader.ask("3 STORE 2:3 +FLAGS (\\Deleted)", "3 OK");
    reader.ask("4 EXPUNGE", "4 OK");
    deliver(&mut to, 8, 2_000);
    let now = |reader: &mut Lines| (shown(reader, "INBOX"), shown(reader, "Work"));
    let before = now(&mut reader);
    let text = |messages: &BTreeMap<String, String>| {
        // Without number, UID, EMAILID and MODSEQ, which are others in another mailbox.
        let plain = |message: &String| {
            let rest = message.split_once(" FLAGS ").unwrap().1;
            let (head, body) = rest.split_once("BODY[]").unwrap();
            let flags = head.split_once(')').unwrap().0.to_owned();
            (flags, head.split_once("INTERNALDATE ").unwrap().1[..28].to_owned(), body.to_owned())
        };
        let mut texts: Vec<_> = messages.values().map(plain).collect();
        texts.sort();
        texts
    };
    let restore = ["restore", backups, "--key-file", key, "--account", ALICE];
    let work = serving.says(&[&restore[..], &["--backup", &name, "--mailbox", "Work"]].concat());
    assert!(work.contains("Brought 2 messages of 1 folder,"), "{work}");
    let below = format!("Restored/{}", name[..19].replacen('T', " ", 1));
    let (work_back, _) = shown(&mut reader, &format!("\"{below}/Work\""));
    assert_eq!(text(&work_back), text(&work_then));
    let missing = serving.says(&[&restore[..], &["--missing"]].concat());
    assert!(missing.contains("Brought 2 messages"), "{missing}");
    let (inbox_back, _) = shown(&mut reader, &format!("\"{below}/INBOX\""));
    let lost: BTreeMap<_, _> = inbox_then
        .iter()
        .filter(|(id, _)| !before.0.0.contains_key(*id))
        .map(|(id, m)| (id.clone(), m.clone()))
        .collect();
    assert_eq!((lost.len(), text(&inbox_back)), (2, text(&lost)));
    assert!(now(&mut reader) == before, "something was touched that was there");
    let once_more = serving.says(&[&restore[..], &["--missing"]].concat());
    assert!(once_more.contains("Brought 0 messages"), "{once_more}");

    let device = format!("Restored from the backup {name}");
    serving.says(&["undo", "--account", ALICE, "--device", &device, "--since", "1 hour ago"]);
    let missing = serving.says(&[&restore[..], &["--missing"]].concat());
    assert!(missing.contains("Brought 2 messages"), "what was restored once and lost again comes back: {missing}");
    serving.says(&["undo", "--account", ALICE, "--device", &device, "--since", "1 hour ago"]);
    let left = reader.ask(&format!("t STATUS \"{below}/INBOX\" (MESSAGES)"), "t ");
    assert!(!left.iter().any(|line| line.contains("MESSAGES") && !line.contains("MESSAGES 0")), "{left:?}");
    assert!(now(&mut reader) == before);

    // Where no server runs the command does it.
    drop((reader, to));
    serving.stop();
    let offline = again(&[&restore[..], &["--mailbox", "inbox"]].concat());
    let said = String::from_utf8_lossy(&offline.stdout).into_owned();
    assert!(offline.status.success() && said.contains(&format!("INBOX goes into {below}/INBOX")), "{offline:?}");
    // All of it, also the two that were brought before and taken away again.
    assert!(said.contains("Brought 6 messages"), "{said}");

    // The address became somebody else's: mail of the one before is not theirs unless the operator says so.
    let serving = Serving::start(&home, "");
    assert!(serving.says(&["check", "--bodies"]).contains("All is well"));
    serving.says(&["account", "remove", ALICE, "--now"]);
    serving.says(&["account", "add", ALICE, "--generate"]);
    let refused = again(&restore);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("another account") && said.contains("--user"), "{said}");
    // A part that is lost is told of, and the rest comes.
    let bodies = Path::new(backups).join("bodies");
    let body = fs::read_dir(fs::read_dir(&bodies).unwrap().next().unwrap().unwrap().path()).unwrap().next().unwrap();
    fs::remove_file(body.unwrap().path()).unwrap();
    let partly = again(&[&restore[..], &["--user", ALICE]].concat());
    let said = format!("{}{}", String::from_utf8_lossy(&partly.stdout), String::from_utf8_lossy(&partly.stderr));
    assert!(
        partly.status.code() == Some(3) && said.contains("not all is back") && said.contains("Brought 7"),
        "{said}"
    );
    serving.stop();
}

#[test]
fn a_server_comes_back_out_of_a_bucket() {
    let Some(bucket) = Bucket::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let (home, key, keys) = (place.path().join("home"), place.path().join("key"), place.path().join("keys"));
    fs::create_dir(&home).unwrap();
    // Of a bucket whose secret has what stands for something else in an address.
    let url = bucket.url_of("mail/backups");
    let (secret, at) = url.strip_prefix("s3://").unwrap().rsplit_once('@').unwrap();
    fs::write(&keys, format!("{secret}\n")).unwrap();
    let (key, keys, at) = (key.to_str().unwrap(), keys.to_str().unwrap(), format!("s3://{at}"));
    let at = [&at[..], "--bucket-keys", keys, "--key-file", key];
    says(&["backup", "--new-key", key]);
    let serving = Serving::start(&home, "");
    serving.says(&["domain", "add", "example.org"]);
    serving.says(&["account", "add", ALICE, "--generate"]);
    let device = &json(&serving.says(&["device", "add", ALICE, "laptop", "--policy", "keep", "--json"]))[0];
    let password = device["password"].as_str().unwrap().to_owned();
    let mut to = lmtp(&serving);
    (0..6).for_each(|n| deliver(&mut to, n, if n % 2 == 0 { 400_000 } else { 2_000 }));
    let taken = |arguments: &[&str]| {
        json(&serving.says(&[&["backup"], &at[..], arguments, &["--json"]].concat())).pop().unwrap()["taken"].clone()
    };
    assert!(taken(&[])["bytes"].as_u64().unwrap() > 1_200_000);
    deliver(&mut to, 6, 2_000);
    let second = taken(&["--keep", "1", "--compare-all"]);
    assert!(second["bytes"].as_u64().unwrap() < 400_000 && second["reread"].as_u64().unwrap() > 1_200_000, "{second}");
    assert_eq!(second["removed"], 1, "{second}");
    let mut reader = imap(&serving, &password);
    let (before, _) = shown(&mut reader, "INBOX");
    drop((reader, to));
    serving.stop();
    fs::remove_dir_all(home.join("data")).unwrap();

    let config = home.join("pillarbox.toml");
    let of = |command: &[&str]| run(&[command, &at[..], &["--config", config.to_str().unwrap()]].concat());
    let list = run(&[&["backup", "--list"], &at[..]].concat());
    assert_eq!(String::from_utf8_lossy(&list.stdout).lines().count(), 1, "{list:?}");
    let checked = run(&[&["backup", "--check"], &at[..]].concat());
    assert!(String::from_utf8_lossy(&checked.stdout).contains("all is well"), "{checked:?}");
    let without_keys = run(&["backup", at[0], "--check"]);
    assert_eq!(without_keys.status.code(), Some(2), "{without_keys:?}");
    assert!(of(&["restore"]).status.success());
    let serving = Serving::start(&home, "");
    assert!(serving.says(&["check", "--bodies"]).contains("All is well"));
    assert_eq!(shown(&mut imap(&serving, &password), "INBOX").0, before);
    serving.stop();
}
