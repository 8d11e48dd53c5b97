//! The switch of the junk filter.

use crate::testing::{ALICE, World};
use axum::http::StatusCode;

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
