//! A machine for tests, on which the sender's own threads run one at a time: which one goes on, at each lock, wait, message between
//! threads and octet of the network, is drawn from a seed. Its time passes when nobody has anything to do, so days take milliseconds;
//! what is at the other end of a connection is a [`Network`] of the test's. Nothing of the sender is different, but for `crate::machine`.
//!
//! Invariant: the same seed, network and calls give the same order of everything.
//! Invariant: of a machine that was killed no thread does anything any more.

pub(crate) mod machine;

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;
use store::sim::Random;

/// In one of so many times somebody else goes on where a lock is asked for that is free.
const TURN_IN: u64 = 6;

/// What takes more turns at a time never ends.
const TURNS_MAX: u64 = 500_000;

/// What is at the other end of connections. The time is milliseconds of the simulation.
pub trait Network: Send {
    /// Somebody connects. Gives a number that no other connection has.
    ///
    /// # Errors
    /// Nobody takes it.
    fn connect(&mut self, to: SocketAddr, now_millis: u64) -> io::Result<u64>;

    /// Octets arrive.
    ///
    /// # Errors
    /// Nobody is there any more.
    fn write(&mut self, connection: u64, octets: &[u8], now_millis: u64) -> io::Result<()>;

    /// What is there for the near end to read.
    fn read(&mut self, connection: u64, now_millis: u64) -> Reading;

    /// The near end has gone.
    fn close(&mut self, connection: u64, now_millis: u64);
}

/// What a read of a connection gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Octets, some at least.
    Octets(Vec<u8>),
    /// Nothing before then; `None`: unless something is written.
    Later(Option<u64>),
    /// The other end has closed in good order.
    End,
    /// It has gone without a word.
    Reset,
}

/// The machine. Dropping it ends its threads as [`Simulation::kill`] does.
pub struct Simulation(Arc<Inner>);

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").finish_non_exhaustive()
    }
}

/// Whether the process is to die before anybody of it does anything more.
pub type IsDead = Box<dyn Fn() -> bool + Send>;

pub(crate) struct Inner {
    core: Mutex<Core>,
}

struct Core {
    now_millis: u64,
    random: Random,
    network: Box<dyn Network>,
    is_dead: IsDead,
    threads: Vec<State>,
    /// Whose turn it is; `None`: of the test.
    running: Option<usize>,
    driver: Thread,
    killed: bool,
    /// What a thread said that panicked.
    panic: Option<String>,
    turns: u64,
}

/// What a thread does.
enum State {
    Ready(Option<Thread>),
    /// For something, until then at the longest.
    Waiting {
        thread: Thread,
        until: Option<u64>,
        is_reading: bool,
    },
    Ended,
}

/// Unwinds a thread of a process that was killed.
struct Killed;

/// Who runs here: a thread of the simulation, or the test itself (`None`).
#[derive(Clone)]
struct Here {
    inner: Arc<Inner>,
    me: Option<usize>,
}

thread_local! {
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

fn here() -> Option<Here> {
    HERE.with_borrow(Clone::clone)
}

impl Simulation {
    /// A machine whose threads are begun by this thread, and by each other, from now on.
    #[must_use]
    pub fn start(seed: u64, network: Box<dyn Network>, is_dead: IsDead) -> Self {
        let core = Core {
            now_millis: 1,
            random: Random::new(seed),
            network,
            is_dead,
            threads: Vec::new(),
            running: None,
            driver: thread::current(),
            killed: false,
            panic: None,
            turns: 0,
        };
        let inner = Arc::new(Inner { core: Mutex::new(core) });
        HERE.set(Some(Here { inner: Arc::clone(&inner), me: None }));
        Self(inner)
    }

    /// From now on it dies as `is_dead` says, looked at after each turn.
    pub fn dies_when(&self, is_dead: IsDead) {
        self.0.lock().is_dead = is_dead;
    }

    /// Milliseconds since its start.
    #[must_use]
    pub fn now_millis(&self) -> u64 {
        self.0.lock().now_millis
    }

    /// How often somebody went on: the same for the same story.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.0.lock().turns
    }

    /// Lets its threads do what there is to do up to then; what a thread said that panicked.
    ///
    /// # Errors
    /// The words of a panic.
    pub fn run_until(&self, millis: u64) -> Result<(), String> {
        let begin = self.turns();
        while self.0.turn(millis) {
            if self.turns() - begin > TURNS_MAX {
                return Err(format!("they never rest: {TURNS_MAX} turns"));
            }
        }
        self.0.lock().panic.take().map_or(Ok(()), Err)
    }

    /// So many turns of its threads at most, without any time passing.
    ///
    /// # Errors
    /// As [`Self::run_until`].
    pub fn run_turns(&self, count: u64) -> Result<(), String> {
        let now = self.now_millis();
        for _ in 0..count {
            if !self.0.turn(now) {
                break;
            }
        }
        self.0.lock().panic.take().map_or(Ok(()), Err)
    }

    /// The machine sleeps: its time goes on, and none of its threads runs.
    pub fn doze(&self, millis: u64) {
        self.0.lock().now_millis += millis;
    }

    /// The process dies at once. Its connections are closed.
    pub fn kill(&self) {
        self.0.lock().killed = true;
        loop {
            let next = self.0.lock().threads.iter().position(|thread| !matches!(thread, State::Ended));
            let Some(next) = next else { break };
            self.0.let_run(next);
        }
    }

    /// As after [`Self::kill`], but that a new process is begun.
    pub fn restart(&self) {
        self.kill();
        let mut core = self.0.lock();
        core.killed = false;
        core.threads.clear();
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.kill();
        HERE.set(None);
    }
}

/// Milliseconds since the simulation began whose thread, or whose test, asks; outside of one 0.
#[must_use]
pub fn now_millis() -> u64 {
    here().map_or(0, |here| here.inner.lock().now_millis)
}

/// Waits, where what a test does for the sender takes its time.
pub fn pause(millis: u64) {
    if let Some(Here { inner, me: Some(me) }) = here() {
        inner.wait(me, Some(Duration::from_millis(millis)), false);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets somebody go on whose turn it is, up to that time. False: there is nobody.
    fn turn(&self, until: u64) -> bool {
        let next = {
            let mut core = self.lock();
            if core.killed || core.panic.is_some() {
                return false;
            }
            let ready: Vec<usize> = core.ready();
            if ready.is_empty() {
                let next = core.threads.iter().filter_map(State::until).min().filter(|at| *at <= until);
                let Some(next) = next else {
                    core.now_millis = core.now_millis.max(until);
                    return false;
                };
                core.now_millis = core.now_millis.max(next);
                let now = core.now_millis;
                core.threads
                    .iter_mut()
                    .filter(|thread| thread.until().is_some_and(|at| at <= now))
                    .for_each(State::wake);
                return true;
            }
            let place = core.random.below(ready.len() as u64);
            let Some(next) = ready.get(usize::try_from(place).unwrap_or(0)) else { return false };
            core.turns += 1;
            *next
        };
        self.let_run(next);
        !(self.lock().is_dead)()
    }

    fn let_run(&self, next: usize) {
        let mut core = self.lock();
        core.driver = thread::current();
        core.running = Some(next);
        if let Some(State::Ready(Some(thread)) | State::Waiting { thread, .. }) = core.threads.get(next) {
            thread.unpark();
        }
        drop(core);
        while self.lock().running.is_some() {
            thread::park();
        }
    }

    /// Gives the turn back, and waits for the next.
    fn give_back(&self, me: usize, state: State) {
        {
            let mut core = self.lock();
            if let Some(mine) = core.threads.get_mut(me) {
                *mine = state;
            }
            core.running = None;
            core.driver.unpark();
        }
        self.wait_for_turn(me);
    }

    fn wait_for_turn(&self, me: usize) {
        loop {
            let core = self.lock();
            if core.running == Some(me) {
                if core.killed && !thread::panicking() {
                    drop(core);
                    resume_unwind(Box::new(Killed));
                }
                return;
            }
            drop(core);
            thread::park();
        }
    }

    /// Somebody else may go on.
    fn may_turn(&self, me: usize) {
        let goes_on = {
            let mut core = self.lock();
            core.random.below(TURN_IN) != 0
        };
        if !goes_on && !thread::panicking() {
            self.give_back(me, State::Ready(Some(thread::current())));
        }
    }

    /// Waits to be woken. True: the time is over.
    fn wait(&self, me: usize, time: Option<Duration>, is_reading: bool) -> bool {
        if thread::panicking() {
            return true;
        }
        let until = time.map(|time| self.lock().now_millis + millis(time));
        self.give_back(me, State::Waiting { thread: thread::current(), until, is_reading });
        until.is_some_and(|until| self.lock().now_millis >= until)
    }

    fn wake(&self, thread: usize) {
        if let Some(state) = self.lock().threads.get_mut(thread) {
            state.wake();
        }
    }

    /// Somebody has changed something about connections.
    fn wake_readers(&self) {
        let mut core = self.lock();
        let reading = |thread: &&mut State| matches!(thread, State::Waiting { is_reading: true, .. });
        core.threads.iter_mut().filter(reading).for_each(State::wake);
    }

    /// A thread has ended, in whatever way.
    fn end(&self, me: usize, ended: Result<(), Box<dyn Any + Send>>) {
        let mut core = self.lock();
        if let Err(panic) = ended
            && !panic.is::<Killed>()
        {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            core.panic = Some(text.unwrap_or("a thread panicked").to_owned());
        }
        if let Some(mine) = core.threads.get_mut(me) {
            *mine = State::Ended;
        }
        core.running = None;
        core.driver.unpark();
    }
}

impl Core {
    fn ready(&self) -> Vec<usize> {
        let ready = self.threads.iter().enumerate().filter(|(_, thread)| matches!(thread, State::Ready(_)));
        ready.map(|(number, _)| number).collect()
    }
}

impl State {
    fn until(&self) -> Option<u64> {
        match self {
            Self::Waiting { until, .. } => *until,
            Self::Ready(_) | Self::Ended => None,
        }
    }

    fn wake(&mut self) {
        if let Self::Waiting { thread, .. } = self {
            *self = Self::Ready(Some(thread.clone()));
        }
    }
}

/// No wait is shorter than a millisecond.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 4).max(1)
}
