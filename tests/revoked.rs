//! What `device revoke`, `account disable` and `sessions --end` say on the command line ends sessions of the running server.

#![allow(clippy::unwrap_used)]

mod rig;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rig::{Lines, Serving};
use serde_json::{Value, json};
use std::collections::BTreeMap;

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

#[test]
fn who_asked_for_sessions_where_no_server_runs_made_a_data_directory() {
    let place = tempfile::tempdir().unwrap();
    let asked = rig::run(&["sessions", "--data-dir", place.path().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.code() == Some(1) && said.contains("no server runs"), "{asked:?}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

/// Who is connected, by service.
fn sessions(serving: &Serving) -> BTreeMap<String, Value> {
    let lines = serving.says(&["sessions", "--json"]);
    let sessions = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    sessions.map(|session| (session["service"].as_str().unwrap().to_owned(), session)).collect()
}

/// Ends a session; nothing comes after its last line, and the log knows it by the same name.
fn end(serving: &Serving, session: &Value, mut client: Lines, last: &str) {
    let id = session["session"].as_str().unwrap();
    let said = serving.says(&["sessions", "--end", id]);
    assert!(said.contains(id) && said.contains(ALICE), "{said}");
    assert_eq!((client.line().as_str(), client.line().as_str()), (last, ""));
    drop(client);
    let logged = serving.logged("session ended");
    assert_eq!((&logged["session"], &logged["why"]), (&session["session"], &json!("ended by an administrator")));
}

#[test]
fn a_session_that_an_administrator_ends_hears_so_and_what_it_was_about_is_done() {
    let place = tempfile::tempdir().unwrap();
    let serving = Serving::start(place.path(), "sender.check = false\n");
    serving.says(&["domain", "add", "example.org"]);
    serving.says(&["account", "add", ALICE, "--generate"]);
    let (phone, pc) = (device(&serving, "phone"), device(&serving, "old PC"));
    let mut submission = serving.connect_tls("submissions");
    submission.until("220 ");
    submission.ask("EHLO phone.example", "250 ");
    submission.ask(&format!("AUTH PLAIN {}", BASE64_STANDARD.encode(format!("\0{ALICE}\0{phone}"))), "235 ");
    let hand_over = |submission: &mut Lines, subject: &str| {
        submission.ask(&format!("MAIL FROM:<{ALICE}>"), "250 ");
        submission.ask(&format!("RCPT TO:<{ALICE}>"), "250 ");
        submission.ask("DATA", "354 ");
        submission.send(&format!("From: {ALICE}\r\nTo: {ALICE}\r\nSubject: {subject}\r\n\r\nHello"));
    };
    hand_over(&mut submission, "first");
    submission.ask(".", "250 ");
    hand_over(&mut submission, "second");
    let imap = idling(&serving, &phone);
    let mut pop = serving.connect_tls("pop3s");
    pop.until("+OK");
    pop.ask(&format!("USER {ALICE}"), "+OK");
    pop.ask(&format!("PASS {pc}"), "+OK");
    pop.ask("DELE 1", "+OK");
    // Nobody is logged in there.
    let mut stranger = serving.connect_plain("smtp");
    stranger.until("220 ");

    let seen = sessions(&serving);
    let shown =
        |service: &str| ["account", "device", "command", "tls", "address"].map(|field| seen[service][field].clone());
    assert_eq!(shown("imaps"), [json!(ALICE), json!("phone"), json!("IDLE"), json!(true), json!("127.0.0.1")]);
    assert_eq!(shown("submissions")[..3], [json!(ALICE), json!("phone"), json!("DATA")]);
    assert_eq!(shown("pop3s")[..3], [json!(ALICE), json!("old PC"), Value::Null]);
    assert_eq!(shown("smtp"), [Value::Null, Value::Null, Value::Null, json!(false), json!("127.0.0.1")]);
    assert_eq!(seen.len(), 4, "{seen:?}");
    let of_alice = serving.says(&["sessions", "alice", "--protocol", "pop3"]);
    assert!(of_alice.contains("alice@example.org (old PC)") && of_alice.lines().count() == 2, "{of_alice}");

    end(&serving, &seen["imaps"], imap, "* BYE An administrator has ended this session");
    let goodbye = "-ERR An administrator has ended this session; nothing was removed";
    end(&serving, &seen["pop3s"], pop, goodbye);
    // It is in the middle of a message: that is taken first.
    let id = seen["submissions"]["session"].as_str().unwrap();
    serving.says(&["sessions", "--end", id]);
    assert_eq!(sessions(&serving)["submissions"]["ending"], true);
    submission.send(".");
    assert!(submission.line().starts_with("250 "));
    assert_eq!(submission.line(), "421 4.7.0 An administrator has ended this session");
    assert_eq!(submission.line(), "");
    drop(submission);
    assert_eq!(serving.logged("session ended")["session"], seen["submissions"]["session"]);
    let gone = serving.says_all(&["sessions", "--end", id]);
    assert_eq!(gone, "");
    assert_eq!(sessions(&serving).into_keys().collect::<Vec<_>>(), ["smtp"]);
    stranger.ask("QUIT", "221 ");

    // Both messages are there, and nothing was removed.
    let mut imap = serving.imap(ALICE, &phone);
    assert!(imap.ask("a STATUS INBOX (MESSAGES)", "a OK")[0].contains("MESSAGES 2"));
    // Nor is a message thrown away that is half here.
    imap.ask("a APPEND INBOX {30}", "+ ");
    imap.send("Subject: third");
    let seen = sessions(&serving);
    assert_eq!(seen["imaps"]["command"], "APPEND", "{seen:?}");
    serving.says(&["sessions", "--end", seen["imaps"]["session"].as_str().unwrap()]);
    assert_eq!(sessions(&serving)["imaps"]["ending"], true);
    imap.send("\r\nHello, you");
    imap.send("");
    assert!(imap.line().starts_with("a OK [APPENDUID"));
    assert_eq!(imap.line(), "* BYE An administrator has ended this session");
    assert_eq!(imap.line(), "");
    let audit = serving.says(&["audit", "--search", "session"]);
    assert_eq!(audit.lines().filter(|line| line.contains(ALICE) && line.contains("operator")).count(), 4, "{audit}");
    serving.stop();
}
