//! What goes from one engine into another arrives as it is, or the other one is not used.

#![allow(clippy::unwrap_used)]

use backup::{Error, compare, transfer};
use std::ops::ControlFlow;
use store::engine::{Commit, Engine, KEY_BYTES_MAX, Write};
use store::sim::{Fault, SimEngine};
use store::{AccountId, ModSeq};

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn commit(engine: &SimEngine, account: u32, (expected, next): (u64, u64), writes: Vec<Write>) {
    let (account, expected, next) = (AccountId(account), ModSeq(expected), ModSeq(next));
    engine.commit(Commit { account, expected, next, writes }).unwrap();
}

fn put(key: u8, value: Vec<u8>) -> Write {
    Write::Put { key: vec![key], value }
}

/// A table and three accounts, of which one has more rows than one commit holds, and heads that are no numbers of commits.
fn server() -> SimEngine {
    let engine = SimEngine::new();
    commit(&engine, 0, (0, 5), vec![put(1, b"a domain".to_vec())]);
    commit(&engine, 16, (0, 91), (0..20).map(|n| put(n, vec![n; 1_000_000])).collect());
    commit(&engine, 17, (0, 1), (0..20).map(|n| put(n, vec![n; 1_000_000])).collect());
    commit(&engine, 18, (0, 1), Vec::new());
    engine
}

fn content(engine: &SimEngine) -> Vec<(AccountId, ModSeq, Rows)> {
    let keyspace = |id: AccountId| {
        let (snapshot, mut rows) = (engine.snapshot(id).unwrap(), Rows::new());
        let mut visit = |key: &[u8], value: &[u8]| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        };
        snapshot.scan(&[], &[255; KEY_BYTES_MAX], &mut visit).unwrap();
        (id, snapshot.head(), rows)
    };
    engine.accounts().unwrap().into_iter().map(keyspace).collect()
}

#[test]
fn a_transfer_that_was_broken_off_goes_on() {
    let from = server();
    // At each of the commits that it takes: 1 + 5 + 1 + 1.
    for broken in 0..8 {
        let to = SimEngine::new();
        to.plan(broken, Fault::Failed);
        assert!(matches!(transfer(&from, &to, &mut |_| Ok(())), Err(Error::Fault(_))), "{broken}");
        assert!(compare(&from, &to, &mut |_| Ok(())).is_err() || content(&to) == content(&from));
        transfer(&from, &to, &mut |_| Ok(())).unwrap();
        assert_eq!(compare(&from, &to, &mut |_| Ok(())).unwrap(), 4);
        assert!(content(&from) == content(&to), "{broken}");
    }
}

#[test]
fn a_row_that_did_not_arrive_is_found() {
    let change = |writes: Vec<Write>| {
        let (from, to) = (server(), SimEngine::new());
        transfer(&from, &to, &mut |_| Ok(())).unwrap();
        // As it would be with an engine that loses something: the heads are the same.
        commit(&from, 16, (91, 92), Vec::new());
        commit(&to, 16, (91, 92), writes);
        compare(&from, &to, &mut |_| Ok(()))
    };
    assert_eq!(change(Vec::new()), Ok(4));
    for wrong in [put(3, vec![4; 1_000_000]), put(200, Vec::new()), Write::Delete { key: vec![7] }] {
        let found = change(vec![wrong]).unwrap_err().to_string();
        assert!(found.contains("did not arrive as it is"), "{found}");
    }
}

#[test]
fn the_mail_of_another_server_is_not_touched() {
    let (from, to) = (server(), SimEngine::new());
    commit(&to, 19, (0, 1), vec![put(1, b"somebody's".to_vec())]);
    let before = content(&to);
    let refused = transfer(&from, &to, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(&refused, Error::Refused(text) if text.contains("holds mail already")), "{refused}");
    assert!(content(&to) == before);
}
