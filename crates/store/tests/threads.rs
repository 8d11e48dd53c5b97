//! Real threads: the lead of an account's queue is handed on, nobody waits for ever, nothing acknowledged is lost.
//!
//! Which thread comes when is not ours to say; what must be true afterwards does not depend on it. A thread that hangs
//! fails its test after [`PATIENCE`].

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::Wake;
use std::thread;
use std::time::Duration;
use store::check::Depth;
use store::engine::{Commit, CommitError, Engine, EngineError, Snapshot};
use store::sim::{FaultRates, SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, Appended, DeviceId, Error, Expunge, FlagChange, FlagMode, Flags, MailboxId, ModSeq,
    NewMessage, Protocol, Store, SystemFlag, Target, Timestamp, Uid,
};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const ID: AccountId = AccountId(16);
const INBOX: MailboxId = MailboxId(1);
const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };
const PATIENCE: Duration = Duration::from_secs(60);

type Job<T> = Box<dyn FnOnce() -> T + Send>;

/// Runs each job on a thread of its own and gives what they return; panics when one does or does not come to an end.
fn together<T: Send + 'static>(jobs: Vec<Job<T>>) -> Vec<T> {
    let (sender, receiver) = mpsc::channel();
    let barrier = Arc::new(Barrier::new(jobs.len()));
    let threads = jobs.len();
    for (number, job) in jobs.into_iter().enumerate() {
        let (sender, barrier) = (sender.clone(), Arc::clone(&barrier));
        thread::spawn(move || {
            barrier.wait();
            let _ = sender.send((number, job()));
        });
    }
    drop(sender);
    let done = (0..threads).map(|n| {
        let what = |error| panic!("only {n} of {threads} threads came to an end: {error}");
        receiver.recv_timeout(PATIENCE).unwrap_or_else(what)
    });
    done.collect::<BTreeMap<usize, T>>().into_values().collect()
}

fn store_on(engine: &SimEngine) -> Store {
    Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()))
}

fn append(account: &Account, body: &str) -> Result<Appended, Error> {
    let message = NewMessage { body: body.into(), flags: Flags::default(), internal_date: NOW };
    account.append(ACTOR, Target::Inbox, message)
}

fn flag(account: &Account, uid: Uid, flag: SystemFlag) -> Result<(), Error> {
    let change = FlagChange { mode: FlagMode::Add, flags: Flags::system(&[flag]), unchanged_since: None };
    account.change_flags(ACTOR, INBOX, vec![uid], change).map(drop)
}

fn bodies(account: &Account) -> Vec<String> {
    let view = account.view(INBOX).unwrap();
    let reader = account.reader().unwrap();
    view.index().iter().map(|entry| String::from_utf8(reader.body(entry.email).unwrap()).unwrap()).collect()
}

/// What a client knows of a message that nobody else touches.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    There,
    Gone,
    /// The last answer was a fault.
    Perhaps,
}

/// Appends messages, flags each, and expunges every third: what it knows of each afterwards.
fn work(account: &Account, thread: usize, messages: usize) -> Vec<(String, Known)> {
    let one = |n| {
        let body = format!("{thread}-{n}");
        let appended = match append(account, &body) {
            Ok(appended) => appended,
            Err(Error::Fault(_)) => return (body, Known::Perhaps),
            Err(Error::NoSpace(_)) => return (body, Known::Gone),
            Err(error) => panic!("{error}"),
        };
        if n % 3 > 0 {
            let _ = flag(account, appended.uid, SystemFlag::Flagged);
            return (body, Known::There);
        }
        if !matches!(flag(account, appended.uid, SystemFlag::Deleted), Ok(())) {
            // Somebody else's EXPUNGE may take it if the flag was set.
            return (body, Known::Perhaps);
        }
        match account.expunge(ACTOR, INBOX, Expunge::DeletedAmong(vec![appended.uid])) {
            Ok(_) => (body, Known::Gone),
            Err(_) => (body, Known::Perhaps),
        }
    };
    (0..messages).map(one).collect()
}

fn hold_to(known: &[(String, Known)], account: &Account) {
    let there = bodies(account);
    let distinct: BTreeSet<&String> = there.iter().collect();
    assert_eq!(distinct.len(), there.len(), "a message is there twice");
    for (body, known) in known {
        match known {
            Known::There => assert!(distinct.contains(body), "{body} is lost"),
            Known::Gone => assert!(!distinct.contains(body), "{body} is there"),
            Known::Perhaps => {}
        }
    }
}

#[test]
fn threads_of_two_processes_with_faults_and_refreshes_lose_and_double_nothing() {
    for seed in 0..6 {
        let engine = SimEngine::with_faults(seed, FaultRates::default());
        let stores = [store_on(&engine), store_on(&engine)];
        stores[0].create_account(ID, NOW).unwrap();
        engine.set_rates(FaultRates { conflict: 30, full: 20, failed: 20, read_error: 2 });
        let stop = Arc::new(AtomicBool::new(false));
        let working = Arc::new(AtomicU64::new(8));
        let mut jobs: Vec<Job<Vec<(String, Known)>>> = Vec::new();
        for thread in 0..8 {
            let (account, stop, working) = (stores[thread % 2].account(ID), Arc::clone(&stop), Arc::clone(&working));
            jobs.push(Box::new(move || {
                let known = work(&account, thread, 24);
                stop.store(working.fetch_sub(1, Ordering::SeqCst) == 1, Ordering::SeqCst);
                known
            }));
        }
        for store in &stores {
            let (account, stop) = (store.account(ID), Arc::clone(&stop));
            jobs.push(Box::new(move || {
                while !stop.load(Ordering::SeqCst) {
                    let _ = account.refresh();
                    let _ = account.view(INBOX);
                    thread::yield_now();
                }
                Vec::new()
            }));
        }
        let known: Vec<(String, Known)> = together(jobs).into_iter().flatten().collect();
        engine.set_rates(FaultRates::default());
        for store in &stores {
            store.account(ID).refresh().unwrap();
            hold_to(&known, &store.account(ID));
        }
        assert_eq!(store::check::all(&stores[0], Depth::Bodies).unwrap(), []);
    }
}

#[test]
fn what_happens_at_once_to_a_mailbox_that_nobody_has_opened_yet_is_in_its_index() {
    let engine = SimEngine::new();
    store_on(&engine).create_account(ID, NOW).unwrap();
    for round in 0..40 {
        // A process that has just started has no index; the operations of one commit must make it together.
        let store = store_on(&engine);
        let mut jobs: Vec<Job<()>> = Vec::new();
        for thread in 0..6u32 {
            let account = store.account(ID);
            jobs.push(Box::new(move || match thread {
                0..3 => {
                    append(&account, &format!("{round}-{thread}")).unwrap();
                }
                3 => flag(&account, Uid(round), SystemFlag::Deleted).unwrap(),
                4 => drop(account.expunge(ACTOR, INBOX, Expunge::AllDeleted).unwrap()),
                _ => drop(account.copy(ACTOR, INBOX, vec![Uid(round + 1)], INBOX).unwrap()),
            }));
        }
        together(jobs);
        let (warm, cold) = (store.account(ID).view(INBOX).unwrap(), store_on(&engine).account(ID).view(INBOX).unwrap());
        assert!(warm.index().iter().eq(cold.index().iter()));
        assert_eq!(warm.mailbox(), cold.mailbox());
    }
    assert_eq!(store::check::all(&store_on(&engine), Depth::Bodies).unwrap(), []);
}

#[test]
fn many_accounts_at_once_do_not_touch_each_other() {
    let engine = SimEngine::new();
    let store = store_on(&engine);
    let ids: Vec<AccountId> = (16..28).map(AccountId).collect();
    for id in &ids {
        store.create_account(*id, NOW).unwrap();
    }
    let job = |thread: usize| -> Job<()> {
        let (store, ids) = (store.clone(), ids.clone());
        Box::new(move || {
            for n in 0..48 {
                let id = ids[(thread + n) % ids.len()];
                append(&store.account(id), &format!("{id}: {thread}-{n}")).unwrap();
            }
        })
    };
    together((0..8).map(job).collect());
    for id in &ids {
        let bodies = bodies(&store.account(*id));
        assert_eq!(bodies.len(), 32);
        assert!(bodies.iter().all(|body| body.starts_with(&format!("{id}: "))));
    }
    assert_eq!(store::check::all(&store, Depth::Bodies).unwrap(), []);
}

struct Bell(mpsc::Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

#[test]
fn who_watches_and_then_looks_misses_nothing() {
    let engine = SimEngine::new();
    let store = store_on(&engine);
    store.create_account(ID, NOW).unwrap();
    let writers = (0..4).map(|thread| -> Job<()> {
        let account = store.account(ID);
        Box::new(move || {
            for n in 0..50 {
                append(&account, &format!("{thread}-{n}")).unwrap();
            }
        })
    });
    let watchers = (0..4).map(|_| -> Job<()> {
        let account = store.account(ID);
        Box::new(move || {
            let (sender, bell) = mpsc::channel();
            let _watch = account.watch(Arc::new(Bell(sender)).into());
            let mut told = store::Index::default();
            loop {
                let view = account.view(INBOX).unwrap();
                let delta = view.index().since(&told);
                assert!(delta.vanished.is_empty() && delta.changed.is_empty());
                assert_eq!(told.len() + delta.added.len(), view.index().len());
                told = view.index().clone();
                if told.len() == 200 {
                    return;
                }
                bell.recv_timeout(PATIENCE).expect("the wake-up after the last look");
            }
        })
    });
    together(writers.chain(watchers).collect());
}

/// An engine that panics now and then, before or after what it was asked for.
struct Panicking {
    engine: SimEngine,
    calls: AtomicU64,
    armed: AtomicBool,
}

impl Panicking {
    fn call(&self, what: &str) {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        assert!(!self.armed.load(Ordering::SeqCst) || !call.is_multiple_of(23), "the engine panics at {what}");
    }
}

impl Engine for Panicking {
    fn snapshot(&self, account: AccountId) -> Result<Box<dyn Snapshot + '_>, EngineError> {
        self.call("a snapshot");
        self.engine.snapshot(account)
    }

    fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.call("a commit");
        let outcome = self.engine.commit(commit);
        self.call("a commit that is done");
        outcome
    }

    fn accounts(&self) -> Result<Vec<AccountId>, EngineError> {
        self.engine.accounts()
    }

    fn remove_account(&self, account: AccountId) -> Result<(), CommitError> {
        self.engine.remove_account(account)
    }
}

#[test]
fn an_engine_that_panics_does_not_wedge_the_account() {
    let engine = SimEngine::new();
    let panicking = Panicking { engine: engine.clone(), calls: AtomicU64::new(1), armed: AtomicBool::new(false) };
    let panicking = Arc::new(panicking);
    let store = Store::new(Arc::clone(&panicking) as Arc<dyn Engine>, Arc::new(SimObjects::new()));
    store.create_account(ID, NOW).unwrap();
    panicking.armed.store(true, Ordering::SeqCst);
    let job = |thread: usize| -> Job<Vec<(String, Known)>> {
        let account = store.account(ID);
        Box::new(move || work(&account, thread, 30))
    };
    let known: Vec<_> = together((0..6).map(job).collect()).into_iter().flatten().collect();
    panicking.armed.store(false, Ordering::SeqCst);
    assert!(known.iter().any(|(_, known)| *known == Known::Perhaps), "some did panic");
    append(&store.account(ID), "afterwards").unwrap();
    hold_to(&known, &store.account(ID));
    assert_eq!(store::check::all(&store_on(&engine), Depth::Bodies).unwrap(), []);
}

#[test]
fn an_account_that_is_removed_under_its_writers_stays_removed() {
    for seed in 0..10 {
        let engine = SimEngine::with_faults(seed, FaultRates { conflict: 50, ..FaultRates::default() });
        let objects = SimObjects::new();
        let store = Store::new(Arc::new(engine.clone()), Arc::new(objects.clone()));
        let other = Store::new(Arc::new(engine.clone()), Arc::new(objects.clone()));
        store.create_account(ID, NOW).unwrap();
        let mut jobs: Vec<Job<()>> = Vec::new();
        for thread in 0..4 {
            let account = if thread == 0 { other.account(ID) } else { store.account(ID) };
            jobs.push(Box::new(move || {
                for n in 0.. {
                    // Large enough for an object.
                    match append(&account, &"x".repeat(store::INLINE_BYTES_MAX + 1 + n)) {
                        Ok(_) => {}
                        Err(error) => return assert_eq!(error, Error::NoSuchAccount),
                    }
                }
            }));
        }
        let remover = store.clone();
        jobs.push(Box::new(move || {
            let _ = append(&remover.account(ID), "first");
            remover.remove_account(ID).unwrap();
        }));
        together(jobs);
        assert_eq!(engine.snapshot(ID).unwrap().head(), ModSeq(0), "seed {seed}");
        assert_eq!(store.account(ID).head(), Err(Error::NoSuchAccount));
        assert_eq!(store::objects::Objects::list(&objects, ID).unwrap(), [], "seed {seed}");
    }
}
