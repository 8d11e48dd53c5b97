//! Jobs for tests: on the thread of whoever asks, when the test wants it, in the order in which they were started. And sessions that
//! somebody looks at.

use crate::jobs::{Full, Jobs, Line, Owner, Ticket, Turn};
use crate::{Doing, Ending, Live, Moment, Roster, SessionId};
use std::future::Future;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};

/// For tests of what is done in turn.
pub static TURN: Turn = Turn(());

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct TestJobs(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    mode: Mode,
    next: u64,
    held: Vec<(u64, Work)>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    AtOnce,
    Held,
    Full,
}

type Work = Box<dyn FnOnce() + Send>;

impl TestJobs {
    /// A job is done when it is started: whoever looks right after that finds it done.
    #[must_use]
    pub fn at_once() -> Arc<Self> {
        Self::new(Mode::AtOnce)
    }

    /// A job waits for [`Self::release`].
    #[must_use]
    pub fn held() -> Arc<Self> {
        Self::new(Mode::Held)
    }

    /// Every job is refused.
    #[must_use]
    pub fn full() -> Arc<Self> {
        Self::new(Mode::Full)
    }

    fn new(mode: Mode) -> Arc<Self> {
        Arc::new(Self(Arc::new(Inner { state: Mutex::new(State { mode, ..State::default() }) })))
    }

    /// Does the jobs that wait, the first one first; those that come from now on are done at once.
    pub fn release(&self) {
        let held = {
            let mut state = self.0.lock();
            state.mode = Mode::AtOnce;
            std::mem::take(&mut state.held)
        };
        held.into_iter().for_each(|(_, work)| work());
    }

    /// Those that come from now on wait.
    pub fn hold(&self) {
        self.0.lock().mode = Mode::Held;
    }

    /// Those that come from now on are refused.
    pub fn refuse(&self) {
        self.0.lock().mode = Mode::Full;
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.lock().held.len()
    }

    fn start(&self, work: Work) -> Result<Ticket, Full> {
        let mut state = self.0.lock();
        match state.mode {
            Mode::Full => Err(Full),
            Mode::AtOnce => {
                drop(state);
                work();
                Ok(Box::new(()))
            }
            Mode::Held => {
                state.next += 1;
                let number = state.next;
                state.held.push((number, work));
                Ok(Box::new(Held { number, jobs: Arc::downgrade(&self.0) }))
            }
        }
    }
}

impl Jobs for TestJobs {
    fn compute(&self, _: Owner, _: Line, work: Work) -> Result<Ticket, Full> {
        self.start(work)
    }

    fn wait(&self, _: Owner, mut work: Pin<Box<dyn Future<Output = ()> + Send>>) -> Result<Ticket, Full> {
        self.start(Box::new(move || {
            let waker = Waker::from(Arc::new(Sleeper(thread::current())));
            while work.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                thread::park();
            }
        }))
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Held {
    number: u64,
    jobs: Weak<Inner>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(jobs) = self.jobs.upgrade() else { return };
        let called_off: Vec<(u64, Work)> =
            jobs.lock().held.extract_if(.., |(number, _)| *number == self.number).collect();
        drop(called_off);
    }
}

/// A thread that waits for a future.
struct Sleeper(Thread);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Sessions that are nowhere but in this list.
#[derive(Default)]
pub struct TestRoster(Mutex<Vec<Live>>);

impl TestRoster {
    fn all(&self) -> MutexGuard<'_, Vec<Live>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session of IMAP under TLS begins; whose, and on which device, if somebody is logged in.
    pub fn add(&self, owner: Option<(u64, u32)>, address: IpAddr, now: Moment) -> SessionId {
        let id = SessionId::begun(now);
        self.all().push(Live {
            id,
            service: "imaps",
            protocol: "imap",
            address,
            port: 50_000,
            is_tls: true,
            owner: owner.map(|(owner, _)| owner),
            doing: Doing { device: owner.map(|(_, device)| device), command: None, is_busy: false },
            quiet_secs: 61,
            received_bytes: 100,
            sent_bytes: 2_048,
            is_ending: false,
        });
        id
    }

    /// Changes one.
    pub fn change(&self, id: SessionId, change: impl FnOnce(&mut Live)) {
        self.all().iter_mut().find(|live| live.id == id).into_iter().next().map(change);
    }
}

impl Roster for TestRoster {
    fn each(&self, before: Option<SessionId>, look: &mut dyn FnMut(Live) -> ControlFlow<()>) {
        let all = self.all().clone();
        let _stopped =
            all.into_iter().rev().filter(|live| before.is_none_or(|before| live.id < before)).try_for_each(look);
    }

    fn one(&self, id: SessionId) -> Option<Live> {
        self.all().iter().find(|live| live.id == id).copied()
    }

    fn end(&self, id: SessionId) -> Option<Ending> {
        let mut all = self.all();
        let found = all.iter_mut().find(|live| live.id == id)?;
        Some(if std::mem::replace(&mut found.is_ending, true) { Ending::Begun } else { Ending::Begins })
    }
}
