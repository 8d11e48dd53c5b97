use super::*;
use crate::engine::Engine;
use crate::ids::AccountId;
use crate::sim::{Fault, SimEngine, SimObjects};
use crate::store::Store;
use crate::table::{TableId, TableTx};
use std::thread;

type Ran = Box<dyn FnMut(&mut TableTx<'_>) -> Result<usize, Error> + Send>;

fn table(engine: &SimEngine) -> Table {
    Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())).table(TableId::Queue)
}

fn put(table: &Table, key: &[u8]) -> Result<(), Error> {
    table.change(|tx| {
        tx.put(key, Vec::new());
        Ok(())
    })
}

fn keys(table: &Table) -> Vec<Vec<u8>> {
    table.scan(b"k", b"k", usize::MAX).unwrap().into_iter().map(|(key, _)| key).collect()
}

/// Has changes run while a commit is under way, which ends when all of them are in line.
fn at_once(table: &Table, changes: Vec<Ran>) -> Vec<Result<usize, Error>> {
    table.turns.lock().is_committing = true;
    let count = changes.len();
    thread::scope(|scope| {
        let run = |mut change: Ran| scope.spawn(move || table.change(|tx| change(tx)));
        let threads: Vec<_> = changes.into_iter().map(run).collect();
        while table.turns.lock().in_line < count {
            thread::yield_now();
        }
        table.turns.lock().is_committing = false;
        table.turns.changed.notify_all();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Error::Fault("panicked".into()))))
            .collect()
    })
}

fn puts(key: u8) -> Ran {
    Box::new(move |tx| {
        let seen = tx.scan_before(b"k", b"k", usize::MAX)?.len();
        tx.put(&[b'k', key], Vec::new());
        Ok(seen)
    })
}

#[test]
fn every_change_of_a_table_paid_a_flush_of_its_own() {
    let engine = SimEngine::new();
    let table = table(&engine);
    put(&table, b"k").unwrap();
    let before = (engine.commits(), table.version().unwrap());
    let mut seen: Vec<usize> = at_once(&table, (0..20).map(puts).collect()).into_iter().map(Result::unwrap).collect();
    assert_eq!((engine.commits(), table.version().unwrap()), (before.0 + 1, ModSeq(before.1.0 + 1)));
    seen.sort_unstable();
    assert_eq!(seen, (1..=20).collect::<Vec<_>>(), "each sees what those before it have written");
    assert_eq!(keys(&table).len(), 21);
}

#[test]
fn a_commit_is_full_some_time() {
    let engine = SimEngine::new();
    let table = table(&engine);
    at_once(&table, (0..CHANGES_PER_COMMIT_MAX as u8 + 1).map(puts).collect());
    assert_eq!((engine.commits(), keys(&table).len()), (2, CHANGES_PER_COMMIT_MAX + 1));
}

#[test]
fn a_change_that_fails_or_panics_leaves_no_trace_and_keeps_nobody_waiting() {
    let engine = SimEngine::new();
    let table = table(&engine);
    let fails: Ran = Box::new(|tx| {
        tx.put(b"kf", Vec::new());
        Err(Error::NoSuchMessage)
    });
    let panics: Ran = Box::new(|tx| {
        tx.put(b"kp", Vec::new());
        panic!("a change panics")
    });
    let outcomes = at_once(&table, vec![puts(1), fails, panics, puts(2)]);
    assert!(outcomes[0].is_ok() && outcomes[3].is_ok());
    assert_eq!((&outcomes[1], &outcomes[2]), (&Err(Error::NoSuchMessage), &Err(Error::Fault("panicked".into()))));
    assert_eq!((engine.commits(), keys(&table)), (1, vec![b"k\x01".to_vec(), b"k\x02".to_vec()]));
    put(&table, b"kx").unwrap();
}

#[test]
fn what_finds_no_room_takes_nobody_with_it_and_another_process_is_noticed() {
    let engine = SimEngine::new();
    let table = table(&engine);
    engine.plan(0, Fault::Full);
    engine.plan(1, Fault::Full);
    let outcomes = at_once(&table, (0..3).map(puts).collect());
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::NoSpace(_)))).count();
    assert_eq!((refused, keys(&table).len()), (1, 2));
    engine.plan(0, Fault::Conflict);
    at_once(&table, (10..13).map(puts).collect()).into_iter().for_each(|outcome| assert!(outcome.is_ok()));
    assert_eq!(keys(&table).len(), 5);
}

#[test]
fn who_holds_a_table_in_memory_is_told_what_has_changed_unless_it_was_not_here() {
    let engine = SimEngine::new();
    let table = table(&engine);
    put(&table, b"ka").unwrap();
    let first = table.version().unwrap();
    assert!(table.changed(ModSeq(0), first).is_none(), "nobody had asked before");
    put(&table, b"kb").unwrap();
    put(&table, b"kc").unwrap();
    let second = table.version().unwrap();
    let changed: Vec<Vec<u8>> =
        table.changed(first, second).unwrap().iter().flat_map(|rows| rows.keys().cloned()).collect();
    assert_eq!(changed, [b"kb", b"kc"]);
    assert_eq!(table.changed(second, second).unwrap().len(), 0);
    put(&self::table(&engine), b"kd").unwrap();
    put(&table, b"ke").unwrap();
    assert!(table.changed(second, table.version().unwrap()).is_none(), "another process has changed it");
    (0..=REMEMBERED_MAX).for_each(|_| put(&table, b"kf").unwrap());
    let now = table.version().unwrap();
    let back = |versions: usize| table.changed(ModSeq(now.0 - versions as u64), now).is_some();
    assert!(back(REMEMBERED_MAX) && !back(REMEMBERED_MAX + 1));
    assert_eq!(
        engine.snapshot(AccountId(1)).unwrap().head(),
        now,
        "a table keeps the number that it had as an account"
    );
}
