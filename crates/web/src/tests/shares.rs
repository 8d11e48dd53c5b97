//! Mailboxes that accounts share, on the page and for programs.

use crate::testing::{ALICE, PASSWORD, World};

const BOB: &str = "bob@example.org";

#[test]
fn an_owner_shares_a_mailbox_and_sees_who_may_what() {
    let world = World::new();
    let mut alice = world.alice();
    let page = "/account/shares";
    assert!(alice.get("/account").text.contains(page));
    assert!(alice.get(page).text.contains("Nothing."));
    let share = |with, rights| [("mailbox", "INBOX"), ("with", with), ("rights", rights)];
    alice.submit(page, page, &share("nobody", "read"));
    assert!(alice.get(page).text.contains("There is no account “nobody”"));
    alice.submit(page, page, &share(BOB, "everything"));
    assert!(alice.get(page).text.contains("What somebody may do is"));
    alice.submit(page, page, &share(ALICE, "read"));
    assert!(alice.get(page).text.contains("the owner of a mailbox has all rights"));
    alice.submit(page, page, &share(BOB, "read"));
    assert!(alice.get(page).text.contains("INBOX: bob@example.org reads it."));
    let cards = alice.get("/api/v1/shares").json();
    assert_eq!((cards["shared"][0]["with"].as_str(), cards["shared"][0]["rights"].as_str()), (Some(BOB), Some("lrs")));
    let mut bob = world.browser();
    bob.log_in(BOB, PASSWORD);
    assert!(bob.get(page).text.contains("Shared/alice/INBOX of alice@example.org"));
    let timeline = alice.get("/api/v1/timeline").json().to_string();
    assert!(timeline.contains("shares INBOX with bob@example.org, who may lrs"), "{timeline}");
    alice.submit(page, page, &share(BOB, "none"));
    assert_eq!(bob.get("/api/v1/shares").json()["from_others"].as_array().map(Vec::len), Some(0));
    assert!(world.account(BOB).owners().unwrap().is_empty());
}
