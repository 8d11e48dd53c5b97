//! Where somebody looks for a mail that never came.

use crate::testing::{ALICE, World};
use axum::http::StatusCode;
use reports::{About, Refusal, Refusals, Whose};
use serde_json::json;

#[test]
fn a_mail_that_never_came_is_found_by_its_recipient_and_by_nobody_else() {
    let world = World::new();
    let refusals = Refusals::new(world.auth.store(), world.auth.directory().clone());
    for to in [ALICE, "nobody@example.org"] {
        let about = About { subject: "Order <1>".into(), author: "shop@example.com".into(), ..About::default() };
        let refusal = Refusal {
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
        };
        refusals.note(Whose::Recipient, refusal);
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
