//! Where sessions work, so that no step holds up the connection of somebody else.
//!
//! What a session announces as long, with [`session::Step::Flush`], needs a place ([`Places`]), and there are few of them:
//! who has to wait for one waits without a thread. A place is held for one slice, then the next in the queue has it; one
//! owner has at most half of them. What a session does not do itself are jobs ([`super::jobs`]).
//!
//! What a session did not announce may still take long: a flush of a slow disk, a password. The thread that runs the step
//! then does not look for events of other sockets, and where it is the only one that is awake nobody does. So an eye
//! looks at the steps every few milliseconds, and as long as any runs it wakes another thread of the runtime, which
//! takes over looking for events. Asleep it costs nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

use metrics::{Exposition, JOBS, Stopwatch};
use session::Owner;
use tokio::runtime::Handle;

use super::figures::Figures;
use super::jobs::{COMPUTING_MAX, COMPUTING_PER_OWNER_MAX, Count, WAITING_MAX, WAITING_PER_OWNER_MAX};
use super::live::Sessions;
use super::places::{Place, Places};
use crate::setup::SetupError;

/// There are so many places for each processor: some slices wait for the disk.
const PLACES_PER_PROCESSOR: usize = 2;
/// There are at least so many places.
const PLACES_MIN: usize = 4;
/// At most so many passwords are verified at once, one for each processor: each takes megabytes.
const PASSWORDS_AT_ONCE_MAX: usize = 4;
/// The eye looks this often at the steps that run.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// After so many looks at which nothing ran the eye sleeps.
const LOOKS_IDLE_MAX: u32 = 20;

/// The work of all sessions of a server.
#[derive(Debug)]
pub struct Work {
    /// For slices, and for jobs that compute long.
    pub(super) slices: Arc<Places>,
    /// For jobs that verify passwords.
    pub(super) verifying: Arc<Places>,
    pub(super) long: Arc<Count>,
    pub(super) passwords: Arc<Count>,
    pub(super) waiting: Arc<Count>,
    pub(super) runtime: Handle,
    pub(super) figures: Figures,
    /// Whose work it is.
    pub(super) sessions: Sessions,
    steps: Arc<Steps>,
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
        let places = (processors * PLACES_PER_PROCESSOR).max(PLACES_MIN);
        Self::with_places(places, processors.min(PASSWORDS_AT_ONCE_MAX))
    }

    /// So many places for slices and long jobs, and so many passwords at once.
    pub(super) fn with_places(places: usize, passwords: usize) -> Result<Arc<Self>, SetupError> {
        let steps = Arc::<Steps>::default();
        let (watched, runtime) = (Arc::downgrade(&steps), Handle::current());
        let watching = runtime.clone();
        let eye = thread::Builder::new().name("eye".to_owned()).spawn(move || watch(&watched, &watching));
        let eye = eye.map_err(|error| SetupError::new(format!("no thread can be started: {error}")))?;
        // It is set once, here.
        let _set = steps.eye.set(eye.thread().clone());
        Ok(Arc::new(Self {
            slices: Places::new(places, (places / 2).max(1)),
            // Each takes the same short time, and nobody who waits is behind more than one round of them.
            verifying: Places::new(passwords, passwords),
            long: Count::new(COMPUTING_MAX, COMPUTING_PER_OWNER_MAX),
            passwords: Count::new(COMPUTING_MAX, COMPUTING_PER_OWNER_MAX),
            waiting: Count::new(WAITING_MAX, WAITING_PER_OWNER_MAX),
            runtime,
            figures: Figures::default(),
            sessions: Sessions::default(),
            steps,
        }))
    }

    /// A place for a slice, where none is free at once.
    pub(super) async fn place(self: Arc<Self>, owner: Owner) -> Place {
        let stopwatch = Stopwatch::start();
        let place = self.slices.clone().take(owner).await;
        self.figures.place_waits.took(stopwatch.elapsed());
        place
    }

    /// Jobs that run or stand in line: those that compute, those that verify passwords, those that wait for somebody else.
    pub(crate) fn jobs(&self) -> [(&'static str, usize); 3] {
        [("long", self.long.all()), ("passwords", self.passwords.all()), ("waiting", self.waiting.all())]
    }

    /// The longest that a session held its thread in the last one or two minutes.
    pub(crate) fn worst_step(&self) -> Duration {
        self.figures.worst_step()
    }

    /// Puts on `told` what was counted.
    pub(crate) fn tell_metrics(&self, told: &mut Exposition) {
        self.figures.tell(told);
        told.gauges(&JOBS, &self.jobs().map(|(kind, count)| ([kind], count as f64)));
    }

    /// How often sessions had their turn, ever.
    #[cfg(test)]
    pub(super) fn begun(&self) -> u64 {
        self.steps.begun.load(Ordering::SeqCst)
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
