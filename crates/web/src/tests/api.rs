//! The JSON API: who may call it, what it says, and that its document tells the same.

use crate::api;
use crate::testing::{ALICE, Browser, PASSWORD, World};
use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::collections::BTreeSet;

fn with_password<'a>(world: &'a World, user: &str, password: &str) -> Browser<'a> {
    let mut program = world.browser();
    program.extra = vec![("authorization", format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))];
    program
}

#[test]
fn a_program_calls_with_an_application_password_and_a_page_with_its_session() {
    let world = World::new();
    let account = world.account(ALICE);
    let (device, password) = world.auth.add_device(account.id(), "script", None, world.now()).unwrap();
    let mut program = with_password(&world, ALICE, &password);
    assert_eq!(program.get("/api/v1/session").json()["device_id"], device.0);
    let path = format!("/api/v1/devices/{device}");
    let card = program.call(&path, r#"{"policy":"trash","window":"last-days","window_days":7,"saves_sent":false}"#);
    assert_eq!(card.status, StatusCode::OK, "{}", card.text);
    let card = card.json();
    assert_eq!(
        (&card["policy"], &card["window"], &card["saves_sent"]),
        (&"trash".into(), &"last-days(7)".into(), &false.into())
    );

    let mut alice = world.alice();
    let token = alice.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    assert_eq!(alice.call(&path, r#"{"policy":"keep"}"#).status, StatusCode::FORBIDDEN);
    alice.extra = vec![("x-csrf-token", token)];
    assert_eq!(alice.call(&path, r#"{"policy":"keep"}"#).json()["policy"], "keep");
    assert_eq!(alice.get("/api/v1/devices").json().as_array().unwrap().len(), 2);
    let wrong = alice.call(&path, r#"{"policy":"shred"}"#);
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.header("content-type"), "application/problem+json");
    let problem = wrong.json();
    assert_eq!(problem["status"], 422);
    assert!(problem["detail"].as_str().unwrap().contains("“shred”"), "{problem}");
}

#[test]
fn an_application_password_decides_for_its_own_device_only() {
    let world = World::new();
    let account = world.account(ALICE).id();
    let (own, password) = world.auth.add_device(account, "script", None, world.now()).unwrap();
    let (other, _) = world.auth.add_device(account, "phone", None, world.now()).unwrap();
    let mut program = with_password(&world, ALICE, &password);
    let others = [format!("/api/v1/devices/{other}"), format!("/api/v1/devices/{other}/revoke")];
    for path in others.into_iter().chain(["/api/v1/defaults", "/api/v1/language"].map(str::to_owned)) {
        let answer = program.call(&path, r#"{"policy":"expunge"}"#);
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}: {}", answer.text);
    }
    let token = program.call(&format!("/api/v1/devices/{own}/token"), "{}");
    assert_eq!(token.status, StatusCode::FORBIDDEN, "it must not make another of its kind, not even for itself");
    assert_eq!(program.get(&format!("/api/v1/devices/{other}")).json()["policy"], "keep-when-shared");
    assert_eq!(program.get(&format!("/api/v1/devices/{other}/choices")).json()["policies"][0]["chosen"], true);
    assert_eq!(program.get(&format!("/api/v1/devices/{other}/imap")).json()["program"], "any program");
    assert_eq!(program.get("/api/v1/defaults").json()["window"], "everything");
    assert_eq!(program.call(&format!("/api/v1/devices/{own}/revoke"), "").status, StatusCode::OK);
    assert_eq!(program.get("/api/v1/session").status, StatusCode::UNAUTHORIZED);
}

#[test]
fn nobody_else_calls() {
    let world = World::new();
    let account = world.account(ALICE).id();
    let (_, password) = world.auth.add_device(account, "script", None, world.now()).unwrap();
    let refused = |mut program: Browser<'_>| {
        let answer = program.get("/api/v1/devices");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.header("www-authenticate"), "", "a browser asks for no password by itself");
        answer.status
    };
    assert_eq!(refused(world.browser()), StatusCode::UNAUTHORIZED);
    assert_eq!(refused(with_password(&world, ALICE, PASSWORD)), StatusCode::UNAUTHORIZED, "the main password");
    assert_eq!(refused(with_password(&world, "bob@example.org", &password)), StatusCode::UNAUTHORIZED);
    let mut plain = with_password(&world, ALICE, &password);
    plain.peer.tls = None;
    assert_eq!(refused(plain), StatusCode::FORBIDDEN);
    let mut elsewhere = with_password(&world, ALICE, &password);
    elsewhere.extra.push(("sec-fetch-site", "cross-site".to_owned()));
    assert_eq!(elsewhere.call("/api/v1/devices/1", "{}").status, StatusCode::FORBIDDEN);
    let mut form = with_password(&world, ALICE, &password);
    assert_eq!(form.post("/api/v1/devices/1", &[("policy", "expunge")]).status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[test]
fn the_document_tells_of_every_endpoint_and_of_no_other() {
    let text = include_str!("../../../../docs/api.md");
    let told: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    let there: BTreeSet<String> = api::endpoints().map(|endpoint| endpoint.name()).collect();
    assert_eq!(there.iter().map(String::as_str).collect::<BTreeSet<_>>(), told);
    assert!(there.iter().all(|endpoint| endpoint.contains(" /api/v1/")));
}
