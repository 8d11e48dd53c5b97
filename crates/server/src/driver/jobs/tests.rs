//! Jobs on a runtime with one thread, which must stay free; nothing here waits for a clock.

use super::*;
use session::{Job, Lost};
use std::future::pending;
use std::sync::Condvar;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

const PATIENCE: Duration = Duration::from_secs(20);
const ONE: Owner = Owner::Account(1);
const OTHER: Owner = Owner::Account(2);

/// Threads wait in it until it is open.
#[derive(Default)]
struct Gate {
    inside: Mutex<Vec<Owner>>,
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn pass(&self, owner: Owner) {
        self.inside.lock().unwrap().push(owner);
        self.changed.notify_all();
        let open = self.open.lock().unwrap();
        let (open, _) = self.changed.wait_timeout_while(open, PATIENCE, |open| !*open).unwrap();
        assert!(*open);
    }

    /// Who has come in, once that are so many.
    fn wait_for(&self, count: usize) -> Vec<Owner> {
        let inside = self.inside.lock().unwrap();
        let (inside, waited) =
            self.changed.wait_timeout_while(inside, PATIENCE, |inside| inside.len() < count).unwrap();
        assert!(!waited.timed_out(), "only {inside:?}");
        inside.clone()
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

struct World {
    runtime: Runtime,
    work: Arc<Work>,
    gate: Arc<Gate>,
    /// How many threads the runtime ever started.
    threads: Arc<AtomicUsize>,
}

/// As many places as that for long work and for passwords, and one thread for everything else.
fn world(places: usize) -> World {
    let threads = Arc::<AtomicUsize>::default();
    let started = Arc::clone(&threads);
    let count = move || {
        started.fetch_add(1, Ordering::SeqCst);
    };
    let runtime = Builder::new_multi_thread().worker_threads(1).on_thread_start(count).enable_all().build().unwrap();
    let work = {
        let _context = runtime.enter();
        Work::with_places(places, places).unwrap()
    };
    World { runtime, work, gate: Arc::default(), threads }
}

fn blocking(work: &Work, gate: &Arc<Gate>, owner: Owner) -> Result<Job<()>, Full> {
    let gate = Arc::clone(gate);
    Job::compute(work, owner, move || gate.pass(owner))
}

#[test]
fn jobs_that_wait_hold_no_thread() {
    let World { runtime, work, threads, .. } = world(2);
    let (go, came) = (Arc::<Notify>::default(), Arc::<AtomicUsize>::default());
    let jobs: Vec<Job<usize>> = (0..WAITING_PER_OWNER_MAX)
        .map(|_| {
            let (go, came) = (Arc::clone(&go), Arc::clone(&came));
            let wait = async move {
                let told = go.notified();
                came.fetch_add(1, Ordering::SeqCst);
                told.await;
                came.load(Ordering::SeqCst)
            };
            Job::wait(&*work, ONE, wait).unwrap()
        })
        .collect();
    assert_eq!(Job::wait(&*work, ONE, pending::<()>()).map(drop), Err(Full), "the owner's limit");
    let all = runtime.block_on(async {
        // The one thread of the runtime comes by all of them, so none of them holds it.
        while came.load(Ordering::SeqCst) < WAITING_PER_OWNER_MAX {
            tokio::task::yield_now().await;
        }
        assert_eq!(threads.load(Ordering::SeqCst), 1, "the one thread of the runtime");
        go.notify_waiters();
        let mut all = Vec::new();
        for job in jobs {
            all.push(job.await);
        }
        all
    });
    assert_eq!(all, vec![Ok(WAITING_PER_OWNER_MAX); WAITING_PER_OWNER_MAX]);
}

#[test]
fn one_owner_holds_up_nobody_and_who_stands_in_line_holds_no_thread() {
    let World { runtime, work, gate, threads } = world(2);
    let mut jobs: Vec<Job<()>> = (0..COMPUTING_PER_OWNER_MAX).map(|_| blocking(&work, &gate, ONE).unwrap()).collect();
    assert_eq!(blocking(&work, &gate, ONE).map(drop), Err(Full));
    assert_eq!(gate.wait_for(1), [ONE]);
    jobs.push(blocking(&work, &gate, OTHER).unwrap());
    assert_eq!(gate.wait_for(2), [ONE, OTHER], "half of the places are nobody's alone");
    assert!(threads.load(Ordering::SeqCst) <= 1 + 2, "the others stand in line");
    gate.open();
    runtime.block_on(async {
        for job in jobs {
            assert_eq!(job.await, Ok(()));
        }
    });
}

#[test]
fn a_flood_of_passwords_takes_no_place_of_other_work() {
    let World { runtime, work, gate, .. } = world(2);
    let logins: Vec<Job<()>> = [ONE, OTHER]
        .into_iter()
        .flat_map(|owner| (0..10).map(move |_| owner))
        .map(|owner| {
            let gate = Arc::clone(&gate);
            Job::in_turn(&*work, owner, move |_| gate.pass(owner)).unwrap()
        })
        .collect();
    gate.wait_for(2);
    let long = Job::compute(&*work, ONE, || 7).unwrap();
    assert_eq!(runtime.block_on(long), Ok(7));
    gate.open();
    drop(logins);
}

#[test]
fn there_is_a_limit_in_all() {
    let check = |max: usize, per_owner_max: usize| {
        let count = Count::new(max, per_owner_max);
        let owner = |number: usize| Owner::Account(number as u64);
        let mut counted: Vec<Counted> = (0..max).map(|number| count.enter(owner(number)).ok().unwrap()).collect();
        let new = Owner::Account(u64::MAX);
        assert!(count.enter(new).is_err(), "one past the limit");
        drop(counted.pop());
        assert!(count.enter(new).is_ok());
        counted.clear();
        assert!(count.lock().owners.is_empty() && count.lock().all == 0, "nothing is remembered of who has gone");
    };
    check(COMPUTING_MAX, COMPUTING_PER_OWNER_MAX);
    check(WAITING_MAX, WAITING_PER_OWNER_MAX);
}

#[test]
fn some_twenty_networks_with_slow_name_servers_took_all_places_from_everybody() {
    for (max, per_owner_max) in [(COMPUTING_MAX, COMPUTING_PER_OWNER_MAX), (WAITING_MAX, WAITING_PER_OWNER_MAX)] {
        let count = &Count::new(max, per_owner_max);
        let all_it_gets = |network: u64| std::iter::from_fn(move || count.enter(Owner::Account(network)).ok());
        let held: Vec<Vec<Counted>> = (0..20).map(|network| all_it_gets(network).collect()).collect();
        assert_eq!(held[0].len(), per_owner_max, "while nobody else is there");
        let other = Owner::Account(u64::MAX);
        assert!(count.enter(other).is_ok(), "of {max}");
    }
}

#[test]
fn who_goes_leaves_the_line_and_what_runs_keeps_its_place() {
    let World { runtime, work, gate, .. } = world(2);
    let runs = blocking(&work, &gate, ONE).unwrap();
    gate.wait_for(1);
    let waits = blocking(&work, &gate, ONE).unwrap();
    let looks_up = Job::wait(&*work, ONE, pending::<()>()).unwrap();
    drop((runs, waits, looks_up));
    runtime.block_on(async {
        while work.long.lock().all > 1 || work.waiting.lock().all > 0 {
            tokio::task::yield_now().await;
        }
    });
    assert!(work.slices.try_take(ONE).is_none(), "the thread is still there");
    gate.open();
    runtime.block_on(async {
        // The thread gives back what it had one after the other.
        while work.slices.try_take(ONE).is_none() || work.long.lock().all > 0 {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(gate.wait_for(1), [ONE], "the one that stood in line was not begun");
}

#[test]
fn a_job_that_panics_is_lost_and_gives_its_place_back() {
    let World { runtime, work, .. } = world(2);
    let fails = Job::compute(&*work, ONE, || panic!("a job that fails")).unwrap();
    assert_eq!(runtime.block_on(fails), Err::<(), _>(Lost));
    let fails = Job::wait(&*work, ONE, async { panic!("a job that fails") }).unwrap();
    assert_eq!(runtime.block_on(fails), Err::<(), _>(Lost));
    assert_eq!(runtime.block_on(Job::compute(&*work, ONE, || 7).unwrap()), Ok(7));
}

#[test]
fn a_server_that_stops_leaves_its_jobs_behind() {
    let World { runtime, work, gate, .. } = world(2);
    let runs = blocking(&work, &gate, ONE).unwrap();
    gate.wait_for(1);
    let stands = blocking(&work, &gate, ONE).unwrap();
    let waits = Job::wait(&*work, OTHER, pending::<()>()).unwrap();
    // It does not wait for the thread, which is in the middle of its work.
    runtime.shutdown_background();
    let elsewhere = Builder::new_current_thread().build().unwrap();
    assert_eq!(elsewhere.block_on(async { (stands.await, waits.await) }), (Err(Lost), Err(Lost)));
    gate.open();
    assert_eq!(elsewhere.block_on(runs), Ok(()), "what runs comes to its end");
}
