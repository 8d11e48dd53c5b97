//! One-time links: used once, for their purpose, before their end, whoever comes at the same moment and whatever crashes.

use super::*;
use crate::testing::{NOW, PASSWORD, SECRET, is_password, server, start};
use store::codec::Corrupt;
use store::sim::Fault;

const ALICE: &str = "alice@example.org";
const NEW: &str = "a new password";

fn later(millis: i64) -> Timestamp {
    Timestamp(NOW.0 + millis)
}

fn choose(directory: &Directory, token: &str, now: Timestamp) -> Result<String, Error> {
    directory.use_password_link(token, NEW, now)
}

fn join(directory: &Directory, token: &str, address: &str) -> Result<AccountId, Error> {
    directory.use_invitation(token, (address, "Carol"), NEW, NOW)
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>, says: &str) {
    match result {
        Err(Error::Refused(why)) => assert!(why.contains(says), "{why:?} does not say {says:?}"),
        other => panic!("{other:?} instead of a refusal that says {says:?}"),
    }
}

#[test]
fn a_password_is_chosen_once() {
    let (engine, directory, _) = server();
    let link = directory.password_link(ALICE, NOW).unwrap();
    assert_eq!(link.info.purpose, LinkPurpose::Password { address: ALICE.to_owned() });
    assert_eq!(directory.link(&link.token, NOW).unwrap(), Some(link.info));
    assert!(is_password(&directory, ALICE, PASSWORD), "until then the old one is good");
    refused(directory.use_password_link(&link.token, "short", NOW), "too short");
    assert_eq!(choose(&start(&engine), &link.token, NOW).unwrap(), ALICE);
    assert!(is_password(&directory, ALICE, NEW) && !is_password(&directory, ALICE, PASSWORD));
    refused(choose(&directory, &link.token, NOW), "not good any more");
    assert_eq!(directory.links(NOW).unwrap(), []);
}

#[test]
fn a_link_ends_by_time_by_another_password_and_by_being_taken_back() {
    let (_, directory, _) = server();
    let week = i64::from(PASSWORD_LINK_DAYS) * DAY_MILLIS;
    let link = directory.password_link(ALICE, NOW).unwrap();
    refused(choose(&directory, &link.token, later(week)), "not good any more");
    assert!(directory.link(&link.token, later(week - 1)).unwrap().is_some());
    let [first, second] = [0; 2].map(|_| directory.password_link(ALICE, NOW).unwrap());
    directory.take_link_back(&first.info.id).unwrap();
    refused(choose(&directory, &first.token, NOW), "not good any more");
    assert!(matches!(directory.take_link_back(&first.info.id), Err(Error::Refused(_))));
    directory.set_password(ALICE, "yet another one").unwrap();
    for link in [&link, &second] {
        refused(choose(&directory, &link.token, later(1)), "not good any more");
        assert_eq!(directory.link(&link.token, NOW).unwrap(), None);
    }
    let link = directory.password_link("bob@example.org", NOW).unwrap();
    directory.remove_account("bob@example.org").unwrap();
    refused(choose(&directory, &link.token, NOW), "not good any more");
}

#[test]
fn no_link_does_what_another_is_for() {
    let (_, directory, _) = server();
    let password = directory.password_link(ALICE, NOW).unwrap();
    let invitation = directory.invite(None, &[], 7, NOW).unwrap();
    refused(choose(&directory, &invitation.token, NOW), "not good any more");
    refused(join(&directory, &password.token, "carol@example.org"), "not good any more");
    for none in ["", "x", &"0".repeat(64), &invitation.token.to_uppercase(), &invitation.info.id] {
        refused(choose(&directory, none, NOW), "not good any more");
        refused(join(&directory, none, "carol@example.org"), "not good any more");
    }
    assert_eq!(directory.links(NOW).unwrap().len(), 2);
}

#[test]
fn who_is_invited_makes_one_account() {
    let (_, directory, _) = server();
    let link = directory.invite(None, &[], 7, NOW).unwrap();
    refused(join(&directory, &link.token, ALICE), "is an account already");
    refused(join(&directory, &link.token, "carol@example.com"), "not a local domain");
    refused(join(&directory, &link.token, "@example.org"), "catch-all");
    let carol = join(&directory, &link.token, "Carol@example.org").unwrap();
    assert!(is_password(&directory, "carol", NEW));
    assert_eq!(directory.account("carol@example.org").unwrap().unwrap().id, carol);
    refused(join(&directory, &link.token, "dave@example.org"), "not good any more");
    // To one address: whatever is sent along.
    let link = directory.invite(Some("Eve@example.org"), &[], 1, NOW).unwrap();
    assert_eq!(
        link.info.purpose,
        LinkPurpose::Invitation { address: Some("eve@example.org".to_owned()), domains: vec![] }
    );
    let eve = join(&directory, &link.token, "postmaster@example.org").unwrap();
    assert_eq!(directory.account_by_id(eve).unwrap().unwrap().address, "eve@example.org");
    for (address, days, says) in
        [(Some(ALICE), 7, "already"), (Some("a@example.com"), 7, "not a local"), (None, 0, "days"), (None, 91, "days")]
    {
        refused(directory.invite(address, &[], days, NOW), says);
    }
    assert!(directory.invite(None, &[], LINK_DAYS_MAX, NOW).is_ok());
}

#[test]
fn an_invitation_gives_no_domain_away() {
    let (_, directory, _) = server();
    let link = directory.invite(None, &[], 7, NOW).unwrap();
    for name in ["postmaster", "HostMaster", "admin", "web.master", "administrator", "abuse", "noc", "security", "root"]
    {
        refused(join(&directory, &link.token, &format!("{name}@example.org")), "whoever runs this server");
    }
    refused(join(&directory, &link.token, "hostmaster+x@example.org"), "+");
    assert!(directory.link(&link.token, NOW).unwrap().is_some(), "the link is still good");
    // Whom the administrators give it to by name.
    let link = directory.invite(Some("abuse@example.org"), &[], 7, NOW).unwrap();
    assert!(join(&directory, &link.token, "").is_ok());
    directory.add_alias("noc@example.org", &[ALICE]).unwrap();
    directory.add_account("hostmaster@example.org", NEW, "", NOW).unwrap();
}

#[test]
fn an_invitation_can_be_limited_to_domains() {
    let (_, directory, _) = server();
    let link = directory.invite(None, &["BÜCHER.example"], 7, NOW).unwrap();
    let domains = vec!["xn--bcher-kva.example".to_owned()];
    assert_eq!(link.info.purpose, LinkPurpose::Invitation { address: None, domains });
    assert_eq!(directory.link(&link.token, NOW).unwrap(), Some(link.info.clone()));
    refused(join(&directory, &link.token, "carol@example.org"), "ends in @bücher.example");
    assert!(join(&directory, &link.token, "carol@bücher.example").is_ok());
    let invite = |domains: &[&str]| directory.invite(None, domains, 7, NOW);
    refused(invite(&["example.com"]), "not a local domain");
    refused(invite(&["a b"]), "not a domain");
    assert!(invite(&["example.org"; INVITATION_DOMAINS_MAX]).is_ok());
    refused(invite(&["example.org"; INVITATION_DOMAINS_MAX + 1]), "at most 20 domains");
}

#[test]
fn two_who_use_one_invitation_make_one_account() {
    let (_, directory, _) = server();
    let link = directory.invite(None, &[], 7, NOW).unwrap();
    let made = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..4)
            .map(|n| {
                scope.spawn({
                    let (directory, link) = (&directory, &link);
                    move || join(directory, &link.token, &format!("carol{n}@example.org")).is_ok()
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).filter(|made| *made).count()
    });
    assert_eq!(made, 1);
    assert_eq!(directory.accounts().unwrap().len(), 3);
    assert_eq!(directory.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_crash_leaves_the_account_without_the_link_or_the_link_without_the_account() {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        for commits_before in 0..4 {
            let (engine, directory, _) = server();
            let link = directory.invite(None, &[], 7, NOW).unwrap();
            engine.plan(commits_before, fault);
            let made = join(&directory, &link.token, "carol@example.org").is_ok();
            let directory = start(&engine.crash());
            let is_there = directory.account("carol@example.org").unwrap().is_some();
            let is_good = directory.link(&link.token, NOW).unwrap().is_some();
            assert_ne!(is_there, is_good, "{fault:?} after {commits_before}");
            assert!(is_there || !made);
            assert_eq!(directory.check().unwrap(), Vec::<String>::new());
            assert_eq!(join(&directory, &link.token, "carol@example.org").is_ok(), is_good);
        }
    }
}

#[test]
fn links_are_bounded_and_old_ones_make_room() {
    let (_, directory, _) = server();
    let all: Vec<NewLink> = (0..LINKS_MAX).map(|_| directory.invite(None, &[], 1, NOW).unwrap()).collect();
    assert!(matches!(directory.invite(None, &[], 1, NOW), Err(Error::Refused(why)) if why.contains("most")));
    assert!(matches!(directory.password_link(ALICE, NOW), Err(Error::Refused(why)) if why.contains("most")));
    directory.take_link_back(&all[7].info.id).unwrap();
    assert!(directory.invite(None, &[], 1, NOW).is_ok());
    assert!(directory.password_link(ALICE, later(DAY_MILLIS)).is_ok());
    assert_eq!(directory.0.table.scan(record::LINK, record::LINK, usize::MAX).unwrap().len(), 1);
}

#[test]
fn what_is_kept_of_a_link_opens_nothing() {
    let (engine, directory, _) = server();
    let link = directory.password_link(ALICE, NOW).unwrap();
    let token = *blake3::Hash::from_hex(&link.token).unwrap().as_bytes();
    let rows = directory.0.table.scan(record::LINK, record::LINK, 10).unwrap();
    for (key, value) in rows {
        assert!(![key, value].iter().any(|bytes| bytes.windows(32).any(|part| part == token || part == SECRET)));
    }
    assert!(start(&engine).link(&link.token, NOW).unwrap().is_some());
}

#[test]
fn a_stranger_with_no_link_costs_nothing() {
    let (_, directory, _) = server();
    let before = directory.0.table.version().unwrap();
    for token in ["x".to_owned(), "0".repeat(64)] {
        refused(choose(&directory, &token, NOW), "not good any more");
        refused(join(&directory, &token, ALICE), "not good any more");
        refused(join(&directory, &token, "nobody@example.org"), "not good any more");
    }
    assert_eq!(directory.0.table.version().unwrap(), before);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(100))]
    #[test]
    fn what_is_written_is_read(address: String, account: u32, stamp: [u8; 32], times: [i64; 2], invites: bool) {
        let account = AccountId(account);
        let domains = vec!["example.org".to_owned(), "xn--bcher-kva.example".to_owned()];
        let domains = if address.is_empty() { domains } else { Vec::new() };
        let purpose = if invites { Kept::Invitation { address, domains } } else { Kept::Password { account, stamp } };
        let record = LinkRecord { purpose, made_at: Timestamp(times[0]), expires_at: Timestamp(times[1]) };
        let value = record.encode();
        proptest::prop_assert_eq!(LinkRecord::decode(&value[..value.len() - 1]), Err(Corrupt));
        proptest::prop_assert_eq!(LinkRecord::decode(&[&value[..], b"x"].concat()), Err(Corrupt));
        proptest::prop_assert_eq!(LinkRecord::decode(&value), Ok(record));
    }
}

#[test]
fn a_link_has_the_octets_that_it_always_had() {
    fn check(purpose: Kept, octets: &[u8]) {
        let record = LinkRecord { purpose, made_at: Timestamp(1), expires_at: Timestamp(2) };
        let octets = [b"\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02", octets].concat();
        assert_eq!(record.encode(), octets);
        assert_eq!(LinkRecord::decode(&octets), Ok(record));
    }
    let (address, domains) = ("a@b".to_owned(), ["b", "c"].map(str::to_owned).to_vec());
    check(Kept::Invitation { address, domains: Vec::new() }, b"\0\0\0\0\x03a@b");
    check(Kept::Invitation { address: String::new(), domains }, b"\x02\0\0\0\0\0\0\0\x03b c");
    let stamp = [b's'; 32];
    check(Kept::Password { account: AccountId(16), stamp }, &[&b"\x01\0\0\0\x10"[..], &stamp].concat());
}
