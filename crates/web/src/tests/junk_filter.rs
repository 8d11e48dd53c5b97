//! The switch of the junk filter.

use crate::testing::{ALICE, Browser, World};
use axum::http::StatusCode;
use reports::{OwnComplaint, OwnComplaints};
use store::{Actor, DeviceId, Flags, NewMessage, Protocol, Target};

#[test]
fn an_owner_switches_the_junk_filter_off_and_on() {
    let world = World::new();
    let account = world.account(ALICE).id();
    let is_on = || world.auth.directory().filters_junk(account).unwrap();
    let mut alice = world.alice();
    assert!(alice.get("/account").text.contains("Put nothing into Junk for me"));
    for (switch, expected, button) in
        [("off", false, "Put junk into Junk again"), ("on", true, "Put nothing into Junk for me")]
    {
        let answer = alice.submit("/account", "/account/junk-filter", &[("switch", switch)]);
        assert_eq!((answer.status, is_on()), (StatusCode::SEE_OTHER, expected));
        assert!(alice.get("/account").text.contains(button));
        assert_eq!(alice.get("/api/v1/junk-filter").json()["on"], expected);
    }
    assert_eq!(alice.submit("/account", "/account/junk-filter", &[("switch", "")]).status, StatusCode::BAD_REQUEST);
    assert!(is_on());
}

#[test]
fn an_owner_chooses_the_language_of_the_account() {
    let world = World::new();
    let mut alice = world.alice();
    let token = alice.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    alice.extra.push(("x-csrf-token", token));
    let card = alice.get("/api/v1/language").json();
    assert!(card["language"].is_null() && card["languages"][2]["name"] == "日本語", "{card}");
    let chosen = |alice: &mut Browser<'_>| alice.get("/api/v1/language").json()["language"].clone();
    assert_eq!(alice.call("/api/v1/language", r#"{"language": "ja"}"#).json()["language"], "ja");
    assert_eq!(alice.call("/api/v1/language", r#"{"language": "tlh"}"#).status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(chosen(&mut alice), "ja");
    assert!(alice.call("/api/v1/language", "{}").json()["language"].is_null() && chosen(&mut alice).is_null());
}

#[test]
fn an_owner_reads_which_senders_were_told_that_it_calls_their_mail_junk() {
    let world = World::new();
    let account = world.account(ALICE);
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: world.now() };
    let body = b"Subject: Sale\r\n\r\nx\r\n".to_vec();
    let message = NewMessage { body, flags: Flags::default(), internal_date: world.now() };
    let email = account.append(actor, Target::Inbox, message).unwrap().email;
    let to = vec!["fbl@news.example".to_owned()];
    let told = OwnComplaint { at_millis: world.now().0, email: email.0, subject: "<b>Sale</b>".to_owned(), to };
    OwnComplaints::of(world.auth.store()).note(account.id(), &told).unwrap();
    let mut alice = world.alice();
    let line = alice.get("/api/v1/timeline?search=fbl").json()["lines"][0].clone();
    let said = "fbl@news.example was told that it was called junk, because the message asks for that";
    assert_eq!(
        (&line["text"], &line["messages"][0]["id"]),
        (&format!("“<b>Sale</b>”: {said}").into(), &email.text().into())
    );
    assert!(alice.get("/timeline").text.contains(said));
    assert!(alice.get(&format!("/messages/{}", email.text())).text.contains(said));
}
