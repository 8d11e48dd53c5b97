//! The pages: who gets in, what a session is worth and for how long, and what a stranger can learn.

use super::*;
use crate::RECOVERY_CODES;
use crate::second_factor::tests::code_at;
use crate::testing::{NOW, PASSWORD, SECRET, attempt, log_in, server, start};
use crate::throttle::{ADDRESS_FAILURES_MAX, CODE_FAILURES_MAX, FORGIVEN_EVERY_MILLIS, PAIR_FAILURES_MAX};
use session::testing::TURN;
use store::device::Credential;
use store::sim::{Fault, ReadOnly};

const ALICE: &str = "alice@example.org";
const HERE: &str = "192.0.2.1";

fn attempt_web<'a>(user: &'a str, password: &'a str, code: &'a str, now: Timestamp) -> WebAttempt<'a> {
    WebAttempt {
        user,
        password,
        code,
        address: HERE.parse().unwrap(),
        program: Some("Firefox on Linux"),
        now,
        turn: Some(&TURN),
    }
}

fn enter(auth: &Auth, user: &str, password: &str) -> Result<WebLogin, LoginError> {
    auth.web().log_in(&attempt_web(user, password, "", NOW))
}

fn enter_with(auth: &Auth, code: &str, now: Timestamp) -> Result<WebLogin, LoginError> {
    auth.web().log_in(&attempt_web(ALICE, PASSWORD, code, now))
}

fn owner<'a>(session: &'a WebSession, password: &'a str, code: &'a str, now: Timestamp) -> Owner<'a> {
    Owner { session, password, code, address: HERE.parse().unwrap(), program: None, now, turn: Some(&TURN) }
}

fn later(millis: i64) -> Timestamp {
    Timestamp(NOW.0 + millis)
}

fn is_in(auth: &Auth, login: &WebLogin, now: Timestamp) -> bool {
    auth.web().session(&login.token, now).unwrap().is_some()
}

/// Switches Alice's second factor on. Gives her session, its secret and her recovery codes.
fn with_second_factor(auth: &Auth) -> (WebLogin, SecondFactorSetup, Vec<String>) {
    let login = enter(auth, ALICE, PASSWORD).unwrap();
    let setup = auth.web().begin_second_factor(&owner(&login.session, PASSWORD, "", NOW)).unwrap();
    let code = code_at(&setup, NOW);
    let (login, codes) = auth.web().confirm_second_factor(&owner(&login.session, "", &code, NOW)).unwrap();
    (login, setup, codes)
}

fn verifications(auth: &Auth) -> u64 {
    auth.directory().passwords_verified()
}

#[test]
fn an_owner_logs_in_is_known_and_logs_out() {
    let (_, auth, [alice, bob]) = server();
    auth.directory().set_admin("bob@example.org", true).unwrap();
    let login = enter(&auth, "Alice", PASSWORD).unwrap();
    let session = auth.web().session(&login.token, NOW).unwrap().unwrap();
    assert_eq!(session, login.session);
    assert_eq!((session.account, session.address.as_str(), session.display.as_str()), (alice, ALICE, "Alice"));
    assert!(!session.is_admin);
    assert!(enter(&auth, "bob", "battery staple").unwrap().session.is_admin);
    let device = auth.store().account(alice).devices().unwrap()[&session.device].clone();
    assert_eq!(device.credential, Credential::MainPassword { fingerprint: "web".to_owned() });
    assert!(device.has_used(Protocol::Web));
    assert_eq!(auth.web().sessions(bob, NOW).unwrap().len(), 1);
    auth.web().log_out(&login.token).unwrap();
    assert!(!is_in(&auth, &login, NOW));
    auth.web().log_out(&login.token).unwrap();
    assert_eq!(auth.web().sessions(alice, NOW).unwrap(), []);
    for no_token in ["", "x", &login.token[1..], &login.token.to_uppercase(), &"0".repeat(64)] {
        assert_eq!(auth.web().session(no_token, NOW).unwrap(), None);
    }
}

#[test]
fn each_log_in_is_a_session_of_its_own() {
    let (engine, auth, _) = server();
    let [first, second] = [0; 2].map(|_| enter(&auth, ALICE, PASSWORD).unwrap());
    assert_ne!(first.token, second.token);
    assert_ne!(first.session.csrf, second.session.csrf);
    assert_ne!(first.session.id, second.session.id);
    assert!(first.session.is_csrf(&first.session.csrf) && !first.session.is_csrf(&second.session.csrf));
    assert!(!first.session.is_csrf("") && !first.session.is_csrf(&first.token));
    // Nothing that is kept opens anything, not even with the server's key.
    let table = start(&engine).store().table(TableId::Sessions);
    let rows = [SESSION, b"I"].map(|prefix| table.scan(prefix, prefix, 10).unwrap()).concat();
    assert_eq!(rows.len(), 4);
    let token = *blake3::Hash::from_hex(&first.token).unwrap().as_bytes();
    for (key, value) in rows {
        assert!(![key, value].iter().any(|bytes| bytes.windows(32).any(|part| part == token || part == SECRET)));
    }
    // Another process knows both.
    assert!(is_in(&start(&engine), &first, NOW) && is_in(&start(&engine), &second, NOW));
}

#[test]
fn sessions_end_when_they_are_idle_and_when_they_are_old() {
    let (_, auth, [alice, _]) = server();
    let idle = enter(&auth, ALICE, PASSWORD).unwrap();
    assert!(!is_in(&auth, &idle, later(SESSION_IDLE_MAX_MILLIS)));
    assert!(is_in(&auth, &idle, later(SESSION_IDLE_MAX_MILLIS - 1)));
    // That was a use.
    assert!(is_in(&auth, &idle, later(2 * SESSION_IDLE_MAX_MILLIS - 2)));
    let day = 24 * HOUR_MILLIS;
    for at in (0..SESSION_AGE_MAX_MILLIS).step_by(usize::try_from(10 * day).unwrap()) {
        assert!(is_in(&auth, &idle, later(at)), "{at}");
    }
    assert!(is_in(&auth, &idle, later(SESSION_AGE_MAX_MILLIS - 1)));
    assert!(!is_in(&auth, &idle, later(SESSION_AGE_MAX_MILLIS)));
    assert!(is_in(&auth, &idle, later(-day)), "a clock that is set back logs nobody out");
    assert_eq!(auth.web().sessions(alice, later(SESSION_AGE_MAX_MILLIS)).unwrap(), []);
    assert_eq!(auth.web().tidy(later(SESSION_AGE_MAX_MILLIS - 1)).unwrap(), 0);
    assert_eq!(auth.web().tidy(later(SESSION_AGE_MAX_MILLIS)).unwrap(), 1);
}

#[test]
fn a_use_is_noted_every_few_minutes_only() {
    let (_, auth, [alice, _]) = server();
    let login = enter(&auth, ALICE, PASSWORD).unwrap();
    let table = auth.store().table(TableId::Sessions);
    let before = table.version().unwrap();
    for minute in 0..5 {
        assert!(is_in(&auth, &login, later(minute * 60 * 1000)));
    }
    assert_eq!(table.version().unwrap(), before);
    assert!(is_in(&auth, &login, later(USE_NOTED_EVERY_MILLIS)));
    assert!(is_in(&auth, &login, later(USE_NOTED_EVERY_MILLIS)));
    assert_eq!(table.version().unwrap().0, before.0 + 1);
    assert_eq!(auth.web().sessions(alice, NOW).unwrap()[0].last_used_at, later(USE_NOTED_EVERY_MILLIS));
}

#[test]
fn a_full_disk_keeps_nobody_from_pages_that_are_open() {
    let (engine, auth, _) = server();
    let login = enter(&auth, ALICE, PASSWORD).unwrap();
    engine.plan(0, Fault::Full);
    assert!(is_in(&auth, &login, later(USE_NOTED_EVERY_MILLIS)));
}

#[test]
fn an_account_has_so_many_sessions_and_the_idlest_goes() {
    let (_, auth, [alice, _]) = server();
    let logins: Vec<WebLogin> = (0..SESSIONS_MAX).map(|_| enter(&auth, ALICE, PASSWORD).unwrap()).collect();
    let used = later(USE_NOTED_EVERY_MILLIS);
    assert!(logins.iter().enumerate().all(|(at, login)| at == 7 || is_in(&auth, login, used)));
    assert!(is_in(&auth, &logins[7], NOW), "the most that there can be");
    let one_more = enter(&auth, ALICE, PASSWORD).unwrap();
    let living: Vec<bool> = logins.iter().map(|login| is_in(&auth, login, used)).collect();
    assert_eq!(living.iter().filter(|lives| !**lives).count(), 1);
    assert!(!living[7] && is_in(&auth, &one_more, used));
    assert_eq!(auth.web().sessions(alice, used).unwrap().len(), SESSIONS_MAX);
}

#[test]
fn sessions_are_listed_and_ended() {
    let (_, auth, [alice, bob]) = server();
    let logins = [0; 3].map(|_| enter(&auth, ALICE, PASSWORD).unwrap());
    let bobs = enter(&auth, "bob", "battery staple").unwrap();
    let listed = auth.web().sessions(alice, NOW).unwrap();
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|info| info.program.as_deref() == Some("Firefox on Linux") && info.address == HERE));
    assert!(logins.iter().all(|login| listed.iter().any(|info| info.id == login.session.id)));
    assert!(!auth.web().end(bob, &logins[0].session.id).unwrap(), "another's");
    assert!(auth.web().end(alice, &logins[0].session.id).unwrap());
    assert_eq!(logins.each_ref().map(|login| is_in(&auth, login, NOW)), [false, true, true]);
    assert!(is_in(&auth, &bobs, NOW));
}

#[test]
fn a_new_password_ends_all_sessions_and_gives_the_owner_a_fresh_one() {
    let (engine, auth, [alice, _]) = server();
    let [here, elsewhere] = [0; 2].map(|_| enter(&auth, ALICE, PASSWORD).unwrap());
    let change = |password: &str, new: &str| auth.web().change_password(&owner(&here.session, password, "", NOW), new);
    assert!(matches!(change("wrong horse", "new password"), Err(OwnerError::Login(LoginError::Rejected { .. }))));
    assert!(matches!(change(PASSWORD, "short"), Err(OwnerError::Refused(_))));
    assert!(is_in(&auth, &here, NOW) && is_in(&auth, &elsewhere, NOW));
    let fresh = change(PASSWORD, "new password").unwrap();
    assert_ne!(fresh.session.csrf, here.session.csrf);
    assert!(is_in(&auth, &fresh, NOW) && !is_in(&auth, &here, NOW) && !is_in(&auth, &elsewhere, NOW));
    assert_eq!(auth.web().sessions(alice, NOW).unwrap().len(), 1);
    // By an operator, in another process.
    start(&engine).directory().set_password(ALICE, "operator's choice").unwrap();
    assert!(!is_in(&auth, &fresh, NOW));
}

#[test]
fn disabled_and_removed_accounts_are_out() {
    let (engine, auth, _) = server();
    let login = enter(&auth, ALICE, PASSWORD).unwrap();
    let elsewhere = start(&engine);
    elsewhere.directory().set_disabled(ALICE, true).unwrap();
    assert!(!is_in(&auth, &login, NOW));
    assert!(matches!(enter(&auth, ALICE, PASSWORD), Err(LoginError::Rejected { .. })));
    elsewhere.directory().set_disabled(ALICE, false).unwrap();
    assert!(is_in(&auth, &login, NOW));
    elsewhere.directory().remove_account(ALICE).unwrap();
    assert!(!is_in(&auth, &login, NOW));
    assert_eq!(auth.web().tidy(NOW).unwrap(), 1);
}

#[test]
fn a_stranger_cannot_tell_which_accounts_there_are() {
    let (_, auth, [alice, _]) = server();
    with_second_factor(&auth);
    auth.directory().add_account("carol@example.org", PASSWORD, "", NOW).unwrap();
    auth.directory().set_disabled("carol@example.org", true).unwrap();
    let (_, app_password) = auth.add_device(alice, "phone", None, NOW).unwrap();
    let tries = [
        ("nobody@example.org", PASSWORD, "123456"),
        ("bob@example.org", "wrong horse", "123456"),
        ("carol@example.org", PASSWORD, "123456"),
        (ALICE, PASSWORD, "1234567"),
        (ALICE, PASSWORD, ""),
        (ALICE, "wrong horse", ""),
        (ALICE, &app_password, ""),
    ];
    for (at, (user, password, code)) in tries.into_iter().enumerate() {
        let before = verifications(&auth);
        let address = format!("198.51.100.{at}").parse().unwrap();
        let result = auth.web().log_in(&WebAttempt { address, ..attempt_web(user, password, code, NOW) });
        let Err(LoginError::Rejected { delay_millis }) = result else { panic!("{user}: {result:?}") };
        // The fourth and later ones for Alice are delayed by her tally, whichever was wrong.
        assert!(delay_millis == 250 || user == ALICE, "{user}: {delay_millis}");
        assert_eq!(verifications(&auth) - before, 1, "{user} {password}");
    }
}

#[test]
fn what_was_verified_before_makes_no_answer_faster() {
    let (_, auth, _) = server();
    with_second_factor(&auth);
    for _ in 0..3 {
        let before = verifications(&auth);
        enter_with(&auth, "000000", NOW).unwrap_err();
        assert_eq!(verifications(&auth) - before, 1);
    }
}

#[test]
fn guesses_are_throttled_also_those_of_codes() {
    let (_, auth, _) = server();
    with_second_factor(&auth);
    for n in 0..PAIR_FAILURES_MAX {
        assert!(matches!(enter_with(&auth, &format!("{n:07}"), NOW), Err(LoginError::Rejected { .. })), "{n}");
    }
    let before = verifications(&auth);
    assert!(matches!(enter_with(&auth, "0", NOW), Err(LoginError::Throttled { .. })));
    assert_eq!(verifications(&auth), before);
    let elsewhere = |n: u32| format!("198.51.100.{n}").parse().unwrap();
    for n in 0..ADDRESS_FAILURES_MAX {
        let user = format!("user{n}");
        let attempt = WebAttempt { address: elsewhere(1), ..attempt_web(&user, PASSWORD, "", NOW) };
        assert!(matches!(auth.web().log_in(&attempt), Err(LoginError::Rejected { .. })));
    }
    let attempt = WebAttempt { address: elsewhere(1), ..attempt_web("bob", "battery staple", "", NOW) };
    assert!(matches!(auth.web().log_in(&attempt), Err(LoginError::Throttled { .. })));
    assert!(auth.web().log_in(&WebAttempt { address: elsewhere(2), ..attempt }).is_ok());
}

#[test]
fn codes_that_are_guessed_from_everywhere_stop_to_count_but_recovery_codes_do() {
    let (_, auth, _) = server();
    let (_, setup, recovery) = with_second_factor(&auth);
    let from = |n: u32| format!("198.51.100.{n}").parse().unwrap();
    let now = later(30_000);
    let right = code_at(&setup, now);
    let enter = |n: u32, code: &str, now| {
        auth.web().log_in(&WebAttempt { address: from(n), ..attempt_web(ALICE, PASSWORD, code, now) })
    };
    for n in 0..CODE_FAILURES_MAX - 1 {
        enter(n, "1234567", now).unwrap_err();
    }
    assert!(enter(100, &right, now).is_ok(), "the last one that counts");
    let now = later(60_000);
    // One was forgiven meanwhile.
    for n in 0..2 {
        enter(n, "7654321", now).unwrap_err();
    }
    assert!(matches!(enter(101, &code_at(&setup, now), now), Err(LoginError::Rejected { .. })));
    assert!(enter(102, &recovery[0], now).is_ok());
    let later = later(60_000 + 2 * FORGIVEN_EVERY_MILLIS);
    assert!(enter(103, &code_at(&setup, later), later).is_ok());
}

#[test]
fn a_second_factor_is_asked_for_and_a_code_counts_once() {
    let (engine, auth, [alice, _]) = server();
    let elsewhere = enter(&auth, ALICE, PASSWORD).unwrap();
    assert_eq!(auth.web().recovery_codes_left(alice).unwrap(), None);
    let (login, setup, recovery) = with_second_factor(&auth);
    assert!(is_in(&auth, &login, NOW) && !is_in(&auth, &elsewhere, NOW));
    assert_eq!(auth.web().recovery_codes_left(alice).unwrap(), Some(RECOVERY_CODES));
    enter_with(&auth, &code_at(&setup, NOW), NOW).unwrap_err();
    let now = later(30_000);
    assert!(enter_with(&auth, &code_at(&setup, now), now).is_ok());
    enter_with(&start(&engine), &code_at(&setup, now), now).unwrap_err();
    // A recovery code, in whichever way it is typed.
    assert!(enter_with(&auth, &recovery[0].to_uppercase().replace('-', " "), now).is_ok());
    enter_with(&auth, &recovery[0], now).unwrap_err();
    assert_eq!(auth.web().recovery_codes_left(alice).unwrap(), Some(RECOVERY_CODES - 1));
    assert!(is_in(&auth, &login, now), "a recovery code ends no session");
}

#[test]
fn two_who_come_with_one_code_are_one_too_many() {
    let (_, auth, _) = server();
    let (_, setup, _) = with_second_factor(&auth);
    let now = later(30_000);
    let code = code_at(&setup, now);
    let entered = std::thread::scope(|scope| {
        let racers = [0; 4].map(|_| scope.spawn(|| enter_with(&auth, &code, now).is_ok()));
        racers.map(|racer| racer.join().unwrap()).into_iter().filter(|entered| *entered).count()
    });
    assert_eq!(entered, 1);
}

#[test]
fn switching_off_needs_the_password_and_a_code() {
    let (_, auth, [alice, _]) = server();
    let (login, setup, _) = with_second_factor(&auth);
    let off = |password: &str, code: &str, now| {
        auth.web().switch_off_second_factor(&owner(&login.session, password, code, now))
    };
    assert!(matches!(off(PASSWORD, "", NOW), Err(OwnerError::Login(LoginError::Rejected { .. }))));
    let now = later(30_000);
    let code = code_at(&setup, now);
    assert!(matches!(off("wrong horse", &code, now), Err(OwnerError::Login(LoginError::Rejected { .. }))));
    let fresh = off(PASSWORD, &code, now).unwrap();
    assert!(is_in(&auth, &fresh, now) && !is_in(&auth, &login, now));
    assert_eq!(auth.web().recovery_codes_left(alice).unwrap(), None);
    assert!(enter(&auth, ALICE, PASSWORD).is_ok());
    assert!(log_in(&auth, ALICE, PASSWORD).is_ok());
}

#[test]
fn with_a_second_factor_programs_need_application_passwords() {
    let (_, auth, [alice, _]) = server();
    assert!(log_in(&auth, ALICE, PASSWORD).is_ok());
    with_second_factor(&auth);
    let (_, password) = auth.add_device(alice, "phone", None, NOW).unwrap();
    for protocol in [Protocol::Imap, Protocol::Pop3, Protocol::Submission] {
        let refusal = |password: &str, address: &str| {
            let before = verifications(&auth);
            let address = address.parse().unwrap();
            let result = auth.log_in(&Attempt { protocol, address, ..attempt(ALICE, password) });
            (result.unwrap_err(), verifications(&auth) - before)
        };
        let [right, wrong] = match protocol {
            Protocol::Imap => ["2001:db8:1::", "2001:db8:2::"],
            Protocol::Pop3 => ["2001:db8:3::", "2001:db8:4::"],
            _ => ["2001:db8:5::", "2001:db8:6::"],
        };
        // Alice's own tally delays both up to its limit.
        let (right, wrong) = (refusal(PASSWORD, right), refusal("wrong horse", wrong));
        assert_eq!((right.1, wrong.1), (1, 1), "{protocol:?}");
        assert!(matches!((right.0, wrong.0), (LoginError::Rejected { .. }, LoginError::Rejected { .. })));
        assert!(auth.log_in(&Attempt { protocol, ..attempt(ALICE, &password) }).is_ok(), "{protocol:?}");
    }
}

#[test]
fn nobody_got_to_their_pages_on_a_disk_that_takes_nothing() {
    let (engine, auth, [alice, _]) = server();
    engine.set_read_only(Some(ReadOnly::Now));
    let (one, other) = (enter(&auth, ALICE, PASSWORD).unwrap(), enter(&auth, ALICE, PASSWORD).unwrap());
    assert_eq!(one.session.device, DeviceId::UNNOTED);
    let mail = auth.account_of_session(&one.session);
    let revoked = mail.revoke_device(crate::devices::actor(NOW), DeviceId(1));
    assert_eq!(revoked, Err(store::Error::ReadOnly));
    assert!(is_in(&auth, &one, later(USE_NOTED_EVERY_MILLIS)) && is_in(&auth, &other, NOW));
    assert_eq!(auth.web().sessions(alice, NOW).unwrap().len(), 2);
    auth.web().log_out(&one.token).unwrap();
    assert!(!is_in(&auth, &one, NOW) && is_in(&auth, &other, NOW));
    assert!(!is_in(&auth, &other, later(SESSION_IDLE_MAX_MILLIS)), "it grows old as all do");
    // The disk takes something again: what was not noted changes nothing, and the next login is.
    engine.set_read_only(None);
    assert_eq!(mail.revoke_device(crate::devices::actor(NOW), DeviceId(1)), Err(store::Error::LoginEnded));
    let noted = enter(&auth, ALICE, PASSWORD).unwrap();
    assert_ne!(noted.session.device, DeviceId::UNNOTED);
    for login in [&other, &noted] {
        assert!(auth.web().end(alice, &login.session.id).unwrap());
    }
    assert!(!is_in(&auth, &other, NOW) && !is_in(&auth, &noted, NOW));
    assert!(start(&engine).web().sessions(alice, NOW).unwrap().is_empty());
}

#[test]
fn sessions_that_could_not_be_written_are_bounded() {
    let (engine, auth, [alice, _]) = server();
    engine.set_read_only(Some(ReadOnly::ForEver));
    let logins: Vec<WebLogin> = (0..=SESSIONS_MAX).map(|_| enter(&auth, ALICE, PASSWORD).unwrap()).collect();
    assert_eq!(logins.iter().filter(|login| is_in(&auth, login, NOW)).count(), SESSIONS_MAX);
    let table = auth.session_table();
    let session = table.unwritten.of(alice).swap_remove(0).1;
    for n in 0..=unwritten::UNWRITTEN_MAX {
        let account = AccountId(100 + n as u32 / 10);
        table.unwritten.add(*blake3::hash(&n.to_be_bytes()).as_bytes(), SessionRecord { account, ..session.clone() });
    }
    assert_eq!(table.unwritten.remove(|_, _| true), unwritten::UNWRITTEN_MAX);
}

#[test]
fn a_code_counts_once_also_on_a_disk_that_takes_nothing_and_a_recovery_code_does_not_count() {
    let (engine, auth, _) = server();
    let (_, setup, codes) = with_second_factor(&auth);
    let now = later(30_000);
    let code = code_at(&setup, now);
    engine.set_read_only(Some(ReadOnly::Now));
    assert!(enter_with(&auth, &code, now).is_ok());
    assert!(matches!(enter_with(&auth, &code, now), Err(LoginError::Rejected { .. })));
    assert_eq!(enter_with(&auth, &codes[0], now), Err(LoginError::Fault(store::Error::ReadOnly)));
    engine.set_read_only(None);
    assert!(matches!(enter_with(&auth, &code, now), Err(LoginError::Rejected { .. })), "nor afterwards");
    assert!(enter_with(&auth, &codes[0], now).is_ok());
    assert!(matches!(enter_with(&auth, &codes[0], now), Err(LoginError::Rejected { .. })));
}
