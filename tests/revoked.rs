//! What `device revoke` and `account disable` say on the command line ends the sessions of the running server.

#![allow(clippy::unwrap_used)]

mod rig;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rig::{Lines, Serving};
use serde_json::Value;

const ALICE: &str = "alice@example.org";

fn device(serving: &Serving, name: &str) -> String {
    let text = serving.says(&["device", "add", ALICE, name, "--policy", "expunge", "--json"]);
    let device: Value = serde_json::from_str(&text).unwrap();
    device["password"].as_str().unwrap().to_owned()
}

fn idling(serving: &Serving, password: &str) -> Lines {
    let mut imap = serving.connect_tls("imaps");
    imap.until("* OK");
    imap.ask(&format!("a LOGIN {ALICE} {password}"), "a OK");
    imap.ask("a SELECT INBOX", "a OK");
    imap.ask("a IDLE", "+ ");
    imap
}

#[test]
fn a_revoked_device_and_a_disabled_account_went_on_until_their_next_command() {
    let place = tempfile::tempdir().unwrap();
    let serving = Serving::start(place.path(), "");
    serving.says(&["domain", "add", "example.org"]);
    serving.says(&["account", "add", ALICE, "--generate"]);
    let (lost, kept) = (device(&serving, "lost"), device(&serving, "kept"));
    let (mut on_lost, mut on_kept) = (idling(&serving, &lost), idling(&serving, &kept));
    let mut pop = serving.connect_tls("pop3s");
    pop.until("+OK");
    pop.ask(&format!("USER {ALICE}"), "+OK");
    pop.ask(&format!("PASS {lost}"), "+OK");
    let mut submission = serving.connect_tls("submissions");
    submission.until("220 ");
    submission.ask("EHLO phone.example", "250 ");
    submission.ask(&format!("AUTH PLAIN {}", BASE64_STANDARD.encode(format!("\0{ALICE}\0{lost}"))), "235 ");

    serving.says(&["device", "revoke", ALICE, "lost"]);
    // Nobody asked: it is woken.
    on_lost.until("* BYE");
    pop.send("STAT");
    assert!(pop.line().starts_with("-ERR"));
    submission.send(&format!("MAIL FROM:<{ALICE}>"));
    assert!(submission.line().starts_with('4'));

    on_kept.ask("DONE", "a OK");
    on_kept.ask("a IDLE", "+ ");
    serving.says(&["account", "disable", ALICE]);
    on_kept.until("* BYE");
    serving.stop();
}
