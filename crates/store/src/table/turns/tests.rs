use super::*;
use crate::engine::Engine;
use crate::ids::AccountId;
use crate::sim::{Fault, SimEngine, SimObjects};
use crate::store::Store;
use crate::table::TableTx;
use crate::table_id::TableId;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

type Ran = Box<dyn FnMut(&mut TableTx<'_>) -> Result<usize, Error> + Send>;

fn table(engine: &SimEngine) -> Table {
    let table = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())).table(TableId::Queue);
    put(&table, b"first").unwrap();
    table
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

/// Has changes run while a commit is under way, which ends when all of them wait for it.
fn at_once(table: &Table, changes: Vec<Ran>) -> Vec<Result<usize, Error>> {
    at_once_then(table, changes, Rows::new(), Verdict::Durable)
}

/// What is under way writes `rows`, and comes to `verdict`.
fn at_once_then(table: &Table, changes: Vec<Ran>, rows: Rows, verdict: Verdict) -> Vec<Result<usize, Error>> {
    let on = ModSeq(table.version().unwrap().0 - 1);
    table.turns.lock().under_way = Some(UnderWay { on, rows: Arc::new(rows), fate: Arc::default() });
    let count = changes.len();
    let ran = AtomicUsize::new(0);
    thread::scope(|scope| {
        let run = |mut change: Ran| {
            let ran = &ran;
            scope.spawn(move || {
                table.change(|tx| {
                    ran.fetch_add(1, Ordering::SeqCst);
                    change(tx)
                })
            })
        };
        let threads: Vec<_> = changes.into_iter().map(run).collect();
        // Who has run, under the lock, waits when the lock is free again.
        let mut state = loop {
            let state = table.turns.lock();
            if ran.load(Ordering::SeqCst) + state.in_line == count {
                break state;
            }
            drop(state);
            thread::yield_now();
        };
        table.turns.end(&mut state, verdict);
        drop(state);
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
fn what_ran_on_a_commit_that_failed_runs_again() {
    for verdict in [Verdict::Again, Verdict::Alone, Verdict::Refused(Error::ReadOnly)] {
        let engine = SimEngine::new();
        let table = table(&engine);
        put(&table, b"k").unwrap();
        let looks: Ran = Box::new(|tx| Ok(tx.scan_before(b"k", b"k", usize::MAX)?.len()));
        let gone = Rows::from([(b"kg".to_vec(), Some(Vec::new()))]);
        let seen = at_once_then(&table, vec![puts(1), looks], gone, verdict);
        assert_eq!(seen[0], Ok(1));
        assert!(matches!(seen[1], Ok(1 | 2)), "{seen:?}");
        assert_eq!(keys(&table), [b"k".to_vec(), b"k\x01".to_vec()]);
    }
}

#[test]
fn a_change_sees_what_is_being_committed_and_is_not_answered_before_that_is_durable() {
    let engine = SimEngine::new();
    let table = table(&engine);
    put(&table, b"k").unwrap();
    let on = table.version().unwrap();
    let rows = Rows::from([(b"k".to_vec(), None), (b"kn".to_vec(), Some(b"new".to_vec()))]);
    let fate: Arc<Fate> = Arc::default();
    table.turns.lock().under_way = Some(UnderWay { on, rows: Arc::new(rows.clone()), fate: Arc::clone(&fate) });
    let has_looked = AtomicBool::new(false);
    thread::scope(|scope| {
        let look = scope.spawn(|| {
            let seen = table.change(|tx| {
                has_looked.store(true, Ordering::SeqCst);
                let found = tx.scan_before(b"k", b"k", 1)?;
                Ok::<_, Error>((found, tx.get(b"k")?, tx.get(b"kn")?))
            });
            assert!(fate.verdict.get().is_some(), "answered before");
            seen
        });
        let keep = scope.spawn(|| put(&table, b"ko"));
        while !has_looked.load(Ordering::SeqCst) || table.turns.lock().batch.changes == 0 {
            thread::yield_now();
        }
        let batch = Batch { on, changes: 1, ..Batch::default() };
        assert!(matches!(batch.commit(&table, &rows), Verdict::Durable));
        table.turns.end(&mut table.turns.lock(), Verdict::Durable);
        let new = (b"kn".to_vec(), b"new".to_vec());
        assert_eq!(look.join().unwrap(), Ok((vec![new], None, Some(b"new".to_vec()))));
        keep.join().unwrap().unwrap();
    });
    assert_eq!(keys(&table), [b"kn".to_vec(), b"ko".to_vec()]);
}

#[test]
fn a_commit_is_full_some_time() {
    let engine = SimEngine::new();
    let table = table(&engine);
    at_once(&table, (0..CHANGES_PER_COMMIT_MAX as u8 + 1).map(puts).collect());
    assert_eq!((engine.commits(), keys(&table).len()), (1 + 2, CHANGES_PER_COMMIT_MAX + 1));
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
    assert_eq!((engine.commits(), keys(&table)), (1 + 1, vec![b"k\x01".to_vec(), b"k\x02".to_vec()]));
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
fn who_stood_behind_a_change_that_ran_alone_and_wrote_nothing_stood_there_for_ever() {
    let table = table(&SimEngine::new());
    table.turns.lock().alone_in_line = 1;
    let (done, is_done) = std::sync::mpsc::channel();
    let behind = table.clone();
    thread::spawn(move || done.send(put(&behind, b"k")));
    while table.turns.lock().in_line == 0 {
        thread::yield_now();
    }
    table.turns.lock().alone_in_line = 0;
    let nothing = table.turns.take(&table, true, |_| (None, ()));
    assert!(matches!(nothing, ((), Verdict::Durable)));
    assert_eq!(is_done.recv_timeout(std::time::Duration::from_secs(20)), Ok(Ok(())));
}

/// It ran a hundred times in vain, and was told that the table is written by too many at once.
#[test]
fn a_change_did_not_wait_for_a_commit_that_another_process_had_overtaken() {
    let table = table(&SimEngine::new());
    let (on, fate) = (ModSeq(table.version().unwrap().0), Arc::<Fate>::default());
    table.turns.lock().under_way = Some(UnderWay { on, rows: Arc::default(), fate: Arc::clone(&fate) });
    // The other process has turns of its own.
    let other = Table::new(table.id, table.store.clone(), Arc::default());
    put(&other, b"kx").unwrap();
    put(&other, b"ky").unwrap();
    thread::scope(|scope| {
        let change = scope.spawn(|| put(&table, b"k"));
        // Here, under way, and whoever waits.
        while Arc::strong_count(&fate) < 3 && !change.is_finished() {
            thread::yield_now();
        }
        table.turns.end(&mut table.turns.lock(), Verdict::Again);
        assert_eq!(change.join().unwrap(), Ok(()));
    });
    assert_eq!(keys(&table).len(), 3);
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
