//! What every engine and every object store must do: one function per rule, run by the tests of each of them.
//!
//! The functions panic with the rule that was broken. `open` opens the same place every time it is called; at most one
//! of what it gave is alive at a time, so that it may hold a lock. Rules use accounts of their own, so that all of them
//! may run on one place in any order.
//!
//! What no test in one process can show is left out: power cuts (see [`crate::sim`] and the crash test of the binary).

#![allow(clippy::unwrap_used)] // Only tests call this: a panic is how a rule reports that it was broken.

use crate::engine::{Commit, CommitError, Engine, KEY_BYTES_MAX, Snapshot, VALUE_BYTES_MAX, Write};
use crate::ids::{AccountId, ModSeq};
use crate::objects::{ObjectError, ObjectName, Objects, Shared};
use crate::sim::Random;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

/// Opens the engine under test, always the same place.
type OpenEngine<'a> = &'a dyn Fn() -> Box<dyn Engine>;
/// Opens the object store under test, always the same place.
type OpenObjects<'a> = &'a dyn Fn() -> Box<dyn Objects>;

/// Every rule of engines.
pub fn engine(open: impl Fn() -> Box<dyn Engine>) {
    heads(&open);
    keys_and_values(&open);
    writes_apply_in_order(&open);
    a_conflict_changes_nothing(&open);
    one_of_two_racers_wins(&open);
    scans(&open);
    reads_within_a_scan(&open);
    a_snapshot_stands_still(&open);
    commits_are_seen_whole(&open);
    accounts_are_apart(&open);
    limits(&open);
    many_threads_many_accounts(&open);
    everything_is_there_after_reopening(&open);
    a_removed_account_is_gone(&open);
    random_commits_match_a_map(&open);
    many_keys_are_answered_as_each_by_itself(&open);
}

/// Every rule of object stores.
pub fn objects(open: impl Fn() -> Box<dyn Objects>) {
    objects_come_back_as_they_were(&open);
    a_name_is_used_once(&open);
    several_come_at_once(&open);
    objects_of_accounts_are_apart(&open);
    removed_objects_are_gone(&open);
    objects_are_listed(&open);
    objects_from_many_threads(&open);
}

fn put(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Write {
    Write::Put { key: key.into(), value: value.into() }
}

fn delete(key: impl Into<Vec<u8>>) -> Write {
    Write::Delete { key: key.into() }
}

fn commit(account: u32, expected: u64, next: u64, writes: Vec<Write>) -> Commit {
    Commit { account: AccountId(account), expected: ModSeq(expected), next: ModSeq(next), writes }
}

fn scan(snapshot: &dyn Snapshot, from: &[u8], to: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    snapshot.scan(from, to, &mut visit).unwrap();
    found
}

fn content(engine: &dyn Engine, account: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
    scan(&*engine.snapshot(AccountId(account)).unwrap(), &[], &[255; KEY_BYTES_MAX])
}

fn head(engine: &dyn Engine, account: u32) -> u64 {
    engine.snapshot(AccountId(account)).unwrap().head().0
}

/// A new account has head 0; a commit sets the head to its `next`, which may leave numbers out.
fn heads(open: OpenEngine<'_>) {
    let engine = open();
    assert_eq!(head(&*engine, 100), 0);
    assert!(content(&*engine, 100).is_empty());
    assert!(!engine.accounts().unwrap().contains(&AccountId(100)));
    engine.commit(commit(100, 0, 1, vec![])).unwrap();
    assert_eq!(head(&*engine, 100), 1);
    engine.commit(commit(100, 1, 40, vec![put("k", "v")])).unwrap();
    assert_eq!(head(&*engine, 100), 40);
    engine.commit(commit(100, 40, i64::MAX as u64, vec![])).unwrap();
    assert_eq!(head(&*engine, 100), i64::MAX as u64);
    assert!(engine.accounts().unwrap().contains(&AccountId(100)));
    assert!(engine.commit(commit(101, 5, 5, vec![])).is_err(), "a head that does not grow");
    assert_eq!(head(&*engine, 101), 0);
}

/// A value is what was put last; nothing is found under a key that was never put or was deleted; both may be empty.
fn keys_and_values(open: OpenEngine<'_>) {
    let engine = open();
    let writes = vec![put("", "empty key"), put("empty value", ""), put([0, 255, 0], [0, 255, 128]), put("k", "v")];
    engine.commit(commit(110, 0, 1, writes)).unwrap();
    let snapshot = engine.snapshot(AccountId(110)).unwrap();
    assert_eq!(snapshot.get(b"").unwrap().unwrap(), b"empty key");
    assert_eq!(snapshot.get(b"empty value").unwrap().unwrap(), b"");
    assert_eq!(snapshot.get(&[0, 255, 0]).unwrap().unwrap(), [0, 255, 128]);
    assert_eq!(snapshot.get(b"K").unwrap(), None);
    drop(snapshot);
    engine.commit(commit(110, 1, 2, vec![put("k", "w"), delete(""), delete("never there")])).unwrap();
    let snapshot = engine.snapshot(AccountId(110)).unwrap();
    assert_eq!(snapshot.get(b"k").unwrap().unwrap(), b"w");
    assert_eq!(snapshot.get(b"").unwrap(), None);
    // Values of every size class replace each other under one key.
    for (n, bytes) in [0, 5_000, 1, 300, 100_000, 300, 20_000, 20_001, 0].into_iter().enumerate() {
        let (n, value) = (n as u64, vec![n as u8; bytes]);
        engine.commit(commit(110, n + 2, n + 3, vec![put("size", value.clone())])).unwrap();
        let snapshot = engine.snapshot(AccountId(110)).unwrap();
        assert!(snapshot.get(b"size").unwrap().unwrap() == value, "{bytes} bytes");
    }
}

/// Within a commit a later write wins over an earlier one on the same key.
fn writes_apply_in_order(open: OpenEngine<'_>) {
    let engine = open();
    let big = vec![7; 50_000];
    let writes = vec![
        put("a", "1"),
        put("a", "2"),
        put("b", "1"),
        delete("b"),
        delete("c"),
        put("c", "1"),
        put("d", big.clone()),
        delete("d"),
        put("d", "1"),
        put("e", "1"),
        put("e", big.clone()),
        delete("f"),
        put("f", big),
        delete("f"),
    ];
    engine.commit(commit(120, 0, 1, writes)).unwrap();
    let keys: Vec<_> = content(&*engine, 120).into_iter().map(|(key, value)| (key, value.len())).collect();
    let expected = [("a", 1), ("c", 1), ("d", 1), ("e", 50_000)].map(|(key, len)| (key.as_bytes().to_vec(), len));
    assert_eq!(keys, expected);
    assert_eq!(engine.snapshot(AccountId(120)).unwrap().get(b"a").unwrap().unwrap(), b"2");
}

/// A commit from an old (or invented) head is refused, names the head that is, and changes nothing.
fn a_conflict_changes_nothing(open: OpenEngine<'_>) {
    let engine = open();
    engine.commit(commit(130, 0, 7, vec![put("k", "v")])).unwrap();
    for expected in [0, 6, 8] {
        let refused = engine.commit(commit(130, expected, 9, vec![put("k", "w"), put("l", "w")]));
        assert_eq!(refused, Err(CommitError::Conflict { head: ModSeq(7) }), "from {expected}");
    }
    let refused = engine.commit(commit(131, 3, 4, vec![put("k", "w")]));
    assert_eq!(refused, Err(CommitError::Conflict { head: ModSeq(0) }));
    assert_eq!(content(&*engine, 130), [(b"k".to_vec(), b"v".to_vec())]);
    assert!(content(&*engine, 131).is_empty());
    assert!(!engine.accounts().unwrap().contains(&AccountId(131)));
}

/// Of several threads that commit from the same head exactly one wins, every time.
fn one_of_two_racers_wins(open: OpenEngine<'_>) {
    const RACERS: u64 = 4;
    const ROUNDS: u64 = 25;
    let engine = open();
    let barrier = Barrier::new(RACERS as usize);
    let race = |racer: u64| {
        let run = |round: u64| {
            barrier.wait();
            let write = put(round.to_be_bytes(), racer.to_be_bytes());
            match engine.commit(commit(140, round, round + 1, vec![write])) {
                Ok(()) => 1,
                Err(CommitError::Conflict { head }) => {
                    assert_eq!(head, ModSeq(round + 1), "the winner's head");
                    0
                }
                Err(error) => panic!("{error}"),
            }
        };
        (0..ROUNDS).map(run).collect::<Vec<u64>>()
    };
    let wins: Vec<Vec<u64>> = thread::scope(|scope| {
        let racers: Vec<_> = (0..RACERS).map(|racer| scope.spawn(move || race(racer))).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    let content = content(&*engine, 140);
    assert_eq!(content.len() as u64, ROUNDS);
    for (round, (_, value)) in content.iter().enumerate() {
        let winners: Vec<_> = (0..RACERS).filter(|racer| wins[*racer as usize][round] == 1).collect();
        assert_eq!(winners.len(), 1, "one winner in round {round}");
        assert_eq!(*value, winners[0].to_be_bytes(), "and it is the winner's value that was kept");
    }
}

/// A scan goes over `from..to` in ascending order of bytes, and ends when the visitor breaks.
fn scans(open: OpenEngine<'_>) {
    let engine = open();
    let keys: [&[u8]; 8] = [b"", b"\0", b"\0\0", b"a", b"a\0", b"aa", b"b", b"\xff\xff"];
    let mut writes: Vec<_> = keys.iter().map(|key| put(*key, *key)).collect();
    writes.reverse();
    engine.commit(commit(150, 0, 1, writes)).unwrap();
    engine.commit(commit(149, 0, 1, vec![put("b", "other account")])).unwrap();
    engine.commit(commit(151, 0, 1, vec![put("", "other account")])).unwrap();
    let snapshot = engine.snapshot(AccountId(150)).unwrap();
    let check = |from: &[u8], to: &[u8], expected: &[&[u8]]| {
        let found: Vec<_> = scan(&*snapshot, from, to).into_iter().map(|(key, _)| key).collect();
        assert_eq!(found, expected, "{from:?}..{to:?}");
    };
    check(b"", b"\xff\xff\xff", &keys);
    check(b"", b"\xff\xff", &keys[..7]);
    check(b"a", b"b", &keys[3..6]);
    check(b"a\0", b"a\x01", &keys[4..5]);
    check(b"a", b"a", &[]);
    check(b"b", b"a", &[]);
    check(b"", b"", &[]);
    check(b"c", b"d", &[]);
    let mut seen = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        assert_eq!(key, value);
        seen.push(key.to_vec());
        if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    snapshot.scan(b"\0\0", b"\xff", &mut visit).unwrap();
    assert_eq!(seen, &keys[2..5]);
}

/// The visitor of a scan may read and scan the same snapshot.
fn reads_within_a_scan(open: OpenEngine<'_>) {
    let engine = open();
    let writes = (0..20_u8).map(|n| put([n], vec![n; usize::from(n) * 100])).collect();
    engine.commit(commit(155, 0, 1, writes)).unwrap();
    let snapshot = engine.snapshot(AccountId(155)).unwrap();
    let mut visited = 0;
    let mut visit = |key: &[u8], value: &[u8]| {
        assert_eq!(snapshot.get(key).unwrap().unwrap(), value);
        assert_eq!(scan(&*snapshot, key, &[255]).len(), 20 - visited);
        visited += 1;
        ControlFlow::Continue(())
    };
    snapshot.scan(&[0], &[255], &mut visit).unwrap();
    assert_eq!(visited, 20);
}

/// A snapshot shows the same head, keys and values while commits, and a removal, go on.
fn a_snapshot_stands_still(open: OpenEngine<'_>) {
    let engine = open();
    let empty = engine.snapshot(AccountId(160)).unwrap();
    engine.commit(commit(160, 0, 1, vec![put("a", vec![1; 9_000]), put("b", "1")])).unwrap();
    let first = engine.snapshot(AccountId(160)).unwrap();
    let before = scan(&*first, b"", b"z");
    for n in 1..50 {
        let writes = vec![put("a", vec![n as u8; 10_000]), put(format!("c{n}"), "x"), delete("b")];
        engine.commit(commit(160, n, n + 1, writes)).unwrap();
    }
    let last = engine.snapshot(AccountId(160)).unwrap();
    engine.remove_account(AccountId(160)).unwrap();
    assert_eq!((empty.head(), scan(&*empty, b"", b"z").len()), (ModSeq(0), 0));
    assert_eq!((first.head(), last.head()), (ModSeq(1), ModSeq(50)));
    assert_eq!(scan(&*first, b"", b"z"), before);
    assert_eq!(first.get(b"b").unwrap().unwrap(), b"1");
    assert_eq!(scan(&*last, b"", b"z").len(), 50);
    assert_eq!(last.get(b"a").unwrap().unwrap(), vec![49; 10_000]);
    assert_eq!(head(&*engine, 160), 0);
}

/// A reader sees all the writes of a commit together with its head, or none, while another thread commits.
fn commits_are_seen_whole(open: OpenEngine<'_>) {
    let engine = open();
    let done = AtomicBool::new(false);
    let read = || {
        let mut seen = 0;
        while !done.load(Ordering::Acquire) {
            let snapshot = engine.snapshot(AccountId(170)).unwrap();
            let head = snapshot.head().0;
            assert!(head >= seen, "a head never goes back");
            seen = head;
            let values = scan(&*snapshot, b"", b"z");
            assert_eq!(values.len(), if head == 0 { 0 } else { 5 });
            for (_, value) in values {
                assert_eq!(value, vec![head as u8; 1500], "the value of the same commit as head {head}");
            }
        }
    };
    thread::scope(|scope| {
        let readers = [scope.spawn(read), scope.spawn(read)];
        for n in 0..100 {
            let writes = (0..5).map(|key| put([b'a' + key], vec![n as u8 + 1; 1500])).collect();
            engine.commit(commit(170, n, n + 1, writes)).unwrap();
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

/// The same key of another account is another key; the smallest and the largest account number are accounts.
fn accounts_are_apart(open: OpenEngine<'_>) {
    let engine = open();
    let accounts = [0, 180, 181, 256, 1 << 24, u32::MAX];
    for account in accounts {
        engine.commit(commit(account, 0, 1 + u64::from(account), vec![put("k", account.to_be_bytes())])).unwrap();
    }
    engine.commit(commit(181, 182, 200, vec![delete("k")])).unwrap();
    for account in accounts.into_iter().filter(|account| *account != 181) {
        assert_eq!(content(&*engine, account), [(b"k".to_vec(), account.to_be_bytes().to_vec())]);
        assert_eq!(head(&*engine, account), 1 + u64::from(account));
    }
    let listed = engine.accounts().unwrap();
    assert!(listed.is_sorted_by(|a, b| a < b), "ascending, each once: {listed:?}");
    for account in accounts {
        assert!(listed.contains(&AccountId(account)));
        engine.remove_account(AccountId(account)).unwrap();
    }
}

/// Keys and values of the largest size are kept; one byte more is refused and changes nothing.
fn limits(open: OpenEngine<'_>) {
    let engine = open();
    let key = vec![255; KEY_BYTES_MAX];
    let value: Vec<u8> = (0..VALUE_BYTES_MAX).map(|n| (n % 251) as u8).collect();
    engine.commit(commit(190, 0, 1, vec![put("k", "v"), put(key.clone(), value.clone())])).unwrap();
    let snapshot = engine.snapshot(AccountId(190)).unwrap();
    assert!(snapshot.get(&key).unwrap().unwrap() == value);
    drop(snapshot);
    let too_long = [put([key.as_slice(), b"x"].concat(), "v"), put("l", [value.as_slice(), b"x"].concat())];
    for write in too_long {
        let refused = engine.commit(commit(190, 1, 2, vec![put("k", "w"), write]));
        assert!(matches!(refused, Err(CommitError::Failed { .. })));
    }
    let refused = engine.commit(commit(190, 1, 2, vec![put("k", "w"), delete([key.as_slice(), b"x"].concat())]));
    assert!(matches!(refused, Err(CommitError::Failed { .. })));
    assert_eq!(head(&*engine, 190), 1);
    assert_eq!(engine.snapshot(AccountId(190)).unwrap().get(b"k").unwrap().unwrap(), b"v");
    engine.commit(commit(190, 1, 2, vec![delete(key)])).unwrap();
    assert_eq!(content(&*engine, 190).len(), 1);
}

/// Threads that commit to several accounts each lose nothing, and a conflict is met only where two share an account.
fn many_threads_many_accounts(open: OpenEngine<'_>) {
    const THREADS: u32 = 16;
    const COMMITS: u64 = 30;
    let engine = open();
    let work = |thread: u32| {
        // An account of its own, and one that it shares with the others.
        for n in 0..COMMITS {
            let own = commit(1000 + thread, n, n + 1, vec![put(n.to_be_bytes(), vec![thread as u8; 600])]);
            engine.commit(own).unwrap();
            loop {
                let expected = head(&*engine, 999);
                let key = [thread.to_be_bytes().as_slice(), &n.to_be_bytes()].concat();
                match engine.commit(commit(999, expected, expected + 1, vec![put(key, "x")])) {
                    Ok(()) => break,
                    Err(CommitError::Conflict { head }) => assert!(head.0 > expected),
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    for thread in 0..THREADS {
        assert_eq!(head(&*engine, 1000 + thread), COMMITS);
        assert_eq!(content(&*engine, 1000 + thread).len() as u64, COMMITS);
    }
    assert_eq!(head(&*engine, 999), COMMITS * u64::from(THREADS));
    assert_eq!(content(&*engine, 999).len() as u64, COMMITS * u64::from(THREADS));
}

/// Whatever was acknowledged is there when the same place is opened again.
fn everything_is_there_after_reopening(open: OpenEngine<'_>) {
    for n in 0..5 {
        let engine = open();
        for account in 200..210 {
            assert_eq!(head(&*engine, account), n);
            assert_eq!(content(&*engine, account).len() as u64, n * 2);
            let writes = vec![put([n as u8], vec![n as u8; 20]), put([n as u8, 0], vec![n as u8; 20_000])];
            engine.commit(commit(account, n, n + 1, writes)).unwrap();
        }
    }
    let engine = open();
    for account in 200..210 {
        assert!(engine.accounts().unwrap().contains(&AccountId(account)));
        let expected: Vec<_> =
            (0..5).flat_map(|n: u8| [(vec![n], vec![n; 20]), (vec![n, 0], vec![n; 20_000])]).collect();
        assert!(content(&*engine, account) == expected);
    }
}

/// A removed account has head 0 and no keys, also after reopening; others keep theirs; removing it again is no error.
fn a_removed_account_is_gone(open: OpenEngine<'_>) {
    let engine = open();
    for account in [220, 221, 222] {
        engine.commit(commit(account, 0, 9, vec![put("k", "v"), put("big", vec![1; 40_000])])).unwrap();
    }
    engine.remove_account(AccountId(221)).unwrap();
    engine.remove_account(AccountId(221)).unwrap();
    engine.remove_account(AccountId(223)).unwrap();
    drop(engine);
    let engine = open();
    assert_eq!(head(&*engine, 221), 0);
    assert!(content(&*engine, 221).is_empty());
    assert!(!engine.accounts().unwrap().contains(&AccountId(221)));
    for account in [220, 222] {
        assert_eq!(content(&*engine, account).len(), 2);
    }
}

/// Keys near each other and far apart, in any order, long values and keys that are not there: until the visitor breaks.
fn many_keys_are_answered_as_each_by_itself(open: OpenEngine<'_>) {
    let engine = open();
    let writes = (0..200_u8).map(|n| put([b'k', n / 100, n], vec![n; if n % 9 == 0 { 20_000 } else { 5 }])).collect();
    engine.commit(commit(240, 0, 1, writes)).unwrap();
    let snapshot = engine.snapshot(AccountId(240)).unwrap();
    let mut random = Random::new(1);
    for turn in 0..50_u64 {
        let mut key = |n: u64| vec![b'k', 0, if turn % 2 == 0 { n as u8 } else { random.below(256) as u8 }];
        let keys: Vec<Vec<u8>> = (0..turn).map(|n| key(n * (1 + n % 3))).collect();
        for until in [keys.len(), keys.len() / 2] {
            let mut found = Vec::new();
            snapshot.get_each(&mut keys.iter().cloned(), &mut |value| {
                found.push(value.unwrap().map(<[u8]>::to_vec));
                if found.len() < until { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            let expected: Vec<_> = keys.iter().take(until.max(1)).map(|key| snapshot.get(key).unwrap()).collect();
            assert!(found == expected, "{keys:?} until {until}");
        }
    }
}

/// A few hundred random commits, with keys that begin alike and values of all sizes, end in the same content as a map.
fn random_commits_match_a_map(open: OpenEngine<'_>) {
    let mut random = Random::new(42);
    let mut map = BTreeMap::new();
    let mut engine = open();
    for n in 0..300 {
        let mut writes = Vec::new();
        for _ in 0..random.below(8) {
            let key: Vec<u8> = (0..1 + random.below(3)).map(|_| random.below(4) as u8).collect();
            if random.chance(300) {
                map.remove(&key);
                writes.push(delete(key));
            } else {
                let bytes = [1, 40, 900, 5_000, 30_000][random.below(5) as usize];
                let value = vec![random.below(256) as u8; random.below(bytes) as usize];
                map.insert(key.clone(), value.clone());
                writes.push(put(key, value));
            }
        }
        engine.commit(commit(230, n, n + 1, writes)).unwrap();
        if n % 100 == 50 {
            drop(engine);
            engine = open();
        }
        if n % 10 == 0 {
            assert!(content(&*engine, 230) == map.clone().into_iter().collect::<Vec<_>>(), "after commit {n}");
        }
    }
    let snapshot = engine.snapshot(AccountId(230)).unwrap();
    for (key, value) in &map {
        assert!(snapshot.get(key).unwrap().as_ref() == Some(value), "{key:?}");
    }
}

/// An object is read as it was put, whatever its size, also after reopening.
fn objects_come_back_as_they_were(open: OpenObjects<'_>) {
    let objects = open();
    let account = AccountId(300);
    let longest = "z".repeat(100);
    let cases: [(&str, usize); 5] =
        [("0", 0), ("a-1", 1), ("0123456789abcdef", 20_000), ("big", 5_000_000), (longest.as_str(), 3)];
    let content = |bytes: usize| (0..bytes).map(|n| (n % 253) as u8).collect::<Vec<_>>();
    for (name, bytes) in cases {
        objects.put(account, name, &content(bytes)).unwrap();
    }
    drop(objects);
    let objects = open();
    for (name, bytes) in cases {
        assert!(objects.read(account, name).unwrap() == content(bytes), "{name}");
        for range in [0..bytes, bytes / 2..bytes / 2, bytes / 3..bytes / 2, bytes.saturating_sub(1)..bytes] {
            assert!(objects.read_range(account, name, range.clone()).unwrap() == content(bytes)[range], "{name}");
        }
        let past_the_end = objects.read_range(account, name, bytes / 2..bytes + 1);
        assert!(matches!(past_the_end, Err(ObjectError::Failed { .. })), "{name}");
    }
    assert_eq!(objects.read_range(account, "never-put", 0..1), Err(ObjectError::Missing));
    assert_eq!(objects.read(account, "never-put"), Err(ObjectError::Missing));
    assert_eq!(objects.read(AccountId(301), "0"), Err(ObjectError::Missing));
}

/// A second put under a name fails and the first content stays.
fn a_name_is_used_once(open: OpenObjects<'_>) {
    let objects = open();
    objects.put(AccountId(310), "once", b"first").unwrap();
    let again = objects.put(AccountId(310), "once", b"second");
    assert!(matches!(again, Err(ObjectError::Failed { .. })));
    assert_eq!(objects.read(AccountId(310), "once").unwrap(), b"first");
}

/// Of several each is there, also after opening again; one whose name was used makes it fail, and stays what it was.
fn several_come_at_once(open: OpenObjects<'_>) {
    let account = AccountId(315);
    let several = |names: &[&str], content: &'static str| -> Vec<(ObjectName, Shared)> {
        names.iter().map(|name| ((*name).to_owned(), Arc::new(format!("{content} {name}")) as Shared)).collect()
    };
    let names: Vec<String> = (0..40).map(|n| format!("several-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    open().put_all(account, several(&names, "first")).unwrap();
    let objects = open();
    let again = objects.put_all(account, several(&["new", names[7]], "second"));
    assert!(matches!(again, Err(ObjectError::Failed { .. })));
    objects.remove(account, "new").unwrap();
    for name in &names {
        assert_eq!(objects.read(account, name).unwrap(), format!("first {name}").as_bytes());
    }
    assert_eq!(objects.list(account).unwrap().len(), names.len());
}

/// The same name in another account is another object.
fn objects_of_accounts_are_apart(open: OpenObjects<'_>) {
    let objects = open();
    for account in [0, 320, 321, u32::MAX] {
        objects.put(AccountId(account), "same", &account.to_be_bytes()).unwrap();
    }
    objects.remove(AccountId(320), "same").unwrap();
    for account in [0, 321, u32::MAX] {
        assert_eq!(objects.read(AccountId(account), "same").unwrap(), account.to_be_bytes());
    }
    assert_eq!(objects.read(AccountId(320), "same"), Err(ObjectError::Missing));
}

/// A removed object is missing; removing what is not there is no error.
fn removed_objects_are_gone(open: OpenObjects<'_>) {
    let objects = open();
    let account = AccountId(330);
    objects.put(account, "a", b"1").unwrap();
    objects.put(account, "b", b"2").unwrap();
    objects.remove(account, "a").unwrap();
    objects.remove(account, "a").unwrap();
    objects.remove(AccountId(331), "a").unwrap();
    assert_eq!(objects.read(account, "a"), Err(ObjectError::Missing));
    assert_eq!(objects.read(account, "b").unwrap(), b"2");
}

/// The list has every object of the account and no other, with a time after 2020 in milliseconds.
fn objects_are_listed(open: OpenObjects<'_>) {
    let objects = open();
    assert_eq!(objects.list(AccountId(340)), Ok(vec![]));
    let mut names: Vec<String> = (0..100).map(|n| format!("{n:x}-name")).collect();
    names.sort();
    for name in &names {
        objects.put(AccountId(340), name, name.as_bytes()).unwrap();
    }
    objects.put(AccountId(341), "other", b"").unwrap();
    let mut listed = objects.list(AccountId(340)).unwrap();
    listed.sort();
    assert!(listed.iter().map(|(name, _)| name).eq(&names), "{listed:?}");
    let years_2020_to_2100 = 1_577_836_800_000..4_102_444_800_000;
    assert!(listed.iter().all(|(_, written)| years_2020_to_2100.contains(written)), "{listed:?}");
}

/// Threads that put, read and remove at the same time lose nothing.
fn objects_from_many_threads(open: OpenObjects<'_>) {
    let objects = open();
    let work = |thread: u32| {
        for n in 0..10 {
            let (account, name) = (AccountId(350 + n % 2), format!("{thread}-{n}"));
            objects.put(account, &name, name.as_bytes()).unwrap();
            assert_eq!(objects.read(account, &name).unwrap(), name.as_bytes());
            if n % 3 == 0 {
                objects.remove(account, &name).unwrap();
            }
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let left = [350, 351].map(|account| objects.list(AccountId(account)).unwrap().len());
    assert_eq!(left.iter().sum::<usize>(), 16 * 6);
}
