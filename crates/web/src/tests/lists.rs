//! Lists: the way out for everybody, and who may say who is a member.

use crate::testing::{ALICE, Browser, World};
use axum::http::StatusCode;
use directory::Posting;

const CHOIR: &str = "choir@example.org";
const BOB: &str = "bob@example.org";
const ADA: &str = "ada@far.example";

/// Bob owns the choir; Ada is a member.
fn world() -> World {
    let world = World::new();
    let directory = world.auth.directory();
    directory.add_list(CHOIR, "", Posting::Members, &[BOB]).unwrap();
    directory.join_list(CHOIR, ADA).unwrap();
    world
}

fn members(world: &World) -> Vec<String> {
    let directory = world.auth.directory();
    let list = directory.list(CHOIR).unwrap().unwrap();
    directory.members(&list).unwrap().into_iter().map(|member| member.address).collect()
}

/// As a mail program does it: without a cookie, as RFC 8058 §3.2 writes the body.
fn one_click(browser: &mut Browser<'_>, path: &str) -> StatusCode {
    browser.extra.push(("content-type", "multipart/form-data; boundary=x".to_owned()));
    let body = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    let status = browser.send("POST", path, body.into()).status;
    browser.extra.pop();
    status
}

#[test]
fn one_click_leaves_a_list_and_looking_does_not() {
    let world = world();
    let directory = world.auth.directory();
    let list = directory.list(CHOIR).unwrap().unwrap();
    let token = directory.list_token(&list, &list.members[0]);
    let path = format!("/lists/{CHOIR}/leave/{token}");
    let mut browser = world.browser();
    let page = browser.get(&path);
    assert!(page.status.is_success() && page.text.contains("Leave it") && !page.text.contains(ADA), "{}", page.text);
    assert!(one_click(&mut browser, &format!("/lists/{CHOIR}/leave/aaaaaaaaaaaaaaaaaaaa")).is_success());
    assert_eq!(one_click(&mut browser, &format!("/lists/other@example.org/leave/{token}")), StatusCode::NOT_FOUND);
    assert_eq!(members(&world), [ADA], "the wrong token, or that of another list");
    assert!(one_click(&mut browser, &path).is_success());
    assert_eq!(members(&world), [""; 0]);
    // Twice is once, and the button of the page does the same.
    assert!(one_click(&mut browser, &path).is_success());
    directory.join_list(CHOIR, ADA).unwrap();
    let answer = browser.post(&path, &[("List-Unsubscribe", "One-Click")]);
    assert!(answer.text.contains("nothing of this list any more"), "{}", answer.text);
    assert_eq!(members(&world), [""; 0]);
}

#[test]
fn an_administrator_makes_lists_and_an_owner_says_who_of_here_is_a_member() {
    let world = world();
    let mut bob = world.browser();
    assert_eq!(bob.log_in(BOB, crate::testing::PASSWORD).status, StatusCode::SEE_OTHER);
    let mut alice = world.alice();
    let token = |browser: &mut Browser<'_>| {
        let token = browser.get("/account/forward").csrf();
        browser.extra.push(("x-csrf-token", token));
    };
    token(&mut bob);
    token(&mut alice);
    let member = |name: &str| format!(r#"{{"list": "{CHOIR}", "member": "{name}"}}"#);
    assert_eq!(alice.get("/api/v1/lists").json().as_array().unwrap().len(), 0);
    assert_eq!(bob.get("/api/v1/lists").json()[0]["members"][0]["address"], ADA);
    assert_eq!(alice.call("/api/v1/lists/join", &member(ALICE)).status, StatusCode::FORBIDDEN);
    assert_eq!(bob.call("/api/v1/lists/join", &member("eve@far.example")).status, StatusCode::FORBIDDEN);
    assert_eq!(bob.call("/api/v1/lists/join", &member(ALICE)).status, StatusCode::OK);
    assert_eq!(bob.call("/api/v1/lists/leave", &member(ADA)).status, StatusCode::OK);
    assert_eq!(members(&world), [ALICE]);
    let news = r#"{"list": "news@example.org", "posting": "owners", "owners": "bob@example.org", "title": "News"}"#;
    assert_eq!(bob.call("/api/v1/admin/lists", news).status, StatusCode::FORBIDDEN);
    world.auth.directory().set_admin(ALICE, true).unwrap();
    assert_eq!(alice.call("/api/v1/admin/lists", news).status, StatusCode::OK);
    assert_eq!(
        alice.call("/api/v1/admin/lists", &news.replace("owners\", ", "all\", ")).status,
        StatusCode::BAD_REQUEST
    );
    let posting = r#"{"list": "news@example.org", "posting": "anybody"}"#;
    assert_eq!(alice.call("/api/v1/admin/lists/posting", posting).status, StatusCode::OK);
    assert_eq!(alice.call("/api/v1/lists/join", &member("eve@far.example")).status, StatusCode::OK);
    let joining = r#"{"list": "news@example.org", "joining": "open"}"#;
    assert_eq!(alice.call("/api/v1/admin/lists/joining", joining).status, StatusCode::OK);
    assert_eq!(alice.call("/api/v1/admin/lists/joining", posting).status, StatusCode::BAD_REQUEST);
    let lists = alice.get("/api/v1/lists").json();
    assert_eq!((&lists[0]["open"], &lists[1]["open"]), (&false.into(), &true.into()));
    assert_eq!((&lists[0]["list"], &lists[1]["posting"]), (&CHOIR.into(), &"anybody".into()));
    assert_eq!(alice.call("/api/v1/admin/lists/remove", posting).status, StatusCode::OK);
    assert_eq!(alice.get("/api/v1/lists").json().as_array().unwrap().len(), 1);
}

#[test]
fn an_administrator_keeps_a_list_on_its_page() {
    let world = world();
    let mut alice = world.alice();
    assert_eq!(alice.get("/admin/lists").status, StatusCode::FORBIDDEN);
    world.auth.directory().set_admin(ALICE, true).unwrap();
    let page = "/admin/lists";
    assert!(alice.get(page).text.contains(ADA));
    alice.submit(page, "/admin/lists/join", &[("list", CHOIR), ("member", "eve@far.example")]);
    alice.submit(page, "/admin/lists/leave", &[("list", CHOIR), ("member", ADA)]);
    assert_eq!(members(&world), ["eve@far.example"]);
    alice.submit(page, "/admin/lists/posting", &[("list", CHOIR), ("posting", "owners")]);
    alice.submit(page, "/admin/lists/joining", &[("list", CHOIR), ("joining", "open")]);
    let list = world.auth.directory().list(CHOIR).unwrap().unwrap();
    assert_eq!((list.posting, list.is_open), (Posting::Owners, true));
    alice.submit(page, page, &[("list", "news@example.org"), ("owners", "nobody@example.org"), ("posting", "owners")]);
    assert!(alice.get(page).text.contains("is not an account here"));
    alice.submit(page, page, &[("list", "news@example.org"), ("owners", ALICE), ("posting", "owners")]);
    alice.submit(page, "/admin/lists/remove", &[("list", CHOIR)]);
    let left: Vec<String> = world.auth.directory().lists().unwrap().iter().map(|list| list.address.clone()).collect();
    assert_eq!(left, ["news@example.org"]);
}
