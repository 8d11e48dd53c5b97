//! Requests: what strangers may say and learn, how many they are, and that an acceptance makes one account.

use super::*;
use crate::testing::{NOW, log_in, options, server_with, start_with};
use crate::{AuthOptions, OwnerError};
use session::testing::TURN;
use store::sim::{Fault, SimEngine};

fn open_options() -> AuthOptions {
    AuthOptions { account_requests: true, ..options() }
}

fn open_server() -> (SimEngine, Auth) {
    let (engine, auth, _) = server_with(open_options());
    (engine, auth)
}

fn request<'a>() -> NewRequest<'a> {
    NewRequest {
        name: "Carol",
        address: "Carol@example.org",
        reason: "I sing in the choir",
        contact: "Carol@Example.com",
        from: "192.0.2.1".parse().unwrap(),
        now: NOW,
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>, says: &str) {
    match result {
        Err(Error::Refused(why)) => assert!(why.contains(says), "{why:?} does not say {says:?}"),
        other => panic!("{other:?} instead of a refusal that says {says:?}"),
    }
}

fn later(millis: i64) -> Timestamp {
    Timestamp(NOW.0 + millis)
}

#[test]
fn a_request_is_accepted_and_its_owner_gets_in() {
    let (_, auth) = open_server();
    let requests = auth.requests();
    let asked = requests.ask(&request()).unwrap();
    let address = || "carol@example.org".to_owned();
    assert_eq!(requests.status(&asked.token, NOW).unwrap(), Some(RequestStatus::Pending { address: address() }));
    let listed = requests.all(NOW).unwrap();
    let [info] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((info.number, info.name.as_str(), info.contact.as_str()), (asked.number, "Carol", "Carol@example.com"));
    assert_eq!((info.state.clone(), info.is_taken), (RequestState::Pending, false));
    let accepted = requests.accept(asked.number, None, NOW).unwrap();
    assert_eq!((accepted.address.as_str(), accepted.contact.as_str()), ("carol@example.org", "Carol@example.com"));
    let status = requests.status(&asked.token, NOW).unwrap();
    let Some(RequestStatus::Accepted { password_token: Some(link), .. }) = status else { panic!("{status:?}") };
    assert_ne!(link, accepted.link.token);
    assert_eq!(auth.web().choose_password(&link, "la la la la", Some(&TURN), NOW).unwrap(), "carol@example.org");
    assert!(log_in(&auth, "carol", "la la la la").is_ok());
    // The other link to the same choice is over, too.
    let again = auth.web().choose_password(&accepted.link.token, "mi mi mi mi", Some(&TURN), NOW);
    assert!(matches!(again, Err(OwnerError::Refused(_))));
    let status = requests.status(&asked.token, NOW).unwrap();
    assert_eq!(status, Some(RequestStatus::Accepted { address: address(), password_token: None }));
    refused(requests.accept(asked.number, None, NOW), "answered already");
    refused(requests.decline(asked.number, "", NOW), "answered already");
}

#[test]
fn a_request_gives_no_domain_away() {
    let (engine, auth) = open_server();
    let wish = |auth: &Auth, address: &str| auth.requests().ask(&NewRequest { address, ..request() });
    for address in ["postmaster@example.org", "Admin@example.org", "web-master@bücher.example"] {
        refused(wish(&auth, address), "whoever runs this server");
    }
    // Nor does a wish that is granted under another name.
    let asked = wish(&auth, "carol@example.org").unwrap();
    refused(auth.requests().accept(asked.number, Some("hostmaster@example.org"), NOW), "whoever runs this server");
    assert_eq!(auth.requests().all(NOW).unwrap()[0].state, RequestState::Pending);
    // Where only some domains are open to strangers.
    let only = AuthOptions { account_request_domains: vec!["Bücher.example".to_owned()], ..open_options() };
    let only = start_with(&engine, only);
    assert_eq!(only.requests().domains().unwrap().len(), 1);
    refused(wish(&only, "dave@example.org"), "ends in @bücher.example");
    assert!(wish(&only, "dave@bücher.example").is_ok());
    let none = AuthOptions { account_request_domains: vec!["example.com".to_owned()], ..open_options() };
    assert!(!start_with(&engine, none).requests().are_allowed().unwrap());
}

#[test]
fn a_request_is_declined_with_a_reason() {
    let (_, auth) = open_server();
    let asked = auth.requests().ask(&request()).unwrap();
    refused(auth.requests().decline(99, "", NOW), "no request 99");
    let declined = auth.requests().decline(asked.number, "the choir\r\nhas its own\u{1b}[2J", NOW).unwrap();
    assert_eq!(declined.reason, "the choir\nhas its own [2J");
    let (address, reason) = (declined.address, declined.reason);
    assert_eq!(auth.requests().status(&asked.token, NOW).unwrap(), Some(RequestStatus::Declined { address, reason }));
    refused(auth.requests().accept(asked.number, None, NOW), "answered already");
    assert_eq!(auth.directory().account("carol@example.org").unwrap(), None);
}

#[test]
fn who_wishes_for_an_address_does_not_learn_whether_it_is_in_use() {
    let (_, auth) = open_server();
    auth.directory().add_alias("sales@example.org", &["alice@example.org"]).unwrap();
    for (n, address) in ["alice@example.org", "sales@example.org", "free@example.org"].into_iter().enumerate() {
        let before = (auth.directory().passwords_verified(), auth.store().table(TableId::Directory).version());
        let from = format!("198.51.100.{n}").parse().unwrap();
        let asked = auth.requests().ask(&NewRequest { address, from, ..request() }).unwrap();
        let status = auth.requests().status(&asked.token, NOW).unwrap();
        assert_eq!(status, Some(RequestStatus::Pending { address: address.to_owned() }));
        let after = (auth.directory().passwords_verified(), auth.store().table(TableId::Directory).version());
        assert_eq!(before, after, "nothing was looked up or changed that takes its time");
    }
    let taken: Vec<bool> = auth.requests().all(NOW).unwrap().iter().map(|info| info.is_taken).collect();
    assert_eq!(taken, [false, true, true], "the administrator sees it");
    // And can give another address.
    refused(auth.requests().accept(1, None, NOW), "is an account already");
    assert_eq!(auth.requests().accept(1, Some("alice.b@example.org"), NOW).unwrap().address, "alice.b@example.org");
}

#[test]
fn what_strangers_write_is_cut_and_cleaned() {
    let (_, auth) = open_server();
    let ask = |request: NewRequest<'_>| auth.requests().ask(&request);
    refused(ask(NewRequest { name: " \r\n", ..request() }), "name is missing");
    refused(ask(NewRequest { reason: "\u{200b}", ..request() }), "in a sentence");
    refused(ask(NewRequest { address: "carol@example.com", ..request() }), "ends in @example.org or @bücher.example");
    for address in ["carol", "@example.org", "carol+x@example.org", "a\r\nb@example.org", "a b@example.org"] {
        refused(ask(NewRequest { address, ..request() }), "");
    }
    for contact in [
        "",
        "carol",
        "@example.com",
        "a@b@c.com",
        "carol@example.com\r\nBcc: all@example.org",
        "carol@example.com, eve@example.com",
        "Carol <carol@example.com>",
        &format!("{}@example.com", "c".repeat(LOCAL_PART_BYTES_MAX + 1)),
    ] {
        refused(ask(NewRequest { contact, ..request() }), "at which you can be reached");
    }
    let long = "n".repeat(NAME_BYTES_MAX + 1);
    let reason = format!("<script>\r\n{}", "r".repeat(REASON_BYTES_MAX));
    ask(NewRequest { name: &long, reason: &reason, ..request() }).unwrap();
    ask(NewRequest { name: "Eve\r\nSubject: x\0\u{202e}", ..request() }).unwrap();
    let all = auth.requests().all(NOW).unwrap();
    assert_eq!(all[0].name, "Eve Subject: x");
    assert_eq!((all[1].name.len(), all[1].reason.len()), (NAME_BYTES_MAX, REASON_BYTES_MAX));
    assert!(all[1].reason.starts_with("<script>\nrrr"));
}

#[test]
fn requests_are_taken_only_where_the_operator_allows_them() {
    let (_, auth, _) = server_with(options());
    assert!(!auth.requests().are_allowed().unwrap());
    refused(auth.requests().ask(&request()), "cannot be requested");
    let auth = start_with(&SimEngine::new(), open_options());
    assert!(!auth.requests().are_allowed().unwrap(), "no domain");
    refused(auth.requests().ask(&request()), "cannot be requested");
}

#[test]
fn one_network_asks_a_few_times_a_day() {
    let (_, auth) = open_server();
    let ask =
        |from: &str, now: Timestamp| auth.requests().ask(&NewRequest { from: from.parse().unwrap(), now, ..request() });
    for n in 0..REQUESTS_PER_NETWORK_MAX {
        ask(&format!("2001:db8::{n:x}"), NOW).unwrap();
    }
    refused(ask("2001:db8::ffff", NOW), "your network");
    assert!(ask("2001:db8:0:1::1", NOW).is_ok());
    refused(ask("2001:db8::1", later(DAY_MILLIS - 1)), "your network");
    assert!(ask("2001:db8::1", later(DAY_MILLIS)).is_ok());
    refused(ask("2001:db8::1", later(-DAY_MILLIS)), "your network");
}

#[test]
fn all_together_ask_so_often_a_day_and_so_many_wait() {
    let (_, auth) = open_server();
    let ask = |n: usize, day: usize| {
        let from = std::net::Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(n).unwrap()).into();
        let now = later(i64::try_from(day).unwrap() * DAY_MILLIS);
        auth.requests().ask(&NewRequest { from, now, ..request() })
    };
    let days = REQUESTS_PENDING_MAX / REQUESTS_PER_DAY_MAX;
    for day in 0..days {
        for n in 0..REQUESTS_PER_DAY_MAX {
            ask(day * 1000 + n, day).unwrap();
        }
        refused(ask(day * 1000 + 999, day), "too many requests");
    }
    refused(ask(100_000, days), "too many requests");
    auth.requests().decline(1, "", later(0)).unwrap();
    ask(100_000, days).unwrap();
    refused(ask(100_001, days), "too many requests");
    // Old ones are forgotten, and their secrets.
    let month = usize::try_from(REQUEST_DAYS_MAX).unwrap();
    ask(100_001, month).unwrap();
    let table = &auth.request_table().table;
    let rows = [record::REQUEST, b"Q"].map(|prefix| table.scan(prefix, prefix, usize::MAX).unwrap().len());
    assert_eq!(rows, [REQUESTS_PENDING_MAX - REQUESTS_PER_DAY_MAX + 2; 2]);
}

#[test]
fn requests_are_forgotten_a_month_after_their_answer() {
    let (_, auth) = open_server();
    let asked = auth.requests().ask(&request()).unwrap();
    let days = |days: i64| later(days * DAY_MILLIS);
    auth.requests().decline(asked.number, "no", days(REQUEST_DAYS_MAX - 1)).unwrap();
    assert!(auth.requests().status(&asked.token, days(2 * REQUEST_DAYS_MAX - 2)).unwrap().is_some());
    assert_eq!(auth.requests().status(&asked.token, days(2 * REQUEST_DAYS_MAX - 1)).unwrap(), None);
    assert_eq!(auth.requests().all(days(2 * REQUEST_DAYS_MAX - 1)).unwrap(), []);
    for none in ["", "x", &"0".repeat(64)] {
        assert_eq!(auth.requests().status(none, NOW).unwrap(), None);
    }
}

#[test]
fn two_administrators_who_accept_make_one_account() {
    let (_, auth) = open_server();
    let asked = auth.requests().ask(&request()).unwrap();
    std::thread::scope(|scope| {
        let accept = || auth.requests().accept(asked.number, None, NOW).is_ok();
        let racers = [0; 3].map(|_| scope.spawn(accept));
        assert!(racers.map(|racer| racer.join().unwrap()).into_iter().any(|accepted| accepted));
    });
    let made = auth.directory().accounts().unwrap().into_iter().filter(|info| info.address == "carol@example.org");
    assert_eq!(made.count(), 1);
    let status = auth.requests().status(&asked.token, NOW).unwrap();
    assert!(matches!(status, Some(RequestStatus::Accepted { password_token: Some(_), .. })), "{status:?}");
    assert_eq!(auth.directory().check().unwrap(), Vec::<String>::new());
}

#[test]
fn an_acceptance_that_a_crash_interrupts_is_finished_by_the_next_one() {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        for commits_before in 0..6 {
            let (engine, auth) = open_server();
            let asked = auth.requests().ask(&request()).unwrap();
            engine.plan(commits_before, fault);
            let first = auth.requests().accept(asked.number, None, NOW).is_ok();
            let auth = start_with(&engine.crash(), open_options());
            let again = auth.requests().accept(asked.number, None, NOW);
            match again {
                Ok(accepted) => assert_eq!(accepted.address, "carol@example.org"),
                Err(error) => assert!(first || error.to_string().contains("answered already"), "{error}"),
            }
            let status = auth.requests().status(&asked.token, NOW).unwrap();
            let Some(RequestStatus::Accepted { password_token: Some(link), .. }) = status else {
                panic!("{fault:?} after {commits_before}: {status:?}")
            };
            assert!(auth.web().choose_password(&link, "la la la la", Some(&TURN), NOW).is_ok());
            assert_eq!(auth.directory().check().unwrap(), Vec::<String>::new());
            assert_eq!(auth.directory().accounts().unwrap().len(), 3);
        }
    }
}

#[test]
fn what_is_kept_of_a_request_opens_nothing() {
    let (engine, auth) = open_server();
    let asked = auth.requests().ask(&request()).unwrap();
    auth.requests().accept(asked.number, None, NOW).unwrap();
    let auth = start_with(&engine, open_options());
    let Some(RequestStatus::Accepted { password_token: Some(link), .. }) =
        auth.requests().status(&asked.token, NOW).unwrap()
    else {
        panic!()
    };
    let secrets = [&asked.token, &link].map(|text| *blake3::Hash::from_hex(text).unwrap().as_bytes());
    let tables = [(TableId::People, b"R"), (TableId::People, b"Q"), (TableId::Directory, b"K")];
    let rows = tables.map(|(table, prefix)| auth.store().table(table).scan(prefix, prefix, 10).unwrap()).concat();
    assert_eq!(rows.len(), 4);
    for (key, value) in rows {
        assert!(![key, value].iter().any(|bytes| bytes.windows(32).any(|part| secrets.iter().any(|s| s == part))));
    }
}
