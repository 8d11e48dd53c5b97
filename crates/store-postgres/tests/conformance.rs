//! The rules of every engine, held by this one on a real database.

#![allow(clippy::unwrap_used)]

mod cluster;

use cluster::Cluster;
use std::ops::ControlFlow;
use store::conformance;
use store::engine::{Commit, Engine, Snapshot, Write};
use store::ids::{AccountId, ModSeq};
use store_postgres::{PostgresEngine, PostgresOptions};

#[test]
fn postgres_keeps_the_contract() {
    let Some(cluster) = Cluster::start() else { return };
    let options = PostgresOptions::new(&cluster.url());
    conformance::engine(|| Box::new(PostgresEngine::open(&options).unwrap()));
}

#[test]
fn postgres_keeps_the_contract_with_one_writer() {
    let Some(cluster) = Cluster::start() else { return };
    let options = PostgresOptions { writers: 1, ..PostgresOptions::new(&cluster.url()) };
    conformance::engine(|| Box::new(PostgresEngine::open(&options).unwrap()));
}

/// A range of more records than are brought before they are read, one of larger ones, one of a single key and one without any.
#[test]
fn what_was_brought_before_it_is_read_is_what_is_read_without() {
    let Some(cluster) = Cluster::start() else { return };
    let engine = PostgresEngine::open(&PostgresOptions::new(&cluster.url())).unwrap();
    let put = |key: &[u8], octets: usize| Write::Put { key: key.to_vec(), value: vec![key[0]; octets] };
    let account = AccountId(16);
    let mut writes: Vec<Write> = (0..200).map(|number| put(&[b'a', number], 3)).collect();
    writes.extend((0..4).map(|number| put(&[b'b', number], 600_000)));
    writes.push(put(b"c", 5));
    engine.commit(Commit { account, expected: ModSeq(0), next: ModSeq(1), writes }).unwrap();
    let ranges = [b"a", b"b", b"c", b"d"].map(|from| (from.to_vec(), vec![from[0] + 1]));
    let read = |snapshot: &dyn Snapshot| {
        let mut found = Vec::new();
        for (from, to) in &ranges {
            snapshot
                .scan(from, to, &mut |key, value| {
                    // Read within the visit, what lies in that range and what does not.
                    let again = [key, b"c", b"d", b"x"].map(|key| snapshot.get(key).unwrap());
                    found.push((key.to_vec(), value.to_vec(), again));
                    ControlFlow::Continue(())
                })
                .unwrap();
            snapshot
                .scan(from, to, &mut |key, _| {
                    found.push((key.to_vec(), Vec::new(), [const { None }; 4]));
                    ControlFlow::Break(())
                })
                .unwrap();
        }
        found
    };
    let without = read(&*engine.snapshot(account).unwrap());
    assert_eq!(without.len(), 200 + 4 + 1 + 3);
    let ahead = engine.snapshot(account).unwrap();
    ahead.fetch_ahead(&ranges).unwrap();
    // Nor is anything newer.
    let writes = vec![put(b"d", 1), put(b"c", 1), put(&[b'a', 7], 1)];
    engine.commit(Commit { account, expected: ModSeq(1), next: ModSeq(2), writes }).unwrap();
    assert!(read(&*ahead) == without);
    assert_eq!((ahead.head(), engine.head(account)), (ModSeq(1), Ok(ModSeq(2))));
    assert_eq!(engine.head(AccountId(17)), Ok(ModSeq(0)));
}
