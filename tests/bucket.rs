//! Large messages in a bucket, with the real binary and an S3 server beside it.

#![allow(clippy::unwrap_used)]

mod rig;

#[path = "../crates/store-objects/tests/bucket/mod.rs"]
mod bucket;

use bucket::Bucket;
use rig::{Serving, run};
use std::fs;
use std::path::Path;
use std::process::Output;

const ALICE: &str = "alice@example.org";

/// Writes the configuration of a server whose large messages are where `options` say.
fn options(place: &Path, url: &str) -> String {
    let file = place.join("bucket-url");
    fs::write(&file, url).unwrap();
    format!("store.bucket_url_file = {file:?}\n")
}

fn deliver(serving: &Serving, n: usize, bytes: usize, answer: &str) {
    let mut lmtp = serving.connect_plain("lmtp");
    lmtp.until("220 ");
    lmtp.ask("LHLO outside.example", "250 ");
    lmtp.ask("MAIL FROM:<carol@example.net>", "250 ");
    lmtp.ask(&format!("RCPT TO:<{ALICE}>"), "250 ");
    lmtp.ask("DATA", "354 ");
    let text = format!("{n:0700}\r\n").repeat(bytes / 702);
    lmtp.ask(&format!("From: Carol <carol@example.net>\r\nSubject: {n}\r\n\r\n{text}."), answer);
}

fn with_mail(serving: &Serving) -> String {
    serving.says(&["domain", "add", "example.org"]);
    serving.says(&["account", "add", ALICE, "--generate"]);
    let device = serving.says(&["device", "add", ALICE, "laptop", "--policy", "keep", "--json"]);
    let device: serde_json::Value = serde_json::from_str(device.lines().next().unwrap()).unwrap();
    (0..6).for_each(|n| deliver(serving, n, if n % 2 == 0 { 1_500_000 } else { 2_000 }, "250 "));
    device["password"].as_str().unwrap().to_owned()
}

fn messages(serving: &Serving, password: &str) -> Vec<String> {
    let mut imap = serving.imap(ALICE, password);
    imap.ask("s EXAMINE INBOX", "s OK");
    imap.ask("f FETCH 1:* (UID FLAGS EMAILID BODY.PEEK[])", "f OK")
        .iter()
        .map(|line| line.replace("\\Recent", ""))
        .collect()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn config(place: &Path, name: &str, more: &str) -> String {
    let file = place.join(name);
    fs::write(&file, format!("data_dir = \"data\"\nhostname = \"localhost\"\n{more}")).unwrap();
    file.to_str().unwrap().to_owned()
}

fn files_below(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).map(|entries| entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>());
    entries.unwrap_or_default().iter().map(|path| if path.is_dir() { files_below(path) } else { 1 }).sum()
}

#[test]
fn large_messages_are_kept_in_a_bucket() {
    let Some(mut bucket) = Bucket::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let in_bucket = options(place.path(), &bucket.url());
    let serving = Serving::start(place.path(), &in_bucket);
    let password = with_mail(&serving);
    let before = messages(&serving, &password);
    assert!(before.len() > 5_000, "{}", before.len());
    assert_eq!(files_below(&place.path().join("data/objects")), 0);
    serving.stop();

    // Nothing was kept elsewhere; a server that would look elsewhere does not start.
    let serving = Serving::start(place.path(), &in_bucket);
    assert!(messages(&serving, &password) == before);
    assert!(serving.says(&["check", "--bodies"]).contains("All is well"));
    serving.stop();
    let elsewhere = run(&["check", "--config", &config(place.path(), "other.toml", "")]);
    assert!(!elsewhere.status.success() && said(&elsewhere).contains("are in a bucket"), "{elsewhere:?}");

    // Another server cannot have it.
    let other = tempfile::tempdir().unwrap();
    let refused = run(&["check", "--config", &config(other.path(), "other.toml", &in_bucket)]);
    assert!(!refused.status.success() && said(&refused).contains("belongs to another server"), "{refused:?}");

    // While the bucket cannot be reached no large message is acknowledged, and small ones are.
    let serving = Serving::start(place.path(), &in_bucket);
    bucket.kill();
    deliver(&serving, 100, 1_500_000, "45");
    deliver(&serving, 101, 2_000, "250 ");
    let mut small = serving.imap(ALICE, &password);
    small.ask("s EXAMINE INBOX", "s OK");
    let subjects = small.ask("f FETCH 7:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])", "f OK");
    assert!(subjects.iter().any(|line| line.contains("Subject: 101")), "{subjects:?}");
    assert!(!subjects.iter().any(|line| line.contains("Subject: 100")), "{subjects:?}");
    serving.stop();
}

#[test]
fn large_messages_go_into_a_bucket_and_back() {
    let Some(bucket) = Bucket::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let serving = Serving::start(place.path(), "");
    let password = with_mail(&serving);
    let before = messages(&serving, &password);
    serving.stop();
    let in_bucket = options(place.path(), &bucket.url());
    let (files, objects) = (config(place.path(), "files.toml", ""), config(place.path(), "objects.toml", &in_bucket));
    let early = run(&["check", "--config", &objects]);
    assert!(!early.status.success() && said(&early).contains("move-store"), "{early:?}");

    let moved = run(&["move-store", "--config", &files, "--to", &objects]);
    assert!(moved.status.success() && said(&moved).contains("3 large messages"), "{moved:?}");
    assert_eq!(files_below(&place.path().join("data/objects")), 0);
    let serving = Serving::start(place.path(), &in_bucket);
    assert!(messages(&serving, &password) == before);
    assert!(serving.says(&["check", "--bodies"]).contains("All is well"));
    deliver(&serving, 100, 1_500_000, "250 ");
    let before = messages(&serving, &password);
    serving.stop();

    let moved = run(&["move-store", "--config", &objects, "--to", &files]);
    assert!(moved.status.success() && said(&moved).contains("4 large messages"), "{moved:?}");
    let serving = Serving::start(place.path(), "");
    assert!(messages(&serving, &password) == before);
    assert!(serving.says(&["check", "--bodies"]).contains("All is well"));
    serving.stop();
}
