//! Test mail.

use crate::testing::{ALICE, World};
use axum::http::StatusCode;
use reports::{Arrived, TestMails};
use serde_json::json;

#[test]
fn an_owner_sends_a_test_and_sees_what_came_of_it() {
    let world = World::new();
    let mut alice = world.alice();
    assert!(alice.get("/account/test-mail").text.contains("No test was sent"));
    let sent = alice.submit("/account/test-mail", "/account/test-mail", &[("to", "carol@example.com")]);
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let tests = TestMails::of(world.auth.store());
    let test = tests.list(None).unwrap().pop().unwrap();
    assert_eq!((test.from.as_str(), test.to.as_str()), (ALICE, "carol@example.com"));
    let answer = format!(
        "From: <b>carol@example.com\r\nSubject: Re: ({})\r\n\r\nAuthentication-Results: mx<i>.test; spf=fail\r\n",
        test.mark()
    );
    let arrived = Arrived { hostname: "mail.example.org", results: "", is_tls: false, is_junk: false };
    assert!(tests.take(answer.as_bytes(), &arrived, world.now()).unwrap());
    let page = alice.get("/account/test-mail").text;
    assert!(page.contains("does not name the address that mail leaves from"), "{page}");
    assert!(!page.contains("<i>.test") && page.contains("mx&#60;i&#62;.test"), "{page}");
    let data = alice.get("/api/v1/test-mail").json();
    assert_eq!((&data[0]["state"], &data[0]["is_loop"]), (&json!("wrong"), &json!(false)));
}

#[test]
fn only_an_administrator_sees_the_tests_of_others_and_sends_one_for_them() {
    let world = World::new();
    let mut alice = world.alice();
    for path in ["/admin/test-mail", "/api/v1/admin/test-mail"] {
        assert_eq!(alice.get(path).status, StatusCode::FORBIDDEN);
    }
    let refused =
        alice.submit("/account/test-mail", "/admin/test-mail", &[("account", "bob"), ("to", "carol@example.com")]);
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    world.auth.directory().set_admin(ALICE, true).unwrap();
    let sent = alice.submit("/admin/test-mail", "/admin/test-mail", &[("account", "bob"), ("to", "")]);
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let page = alice.get("/admin/test-mail").text;
    assert!(
        page.contains("From bob@example.org to bob@example.org, out by the usual way and in again through"),
        "{page}"
    );
    assert_eq!(alice.get("/api/v1/test-mail").json(), json!([]));
    for _ in 1..10 {
        alice.submit("/admin/test-mail", "/admin/test-mail", &[("account", "bob")]);
    }
    alice.submit("/admin/test-mail", "/admin/test-mail", &[("account", "bob")]);
    assert!(alice.get("/admin/test-mail").text.contains("10 tests in an hour are enough"));
}
