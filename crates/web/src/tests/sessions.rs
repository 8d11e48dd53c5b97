//! Who is connected: pages of them, what is asked for, and the end of one.

use crate::testing::{ALICE, World};
use axum::http::StatusCode;
use serde_json::{Value, json};
use session::{Doing, Moment, Roster, SessionId};
use std::net::IpAddr;

const HERE: &str = "192.0.2.7";

/// A session of somebody, as they are named before the `@`, or of a stranger.
fn connect(world: &World, name: Option<&str>, from: &str) -> SessionId {
    let info = name.map(|name| world.auth.directory().account(&format!("{name}@example.org")).unwrap().unwrap());
    let owner = info.map(|info| (info.id.0.into(), 1));
    let from: IpAddr = from.parse().unwrap();
    world.roster.add(owner, from, Moment { unix_millis: world.now().0, monotonic_millis: 0 })
}

fn world() -> World {
    let world = World::new();
    world.auth.directory().set_admin(ALICE, true).unwrap();
    world
}

/// Names of sessions in an answer.
fn sessions(answer: &Value) -> Vec<&str> {
    answer["sessions"].as_array().unwrap().iter().map(|line| line["session"].as_str().unwrap()).collect()
}

#[test]
fn pages_of_sessions_the_last_first_and_only_those_that_are_asked_for() {
    let world = world();
    let ids = [
        connect(&world, Some("alice"), HERE),
        connect(&world, Some("bob"), "2001:db8::7"),
        connect(&world, None, "198.51.100.1"),
        connect(&world, Some("bob"), HERE),
    ];
    world.roster.change(ids[2], |live| (live.service, live.protocol, live.is_tls) = ("smtp", "smtp", false));
    let names = ids.map(|id| id.to_string());
    let mut alice = world.alice();
    let mut check = |query: &str, expected: &[usize], more: bool| {
        let answer = alice.get(&format!("/api/v1/admin/sessions?{query}")).json();
        let expected: Vec<&str> = expected.iter().map(|at| names[*at].as_str()).collect();
        assert_eq!((sessions(&answer), answer["next_before"].is_string()), (expected, more), "{query}: {answer}");
        answer
    };
    let all = check("", &[3, 2, 1, 0], false);
    let of_bob = &all["sessions"][0];
    assert_eq!(
        (&of_bob["account"], &of_bob["text"]),
        (&json!("bob@example.org"), &json!("For 1 min 1 s nothing came."))
    );
    assert_eq!(all["sessions"][1]["account"], Value::Null);
    let first = check("limit=3", &[3, 2, 1], true);
    check(&format!("limit=3&before={}", first["next_before"].as_str().unwrap()), &[0], false);
    check("limit=2&account=bob", &[3, 1], false);
    check("account=bob@example.org&address=192.0.2.0/24", &[3], false);
    check("address=2001:db8::/32", &[1], false);
    check("protocol=smtp", &[2], false);
    check("protocol=imap", &[3, 1, 0], false);
    check("protocol=pop3s", &[], false);
    for (query, status) in [
        ("protocol=ftp", StatusCode::UNPROCESSABLE_ENTITY),
        ("address=here", StatusCode::UNPROCESSABLE_ENTITY),
        ("account=nobody", StatusCode::NOT_FOUND),
        ("before=first", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(alice.get(&format!("/api/v1/admin/sessions?{query}")).status, status, "{query}");
        let page = alice.get(&format!("/admin/sessions?{query}"));
        assert!(page.status == StatusCode::OK && page.text.contains("notice bad"), "{query}: {}", page.text);
    }
}

#[test]
fn ten_thousand_sessions_made_a_page_of_ten_thousand_rows() {
    let world = world();
    let all: Vec<SessionId> = (0..10_001).map(|_| connect(&world, Some("bob"), HERE)).collect();
    let mut alice = world.alice();
    let count = |answer: &Value| sessions(answer).len();
    let answer = alice.get("/api/v1/admin/sessions").json();
    assert_eq!((count(&answer), &answer["next_before"]), (100, &json!(all[10_001 - 100].to_string())));
    assert_eq!(count(&alice.get("/api/v1/admin/sessions?limit=100000").json()), 500);
    assert_eq!(alice.get("/admin/sessions").text.matches("End this session").count(), 100);
    // None of so many is hers, and that is known.
    let answer = alice.get("/api/v1/admin/sessions?account=alice").json();
    assert_eq!((count(&answer), &answer["next_before"]), (0, &Value::Null));
}

#[test]
fn an_administrator_ends_a_session_and_that_is_written_down() {
    let world = world();
    let (of_bob, of_nobody) = (connect(&world, Some("bob"), HERE), connect(&world, None, "198.51.100.1"));
    world.roster.change(of_bob, |live| {
        live.doing = Doing { device: None, command: Some("IDLE"), is_busy: false };
    });
    let mut alice = world.alice();
    let page = alice.get("/admin/sessions?protocol=imap").text;
    assert!(page.contains("bob@example.org") && page.contains("It waits for news (IDLE), for 1 min 1 s."), "{page}");
    assert!(page.contains("IMAP under TLS, from <bdi>192.0.2.7</bdi>; 100 B came, 2.0 KiB went"), "{page}");
    let done = alice.submit("/admin/sessions", &format!("/admin/sessions/{of_bob}/end"), &[("protocol", "imap")]);
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/admin/sessions?protocol=imap"));
    let page = alice.get("/admin/sessions?protocol=imap").text;
    let said = format!("The session {of_bob} of bob@example.org ends (imaps, from 192.0.2.7).");
    assert!(page.contains(&said) && page.contains("It ends."), "{page}");
    assert!(!page.contains(&format!("{of_bob}/end")) && page.contains(&format!("{of_nobody}/end")), "{page}");
    assert!(world.roster.one(of_bob).unwrap().is_ending && !world.roster.one(of_nobody).unwrap().is_ending);
    let token = alice.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    alice.extra.push(("x-csrf-token", token));
    let done = alice.call(&format!("/api/v1/admin/sessions/{of_nobody}/end"), "{}").json();
    assert_eq!(done["text"], format!("The session {of_nobody} ends (imaps, from 198.51.100.1)."));
    let again = alice.call(&format!("/api/v1/admin/sessions/{of_nobody}/end"), "{}");
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", again.text);
    assert!(again.text.contains(&format!("The session {of_nobody} ends already.")), "{}", again.text);
    let missing = alice.call("/api/v1/admin/sessions/1.1/end", "{}");
    assert_eq!(missing.status, StatusCode::NOT_FOUND, "{}", missing.text);
    let audit = alice.get("/api/v1/admin/audit").json();
    let acts: Vec<&str> = audit["acts"].as_array().unwrap().iter().map(|act| act["text"].as_str().unwrap()).collect();
    assert_eq!(acts, [done["text"].as_str().unwrap(), said.as_str()]);
    let gone = alice.submit("/admin/sessions", "/admin/sessions/1.1/end", &[]);
    assert_eq!(gone.status, StatusCode::SEE_OTHER);
    assert!(alice.get("/admin/sessions").text.contains("That session was over."));
}

#[test]
fn who_administers_a_domain_does_not_end_a_session_of_somebody_who_may_do_more() {
    let world = world();
    let root = connect(&world, Some("alice"), HERE);
    connect(&world, None, "198.51.100.1");
    world.auth.directory().set_administers("bob@example.org", &["example.org"]).unwrap();
    let mut bob = world.browser();
    bob.log_in("bob@example.org", crate::testing::PASSWORD);
    let token = bob.get("/api/v1/session").json()["csrf_token"].as_str().unwrap().to_owned();
    bob.extra.push(("x-csrf-token", token));
    // Strangers are nobody's.
    assert_eq!(sessions(&bob.get("/api/v1/admin/sessions").json()), [root.to_string()]);
    let refused = bob.call(&format!("/api/v1/admin/sessions/{root}/end"), "{}");
    assert_eq!((refused.status, world.roster.one(root).unwrap().is_ending), (StatusCode::FORBIDDEN, false));
    // That there are others after theirs is not told, either.
    let answer = bob.get("/api/v1/admin/sessions?limit=1").json();
    assert_eq!(answer["next_before"], Value::Null);
}

#[test]
fn a_page_of_an_administrator_of_a_domain_ended_with_a_session_of_somebody_else() {
    let world = world();
    let theirs = connect(&world, Some("alice"), HERE);
    for _ in 0..10_050 {
        connect(&world, None, "198.51.100.1");
    }
    world.auth.directory().set_administers("bob@example.org", &["example.org"]).unwrap();
    let mut bob = world.browser();
    bob.log_in("bob@example.org", crate::testing::PASSWORD);
    let answer = bob.get("/api/v1/admin/sessions").json();
    assert_eq!((sessions(&answer), &answer["next_before"]), (vec![theirs.to_string().as_str()], &Value::Null));
    let page = bob.get("/admin/sessions").text;
    assert!(page.contains(&theirs.to_string()) && !page.contains("Earlier"), "{page}");
    // Nor is what is asked for hidden behind others from who sees all.
    let answer = world.alice().get("/api/v1/admin/sessions?account=alice").json();
    assert_eq!((sessions(&answer), &answer["next_before"]), (vec![theirs.to_string().as_str()], &Value::Null));
}

#[test]
fn an_owner_sees_which_devices_are_connected() {
    let world = world();
    let account = world.account("bob@example.org");
    let (device, _) = world.auth.add_device(account.id(), "phone", None, world.now()).unwrap();
    let mut bob = world.browser();
    bob.log_in("bob@example.org", crate::testing::PASSWORD);
    assert!(!bob.get("/devices").text.contains("connected now"));
    let moment = Moment { unix_millis: world.now().0, monotonic_millis: 0 };
    for (owner, device) in [(account.id().0, device.0), (account.id().0, device.0), (account.id().0 - 1, device.0)] {
        world.roster.add(Some((owner.into(), device)), HERE.parse().unwrap(), moment);
    }
    assert_eq!(bob.get("/devices").text.matches("connected now").count(), 1);
    let devices = bob.get("/api/v1/devices").json();
    let of_phone = devices.as_array().unwrap().iter().find(|card| card["id"] == device.0).unwrap();
    assert_eq!(of_phone["connected"], 2);
}
