use super::*;
use crate::testing::{self, NOW};
use crate::{DirectoryOptions, Limits, Resolution};
use store::sim::Fault;
use store::{DeviceId, Protocol};

const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };
const SSHA: NewPassword<'static> = NewPassword::Hash("{SSHA}1WRiFncH9cCFT4iSwarmsCD7wZ6iO3Ux");

fn new(address: &str) -> NewAccount<'_> {
    NewAccount { address, display: "", password: SSHA, quota_bytes: None, aliases: Vec::new() }
}

fn reasons(outcomes: &[Result<Added, Error>]) -> Vec<String> {
    outcomes
        .iter()
        .map(|outcome| match outcome {
            Ok(added) => format!("{added:?}"),
            Err(error) => error.to_string(),
        })
        .collect()
}

#[test]
fn each_line_is_made_as_a_whole_or_refused_as_a_whole_and_the_second_time_all_are_there() {
    let (_, directory, _) = testing::server();
    let accounts = [
        NewAccount {
            display: "Carol",
            quota_bytes: Some(Some(5_000_000)),
            aliases: vec!["c@example.org", "@bücher.example"],
            ..new("Carol@example.org")
        },
        new("alice@example.org"),
        new("dave@example.net"),
        NewAccount { aliases: vec!["new@example.org", "alice@example.org"], ..new("eve@example.org") },
        NewAccount { password: NewPassword::Plain("short"), ..new("frank@example.org") },
        NewAccount { password: NewPassword::Plain("long enough"), ..new("grace@example.org") },
        NewAccount { aliases: vec!["g@example.org", "G@example.org"], ..new("heidi@example.org") },
        new("carol@example.org"),
    ];
    let version = directory.version().unwrap();
    let dry = directory.try_accounts(&accounts, ACTOR);
    assert_eq!(directory.version().unwrap(), version);
    let expected = [
        "New",
        "There",
        "example.net is not a local domain",
        "alice@example.org is an account already",
        "too short",
        "New",
        "twice",
        "There",
    ];
    let done = directory.add_accounts(&accounts, &ToHash::hash, ACTOR);
    assert_eq!(dry, done);
    for (said, expected) in reasons(&done).iter().zip(expected) {
        assert!(said.contains(expected), "{said}: {expected}");
    }
    let carol = directory.account("carol@example.org").unwrap().unwrap();
    assert_eq!(directory.store().account(carol.id).usage().unwrap().quota.bytes, Some(5_000_000));
    let Resolution::Local { accounts: leads, .. } = directory.resolve("c", "example.org").unwrap() else { panic!() };
    assert_eq!(leads[0].account, carol.id);
    for (user, password) in [("carol", "correct horse"), ("grace", "long enough")] {
        assert!(testing::is_password(&directory, user, password), "{user}");
    }
    assert!(!directory.is_taken("new@example.org").unwrap(), "of a line that was refused");
    assert_eq!(directory.check(), Ok(vec![]));
    let version = directory.version().unwrap();
    let again = reasons(&directory.add_accounts(&accounts, &ToHash::hash, ACTOR));
    assert_eq!((&*again[0], &*again[5], directory.version().unwrap()), ("There", "There", version));
}

#[test]
fn as_many_are_made_as_there_is_room_for() {
    let limits = Limits { accounts: 4, aliases: 1, ..Limits::DEFAULT };
    let (_, directory, _) = testing::server_with(DirectoryOptions { limits, ..testing::options() });
    let accounts = [
        NewAccount { aliases: vec!["a1@example.org", "a2@example.org"], ..new("u1@example.org") },
        NewAccount { aliases: vec!["a1@example.org"], ..new("u2@example.org") },
        new("u3@example.org"),
        new("u4@example.org"),
    ];
    for dry_run in [true, false] {
        let said = match dry_run {
            true => directory.try_accounts(&accounts, ACTOR),
            false => directory.add_accounts(&accounts, &ToHash::hash, ACTOR),
        };
        let said = reasons(&said);
        assert!(said[0].contains("more than 1") && said[3].contains("there are 4 accounts"), "{said:?}");
        assert_eq!((&*said[1], &*said[2]), ("New", "New"));
    }
    assert_eq!(directory.check(), Ok(vec![]));
}

#[test]
fn hundreds_share_a_few_commits_of_the_directory() {
    let (_, directory, _) = testing::server();
    let addresses: Vec<String> = (0..TOGETHER_MAX * 2 + 1).map(|n| format!("u{n:03}@example.org")).collect();
    let accounts: Vec<NewAccount<'_>> = addresses.iter().map(|address| new(address)).collect();
    let before = directory.version().unwrap().0;
    let outcomes = directory.add_accounts(&accounts, &ToHash::hash, ACTOR);
    assert!(outcomes.iter().all(|outcome| *outcome == Ok(Added::New)));
    assert_eq!(directory.version().unwrap().0 - before, 3 * 2, "numbers are taken, accounts are published");
    assert_eq!(directory.check(), Ok(vec![]));
}

#[test]
fn a_crash_at_any_commit_leaves_whole_accounts_and_nothing_of_the_others() {
    let addresses: Vec<String> = (0..3).map(|n| format!("u{n}@example.org")).collect();
    let new = |address| NewAccount { quota_bytes: Some(Some(1)), ..new(address) };
    let accounts: Vec<NewAccount<'_>> = addresses.iter().map(|address| new(address)).collect();
    for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::Full, Fault::Failed, Fault::Conflict] {
        for commits_before in 0.. {
            let (engine, directory, _) = testing::server();
            let first = engine.commits();
            engine.plan(commits_before, fault);
            let outcomes = directory.add_accounts(&accounts, &ToHash::hash, ACTOR);
            if engine.commits() <= first + commits_before {
                assert!(commits_before > 6, "there were {commits_before} commits only");
                break;
            }
            let next = testing::start(&engine.crash());
            assert_eq!(next.check(), Ok(vec![]), "{fault:?} after {commits_before} commits");
            for (address, outcome) in addresses.iter().zip(&outcomes) {
                let there = next.account(address).unwrap();
                assert!(outcome.is_err() || there.is_some(), "{address}: {fault:?} after {commits_before} commits");
                if let Some(info) = there {
                    assert!(testing::is_password(&next, address, "correct horse"));
                    assert_eq!(next.store().account(info.id).usage().unwrap().quota.bytes, Some(1));
                }
            }
            let again = next.add_accounts(&accounts, &ToHash::hash, ACTOR);
            assert!(again.iter().all(Result::is_ok), "{again:?}");
        }
    }
}
