//! The directory: how addresses resolve, what administration refuses, and what a crash leaves.

use crate::testing::{NOW, PASSWORD, is_password, options, server, server_with, start, start_with};
use crate::{Directory, DirectoryOptions, Error, Limits, Resolution, record};
use store::sim::{Fault, Random, SimEngine};
use store::{AccountId, TableId};

/// `16 detail` for each account, `no user` or `not local`.
fn resolve(directory: &Directory, address: &str) -> String {
    let (local_part, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    match directory.resolve(local_part, domain).unwrap() {
        Resolution::NoSuchUser => "no user".to_owned(),
        Resolution::NotLocal => "not local".to_owned(),
        Resolution::List(list, detail) => format!("list {} {detail:?}", list.address),
        Resolution::Local { accounts, outside } => {
            let shown = accounts.iter().map(|delivery| match &delivery.detail {
                None => delivery.address.clone(),
                Some(detail) => format!("{} [{detail}]", delivery.address),
            });
            shown.chain(outside).collect::<Vec<_>>().join(", ")
        }
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>, says: &str) {
    match result {
        Err(Error::Refused(why)) => assert!(why.contains(says), "{why:?} does not say {says:?}"),
        other => panic!("{other:?} instead of a refusal that says {says:?}"),
    }
}

/// Nothing is wrong, nothing is left unfinished.
fn is_well(directory: &Directory) {
    assert_eq!(directory.check().unwrap(), Vec::<String>::new());
    let table = &directory.0.table;
    assert_eq!(table.scan(record::UNFINISHED, record::UNFINISHED, 10).unwrap(), []);
}

#[test]
fn addresses_resolve() {
    let (_, directory, _) = server();
    directory.add_account("jürgen@bücher.example", PASSWORD, "", NOW).unwrap();
    directory.add_alias("sales@example.org", &["alice@example.org", "BOB@EXAMPLE.ORG", "alice@example.org"]).unwrap();
    directory.add_alias("alice+lists@example.org", &["bob@example.org"]).unwrap();
    let check = |address: &str, expected: &str| assert_eq!(resolve(&directory, address), expected, "{address}");
    check("alice@example.org", "alice@example.org");
    check("ALICE@Example.Org", "alice@example.org");
    check("alice@example.org.", "alice@example.org");
    check("alice+News+x@example.org", "alice@example.org [News+x]");
    check("alice+@example.org", "alice@example.org []");
    check("alice+lists@example.org", "bob@example.org");
    check("alice+Lists@example.org", "bob@example.org");
    check("sales@example.org", "alice@example.org, bob@example.org");
    check("Sales+q3@example.org", "alice@example.org [q3], bob@example.org [q3]");
    check("+x@example.org", "no user");
    check("nobody@example.org", "no user");
    check("nobody+x@example.org", "no user");
    check("alice@bücher.example", "no user");
    check("JÜRGEN@BÜCHER.example", "jürgen@xn--bcher-kva.example");
    check("jürgen+x@xn--bcher-kva.example", "jürgen@xn--bcher-kva.example [x]");
    check("alice@example.net", "not local");
    check("alice@sub.example.org", "not local");
    check("alice@[192.0.2.1]", "not local");
    check("alice@-", "not local");
    check("alice", "not local");
    for (domain, expected) in [
        ("example.org", true),
        ("EXAMPLE.org", true),
        ("Bücher.example", true),
        ("xn--bcher-kva.example", true),
        ("example.net", false),
        ("", false),
        ("a b", false),
    ] {
        assert_eq!(directory.is_local_domain(domain), Ok(expected), "{domain}");
    }
    is_well(&directory);
}

#[test]
fn a_catch_all_gets_what_nobody_else_gets() {
    let (_, directory, _) = server();
    directory.add_alias("@example.org", &["bob@example.org"]).unwrap();
    assert_eq!(resolve(&directory, "alice@example.org"), "alice@example.org");
    assert_eq!(resolve(&directory, "anything+x@example.org"), "bob@example.org [x]");
    assert_eq!(resolve(&directory, "\u{7f} \"@example.org"), "bob@example.org");
    assert_eq!(resolve(&directory, "anything@bücher.example"), "no user");
    // RFC 5321 §4.5.1: the catch-all is somebody who was chosen, the first account is not.
    assert_eq!(resolve(&directory, "postmaster@example.org"), "bob@example.org");
    // But who reads mail to the postmaster can have a certificate made out to the domain.
    directory.set_admin("alice@example.org", true).unwrap();
    assert_eq!(resolve(&directory, "postmaster@example.org"), "alice@example.org");
    assert_eq!(resolve(&directory, "hostmaster@example.org"), "bob@example.org");
    directory.remove_alias("@EXAMPLE.org").unwrap();
    assert_eq!(resolve(&directory, "anything@example.org"), "no user");
}

#[test]
fn postmaster_and_abuse_always_reach_somebody() {
    let (engine, directory, _) = server();
    let check = |directory: &Directory, expected: &str| {
        for address in ["postmaster@example.org", "Abuse@example.org", "PostMaster@bücher.example", "Postmaster"] {
            assert_eq!(resolve(directory, address), expected, "{address}");
        }
    };
    check(&directory, "alice@example.org");
    directory.set_disabled("alice@example.org", true).unwrap();
    check(&directory, "bob@example.org");
    directory.set_disabled("bob@example.org", true).unwrap();
    check(&directory, "alice@example.org");
    assert_eq!(resolve(&directory, "postmaster+x@example.org"), "alice@example.org [x]");
    // The configured one, an alias here, goes before.
    directory.add_alias("admins@example.org", &["bob@example.org"]).unwrap();
    let with = |postmaster: &str| {
        start_with(&engine, DirectoryOptions { postmaster: Some(postmaster.to_owned()), ..options() })
    };
    check(&with("Admins@example.org"), "bob@example.org");
    check(&with("nobody@example.org"), "alice@example.org");
    check(&with("nonsense"), "alice@example.org");
    // The first account of the domain goes before the first of all; an account of that name before everything.
    directory.add_account("carol@bücher.example", PASSWORD, "", NOW).unwrap();
    assert_eq!(resolve(&directory, "abuse@bücher.example"), "carol@xn--bcher-kva.example");
    directory.add_account("postmaster@bücher.example", PASSWORD, "", NOW).unwrap();
    let postmaster = resolve(&with("alice@example.org"), "postmaster@bücher.example");
    assert_eq!(postmaster, "postmaster@xn--bcher-kva.example");
}

#[test]
fn postmaster_and_abuse_reach_the_administrators_and_not_the_first_user_of_a_domain() {
    let (engine, directory, [alice, bob]) = server();
    directory.add_account("carol@bücher.example", PASSWORD, "", NOW).unwrap();
    directory.set_admin("bob@example.org", true).unwrap();
    let all = ["postmaster@example.org", "abuse@bücher.example", "Postmaster+x@bücher.example", "postmaster"];
    let check = |expected: &str| {
        for address in all {
            assert_eq!(resolve(&directory, address).replace(" [x]", ""), expected, "{address}");
        }
    };
    check("bob@example.org");
    assert!(directory.may_send_as(bob, "postmaster@bücher.example").unwrap());
    assert!(!directory.may_send_as(alice, "postmaster@example.org").unwrap());
    assert_eq!(directory.postmasters("example.org").unwrap(), ["bob@example.org"]);
    // All of them.
    directory.set_admin("alice@example.org", true).unwrap();
    check("alice@example.org, bob@example.org");
    // None who may not log in: nobody would read it.
    directory.set_disabled("bob@example.org", true).unwrap();
    check("alice@example.org");
    assert!(directory.has_administrator().unwrap());
    directory.set_disabled("alice@example.org", true).unwrap();
    assert!(!directory.has_administrator().unwrap());
    assert_eq!(resolve(&directory, "abuse@bücher.example"), "carol@xn--bcher-kva.example");
    directory.set_disabled("alice@example.org", false).unwrap();
    // Whom somebody has named goes before.
    directory.add_alias("postmaster@example.org", &["carol@bücher.example"]).unwrap();
    assert_eq!(resolve(&directory, "postmaster@example.org"), "carol@xn--bcher-kva.example");
    assert_eq!(resolve(&directory, "abuse@example.org"), "alice@example.org");
    let configured = DirectoryOptions { postmaster: Some("carol@bücher.example".to_owned()), ..options() };
    let configured = start_with(&engine, configured);
    assert_eq!(resolve(&configured, "abuse@example.org"), "carol@xn--bcher-kva.example");
    assert_eq!(resolve(&directory, "mailer-daemon@example.org"), "no user");
}

#[test]
fn a_server_without_accounts_has_no_postmaster() {
    let directory = start(&SimEngine::new());
    assert_eq!(resolve(&directory, "postmaster"), "no user");
    directory.add_domain("example.org").unwrap();
    assert_eq!(resolve(&directory, "postmaster@example.org"), "no user");
    is_well(&directory);
}

#[test]
fn who_may_send_as_whom() {
    let (_, directory, [alice, bob]) = server();
    directory.add_alias("sales@example.org", &["alice@example.org", "bob@example.org"]).unwrap();
    directory.add_alias("@bücher.example", &["bob@example.org"]).unwrap();
    let check = |account: AccountId, address: &str, expected: bool| {
        assert_eq!(directory.may_send_as(account, address), Ok(expected), "{account} {address}");
    };
    check(alice, "Alice@Example.org", true);
    check(alice, "alice+x@example.org", true);
    check(alice, "sales@example.org", true);
    check(bob, "sales+x@example.org", true);
    check(bob, "alice@example.org", false);
    check(bob, "alice+x@example.org", false);
    check(bob, "whoever@bücher.example", true);
    check(alice, "whoever@bücher.example", false);
    check(alice, "nobody@example.org", false);
    check(alice, "alice@example.net", false);
    check(alice, "alice", false);
    check(alice, "", false);
}

#[test]
fn lists_show_what_is_there() {
    let (_, directory, [alice, _]) = server();
    directory.add_alias("z@example.org", &["bob@example.org", "alice@example.org"]).unwrap();
    directory.add_alias("@bücher.example", &["alice@example.org"]).unwrap();
    let domains: Vec<_> = directory.domains().unwrap().into_iter().map(|domain| (domain.name, domain.shown)).collect();
    let pair = |name: &str, shown: &str| (name.to_owned(), shown.to_owned());
    assert_eq!(domains, [pair("example.org", "example.org"), pair("xn--bcher-kva.example", "bücher.example")]);
    let accounts = directory.accounts().unwrap();
    assert_eq!(
        accounts.iter().map(|a| a.address.as_str()).collect::<Vec<_>>(),
        ["alice@example.org", "bob@example.org"]
    );
    let info = directory.account(" ALICE@example.org").unwrap().unwrap();
    assert_eq!(
        (info.id, info.address.as_str(), info.display.as_str(), info.disabled, info.created_at),
        (alice, "alice@example.org", "Alice", false, NOW)
    );
    assert_eq!(directory.account_by_id(alice), Ok(Some(info)));
    assert_eq!(directory.account("z@example.org"), Ok(None));
    let aliases: Vec<_> = directory.aliases().unwrap().into_iter().map(|a| (a.address, a.targets.join(" "))).collect();
    let expected = [
        pair("z@example.org", "bob@example.org alice@example.org"),
        pair("@xn--bcher-kva.example", "alice@example.org"),
    ];
    assert_eq!(aliases, expected);
}

#[test]
fn what_administration_refuses() {
    let (_, directory, _) = server();
    directory.add_alias("sales@example.org", &["alice@example.org"]).unwrap();
    refused(directory.add_domain("a b"), "not a domain");
    refused(directory.add_domain("EXAMPLE.org"), "already");
    refused(directory.add_domain("XN--BCHER-KVA.example"), "bücher.example is a local domain already");
    refused(directory.remove_domain("example.net"), "not a local domain");
    refused(directory.remove_domain("example.org"), "accounts: 2, aliases: 1, lists: 0");
    let add = |address: &str, password: &str, display: &str| directory.add_account(address, password, display, NOW);
    refused(add("carol", PASSWORD, ""), "not an address");
    refused(add("@example.org", PASSWORD, ""), "catch-all");
    refused(add("carol+x@example.org", PASSWORD, ""), "+");
    refused(add("carol@example.net", PASSWORD, ""), "pillarbox domain add example.net");
    refused(add("ALICE@example.org", PASSWORD, ""), "account already");
    refused(add("sales@example.org", PASSWORD, ""), "alias already");
    refused(add("carol@example.org", "1234567", ""), "too short");
    refused(add("carol@example.org", PASSWORD, "a\nb"), "display name");
    refused(add("carol@example.org", PASSWORD, &"x".repeat(201)), "display name");
    refused(directory.set_password("carol@example.org", PASSWORD), "no account");
    refused(directory.set_password("alice@example.org", "short"), "too short");
    refused(directory.set_disabled("sales@example.org", true), "no account");
    refused(directory.remove_account("carol@example.org"), "no account");
    let alias = |address: &str, targets: &[&str]| directory.add_alias(address, targets);
    refused(alias("alice@example.org", &["bob@example.org"]), "account already");
    refused(alias("Sales@example.org", &["bob@example.org"]), "alias already");
    refused(alias("x@example.net", &["bob@example.org"]), "not a local domain");
    refused(alias("x@example.org", &["sales@example.org"]), "not to other aliases");
    refused(alias("x@example.org", &["x@example.org"]), "not an account");
    refused(alias("x@example.org", &["@example.net"]), "no address of somebody");
    refused(alias("x@example.org", &[]), "at least one");
    refused(directory.remove_alias("x@example.org"), "no alias");
    refused(directory.remove_alias("*@example.org"), "no alias");
    refused(directory.remove_alias("alice@example.org"), "no alias");
    add("carol@example.org", PASSWORD, &"x".repeat(200)).unwrap();
    is_well(&directory);
}

#[test]
fn the_limits_hold_at_the_limit_and_one_past_it() {
    let limits = Limits { domains: 2, accounts: 3, aliases: 2, alias_targets: 2 };
    let (_, directory, _) = server_with(DirectoryOptions { limits, ..options() });
    refused(directory.add_domain("example.net"), "the most");
    directory.add_account("carol@example.org", PASSWORD, "", NOW).unwrap();
    refused(directory.add_account("dave@example.org", PASSWORD, "", NOW), "the most");
    let all = ["alice@example.org", "bob@example.org", "carol@example.org"];
    refused(directory.add_alias("a@example.org", &all), "at most 2");
    directory.add_alias("a@example.org", &all[..2]).unwrap();
    directory.add_alias("b@example.org", &all[..1]).unwrap();
    refused(directory.add_alias("c@example.org", &all[..1]), "the most");
    // What is removed makes room.
    directory.remove_alias("b@example.org").unwrap();
    directory.add_alias("c@example.org", &all[..1]).unwrap();
    directory.remove_account("carol@example.org").unwrap();
    directory.add_account("dave@example.org", PASSWORD, "", NOW).unwrap();
    directory.remove_domain("bücher.example").unwrap();
    directory.add_domain("example.net").unwrap();
    is_well(&directory);
}

#[test]
fn an_alias_leads_to_addresses_elsewhere_until_their_domain_is_ours() {
    let (engine, directory, _) = server();
    directory.add_alias("team@example.org", &["Ada@Example.com", "bob@example.org", "Ada@example.COM"]).unwrap();
    directory.add_alias("away@example.org", &["carol@example.com"]).unwrap();
    for directory in [&directory, &start(&engine)] {
        assert_eq!(resolve(directory, "team+x@example.org"), "bob@example.org [x], Ada@example.com");
        assert_eq!(resolve(directory, "away@example.org"), "carol@example.com");
        assert_eq!(directory.aliases().unwrap()[1].targets, ["bob@example.org", "Ada@example.com"]);
    }
    directory.remove_account("bob@example.org").unwrap();
    assert_eq!(resolve(&directory, "team@example.org"), "Ada@example.com");
    directory.add_domain("example.com").unwrap();
    assert_eq!(resolve(&directory, "team@example.org"), "no user");
    directory.add_account("ada@example.com", PASSWORD, "", NOW).unwrap();
    assert_eq!(resolve(&directory, "team@example.org"), "ada@example.com");
    is_well(&directory);
}

#[test]
fn an_account_that_is_removed_leaves_nothing_and_its_number_is_not_used_again() {
    let (engine, directory, [alice, bob]) = server();
    directory.add_alias("sales@example.org", &["alice@example.org", "bob@example.org"]).unwrap();
    directory.add_alias("bobby@example.org", &["bob@example.org"]).unwrap();
    directory.remove_account("Bob@example.org").unwrap();
    assert_eq!(resolve(&directory, "bob@example.org"), "no user");
    assert_eq!(resolve(&directory, "bobby@example.org"), "no user");
    assert_eq!(resolve(&directory, "sales@example.org"), "alice@example.org");
    assert!(!is_password(&directory, "bob@example.org", "battery staple"));
    assert_eq!(directory.store().accounts(), Ok(vec![alice]));
    is_well(&directory);
    // Not even by a later process.
    let directory = start(&engine.crash());
    let again = directory.add_account("bob@example.org", PASSWORD, "", NOW).unwrap();
    assert!(again > bob, "{again} was {bob}");
    is_well(&directory);
}

#[test]
fn a_directory_older_than_the_mailboxes_gives_no_number_twice() {
    let (_, directory, [_, bob]) = server();
    let orphan = AccountId(bob.0 + 10);
    directory.store().create_account(orphan, NOW).unwrap();
    assert_eq!(directory.check().unwrap(), [format!("mailbox {orphan} belongs to no account")]);
    let carol = directory.add_account("carol@example.org", PASSWORD, "", NOW).unwrap();
    assert_eq!(carol, AccountId(orphan.0 + 1));
}

/// Runs `operation` with `fault` at its n-th commit, for every n that it has; `verdict` looks at what the next process
/// finds and is told whether the operation was acknowledged.
fn with_faults(
    operation: impl Fn(&Directory) -> Result<(), Error>,
    verdict: impl Fn(&Directory, Result<(), Error>, [AccountId; 2]),
) {
    for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::Full, Fault::Failed, Fault::Conflict] {
        for commits_before in 0.. {
            let (engine, directory, ids) = server();
            directory.add_alias("sales@example.org", &["alice@example.org", "bob@example.org"]).unwrap();
            let first = engine.commits();
            engine.plan(commits_before, fault);
            let outcome = operation(&directory);
            if engine.commits() <= first + commits_before {
                assert!(commits_before >= 3, "the operation has {commits_before} commits only");
                break;
            }
            if fault == Fault::Conflict {
                assert_eq!(outcome, Ok(()));
            }
            let next = start(&engine.crash());
            is_well(&next);
            verdict(&next, outcome, ids);
        }
    }
}

#[test]
fn an_account_is_made_wholly_or_not_at_all_whatever_crashes() {
    let make = |directory: &Directory| directory.add_account("carol@example.org", PASSWORD, "", NOW).map(drop);
    with_faults(make, |directory, outcome, [alice, bob]| {
        let there = directory.account("carol@example.org").unwrap();
        if outcome.is_ok() {
            assert!(there.is_some());
        }
        match there {
            Some(carol) => {
                assert!(is_password(directory, "carol@example.org", PASSWORD));
                assert_eq!(directory.store().accounts(), Ok(vec![alice, bob, carol.id]));
            }
            None => {
                assert_eq!(directory.store().accounts(), Ok(vec![alice, bob]));
                assert_eq!(resolve(directory, "carol@example.org"), "no user");
                directory.add_account("carol@example.org", PASSWORD, "", NOW).unwrap();
            }
        }
        is_well(directory);
    });
}

#[test]
fn an_account_is_removed_wholly_or_not_at_all_whatever_crashes() {
    let remove = |directory: &Directory| directory.remove_account("bob@example.org");
    with_faults(remove, |directory, outcome, [alice, bob]| {
        let there = directory.account("bob@example.org").unwrap();
        assert!(outcome.is_err() || there.is_none());
        if there.is_some() {
            assert!(is_password(directory, "bob@example.org", "battery staple"));
            assert_eq!(resolve(directory, "sales@example.org"), "alice@example.org, bob@example.org");
            assert_eq!(directory.store().accounts(), Ok(vec![alice, bob]));
        } else {
            assert_eq!(resolve(directory, "sales@example.org"), "alice@example.org");
            assert_eq!(directory.store().accounts(), Ok(vec![alice]));
        }
    });
}

#[test]
fn who_creates_and_who_tidies_at_the_same_time_do_not_collide() {
    let (engine, directory, _) = server();
    let address = crate::accounts::own_address("carol@example.org").unwrap();
    let id = directory.reserve(&address).unwrap();
    // Another process starts, and tidies up what looks like a crash; then the first goes on.
    drop(start(&engine));
    directory.store().create_account(id, NOW).unwrap();
    let record = record::AccountRecord {
        address: address.text(),
        display: String::new(),
        password: String::new(),
        scram: Vec::new(),
        disabled: false,
        admin: false,
        created_at: NOW,
    };
    refused(directory.publish(id, &address, &record, |_, _| Ok(())), "try again");
    directory.abandon(id).unwrap();
    is_well(&directory);
    assert!(!directory.store().accounts().unwrap().contains(&id));
    assert!(directory.add_account("carol@example.org", PASSWORD, "", NOW).unwrap() > id);
}

#[test]
fn what_another_process_changes_counts_at_once() {
    let (engine, directory, _) = server();
    let other = start(&engine);
    let (here, there) = (&directory, &other);
    assert_eq!(resolve(there, "carol@example.org"), "no user");
    here.add_account("carol@example.org", PASSWORD, "", NOW).unwrap();
    assert_eq!(resolve(there, "carol@example.org"), "carol@example.org");
    there.add_alias("c@example.org", &["carol@example.org"]).unwrap();
    assert_eq!(resolve(here, "c@example.org"), "carol@example.org");
    here.remove_account("carol@example.org").unwrap();
    assert_eq!(resolve(there, "c@example.org"), "no user");
    there.add_domain("example.net").unwrap();
    assert_eq!(here.is_local_domain("example.net"), Ok(true));
}

#[test]
fn a_read_error_is_a_fault_and_never_an_unknown_address() {
    let (engine, directory, _) = server();
    engine.plan_read_error(0);
    assert!(directory.resolve("alice", "example.org").is_err());
    directory.add_alias("a@example.org", &["alice@example.org"]).unwrap();
    // The version; then all of it: a snapshot, and kinds of rows.
    for reads_before in 0..7 {
        let fresh = start(&engine);
        engine.plan_read_error(reads_before);
        assert!(fresh.resolve("alice", "example.org").is_err(), "{reads_before}");
        assert_eq!(resolve(&fresh, "a@example.org"), "alice@example.org");
    }
}

#[test]
fn damaged_rows_are_faults() {
    let (engine, directory, _) = server();
    let table = directory.store().table(TableId::Directory);
    table
        .change::<_, store::Error>(|tx| {
            tx.put(b"Lx@example.org", vec![9]);
            Ok(())
        })
        .unwrap();
    let error = start(&engine).resolve("alice", "example.org").unwrap_err();
    assert!(error.to_string().contains("“Lx@example.org”; run `pillarbox check`"), "{error}");
}

#[test]
fn check_finds_what_is_wrong() {
    let (_, directory, [alice, bob]) = server();
    let table = directory.store().table(TableId::Directory);
    table
        .change::<_, store::Error>(|tx| {
            tx.delete(&record::key(record::NAME, "alice@example.org"));
            tx.delete(&record::number_key(record::ACCOUNT, bob));
            tx.delete(&record::key(record::DOMAIN, "example.org"));
            Ok(())
        })
        .unwrap();
    let findings = directory.check().unwrap();
    let expected = [
        format!("account {alice} is called alice@example.org, but that address does not lead to it"),
        "bob@example.org is in no local domain".to_owned(),
        format!("bob@example.org leads to account {bob}, which is not there"),
        "1 domains are there, but 2 were counted".to_owned(),
        "1 accounts are there, but 2 were counted".to_owned(),
        format!("mailbox {bob} belongs to no account"),
    ];
    assert_eq!(findings, expected);
}

#[test]
fn an_alias_for_a_star_was_taken_for_one_that_catches_all() {
    let (_, directory, _) = server();
    for star in ["*@example.org", "sales*@example.org"] {
        refused(directory.add_alias(star, &["alice@example.org"]), "the alias @example.org");
        refused(directory.add_account(star, PASSWORD, "", NOW), "the alias @example.org");
    }
    directory.add_alias("@example.org", &["alice@example.org"]).unwrap();
    is_well(&directory);
}

/// What is asked of the directory after each change is answered from what is in memory: one read, of the version.
#[test]
fn the_directory_was_loaded_anew_after_each_change() {
    let (engine, directory, _) = server();
    resolve(&directory, "alice@example.org");
    let changes: [&dyn Fn(); 4] = [
        &|| directory.add_alias("a@example.org", &["alice@example.org"]).unwrap(),
        &|| directory.set_disabled("bob@example.org", true).unwrap(),
        &|| directory.remove_alias("a@example.org").unwrap(),
        &|| assert!(directory.add_account("carol@example.org", PASSWORD, "", NOW).is_ok()),
    ];
    for change in changes {
        change();
        engine.plan_read_error(1);
        assert_eq!(resolve(&directory, "alice@example.org"), "alice@example.org");
        assert!(directory.resolve("alice", "example.org").is_err(), "the second read is that of the second question");
    }
    // Another process: then it is read.
    start(&engine).add_alias("b@example.org", &["carol@example.org"]).unwrap();
    assert_eq!(resolve(&directory, "b@example.org"), "carol@example.org");
}

/// Whatever changes, what is in memory is what a process reads that starts now.
#[test]
fn what_changed_in_place_is_what_would_be_read() {
    for seed in 0..20 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let (engine, directory, _) = server();
        let names = ["alice", "bob", "carol", "dave"];
        let addresses: Vec<String> =
            names.iter().flat_map(|name| ["example.org", "bücher.example"].map(|d| format!("{name}@{d}"))).collect();
        for _ in 0..30 {
            let mut any = || &addresses[random.below(addresses.len() as u64) as usize];
            let (address, other) = (any(), any());
            // A refusal is as good: nothing changes.
            match random.below(8) {
                0 | 1 => drop(directory.add_account(address, PASSWORD, "", NOW)),
                2 => drop(directory.remove_account(address)),
                3 => drop(directory.add_alias(address, &[other, &addresses[0]])),
                4 => drop(directory.remove_alias(address)),
                5 => drop(directory.set_disabled(address, random.chance(500))),
                6 => drop(directory.set_admin(address, random.chance(700))),
                _ => drop(directory.add_alias(&format!("@{}", other.rsplit_once('@').unwrap().1), &[address])),
            }
            let fresh = start(&engine);
            assert_eq!(directory.accounts(), fresh.accounts());
            assert_eq!(directory.aliases(), fresh.aliases());
            assert_eq!(directory.has_administrator(), fresh.has_administrator());
            for name in
                addresses.iter().map(String::as_str).chain(["abuse@example.org", "x@bücher.example", "postmaster"])
            {
                assert_eq!(resolve(&directory, name), resolve(&fresh, name), "{name}");
            }
            for name in names {
                let who = |directory: &Directory| directory.who_logs_in(name).unwrap().map(|(id, _)| id);
                assert_eq!(who(&directory), who(&fresh), "{name}");
            }
        }
    }
}
