//! Logins: who gets in, as which device, how fast, and what a stranger can learn.

use super::*;
use crate::testing::{NOW, PASSWORD, attempt, log_in, server, start};
use crate::throttle::DELAY_FIRST_MILLIS;
use crate::throttle::{ADDRESS_FAILURES_MAX, DELAY_MAX_MILLIS, FORGIVEN_EVERY_MILLIS, PAIR_FAILURES_MAX};
use session::testing::TURN;
use store::MaildropOptions;
use store::device::DEVICES_MAX;
use store::sim::{Fault, ReadOnly};

const ALICE: &str = "alice@example.org";

fn verifications(auth: &Auth) -> u64 {
    auth.directory().passwords_verified()
}

fn is_rejected(result: &Result<Login, LoginError>) -> bool {
    matches!(result, Err(LoginError::Rejected { .. }))
}

fn is_throttled(result: &Result<Login, LoginError>) -> bool {
    matches!(result, Err(LoginError::Throttled { .. }))
}

fn device(auth: &Auth, login: &Login) -> Device {
    auth.store().account(login.account).devices().unwrap()[&login.device].clone()
}

fn application_password(auth: &Auth, account: AccountId, name: &str) -> (DeviceId, String) {
    auth.add_device(account, name, None, NOW).unwrap()
}

#[test]
fn user_names() {
    let (_, auth, [alice, bob]) = server();
    let directory = auth.directory();
    directory.add_alias("sales@example.org", &[ALICE]).unwrap();
    let jürgen = directory.add_account("jürgen@bücher.example", PASSWORD, "", NOW).unwrap();
    let check = |user: &str, expected: Option<AccountId>| {
        let found = directory.who_logs_in(user).unwrap().map(|(id, _)| id);
        assert_eq!(found, expected, "{user:?}");
    };
    check(ALICE, Some(alice));
    check(" Alice@EXAMPLE.org ", Some(alice));
    check("ALICE", Some(alice));
    check("bob", Some(bob));
    check("jürgen", Some(jürgen));
    check("JÜRGEN@xn--bcher-kva.example", Some(jürgen));
    check("Jürgen@Bücher.example", Some(jürgen));
    check("alice+x@example.org", None);
    check("sales@example.org", None);
    check("alice@example.net", None);
    check("alice@bücher.example", None);
    check("", None);
    check("@", None);
    check("@example.org", None);
    check(&format!("{}alice", " ".repeat(5000)), Some(alice));
    check(&"a".repeat(5000), None);
    // Two of the same name: it takes the address.
    let other = directory.add_account("alice@bücher.example", PASSWORD, "", NOW).unwrap();
    check("alice", None);
    check("alice@bücher.example", Some(other));
    check(ALICE, Some(alice));
}

#[test]
fn a_main_password_is_one_device_per_protocol_and_program() {
    let (_, auth, [alice, _]) = server();
    let as_device = |protocol, fingerprint| {
        let login = auth.log_in(&Attempt { protocol, fingerprint, ..attempt("alice", PASSWORD) }).unwrap();
        assert_eq!((login.account, login.name.as_str(), login.main_password), (alice, ALICE, true));
        let Credential::MainPassword { fingerprint } = device(&auth, &login).credential else { panic!() };
        (login.device, fingerprint)
    };
    let (imap, fingerprint) = as_device(Protocol::Imap, None);
    assert_eq!(fingerprint, "imap");
    let (thunderbird, fingerprint) = as_device(Protocol::Imap, Some("Thunderbird"));
    assert_eq!(fingerprint, "imap:Thunderbird");
    let (pop3, fingerprint) = as_device(Protocol::Pop3, Some(""));
    assert_eq!(fingerprint, "pop3");
    let (submission, fingerprint) = as_device(Protocol::Submission, Some(" \r\n"));
    assert_eq!(fingerprint, "submission");
    assert_eq!(as_device(Protocol::Imap, Some("imap:Thunderbird")).0, thunderbird);
    assert_eq!(as_device(Protocol::Imap, None).0, imap);
    assert_eq!(as_device(Protocol::Pop3, None).0, pop3);
    let all = std::collections::BTreeSet::from([imap, thunderbird, pop3, submission]);
    assert_eq!(all.len(), 4);
    assert_eq!(auth.store().account(alice).devices().unwrap().len(), 4);
}

#[test]
fn a_login_is_noted() {
    let (_, auth, _) = server();
    let address = "::ffff:192.0.2.7".parse().unwrap();
    let login = auth.log_in(&Attempt { protocol: Protocol::Pop3, address, ..attempt("alice", PASSWORD) }).unwrap();
    let device = device(&auth, &login);
    let expected =
        LastLogin { at: NOW, protocol: Protocol::Pop3, address: "192.0.2.7".to_owned(), tls: None, program: None };
    assert_eq!(device.last_login, Some(expected));
    assert!(device.has_used(Protocol::Pop3) && !device.has_used(Protocol::Imap));
}

#[test]
fn a_program_says_after_its_login_what_it_is() {
    let (_, auth, [alice, _]) = server();
    let login = log_in(&auth, "alice", PASSWORD).unwrap();
    let identified = auth.identify(&login, "Thunderbird", NOW).unwrap();
    assert_ne!(identified.device, login.device);
    assert_eq!(Login { device: login.device, ..identified.clone() }, login);
    let found = device(&auth, &identified);
    assert_eq!(found.name, "Thunderbird with your main password over IMAP");
    assert!(found.has_used(Protocol::Imap));
    assert_eq!(found.last_login.unwrap().address, "192.0.2.1");
    // The same program again, before or after its login.
    assert_eq!(auth.identify(&login, "Thunderbird", NOW).unwrap(), identified);
    assert_eq!(auth.identify(&identified, "Thunderbird", NOW).unwrap(), identified);
    let before = Attempt { fingerprint: Some("Thunderbird"), ..attempt("alice", PASSWORD) };
    assert_eq!(auth.log_in(&before).unwrap(), identified);
    assert_eq!(auth.identify(&login, "\0", NOW).unwrap(), login);
    // An application password is its own device.
    let (id, password) = application_password(&auth, alice, "phone");
    let login = log_in(&auth, "alice", &password).unwrap();
    assert_eq!(login.device, id);
    assert_eq!(auth.identify(&login, "Thunderbird", NOW).unwrap(), login);
}

#[test]
fn a_programs_words_are_fit_to_be_shown() {
    fn check(input: &str, expected: &str) {
        assert_eq!(sanitised(input), expected, "{input:?}");
    }
    check("Thunderbird", "Thunderbird");
    check("  Apple\tMail \r\n x", "Apple Mail x");
    check("a\0b\u{1b}[31mc", "a b [31mc");
    check("\u{202e}evil\u{200b}", "evil");
    check("K-9 Ünïcödé", "K-9 Ünïcödé");
    check("", "");
    check(&"x".repeat(60), &"x".repeat(60));
    check(&"x".repeat(61), &"x".repeat(60));
    check(&format!("{}ä", "x".repeat(59)), &"x".repeat(59));
    check(&format!("{} y", "x".repeat(59)), &"x".repeat(59));
    check(&"😀".repeat(100_000), &"😀".repeat(15));
}

#[test]
fn a_program_with_ever_new_names_does_not_fill_the_list() {
    let (_, auth, [alice, _]) = server();
    let names: Vec<String> = (0..2 * MAIN_PASSWORD_DEVICES_MAX).map(|n| format!("bot {n}")).collect();
    let log_in = |name: &str| auth.log_in(&Attempt { fingerprint: Some(name), ..attempt("alice", PASSWORD) }).unwrap();
    let first = log_in(&names[0]);
    let last = names.iter().fold(first.clone(), |_, name| log_in(name));
    assert_eq!(device(&auth, &last).name, "Mail program with your main password over IMAP");
    let devices = auth.store().account(alice).devices().unwrap();
    assert_eq!(devices.len(), MAIN_PASSWORD_DEVICES_MAX + 1);
    assert_eq!(log_in(&names[0]), first, "who was known before stays known");
    assert_eq!(log_in(&names[MAIN_PASSWORD_DEVICES_MAX - 1]).device.0, MAIN_PASSWORD_DEVICES_MAX as u32);
}

#[test]
fn an_account_with_the_most_devices_still_lets_its_owner_in() {
    let (_, auth, [alice, _]) = server();
    let pop3 = auth.log_in(&Attempt { protocol: Protocol::Pop3, ..attempt("alice", PASSWORD) }).unwrap();
    let account = auth.store().account(alice);
    let actor = store::Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };
    for n in account.devices().unwrap().len()..DEVICES_MAX {
        let credential = Credential::ApplicationPassword { hash: [0; 32] };
        account.add_device(actor, &format!("device {n}"), credential, None).unwrap();
    }
    let full = auth.add_device(alice, "one more", None, NOW);
    assert!(matches!(full, Err(directory::Error::Refused(_))), "{full:?}");
    // Devices of the main password have some room of their own; without it, it is another of them.
    let room = store::device::MAIN_PASSWORD_ROOM;
    let names: Vec<String> = (0..2 * room).map(|n| format!("imap:{n}")).collect();
    names.iter().for_each(|name| drop(account.main_password_device(NOW, Protocol::Imap, name)));
    assert_eq!(account.devices().unwrap().len(), DEVICES_MAX + room);
    let known = account.devices().unwrap();
    let login = auth.log_in(&Attempt { protocol: Protocol::Imap, ..attempt("alice", PASSWORD) }).unwrap();
    assert!(known.contains_key(&login.device));
    assert_eq!(auth.log_in(&Attempt { protocol: Protocol::Pop3, ..attempt("alice", PASSWORD) }).unwrap(), pop3);
}

/// It is neither refused nor does it fill the table, and names of old leave room.
#[test]
fn a_client_that_calls_itself_otherwise_each_time_is_let_in_for_years() {
    let (_, auth, [alice, _]) = server();
    let log_in =
        |name: &str, now| auth.log_in(&Attempt { fingerprint: Some(name), now, ..attempt("alice", PASSWORD) }).unwrap();
    let at = |years: i64| Timestamp(NOW.0 + years * 366 * 86_400_000);
    for year in 0..4 {
        let names: Vec<String> = (0..MAIN_PASSWORD_DEVICES_MAX + 5).map(|n| format!("bot {year}.{n}")).collect();
        names.iter().for_each(|name| drop(log_in(name, at(year))));
        let devices = auth.store().account(alice).devices().unwrap();
        let of_this_year = devices.values().filter(|device| device.name.contains(&format!("bot {year}."))).count();
        assert!(of_this_year >= MAIN_PASSWORD_DEVICES_MAX - 1, "{of_this_year} in year {year}");
    }
    // Full of application passwords, and the first login with the main password.
    let (_, auth, [_, bob]) = server();
    let account = auth.store().account(bob);
    let actor = store::Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };
    for n in 0..DEVICES_MAX {
        let credential = Credential::ApplicationPassword { hash: [0; 32] };
        account.add_device(actor, &format!("device {n}"), credential, None).unwrap();
    }
    assert!(auth.log_in(&attempt("bob", "battery staple")).is_ok());
}

#[test]
fn a_full_disk_keeps_nobody_from_their_mail() {
    let (engine, auth, [alice, _]) = server();
    let login = log_in(&auth, "alice", PASSWORD).unwrap();
    let (_, password) = application_password(&auth, alice, "phone");
    let full = || (0..3).for_each(|n| engine.plan(n, Fault::Full));
    full();
    let later = Timestamp(NOW.0 + 20 * 60 * 1000);
    assert_eq!(auth.log_in(&Attempt { now: later, ..attempt("alice", PASSWORD) }), Ok(login.clone()));
    full();
    let new = Attempt { fingerprint: Some("new program"), ..attempt("alice", PASSWORD) };
    assert_eq!(auth.log_in(&new), Ok(login));
    full();
    assert!(log_in(&auth, "alice", &password).is_ok());
}

#[test]
fn a_disk_that_takes_no_writes_keeps_nobody_from_their_mail() {
    let (engine, auth, [alice, _]) = server();
    let login = log_in(&auth, "alice", PASSWORD).unwrap();
    let (_, password) = application_password(&auth, alice, "phone");
    let broken = || (0..3).for_each(|n| engine.plan(n, Fault::Failed));
    broken();
    let later = Timestamp(NOW.0 + 20 * 60 * 1000);
    assert_eq!(auth.log_in(&Attempt { now: later, ..attempt("alice", PASSWORD) }), Ok(login));
    for protocol in [Protocol::Imap, Protocol::Pop3] {
        broken();
        let new = Attempt { fingerprint: Some("new program"), protocol, ..attempt("alice", PASSWORD) };
        assert!(auth.log_in(&new).is_ok());
    }
    broken();
    assert!(log_in(&auth, "alice", &password).is_ok());
}

#[test]
fn an_application_password_is_its_device() {
    let (_, auth, [alice, bob]) = server();
    let (phone, password) = application_password(&auth, alice, "phone");
    let (tablet, other) = application_password(&auth, alice, "tablet");
    let before = verifications(&auth);
    for typed in [password.clone(), password.to_uppercase(), password.replace('-', ""), password.replace('-', " ")] {
        let login = log_in(&auth, "ALICE@example.org", &typed).unwrap();
        let expected = Login {
            stamp: None,
            account: alice,
            device: phone,
            name: ALICE.to_owned(),
            main_password: false,
            maildrop: MaildropOptions::default(),
            token: None,
        };
        assert_eq!(login, expected, "{typed}");
    }
    assert_eq!(log_in(&auth, "alice", &other).unwrap().device, tablet);
    assert_eq!(verifications(&auth), before, "none cost an argon2id");
    assert!(is_rejected(&log_in(&auth, "bob", &password)));
    let devices = auth.store().account(alice).devices().unwrap();
    let Credential::ApplicationPassword { hash } = devices[&phone].credential else { panic!() };
    let typed = password.replace('-', "");
    assert_ne!(hash, *blake3::hash(typed.as_bytes()).as_bytes(), "keyed");
    // Names are unique, and rules hold.
    for (account, name, says) in [
        (alice, "phone", "already"),
        (alice, " ", "cannot be the name"),
        (alice, "a\nb", "cannot be the name"),
        (AccountId(bob.0 + 1), "phone", "no account"),
        (AccountId::NOBODY, "phone", "no account"),
    ] {
        let refused = auth.add_device(account, name, None, NOW).unwrap_err();
        assert!(matches!(&refused, directory::Error::Refused(why) if why.contains(says)), "{refused:?}");
    }
}

#[test]
fn another_secret_makes_application_passwords_worthless() {
    let (engine, auth, [alice, _]) = server();
    let (_, password) = application_password(&auth, alice, "phone");
    assert!(log_in(&start(&engine), "alice", &password).is_ok());
    let store = Store::new(Arc::new(engine), Arc::new(store::sim::SimObjects::new()));
    let other = Auth::open(store, [8; 32], crate::testing::options()).unwrap();
    assert!(is_rejected(&log_in(&other, "alice", &password)));
}

#[test]
fn a_revoked_device_is_out_at_once_whoever_revoked_it() {
    let (engine, auth, [alice, _]) = server();
    let other = start(&engine);
    let (phone, first) = application_password(&auth, alice, "phone");
    let (tablet, second) = application_password(&auth, alice, "tablet");
    assert!(log_in(&auth, "alice", &first).is_ok() && log_in(&other, "alice", &second).is_ok());
    auth.revoke_device(alice, phone, NOW).unwrap();
    assert!(is_rejected(&log_in(&auth, "alice", &first)) && is_rejected(&log_in(&other, "alice", &first)));
    other.revoke_device(alice, tablet, NOW).unwrap();
    assert!(is_rejected(&log_in(&auth, "alice", &second)) && is_rejected(&log_in(&other, "alice", &second)));
    let again = auth.revoke_device(alice, phone, NOW).unwrap_err();
    assert!(matches!(&again, directory::Error::Refused(why) if why.contains("revoked")), "{again:?}");
    // Its name is free again.
    application_password(&auth, alice, "phone");
}

#[test]
fn a_verified_login_costs_no_argon2_for_an_hour() {
    let (_, auth, _) = server();
    let at = |millis: i64| {
        let before = verifications(&auth);
        auth.log_in(&Attempt { now: Timestamp(NOW.0 + millis), ..attempt("alice", PASSWORD) }).unwrap();
        verifications(&auth) - before
    };
    assert_eq!(at(0), 1);
    assert_eq!(at(0), 0);
    assert_eq!(at(crate::cache::VERIFIED_FOR_MILLIS - 1), 0);
    assert_eq!(at(crate::cache::VERIFIED_FOR_MILLIS), 1);
    let before = verifications(&auth);
    assert!(is_rejected(&log_in(&auth, "alice", "wrong password")));
    assert!(is_rejected(&log_in(&auth, "bob", PASSWORD)));
    assert_eq!(verifications(&auth) - before, 2, "another password or user is not verified by it");
}

#[test]
fn a_changed_password_counts_at_once_whoever_changed_it() {
    let (engine, auth, _) = server();
    let other = start(&engine);
    assert!(log_in(&auth, "alice", PASSWORD).is_ok() && log_in(&other, "alice", PASSWORD).is_ok());
    auth.directory().set_password(ALICE, "another horse").unwrap();
    for auth in [&auth, &other] {
        assert!(is_rejected(&log_in(auth, "alice", PASSWORD)));
        assert!(log_in(auth, "alice", "another horse").is_ok());
    }
    // Back to the old one: it is verified anew.
    other.directory().set_password(ALICE, PASSWORD).unwrap();
    let before = verifications(&auth);
    assert!(log_in(&auth, "alice", PASSWORD).is_ok());
    assert_eq!(verifications(&auth) - before, 1);
    assert!(is_rejected(&log_in(&auth, "alice", "another horse")));
}

#[test]
fn a_disabled_account_is_out_at_once_with_every_credential() {
    let (engine, auth, [alice, _]) = server();
    let other = start(&engine);
    let (_, password) = application_password(&auth, alice, "phone");
    assert!(log_in(&auth, "alice", PASSWORD).is_ok() && log_in(&auth, "alice", &password).is_ok());
    other.directory().set_disabled(ALICE, true).unwrap();
    assert!(auth.directory().account(ALICE).unwrap().unwrap().disabled);
    for password in [PASSWORD, &password] {
        assert!(is_rejected(&log_in(&auth, "alice", password)));
    }
    other.directory().set_disabled(ALICE, false).unwrap();
    for password in [PASSWORD, &password] {
        assert!(log_in(&auth, "alice", password).is_ok());
    }
    other.directory().remove_account(ALICE).unwrap();
    for password in [PASSWORD, &password] {
        assert!(is_rejected(&log_in(&auth, "alice", password)));
    }
}

#[test]
fn what_changes_while_a_password_is_verified_counts() {
    let (_, auth, _) = server();
    let directory = auth.directory();
    let enter = |known| {
        let attempt = attempt("alice", PASSWORD);
        auth.unchanged(known, &attempt).and_then(|known| auth.enter_with_main_password(known, &attempt))
    };
    let before = directory.who_logs_in("alice").unwrap();
    assert!(enter(before.clone()).unwrap().is_some());
    directory.set_password(ALICE, "another horse").unwrap();
    assert_eq!(enter(before), Ok(None));
    let before = directory.who_logs_in("alice").unwrap();
    directory.set_disabled(ALICE, true).unwrap();
    assert_eq!(enter(before.clone()), Ok(None));
    directory.remove_account(ALICE).unwrap();
    assert_eq!(enter(before), Ok(None));
    assert_eq!(enter(None), Ok(None));
}

#[test]
fn a_stranger_does_not_learn_who_exists() {
    let (_, auth, [alice, _]) = server();
    let (_, revoked) = application_password(&auth, alice, "phone");
    auth.revoke_device(alice, DeviceId(1), NOW).unwrap();
    auth.directory().add_account("carol@example.org", PASSWORD, "", NOW).unwrap();
    auth.directory().set_disabled("carol@example.org", true).unwrap();
    let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
    // Each from an address of its own: what counts is the first answer.
    for (n, (user, password, cost)) in [
        ("alice", "wrong password", 1),
        ("alice@example.org", "", 1),
        ("alice", revoked.as_str(), 1),
        ("carol", "wrong password", 1),
        ("carol", PASSWORD, 1),
        ("nobody@example.org", PASSWORD, 1),
        ("nobody@example.org", revoked.as_str(), 1),
        ("nobody", PASSWORD, 1),
        ("alice@example.net", PASSWORD, 1),
        ("\0@\u{ffff}", PASSWORD, 1),
        ("", "", 1),
        ("alice", long.as_str(), 0),
        ("nobody", long.as_str(), 0),
    ]
    .into_iter()
    .enumerate()
    {
        let auth = fresh_counts(&auth);
        let before = verifications(&auth);
        let address = IpAddr::from([192, 0, 2, n as u8]);
        let answer = auth.log_in(&Attempt { address, ..attempt(user, password) });
        assert_eq!(answer, Err(LoginError::Rejected { delay_millis: DELAY_FIRST_MILLIS }), "{user} {password}");
        assert_eq!(verifications(&auth) - before, cost, "{user} {password}");
    }
}

/// The same server with nothing counted against anybody.
fn fresh_counts(auth: &Auth) -> Auth {
    Auth::open(auth.store().clone(), crate::testing::SECRET, crate::testing::options()).unwrap()
}

#[test]
fn strangers_are_throttled_alike_whether_the_user_exists_or_not() {
    let (_, auth, _) = server();
    let answers = |user: &str| -> Vec<_> {
        let auth = fresh_counts(&auth);
        (0..PAIR_FAILURES_MAX + 2).map(|n| log_in(&auth, user, &format!("guess {n}")).unwrap_err()).collect()
    };
    let (alice, nobody) = (answers("alice"), answers("nobody"));
    assert_eq!(alice, nobody);
    let delays = alice.iter().map(|answer| match answer {
        LoginError::Rejected { delay_millis } => (true, *delay_millis),
        LoginError::Throttled { delay_millis } => (false, *delay_millis),
        LoginError::Busy { .. } | LoginError::OutOfTurn | LoginError::Fault(_) => panic!("{answer}"),
    });
    let growing = [250, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000].map(|delay| (true, delay));
    assert_eq!(delays.collect::<Vec<_>>(), [&growing[..], &[(false, DELAY_MAX_MILLIS); 2]].concat());
}

#[test]
fn an_attacker_locks_out_nobody_but_themselves() {
    let (_, auth, [alice, _]) = server();
    let (phone, application) = application_password(&auth, alice, "phone");
    for n in 0..PAIR_FAILURES_MAX {
        assert!(is_rejected(&log_in(&auth, "alice", &format!("guess {n}"))));
    }
    let before = verifications(&auth);
    assert!(is_throttled(&log_in(&auth, "alice", PASSWORD)), "the right one is not tried either");
    assert_eq!(verifications(&auth), before);
    // An application password cannot be guessed, so it is no use to keep it out.
    assert_eq!(log_in(&auth, "alice", &application).unwrap().device, phone);
    assert!(log_in(&auth, "bob", "battery staple").is_ok());
    let elsewhere = Attempt { address: "2001:db8::1".parse().unwrap(), ..attempt("alice", PASSWORD) };
    assert!(auth.log_in(&elsewhere).is_ok());
}

#[test]
fn time_forgives() {
    let (_, auth, _) = server();
    for n in 0..PAIR_FAILURES_MAX {
        assert!(is_rejected(&log_in(&auth, "alice", &format!("guess {n}"))));
    }
    let after = |millis: i64| auth.log_in(&Attempt { now: Timestamp(NOW.0 + millis), ..attempt("alice", PASSWORD) });
    assert!(is_throttled(&after(FORGIVEN_EVERY_MILLIS - 1)));
    assert!(after(FORGIVEN_EVERY_MILLIS).is_ok());
    // The success has cleared the name.
    assert_eq!(log_in(&auth, "alice", "typo"), Err(LoginError::Rejected { delay_millis: 2000 }), "others' failures");
    assert!(log_in(&auth, "alice", PASSWORD).is_ok());
}

#[test]
fn an_address_that_guesses_at_many_is_closed() {
    let (_, auth, _) = server();
    for n in 0..ADDRESS_FAILURES_MAX {
        assert!(is_rejected(&log_in(&auth, &format!("user{n}"), "guess")));
    }
    assert!(is_throttled(&log_in(&auth, "bob", "battery staple")));
    let elsewhere = Attempt { address: "192.0.2.2".parse().unwrap(), ..attempt("bob", "battery staple") };
    assert!(auth.log_in(&elsewhere).is_ok());
}

#[test]
fn sixty_wrong_logins_shut_out_those_behind_the_same_address_whose_password_was_verified() {
    let (_, auth, _) = server();
    assert!(log_in(&auth, "alice", PASSWORD).is_ok());
    let wrong = |user: &str, n: u32| is_rejected(&log_in(&auth, user, &format!("guess {n}")));
    for n in 0..PAIR_FAILURES_MAX {
        assert!(wrong("alice", n));
    }
    for n in PAIR_FAILURES_MAX..ADDRESS_FAILURES_MAX {
        assert!(wrong(&format!("user{n}"), n));
    }
    assert!(is_throttled(&log_in(&auth, "bob", "battery staple")), "nobody knows him here");
    assert!(is_throttled(&log_in(&auth, "alice", "guess")));
    let before = verifications(&auth);
    assert!(log_in(&auth, "alice", PASSWORD).is_ok());
    let web = |user, password| {
        let address = "192.0.2.1".parse().unwrap();
        auth.web().log_in(&crate::WebAttempt {
            user,
            password,
            code: "",
            address,
            program: None,
            now: NOW,
            turn: Some(&TURN),
        })
    };
    assert!(web(ALICE, PASSWORD).is_ok());
    assert!(matches!(web(ALICE, "guess"), Err(LoginError::Throttled { .. })));
    assert_eq!(verifications(&auth), before, "who passes costs nothing");
    // It was verified elsewhere: whoever guesses from here has not passed by that.
    let elsewhere = Attempt { address: "2001:db8::1".parse().unwrap(), ..attempt("bob", "battery staple") };
    assert!(auth.log_in(&elsewhere).is_ok());
    assert!(is_throttled(&log_in(&auth, "bob", "battery staple")));
}

#[test]
fn thirty_right_logins_at_once_after_a_restart_were_refused() {
    let (_, auth, _) = server();
    let early = Attempt { turn: None, ..attempt("alice", PASSWORD) };
    let standing: Vec<Standing> = (0..30)
        .map(|_| {
            assert_eq!(auth.log_in(&early), Err(LoginError::OutOfTurn), "it has to be verified");
            auth.stand(&early).unwrap()
        })
        .collect();
    assert_eq!(verifications(&auth), 0);
    for login in standing {
        assert!(log_in(&auth, "alice", PASSWORD).is_ok());
        drop(login);
    }
    assert_eq!(verifications(&auth), 1, "one verification is enough for one password");
}

#[test]
fn a_read_error_is_a_fault_and_not_a_wrong_password() {
    let (engine, auth, [alice, _]) = server();
    let (_, application) = application_password(&auth, alice, "phone");
    for password in [PASSWORD, &application] {
        let mut reads_before = 0;
        loop {
            let fresh = start(&engine);
            engine.plan_read_error(reads_before);
            let answer = log_in(&fresh, "alice", password);
            // Takes out the plan if the login did not read that much.
            let was_left = fresh.store().accounts().is_err();
            match answer {
                Ok(_) if was_left || reads_before > 30 => break,
                Ok(_) => {}
                Err(LoginError::Fault(_)) => {}
                Err(other) => panic!("{other:?} after {reads_before} reads"),
            }
            reads_before += 1;
        }
        assert!(reads_before > 3, "{reads_before}");
    }
}

#[test]
fn a_main_password_that_was_never_used_was_refused_on_a_disk_that_takes_nothing() {
    let (engine, auth, [alice, _]) = server();
    let account = auth.store().account(alice);
    engine.set_read_only(Some(ReadOnly::Now));
    for (protocol, fingerprint) in
        [(Protocol::Imap, Some("Thunderbird")), (Protocol::Pop3, Some("UIDL")), (Protocol::Submission, None)]
    {
        let login = auth.log_in(&Attempt { protocol, fingerprint, ..attempt(ALICE, PASSWORD) }).unwrap();
        assert_eq!(login.device, DeviceId::UNNOTED, "{protocol:?}");
        assert_eq!(auth.identify(&login, "K-9", NOW).unwrap().device, DeviceId::UNNOTED);
        assert_eq!(auth.account_of(&login).still_counts(), Ok(true));
    }
    assert!(log_in(&auth, ALICE, "wrong horse").is_err());
    assert!(account.devices().unwrap().is_empty());
    engine.set_read_only(None);
    let noted = log_in(&auth, ALICE, PASSWORD).unwrap();
    assert_eq!(account.devices().unwrap().keys().copied().collect::<Vec<_>>(), [noted.device]);
}
