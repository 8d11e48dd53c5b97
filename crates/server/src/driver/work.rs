//! Where sessions work, so that no step holds up the connection of somebody else.
//!
//! What a session announces as long, with [`session::Step::Flush`], needs a place, and there are few of them: who has to
//! wait for one waits without a thread. A place is held for one slice, then the next in the queue has it; one owner has at
//! most half of them, and his own slices wait for each other before they wait for those of others.
//!
//! What a session did not announce may still take long: a flush of a slow disk, a password. The thread that runs the step
//! then does not look for events of other sockets, and where it is the only one that is awake nobody does. So an eye
//! looks at the steps every few milliseconds, and as long as any runs it wakes another thread of the runtime, which
//! takes over looking for events. Asleep it costs nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::setup::SetupError;

/// There are so many places for each processor: some slices wait for the disk.
const PLACES_PER_PROCESSOR: usize = 2;
/// There are at least so many places.
const PLACES_MIN: usize = 4;
/// The eye looks this often at the steps that run.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// After so many looks at which nothing ran the eye sleeps.
const LOOKS_IDLE_MAX: u32 = 20;

/// Whose work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// Who is logged in.
    Account(u64),
    /// A stranger.
    Address(IpAddr),
}

/// The work of all sessions of a server.
#[derive(Debug)]
pub struct Work {
    all: Arc<Semaphore>,
    per_owner: usize,
    owners: Mutex<HashMap<Owner, Arc<Semaphore>>>,
    steps: Arc<Steps>,
}

/// A place, held for one slice of work.
#[derive(Debug)]
pub(super) struct Place {
    owner: Owner,
    own: Option<OwnedSemaphorePermit>,
    of_all: Option<OwnedSemaphorePermit>,
    work: Weak<Work>,
}

/// How many steps began and ended, ever.
#[derive(Debug, Default)]
struct Steps {
    begun: AtomicU64,
    ended: AtomicU64,
    eye_sleeps: AtomicBool,
    eye: std::sync::OnceLock<Thread>,
}

/// A step that runs; dropped, it has ended.
pub(super) struct Running<'a>(&'a Steps);

impl Work {
    /// Places for the processors that there are. To be called on the runtime whose threads it watches over.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start() -> Result<Arc<Self>, SetupError> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self::with_places((processors * PLACES_PER_PROCESSOR).max(PLACES_MIN))
    }

    /// So many places.
    pub(super) fn with_places(places: usize) -> Result<Arc<Self>, SetupError> {
        let steps = Arc::<Steps>::default();
        let (watched, runtime) = (Arc::downgrade(&steps), Handle::current());
        let eye = thread::Builder::new().name("eye".to_owned()).spawn(move || watch(&watched, &runtime));
        let eye = eye.map_err(|error| SetupError::new(format!("no thread can be started: {error}")))?;
        // It is set once, here.
        let _set = steps.eye.set(eye.thread().clone());
        let per_owner = (places / 2).max(1);
        Ok(Arc::new(Self { all: Arc::new(Semaphore::new(places)), per_owner, owners: Mutex::default(), steps }))
    }

    /// Notes that a step runs.
    pub(super) fn begin(&self) -> Running<'_> {
        self.steps.begun.fetch_add(1, Ordering::SeqCst);
        if self.steps.eye_sleeps.load(Ordering::SeqCst)
            && self.steps.eye_sleeps.swap(false, Ordering::SeqCst)
            && let Some(eye) = self.steps.eye.get()
        {
            eye.unpark();
        }
        Running(&self.steps)
    }

    /// A place, if there is one at once.
    pub(super) fn try_take(self: &Arc<Self>, owner: Owner) -> Option<Place> {
        let mut place = self.queue(owner);
        place.own = Some(self.own(owner).try_acquire_owned().ok()?);
        place.of_all = Some(Arc::clone(&self.all).try_acquire_owned().ok()?);
        Some(place)
    }

    /// A place, in order of arrival.
    pub(super) async fn take(self: Arc<Self>, owner: Owner) -> Place {
        let mut place = self.queue(owner);
        // Nobody closes a semaphore; if somebody did, work would go on without places.
        place.own = self.own(owner).acquire_owned().await.ok();
        place.of_all = Arc::clone(&self.all).acquire_owned().await.ok();
        place
    }

    /// Nothing yet, but dropped it tidies up.
    fn queue(self: &Arc<Self>, owner: Owner) -> Place {
        Place { owner, own: None, of_all: None, work: Arc::downgrade(self) }
    }

    fn own(&self, owner: Owner) -> Arc<Semaphore> {
        Arc::clone(self.lock().entry(owner).or_insert_with(|| Arc::new(Semaphore::new(self.per_owner))))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Arc<Semaphore>>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.of_all.take());
        drop(self.own.take());
        let Some(work) = self.work.upgrade() else { return };
        let mut owners = work.lock();
        // Whoever waits or works holds one more.
        if owners.get(&self.owner).is_some_and(|own| Arc::strong_count(own) == 1) {
            owners.remove(&self.owner);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

impl Steps {
    fn run(&self) -> bool {
        self.begun.load(Ordering::SeqCst) != self.ended.load(Ordering::SeqCst)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(eye) = self.steps.eye.get() {
            eye.unpark();
        }
    }
}

/// The eye: as long as a step runs, a thread that has nothing to do is woken now and then. It finds nothing to do either,
/// and waits for events.
fn watch(steps: &Weak<Steps>, runtime: &Handle) {
    let mut idle = 0;
    loop {
        thread::park_timeout(LOOK_EVERY);
        let Some(steps) = steps.upgrade() else { return };
        if steps.run() {
            idle = 0;
            drop(runtime.spawn(async {}));
            continue;
        }
        idle += 1;
        if idle < LOOKS_IDLE_MAX {
            continue;
        }
        idle = 0;
        steps.eye_sleeps.store(true, Ordering::SeqCst);
        // One that began before that was seen does not wake it.
        if !steps.run() {
            drop(steps);
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use tokio::runtime::Builder;

    fn work(places: usize) -> (tokio::runtime::Runtime, Arc<Work>) {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let work = {
            let _context = runtime.enter();
            Work::with_places(places).unwrap()
        };
        (runtime, work)
    }

    const ONE: Owner = Owner::Account(1);
    const OTHER: Owner = Owner::Account(2);

    #[test]
    fn one_owner_has_half_of_the_places_and_nobody_more_than_there_are() {
        let (_runtime, work) = work(4);
        let mut held: Vec<Place> = Vec::new();
        for (owner, expected) in [(ONE, true), (ONE, true), (ONE, false), (OTHER, true), (OTHER, true), (OTHER, false)]
        {
            let place = work.try_take(owner);
            assert_eq!(place.is_some(), expected, "{owner:?} beside {held:?}");
            held.extend(place);
        }
        let third = Owner::Address(IpAddr::from([192, 0, 2, 1]));
        assert!(work.try_take(third).is_none(), "all are taken");
        held.clear();
        assert!(work.try_take(third).is_some());
        assert!(work.lock().is_empty(), "nothing is remembered of who has gone");
    }

    #[test]
    fn who_waits_comes_before_who_asks_later() {
        let (_runtime, work) = work(2);
        let held = work.try_take(ONE).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut waits = pin!(work.clone().take(ONE));
        assert!(waits.as_mut().poll(&mut context).is_pending());
        drop(held);
        assert!(work.try_take(ONE).is_none(), "it is not his turn");
        let Poll::Ready(place) = waits.as_mut().poll(&mut context) else { panic!("the place was free") };
        drop(place);
        assert!(work.try_take(ONE).is_some());
    }

    #[test]
    fn who_goes_while_he_waits_leaves_nothing_behind() {
        let (_runtime, work) = work(2);
        let held = work.try_take(ONE).unwrap();
        {
            let mut context = Context::from_waker(Waker::noop());
            let mut waits = pin!(work.clone().take(ONE));
            assert!(waits.as_mut().poll(&mut context).is_pending());
        }
        drop(held);
        assert!(work.try_take(ONE).is_some());
        assert!(work.lock().is_empty());
    }
}
