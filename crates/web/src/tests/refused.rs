//! Where somebody looks for a mail that never came.

use crate::testing::{ALICE, World};
use axum::http::StatusCode;
use reports::{About, Refusal, Refusals, Whose};
use serde_json::json;

/// What was refused of a mail of a shop.
fn refusal(world: &World, to: &str) -> Refusal {
    let about = About { subject: "Order <1>".into(), author: "shop@example.com".into(), ..About::default() };
    Refusal {
        at: world.now(),
        times: 2,
        protocol: "smtp".into(),
        client: "198.51.100.7".parse().unwrap(),
        from: "bounce@example.com".into(),
        to: to.into(),
        code: 550,
        reply: format!("no {to}"),
        id: "1.2".into(),
        about,
    }
}

#[test]
fn a_mail_that_never_came_is_found_by_the_words_quotes_and_dates_that_find_others() {
    let world = World::new();
    let refusals = Refusals::new(world.auth.store(), world.auth.directory().clone());
    refusals.note(Whose::Recipient, refusal(&world, ALICE));
    refusals.write(world.now()).unwrap();
    let mut alice = world.alice();
    let today = &alice.get("/api/v1/refused").json()["refused"][0]["at"].as_str().unwrap()[..10].to_owned();
    world.wait_millis(3 * 24 * 3600 * 1000);
    for (query, expected) in [
        ("text=order", 1),
        ("text=order+shop", 1),
        ("text=shop+bounce+%221%3E%22", 1),
        ("text=%22order+%3C1%3E%22", 1),
        ("text=%22order+shop%22", 0),
        ("text=order+other", 0),
        ("text=order&since=4+days+ago", 1),
        ("text=order&since=2+days+ago", 0),
        ("text=order&until=4+days+ago", 0),
        (&format!("since={today}"), 1),
        (&format!("since={today}&until={today}"), 1),
        ("until=4+days+ago", 0),
        ("text=order&removed=on", 0),
    ] {
        let found = alice.get(&format!("/api/v1/messages?{query}")).json()["refused"].as_array().unwrap().len();
        assert_eq!(found, expected, "{query}");
        let page = alice.get(&format!("/find?{query}")).text;
        assert_eq!(page.matches("was refused 2 times: 550 no alice").count(), expected, "{query}: {page}");
        assert_eq!(page.contains("Nothing was found"), expected == 0, "{query}: {page}");
    }
}

#[test]
fn a_mail_that_never_came_is_found_by_its_recipient_and_by_nobody_else() {
    let world = World::new();
    let refusals = Refusals::new(world.auth.store(), world.auth.directory().clone());
    for to in [ALICE, "nobody@example.org"] {
        refusals.note(Whose::Recipient, refusal(&world, to));
    }
    refusals.write(world.now()).unwrap();
    let mut alice = world.alice();
    let page = alice.get("/refused?search=order").text;
    let told = "of shop@example.com to alice@example.org, brought by 198.51.100.7, was refused 2 times: 550 no alice";
    assert!(page.contains("Order &#60;1&#62;") && page.contains(told), "{page}");
    assert!(!page.contains("nobody@"), "{page}");
    assert!(alice.get("/refused?search=other").text.contains("Nothing was found"));
    assert!(alice.get("/refused?since=when").text.contains("role=\"alert\""));
    assert!(alice.get("/timeline?search=a%26b").text.contains("/refused?search=a%26b"));
    let line = alice.get("/api/v1/refused").json()["refused"][0].clone();
    assert_eq!((&line["to"], &line["code"], &line["times"]), (&json!(ALICE), &json!(550), &json!(2)));
    // What was for nobody an administrator sees.
    assert_eq!(alice.get("/api/v1/admin/refused").status, StatusCode::FORBIDDEN);
    world.auth.directory().set_admin(ALICE, true).unwrap();
    assert!(alice.get("/admin/refused").text.contains("to nobody@example.org, brought by"));
    let found = alice.get("/api/v1/admin/refused").json();
    assert_eq!((found["refused"].as_array().unwrap().len(), &found["not_written"]), (1, &json!(0)));
}
