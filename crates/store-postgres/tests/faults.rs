//! What the rules of all engines do not say: a database that dies, one that does not keep what it acknowledged, and a second
//! server.

#![allow(clippy::unwrap_used)]

mod cluster;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use cluster::Cluster;
use store::TableId;
use store::engine::{Commit, CommitError, Engine, EngineError, KEY_BYTES_MAX, Write};
use store::ids::{AccountId, ModSeq};
use store_postgres::{PostgresEngine, PostgresOptions};

fn open(cluster: &Cluster) -> PostgresEngine {
    PostgresEngine::open(&PostgresOptions::new(&cluster.url())).unwrap()
}

fn refusal(cluster: &Cluster) -> String {
    let options = PostgresOptions { lock_wait: Duration::from_millis(10), ..PostgresOptions::new(&cluster.url()) };
    PostgresEngine::open(&options).unwrap_err().to_string()
}

fn put(account: u32, expected: u64) -> Commit {
    let writes = vec![Write::Put { key: expected.to_be_bytes().to_vec(), value: vec![7; 3000] }];
    Commit { account: AccountId(account), expected: ModSeq(expected), next: ModSeq(expected + 1), writes }
}

fn keys(engine: &PostgresEngine, account: u32) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let snapshot = engine.snapshot(AccountId(account)).unwrap();
    let mut visit = |key: &[u8], _: &[u8]| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    };
    snapshot.scan(&[], &[255; KEY_BYTES_MAX], &mut visit).unwrap();
    keys
}

/// Eight accounts commit while the database dies again and again: each finds its head where it was last told that it is, or
/// one further where it was not told.
#[test]
fn a_database_that_dies_keeps_what_it_acknowledged_and_commits_go_on() {
    const ACCOUNTS: u64 = 8;
    const DEATHS: u64 = 4;
    let Some(mut cluster) = Cluster::start() else { return };
    let engine = open(&cluster);
    let (commits, died) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = |account: u32| {
        // A commit of which nothing is known may turn up until another one of the same head was told that it was late.
        let (mut head, mut is_one_unknown) = (0, false);
        while died.load(Ordering::Acquire) < DEATHS || commits.load(Ordering::Acquire) < 200 * (DEATHS + 1) {
            let found = match engine.commit(put(account, head)) {
                Ok(()) => {
                    (head, is_one_unknown) = (head + 1, false);
                    commits.fetch_add(1, Ordering::AcqRel);
                    continue;
                }
                Err(CommitError::Conflict { head }) => head.0,
                Err(CommitError::ReadOnly { .. }) => continue,
                Err(CommitError::Failed { .. }) => {
                    is_one_unknown = true;
                    // What is true is read, never guessed; until the database is back there is no answer.
                    match engine.snapshot(AccountId(account)) {
                        Ok(snapshot) => snapshot.head().0,
                        Err(EngineError::Failed { .. }) => continue,
                        Err(error) => panic!("{error}"),
                    }
                }
                Err(error) => panic!("{error}"),
            };
            assert!(
                found == head || (found == head + 1 && is_one_unknown),
                "account {account}: {head} was durable, {found} is there"
            );
            is_one_unknown &= found == head;
            head = found;
        }
        // The last word on a commit that is still unknown.
        engine.snapshot(AccountId(account)).unwrap().head().0.max(head)
    };
    let heads: Vec<u64> = thread::scope(|scope| {
        let workers: Vec<_> = (0..ACCOUNTS as u32).map(|n| scope.spawn(move || work(16 + n))).collect();
        for death in 1..=DEATHS {
            while commits.load(Ordering::Acquire) < 200 * death {
                thread::yield_now();
            }
            cluster.kill();
            cluster.run(&[]);
            died.store(death, Ordering::Release);
        }
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    for (n, head) in heads.iter().enumerate() {
        let expected: Vec<Vec<u8>> = (0..*head).map(|n| n.to_be_bytes().to_vec()).collect();
        assert_eq!(keys(&engine, 16 + n as u32), expected, "account {n}: every acknowledged commit, once");
    }
}

/// A database that acknowledges what is not on its disk is refused.
#[test]
fn a_database_that_loses_mail_is_refused() {
    let Some(mut cluster) = Cluster::start() else { return };
    for setting in ["fsync=off", "full_page_writes=off"] {
        cluster.kill();
        cluster.run(&[setting]);
        let refusal = refusal(&cluster);
        assert!(refusal.contains("loses mail") && refusal.contains(&setting.replace('=', " = ")), "{refusal}");
    }
    // This one is for the session to choose, and it does.
    cluster.kill();
    cluster.run(&["synchronous_commit=off"]);
    open(&cluster).commit(put(16, 0)).unwrap();
}

#[test]
fn a_second_server_on_the_same_database_is_refused_until_the_first_has_gone() {
    let Some(cluster) = Cluster::start() else { return };
    let first = open(&cluster);
    assert!(refusal(&cluster).contains("another server writes to"));
    first.commit(put(16, 0)).unwrap();
    drop(first);
    open(&cluster).commit(put(16, 1)).unwrap();
}

/// Sixty-four commits of as many accounts that wait together are few transactions.
#[test]
fn commits_that_wait_together_share_a_transaction() {
    let Some(cluster) = Cluster::start() else { return };
    let engine = open(&cluster);
    let before = cluster.transactions();
    let commit = |account: u32| {
        for head in 0..10 {
            engine.commit(put(account, head)).unwrap();
        }
    };
    thread::scope(|scope| (16..80).for_each(|account| drop(scope.spawn(move || commit(account)))));
    let transactions = cluster.transactions() - before;
    assert!(transactions < 640 / 2, "640 commits took {transactions} transactions");
}

fn node(cluster: &Cluster, name: &str) -> PostgresOptions {
    let lock_wait = Duration::from_millis(10);
    PostgresOptions { node: Some(name.to_owned()), lock_wait, ..PostgresOptions::new(&cluster.url()) }
}

#[test]
fn several_that_know_of_each_other_write_at_the_same_time_and_nobody_else_does() {
    let Some(cluster) = Cluster::start() else { return };
    let one = PostgresEngine::open(&node(&cluster, "one")).unwrap();
    let two = PostgresEngine::open(&node(&cluster, "two")).unwrap();
    one.commit(put(16, 0)).unwrap();
    two.commit(put(16, 1)).unwrap();
    assert_eq!(one.commit(put(16, 1)), Err(CommitError::Conflict { head: ModSeq(2) }));
    let heads = one.heads(&[AccountId(17), AccountId(16)]);
    assert_eq!(heads, Ok(vec![ModSeq(0), ModSeq(2)]));
    assert!(refusal(&cluster).contains("another server writes to"), "one that thinks that it is alone");
    let again = PostgresEngine::open(&node(&cluster, "two")).unwrap_err().to_string();
    assert!(again.contains("another server that is called two"), "{again}");
    drop((one, two));
    let alone = open(&cluster);
    let refused = PostgresEngine::open(&node(&cluster, "one")).unwrap_err().to_string();
    assert!(refused.contains("is not one of several"), "{refused}");
    drop(alone);
}

/// Each commit of each account is made by the one of two nodes that is first, and only by it, though their batches name the same
/// accounts in other orders.
#[test]
fn of_two_nodes_that_commit_to_the_same_accounts_one_is_first_each_time() {
    const ACCOUNTS: u32 = 8;
    const COMMITS: u64 = 60;
    let Some(cluster) = Cluster::start() else { return };
    let engines = ["one", "two"].map(|name| PostgresEngine::open(&node(&cluster, name)).unwrap());
    let work = |engine: &PostgresEngine, account: u32| {
        let (mut head, mut won) = (0, 0);
        while head < COMMITS {
            match engine.commit(put(account, head)) {
                Ok(()) => (head, won) = (head + 1, won + 1),
                Err(CommitError::Conflict { head: now }) => head = now.0,
                Err(error) => panic!("{error}"),
            }
        }
        won
    };
    let won: u64 = thread::scope(|scope| {
        let both = engines.iter().flat_map(|engine| (16..16 + ACCOUNTS).map(move |account| (engine, account)));
        let workers: Vec<_> = both.map(|(engine, account)| scope.spawn(move || work(engine, account))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(won, u64::from(ACCOUNTS) * COMMITS, "every head was moved on once");
    let expected: Vec<Vec<u8>> = (0..COMMITS).map(|n| n.to_be_bytes().to_vec()).collect();
    (16..16 + ACCOUNTS).for_each(|account| assert_eq!(keys(&engines[1], account), expected));
}

/// Somebody holds the lock of an account that shares a writer with the table of servers.
#[test]
fn a_server_whose_commits_waited_for_a_lock_could_not_show_that_it_is_alive() {
    let Some(cluster) = Cluster::start() else { return };
    let engine = PostgresEngine::open(&node(&cluster, "one")).unwrap();
    let (nodes, account) = (TableId::Nodes.keyspace(), AccountId(TableId::Nodes.keyspace().0 + 4 * 16));
    engine.commit(put(account.0, 0)).unwrap();
    let lock = "BEGIN; SELECT head FROM pillarbox.heads WHERE account = ";
    let session = cluster.session(&format!("{lock} {} FOR UPDATE;", account.0));
    thread::scope(|scope| {
        let waits = scope.spawn(|| engine.commit(put(account.0, 1)));
        let (told, beats) = channel();
        let engine = &engine;
        scope.spawn(move || told.send(engine.commit(put(nodes.0, 0))));
        let beat = beats.recv_timeout(Duration::from_secs(10));
        assert!(!waits.is_finished(), "the account does not go before the lock");
        drop(session);
        beat.expect("a beat waits for nobody").unwrap();
        waits.join().unwrap().unwrap();
    });
}
