//! Work that no step of a session does itself, because it takes a processor for long or waits for somebody else: the
//! session starts a [`Job`], returns [`crate::Step::Wait`], and is woken when there is something to hear.
//!
//! A job that computes gets one of a few threads when its turn has come; one that waits (for the DNS, a scanner, another
//! server) is a future and holds no thread at all. Both are counted, for each owner and in all: what is too much is refused
//! at once ([`Full`]), and an owner who has many stands behind himself.
//!
//! Invariant: a [`Job`] that is dropped is called off: one that still stands in line leaves it, a future is dropped, and what
//! runs on a thread runs to its end and is heard by nobody.

use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Whose work it is: the places are shared among owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Who is logged in, or whose mailbox it is about.
    Account(u64),
    /// A stranger at an address; [`Self::stranger`] makes it.
    Address(IpAddr),
}

impl Owner {
    /// A stranger: an IPv4 address, or the /64 of an IPv6 one, which one host can have as a whole.
    #[must_use]
    pub fn stranger(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
    }
}

/// For which threads a job that computes stands in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// For those that also do the slices of long commands.
    Long,
    /// For those that verify passwords: each takes a processor for some 20 ms, and megabytes.
    Passwords,
}

/// There are too many jobs already, of this owner or in all. The client may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A job came to no end: it failed, which is logged, or the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// Dropped, it calls the job off.
pub type Ticket = Box<dyn Send>;

/// Does jobs. The server has one for all sessions; tests have `testing::TestJobs`.
pub trait Jobs: Send + Sync {
    /// Calls `work` on a thread once it is its owner's turn.
    ///
    /// # Errors
    /// [`Full`], and `work` is dropped.
    fn compute(&self, owner: Owner, line: Line, work: Box<dyn FnOnce() + Send>) -> Result<Ticket, Full>;

    /// Polls `work` until it is ready.
    ///
    /// # Errors
    /// [`Full`], and `work` is dropped.
    fn wait(&self, owner: Owner, work: Pin<Box<dyn Future<Output = ()> + Send>>) -> Result<Ticket, Full>;
}

/// Somebody's turn to verify passwords has come. There is none outside of [`Job::in_turn`], whose work keeps it to itself.
#[derive(Debug)]
pub struct Turn(pub(crate) ());

/// Work that was started. A session looks at it with [`Self::look`]; for tasks it is a future.
pub struct Job<T> {
    end: Arc<End<T>>,
    ticket: Option<Ticket>,
}

/// Where a job leaves what it has found.
struct End<T>(Mutex<State<T>>);

enum State<T> {
    /// Who is to be woken.
    Open(Waker),
    Found(T),
    /// Lost, or fetched.
    Over,
}

/// What a job holds of its end; dropped without having found anything, it is lost.
struct Finder<T>(Arc<End<T>>);

impl<T: Send + 'static> Job<T> {
    /// Starts work that takes a processor, or the disk, for long.
    ///
    /// # Errors
    /// [`Full`].
    pub fn compute(jobs: &dyn Jobs, owner: Owner, work: impl FnOnce() -> T + Send + 'static) -> Result<Self, Full> {
        Self::on_thread(jobs, (owner, Line::Long), work)
    }

    /// Starts work that verifies or hashes a password.
    ///
    /// # Errors
    /// [`Full`].
    pub fn in_turn(jobs: &dyn Jobs, owner: Owner, work: impl FnOnce(Turn) -> T + Send + 'static) -> Result<Self, Full> {
        Self::on_thread(jobs, (owner, Line::Passwords), || work(Turn(())))
    }

    /// Starts to wait for something that comes over the network. What is waited for has a time limit of its own.
    ///
    /// # Errors
    /// [`Full`].
    pub fn wait(jobs: &dyn Jobs, owner: Owner, work: impl Future<Output = T> + Send + 'static) -> Result<Self, Full> {
        let (end, finder) = End::new();
        let ticket = jobs.wait(owner, Box::pin(async move { finder.found(work.await) }))?;
        Ok(Self { end, ticket: Some(ticket) })
    }

    fn on_thread(
        jobs: &dyn Jobs,
        (owner, line): (Owner, Line),
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Self, Full> {
        let (end, finder) = End::new();
        let ticket = jobs.compute(owner, line, Box::new(move || finder.found(work())))?;
        Ok(Self { end, ticket: Some(ticket) })
    }

    /// What it has found, once; until then `waker` is woken as soon as there is something. After that it is [`Lost`].
    pub fn look(&mut self, waker: &Waker) -> Poll<Result<T, Lost>> {
        let mut state = self.end.lock();
        if let State::Open(woken) = &mut *state {
            if !woken.will_wake(waker) {
                woken.clone_from(waker);
            }
            return Poll::Pending;
        }
        let found = std::mem::replace(&mut *state, State::Over);
        drop(state);
        self.ticket = None;
        Poll::Ready(match found {
            State::Found(found) => Ok(found),
            State::Open(_) | State::Over => Err(Lost),
        })
    }
}

impl<T: Send + 'static> Job<T> {
    /// Waits for what it finds; for a thread that does nothing else, and is none of those that jobs are polled on.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn sit(mut self) -> Result<T, Lost> {
        let waker = Waker::from(Arc::new(Sitting(thread::current())));
        loop {
            match self.look(&waker) {
                Poll::Ready(found) => return found,
                Poll::Pending => thread::park(),
            }
        }
    }
}

/// A thread that waits.
struct Sitting(Thread);

impl Wake for Sitting {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<T: Send + 'static> Future for Job<T> {
    type Output = Result<T, Lost>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().look(context.waker())
    }
}

impl<T> End<T> {
    fn new() -> (Arc<Self>, Finder<T>) {
        let end = Arc::new(Self(Mutex::new(State::Open(Waker::noop().clone()))));
        (Arc::clone(&end), Finder(end))
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves what was found, unless there is something.
    fn leave(&self, what: State<T>) {
        let mut state = self.lock();
        if !matches!(*state, State::Open(_)) {
            return;
        }
        let before = std::mem::replace(&mut *state, what);
        drop(state);
        if let State::Open(waker) = before {
            waker.wake();
        }
    }
}

impl<T> Finder<T> {
    fn found(self, found: T) {
        self.0.leave(State::Found(found));
    }
}

impl<T> Drop for Finder<T> {
    fn drop(&mut self) {
        self.0.leave(State::Over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestJobs;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    const SOMEBODY: Owner = Owner::Account(1);

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn waker() -> (Arc<Woken>, Waker) {
        let woken = Arc::<Woken>::default();
        (Arc::clone(&woken), woken.into())
    }

    #[test]
    fn who_waits_is_woken_once_and_hears_it_once() {
        let jobs = TestJobs::held();
        let (woken, waker) = waker();
        let mut job = Job::compute(&*jobs, SOMEBODY, || 7).unwrap();
        assert!(job.look(Waker::noop()).is_pending());
        assert!(job.look(&waker).is_pending(), "who looked last is woken");
        jobs.release();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert_eq!(job.look(&waker), Poll::Ready(Ok(7)));
        assert_eq!(job.look(&waker), Poll::Ready(Err(Lost)));
    }

    #[test]
    fn what_was_found_before_anybody_looks_is_there() {
        let jobs = TestJobs::at_once();
        let mut computed = Job::in_turn(&*jobs, SOMEBODY, |_| 7).unwrap();
        assert_eq!(computed.look(Waker::noop()), Poll::Ready(Ok(7)));
        let mut waited = Job::wait(&*jobs, SOMEBODY, async { 8 }).unwrap();
        assert_eq!(waited.look(Waker::noop()), Poll::Ready(Ok(8)));
    }

    #[test]
    fn a_job_that_fails_wakes_its_session_too() {
        let jobs = TestJobs::held();
        let (woken, waker) = waker();
        let mut job = Job::compute(&*jobs, SOMEBODY, || panic!("a job that fails")).unwrap();
        assert_eq!(job.look(&waker), Poll::<Result<(), _>>::Pending);
        assert!(catch_unwind(AssertUnwindSafe(|| jobs.release())).is_err());
        assert_eq!((woken.0.load(Ordering::SeqCst), job.look(&waker)), (1, Poll::Ready(Err(Lost))));
    }

    #[test]
    fn a_session_that_goes_calls_its_jobs_off() {
        let jobs = TestJobs::held();
        let ran = Arc::<Woken>::default();
        let counted = Arc::clone(&ran);
        drop(Job::compute(&*jobs, SOMEBODY, move || counted.wake()).unwrap());
        drop(Job::wait(&*jobs, SOMEBODY, std::future::pending::<()>()).unwrap());
        assert_eq!(jobs.waiting(), 0);
        jobs.release();
        assert_eq!(ran.0.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn what_is_refused_is_not_done() {
        let jobs = TestJobs::full();
        assert_eq!(Job::compute(&*jobs, SOMEBODY, || unreachable!()).map(|_: Job<()>| ()), Err(Full));
        assert_eq!(Job::wait(&*jobs, SOMEBODY, async {}).map(|_| ()), Err(Full));
    }

    #[test]
    fn strangers_of_one_network_are_one_owner() {
        let of = |address: &str| Owner::stranger(address.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
