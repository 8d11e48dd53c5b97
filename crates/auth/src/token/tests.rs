use super::*;
use crate::testing::{NOW, PASSWORD, attempt as password_attempt, server};
use crate::throttle::PAIR_FAILURES_MAX;
use std::task::Waker;
use store::Protocol;
use store::device::Credential;

const ALICE: &str = "alice@example.org";

fn attempt<'a>(user: &'a str, token: &'a str, now: Timestamp) -> Attempt<'a> {
    Attempt { now, turn: None, ..password_attempt(user, token) }
}

fn later(days: i64) -> Timestamp {
    Timestamp(NOW.0 + days * DAY_MILLIS)
}

struct World {
    auth: Auth,
    alice: AccountId,
    phone: DeviceId,
}

impl World {
    fn new() -> Self {
        let (_, auth, [alice, _]) = server();
        let (phone, _) = auth.add_device(alice, "phone", None, NOW).unwrap();
        Self { auth, alice, phone }
    }

    fn token(&self, days: u16) -> String {
        self.auth.make_token(self.alice, self.phone, days, NOW).unwrap().0
    }

    fn opens(&self, user: &str, token: &str, now: Timestamp) -> bool {
        match self.auth.log_in_by_token(&attempt(user, token, now)) {
            Ok(login) => {
                assert_eq!((login.account, login.device, login.main_password), (self.alice, self.phone, false));
                true
            }
            Err(LoginError::Rejected { .. }) => false,
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn a_token_opens_the_door_of_its_account_until_it_expires() {
    let world = World::new();
    assert!(!world.auth.offers_tokens(), "nobody has one");
    let token = world.token(90);
    assert!(world.auth.offers_tokens());
    for (user, expected) in [
        (ALICE, true),
        (" ALICE@example.org", true),
        ("alice", true),
        ("", true),
        ("bob@example.org", false),
        ("x", false),
    ] {
        assert_eq!(world.opens(user, &token, NOW), expected, "{user}");
    }
    for wrong in
        ["", "16", "16.", ".", &token[1..], &token.to_uppercase(), &format!("{token}0"), &token.replace("16.", "17.")]
    {
        assert!(!world.opens(ALICE, wrong, NOW), "{wrong}");
    }
    assert!(world.opens(ALICE, &token, Timestamp(later(90).0 - 1)) && !world.opens(ALICE, &token, later(90)));
    // It is no password, and no password is one.
    assert!(matches!(world.auth.log_in(&attempt(ALICE, &token, NOW)), Err(LoginError::OutOfTurn)));
    assert!(!world.opens(ALICE, PASSWORD, NOW));
}

#[test]
fn another_token_a_revocation_and_a_disabled_account_take_it_back() {
    let world = World::new();
    let first = world.token(1);
    let second = world.token(1);
    assert!(!world.opens(ALICE, &first, NOW) && world.opens(ALICE, &second, NOW));
    world.auth.directory().set_disabled(ALICE, true).unwrap();
    assert!(!world.opens(ALICE, &second, NOW));
    world.auth.directory().set_disabled(ALICE, false).unwrap();
    assert!(world.opens(ALICE, &second, NOW));
    world.auth.revoke_device(world.alice, world.phone, NOW).unwrap();
    assert!(!world.opens(ALICE, &second, NOW));
    let refused = world.auth.make_token(world.alice, world.phone, 1, NOW).unwrap_err();
    assert!(refused.to_string().contains("or it is revoked"), "{refused}");
}

#[test]
fn a_session_ends_with_the_token_that_opened_it() {
    let world = World::new();
    let enter = |token: &str| {
        let login = world.auth.log_in_by_token(&attempt(ALICE, token, NOW)).unwrap();
        world.auth.enter(login, Waker::noop().clone())
    };
    let presence = enter(&world.token(1));
    assert_eq!(presence.still_counts(Timestamp(later(1).0 - 1)), Ok(true));
    assert_eq!(presence.still_counts(later(1)), Ok(false));
    assert_eq!((presence.look_around(NOW), presence.look_around(later(1))), (Ok(true), Ok(false)));
    let other = enter(&world.token(2));
    assert_eq!(
        (presence.still_counts(NOW), other.still_counts(later(1))),
        (Ok(false), Ok(true)),
        "there is another one"
    );
}

#[test]
fn how_long_a_token_counts_is_bounded() {
    let world = World::new();
    for (days, expected) in
        [(0, false), (1, true), (TOKEN_DAYS_MAX, true), (TOKEN_DAYS_MAX + 1, false), (u16::MAX, false)]
    {
        let made = world.auth.make_token(world.alice, world.phone, days, NOW);
        assert_eq!(made.map(|(_, until)| until).ok(), expected.then(|| later(days.into())), "{days}");
    }
}

#[test]
fn a_program_with_the_main_password_gets_no_token() {
    let world = World::new();
    let account = world.auth.store().account(world.alice);
    let pop = account.main_password_device(NOW, Protocol::Pop3, "pop3").unwrap();
    assert!(matches!(account.devices().unwrap()[&pop].credential, Credential::MainPassword { .. }));
    let refused = world.auth.make_token(world.alice, pop, 1, NOW).unwrap_err();
    assert!(refused.to_string().contains("main password"), "{refused}");
}

#[test]
fn wrong_tokens_are_counted_and_a_right_one_is_not_stopped() {
    let world = World::new();
    let token = world.token(1);
    let wrong = |n: u32| format!("{}.{n:064x}", world.alice);
    // A program that repeats one counts once.
    (0..2 * PAIR_FAILURES_MAX).for_each(|_| assert!(!world.opens(ALICE, &wrong(0), NOW)));
    (1..PAIR_FAILURES_MAX).for_each(|n| assert!(!world.opens(ALICE, &wrong(n), NOW)));
    let throttled = world.auth.log_in_by_token(&attempt(ALICE, &wrong(99), NOW));
    assert!(matches!(throttled, Err(LoginError::Throttled { .. })), "{throttled:?}");
    assert!(world.opens(ALICE, &token, NOW));
}
