//! Logins by proof: the rules of the others, and keys when there are some.

use super::*;
use crate::AuthOptions;
use crate::announcement::WRONG_MAX;
use crate::options::Scram;
use crate::testing::{NOW, PASSWORD, attempt, log_in, options, server_with, start_with};
use crate::throttle::{ADDRESS_FAILURES_MAX, PAIR_FAILURES_MAX};
use sasl::scram::client;
use sasl::{Exchange, Mechanism, Progress};
use std::net::Ipv4Addr;
use store::Timestamp;

const ALICE: &str = "alice@example.org";
/// That of `attempt`.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn with(scram: Scram) -> AuthOptions {
    AuthOptions { scram, ..options() }
}

/// What comes of a proof, and whether the server has proven itself.
pub(crate) fn prove(auth: &Auth, user: &str, password: &str) -> Result<(Login, bool), LoginError> {
    let first = client::first(user, "abc", None);
    let Progress::Salt(wanted) = Exchange::start(Mechanism::ScramSha256, Some(first.as_bytes()), None) else {
        panic!()
    };
    let (salt, nonce) = auth.scram_challenge(wanted.user()).unwrap();
    let Progress::Challenge(challenge, exchange) = wanted.answer(&salt, &nonce) else { panic!() };
    let (second, verifier) = client::second((user, password), "abc", None, &challenge).unwrap();
    let Progress::Proof(proof) = exchange.respond(second.as_bytes()) else { panic!() };
    auth.log_in_by_proof(&attempt("", ""), &proof).map(|(login, told)| (login, told == verifier))
}

fn is_rejected(result: &Result<(Login, bool), LoginError>) -> bool {
    matches!(result, Err(LoginError::Rejected { .. }))
}

#[test]
fn a_main_password_is_proven_and_costs_no_argon2() {
    let (_, auth, [alice, _]) = server_with(with(Scram::On));
    let (login, proves_itself) = prove(&auth, ALICE, PASSWORD).unwrap();
    assert!(proves_itself && login.main_password && login.account == alice);
    assert_eq!(prove(&auth, "Alice", PASSWORD).unwrap().0.device, login.device, "as its name is typed");
    for (user, password) in [(ALICE, "wrong horse"), ("bob@example.org", PASSWORD), ("nobody", PASSWORD)] {
        assert!(is_rejected(&prove(&auth, user, password)), "{user}");
    }
    assert_eq!(auth.directory().passwords_verified(), 0);
    assert!(log_in(&auth, ALICE, PASSWORD).is_ok(), "it can be said as well");
    auth.directory().set_disabled(ALICE, true).unwrap();
    assert!(is_rejected(&prove(&auth, ALICE, PASSWORD)));
}

#[test]
fn an_application_password_is_proven_with_its_dashes_and_without() {
    let (_, auth, [alice, _]) = server_with(with(Scram::On));
    let (phone, password) = auth.add_device(alice, "phone", None, NOW).unwrap();
    let (pc, other) = auth.add_device(alice, "pc", None, NOW).unwrap();
    for (typed, device) in [(password.clone(), phone), (password.replace('-', ""), phone), (other, pc)] {
        let (login, proves_itself) = prove(&auth, ALICE, &typed).unwrap();
        assert_eq!((login.device, login.main_password, proves_itself), (device, false, true));
    }
    assert!(is_rejected(&prove(&auth, "bob@example.org", &password)));
    auth.revoke_device(alice, phone, NOW).unwrap();
    assert!(is_rejected(&prove(&auth, ALICE, &password)));
}

/// Logs in by saying the password, as the desk does.
fn say(auth: &Auth, user: &str, password: &str) -> Login {
    let login = log_in(auth, user, password).unwrap();
    if auth.lacks_scram_keys(&login, password) {
        auth.make_scram_keys(&login, password);
    }
    assert!(!auth.lacks_scram_keys(&login, password));
    login
}

#[test]
fn keys_are_made_when_a_password_is_said() {
    let (engine, auth, [alice, _]) = server_with(with(Scram::Off));
    let (phone, password) = auth.add_device(alice, "phone", None, NOW).unwrap();
    say(&auth, ALICE, PASSWORD);
    assert!(!auth.takes_scram() && !auth.offers_scram(HERE));
    let auth = start_with(&engine, with(Scram::On));
    for said in [PASSWORD, &password] {
        assert!(is_rejected(&prove(&auth, ALICE, said)), "none yet");
        say(&auth, ALICE, said);
    }
    let auth = start_with(&engine, with(Scram::On));
    assert!(prove(&auth, ALICE, PASSWORD).unwrap().0.main_password);
    assert_eq!(prove(&auth, ALICE, &password).unwrap().0.device, phone);
    // Another password has other keys, and none where none are made.
    auth.directory().set_password(ALICE, "another horse").unwrap();
    assert!(is_rejected(&prove(&auth, ALICE, PASSWORD)));
    assert!(prove(&auth, ALICE, "another horse").is_ok());
    let auth = start_with(&engine, with(Scram::Off));
    auth.directory().set_password(ALICE, PASSWORD).unwrap();
    assert!(is_rejected(&prove(&auth, ALICE, "another horse")) && is_rejected(&prove(&auth, ALICE, PASSWORD)));
}

#[test]
fn keys_are_of_the_password_that_there_is() {
    let (engine, auth, _) = server_with(with(Scram::Off));
    let login = log_in(&auth, ALICE, PASSWORD).unwrap();
    auth.directory().set_password(ALICE, "another horse").unwrap();
    let auth = start_with(&engine, with(Scram::On));
    // What was said a moment ago is by now somebody else's knowledge.
    auth.make_scram_keys(&login, PASSWORD);
    assert!(is_rejected(&prove(&auth, ALICE, PASSWORD)));
    say(&auth, ALICE, "another horse");
    assert!(prove(&auth, ALICE, "another horse").is_ok());
}

#[test]
fn it_is_announced_to_nobody_before_keys_were_made_for_long() {
    let (engine, auth, _) = server_with(with(Scram::Off));
    assert!(!auth.offers_scram(HERE));
    let days = |days: i64| Timestamp(NOW.0 + days * 24 * 3600 * 1000);
    let announced = |scram, started_at| {
        let auth = start_with(&engine, AuthOptions { started_at, ..with(scram) });
        (auth.takes_scram(), auth.offers_scram(HERE))
    };
    assert_eq!(announced(Scram::Auto, days(0)), (true, false));
    assert_eq!(announced(Scram::Auto, days(29)), (true, false));
    assert_eq!(announced(Scram::On, days(29)), (true, true));
    assert_eq!(announced(Scram::Auto, days(30)), (true, true));
    assert_eq!(announced(Scram::Off, days(31)), (false, false));
    assert!(server_with(with(Scram::Auto)).1.offers_scram(HERE), "a new server has keys of everybody");
}

#[test]
fn whose_password_has_no_keys_yet_is_not_asked_for_a_proof_twice() {
    let (engine, auth, [alice, _]) = server_with(with(Scram::Off));
    let (_, password) = auth.add_device(alice, "phone", None, NOW).unwrap();
    let auth = start_with(&engine, with(Scram::On));
    for (user, said) in [(ALICE, PASSWORD), ("Alice", password.as_str())] {
        assert!(auth.offers_scram(HERE));
        assert!(is_rejected(&prove(&auth, user, said)));
        assert!(!auth.offers_scram(HERE) && auth.offers_scram("192.0.2.2".parse().unwrap()));
        // Somebody else there logs in; that changes nothing for who has no keys.
        say(&auth, "bob@example.org", "battery staple");
        assert!(!auth.offers_scram(HERE));
        say(&auth, user, said);
        assert!(auth.offers_scram(HERE));
        prove(&auth, user, said).unwrap();
    }
    // Nor does it tell who is there.
    assert!(is_rejected(&prove(&auth, "nobody", "x")));
    assert!(!auth.offers_scram(HERE));
}

#[test]
fn a_password_that_cannot_be_proven_failed_every_second_time() {
    let (engine, auth, [alice, _]) = server_with(with(Scram::Off));
    let (_, password) = auth.add_device(alice, "phone", None, NOW).unwrap();
    let (_, of_pc) = auth.add_device(alice, "pc", None, NOW).unwrap();
    let emoji = "correct horse \u{1f40e}";
    auth.directory().set_password(ALICE, emoji).unwrap();
    // Typed with blanks; without keys that can be made; or another device of the account says its own each time.
    for (proven, said) in [(password.replace('-', " ").as_str(), None), (emoji, None), (&of_pc, Some(&password))] {
        let auth = start_with(&engine, with(Scram::On));
        for may_be_offered in [true, false, false] {
            assert!(is_rejected(&prove(&auth, ALICE, proven)));
            say(&auth, ALICE, said.map_or(proven, String::as_str));
            assert_eq!(auth.offers_scram(HERE), may_be_offered, "{proven}");
        }
        assert!(auth.offers_scram("192.0.2.2".parse().unwrap()));
        // Once it is proven, all is well again.
        say(&auth, ALICE, &password);
        prove(&auth, ALICE, &password).unwrap();
        assert!(auth.offers_scram(HERE));
    }
}

#[test]
fn wrong_proofs_fill_no_memory() {
    let (_, auth, _) = server_with(with(Scram::On));
    let source = |n: usize| auth.throttle().source(IpAddr::from(u32::try_from(n).unwrap().to_be_bytes()), "alice");
    (0..WRONG_MAX + 2).for_each(|n| auth.scram_state().note_wrong(source(n)));
    assert_eq!(auth.scram_state().lock().hidden.len(), WRONG_MAX);
    for n in 0..WRONG_MAX + 2 {
        auth.scram_state().note_wrong(source(n));
        auth.scram_state().note_said(source(n));
    }
    assert_eq!(auth.scram_state().lock().said.len(), WRONG_MAX);
}

#[test]
fn with_a_second_factor_a_main_password_that_is_proven_opens_nothing() {
    let (_, auth, [alice, _]) = server_with(with(Scram::On));
    let (_, password) = auth.add_device(alice, "phone", None, NOW).unwrap();
    let factors = auth.second_factors();
    let setup = factors.begin(alice, ALICE).unwrap();
    factors.confirm(alice, &crate::second_factor::tests::code_at(&setup, NOW), NOW).unwrap();
    assert!(is_rejected(&prove(&auth, ALICE, PASSWORD)));
    assert!(prove(&auth, ALICE, &password).is_ok());
}

#[test]
fn wrong_proofs_close_a_name_like_wrong_passwords() {
    let (_, auth, [alice, _]) = server_with(with(Scram::On));
    let (_, password) = auth.add_device(alice, "phone", None, NOW).unwrap();
    for _ in 0..PAIR_FAILURES_MAX {
        assert!(is_rejected(&prove(&auth, ALICE, "wrong horse")));
    }
    let closed = |password| matches!(prove(&auth, ALICE, password), Err(LoginError::Throttled { .. }));
    assert!(closed(PASSWORD) && closed("wrong horse"));
    assert!(prove(&auth, ALICE, &password).is_ok(), "nobody guesses an application password");
    for _ in 0..PAIR_FAILURES_MAX {
        assert!(is_rejected(&prove(&auth, "nobody", "wrong horse")));
    }
    assert!(matches!(prove(&auth, "nobody", "x"), Err(LoginError::Throttled { .. })));
}

#[test]
fn who_proves_a_password_was_shut_out_by_others_behind_the_same_address() {
    let (_, auth, _) = server_with(with(Scram::On));
    let is_throttled = |result: Result<(Login, bool), LoginError>| matches!(result, Err(LoginError::Throttled { .. }));
    // One was here by proof, another by saying it.
    prove(&auth, ALICE, PASSWORD).unwrap();
    log_in(&auth, "bob@example.org", "battery staple").unwrap();
    for n in 0..ADDRESS_FAILURES_MAX {
        assert!(is_rejected(&prove(&auth, &format!("user{n}"), "guess")));
    }
    assert!(prove(&auth, ALICE, PASSWORD).is_ok() && prove(&auth, "bob@example.org", "battery staple").is_ok());
    assert!(is_throttled(prove(&auth, ALICE, "guess")), "and nothing else of theirs");
    // Whose password is another one by now has not been here with it.
    auth.directory().set_password(ALICE, "another horse").unwrap();
    assert!(is_throttled(prove(&auth, ALICE, PASSWORD)) && is_throttled(prove(&auth, ALICE, "another horse")));
    // That somebody was here by proof opens nothing to who says something.
    assert!(matches!(log_in(&auth, "bob@example.org", ""), Err(LoginError::Throttled { .. })));
}

#[test]
fn a_challenge_tells_nothing_of_who_is_there() {
    let (_, auth, _) = server_with(with(Scram::On));
    let salt = |name: &str| auth.scram_challenge(name).unwrap().0;
    for name in ["alice", "nobody"] {
        let same = [name.to_uppercase(), format!("{name}@example.org"), format!("{name}@elsewhere.example")];
        same.iter().for_each(|same| assert_eq!(salt(same), salt(name), "{same}"));
    }
    assert_ne!(salt("alice"), salt("nobody"));
    assert_ne!(auth.scram_challenge("alice").unwrap().1, auth.scram_challenge("alice").unwrap().1);
}
