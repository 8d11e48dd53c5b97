//! Locks, waits, threads, sockets and time: of the simulation for its threads and its test, else of the machine.

use super::{Here, Inner, Reading, State, here};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, Shutdown, SocketAddr};
use std::ops::{Add, Deref, DerefMut};
use std::sync::{self, Arc, LockResult, OnceLock, PoisonError, TryLockError};
use std::time::Duration;

/// As [`sync::Mutex`].
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

/// As [`sync::MutexGuard`].
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` only while it is dropped, or given to a [`Condvar`].
    guard: Option<sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    /// Never an error: nobody looks at it.
    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        if let Some(Here { inner, me: Some(me) }) = here() {
            inner.may_turn(me);
            while let Err(TryLockError::WouldBlock) = self.0.try_lock() {
                inner.give_back(me, State::Ready(Some(std::thread::current())));
            }
        }
        Ok(self.lock_now())
    }

    fn lock_now(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, guard: Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)) }
    }
}

const HELD: &str = "a guard that is used holds its lock";

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[allow(clippy::expect_used, reason = "it is taken out only by who consumes it")]
    fn deref(&self) -> &T {
        self.guard.as_ref().expect(HELD)
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[allow(clippy::expect_used, reason = "it is taken out only by who consumes it")]
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().expect(HELD)
    }
}

/// As [`sync::Condvar`].
#[derive(Default)]
pub(crate) struct Condvar {
    real: sync::Condvar,
    waiters: sync::Mutex<Vec<Waiter>>,
    tickets: sync::atomic::AtomicU64,
}

impl std::fmt::Debug for Condvar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

struct Waiter {
    ticket: u64,
    inner: Arc<Inner>,
    /// `None`: the test.
    thread: Option<usize>,
}

/// As [`sync::WaitTimeoutResult`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub(crate) fn timed_out(self) -> bool {
        self.0
    }
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notify_one(&self) {
        let mut waiters = self.waiters();
        if !waiters.is_empty() {
            waiters.remove(0).wake();
        }
        self.real.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.waiters().drain(..).for_each(Waiter::wake);
        self.real.notify_all();
    }

    fn waiters(&self) -> sync::MutexGuard<'_, Vec<Waiter>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        time: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let (guard, is_over) = self.wait_for(guard, Some(time));
        Ok((guard, WaitTimeoutResult(is_over)))
    }

    pub(crate) fn wait_timeout_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        time: Duration,
        mut is_so: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let begin = Instant::now();
        while is_so(&mut guard) {
            let rest = time.saturating_sub(begin.elapsed());
            if rest.is_zero() {
                return Ok((guard, WaitTimeoutResult(true)));
            }
            guard = self.wait_for(guard, Some(rest)).0;
        }
        Ok((guard, WaitTimeoutResult(false)))
    }

    /// Until somebody notifies, or for a time. Whether that is over.
    fn wait_for<'a, T>(&self, mut guard: MutexGuard<'a, T>, time: Option<Duration>) -> (MutexGuard<'a, T>, bool) {
        let mutex = guard.mutex;
        let Some(Here { inner, me }) = here() else {
            let Some(held) = guard.guard.take() else { return (guard, false) };
            let (held, is_over) = match time {
                Some(time) => {
                    let (held, result) = self.real.wait_timeout(held, time).unwrap_or_else(PoisonError::into_inner);
                    (held, result.timed_out())
                }
                None => (self.real.wait(held).unwrap_or_else(PoisonError::into_inner), false),
            };
            return (MutexGuard { mutex, guard: Some(held) }, is_over);
        };
        let ticket = self.tickets.fetch_add(1, sync::atomic::Ordering::Relaxed);
        self.waiters().push(Waiter { ticket, inner: Arc::clone(&inner), thread: me });
        drop(guard);
        let is_over = match me {
            Some(me) => inner.wait(me, time, false),
            None => self.drive(&inner, ticket, time),
        };
        self.waiters().retain(|waiter| waiter.ticket != ticket);
        (mutex.lock_now(), is_over)
    }

    /// The test itself waits: the threads go on meanwhile.
    fn drive(&self, inner: &Inner, ticket: u64, time: Option<Duration>) -> bool {
        let now = inner.lock().now_millis;
        let until = time.map_or(u64::MAX / 2, |time| now + super::millis(time));
        loop {
            if !self.waiters().iter().any(|waiter| waiter.ticket == ticket) {
                return false;
            }
            if !inner.turn(until) {
                return self.waiters().iter().any(|waiter| waiter.ticket == ticket);
            }
        }
    }
}

impl Waiter {
    fn wake(self) {
        if let Some(thread) = self.thread {
            self.inner.wake(thread);
        }
    }
}

/// As [`std::time::Instant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        static BEGIN: OnceLock<std::time::Instant> = OnceLock::new();
        Self(match here() {
            Some(here) => Duration::from_millis(here.inner.lock().now_millis),
            None => BEGIN.get_or_init(std::time::Instant::now).elapsed(),
        })
    }

    pub(crate) fn elapsed(self) -> Duration {
        Self::now().duration_since(self)
    }

    pub(crate) fn duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0 + time)
    }
}

pub(crate) mod thread {
    //! As [`std::thread`].

    use super::super::{Here, Inner, State, here};
    use std::io;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::thread;

    /// As [`thread::Builder`].
    pub(crate) struct Builder(thread::Builder);

    impl Builder {
        pub(crate) fn new() -> Self {
            Self(thread::Builder::new())
        }

        pub(crate) fn name(self, name: String) -> Self {
            Self(self.0.name(name))
        }

        pub(crate) fn spawn(self, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle> {
            let Some(Here { inner, .. }) = here() else {
                return self.0.spawn(work).map(|handle| JoinHandle { handle, simulated: None });
            };
            let me = {
                let mut core = inner.lock();
                core.threads.push(State::Ready(None));
                core.threads.len() - 1
            };
            let begun = Arc::clone(&inner);
            let handle = self.0.spawn(move || run(&begun, me, work))?;
            let mut core = inner.lock();
            if let Some(state) = core.threads.get_mut(me) {
                *state = State::Ready(Some(handle.thread().clone()));
            }
            drop(core);
            Ok(JoinHandle { handle, simulated: Some((inner, me)) })
        }
    }

    fn run(inner: &Arc<Inner>, me: usize, work: impl FnOnce()) {
        super::super::HERE.set(Some(Here { inner: Arc::clone(inner), me: Some(me) }));
        let ended = catch_unwind(AssertUnwindSafe(|| {
            inner.wait_for_turn(me);
            work();
        }));
        super::super::HERE.set(None);
        inner.end(me, ended);
    }

    /// As [`thread::JoinHandle`].
    pub(crate) struct JoinHandle {
        handle: thread::JoinHandle<()>,
        simulated: Option<(Arc<Inner>, usize)>,
    }

    impl JoinHandle {
        pub(crate) fn join(self) -> thread::Result<()> {
            if let Some((inner, thread)) = self.simulated {
                let has_ended = || matches!(inner.lock().threads.get(thread), None | Some(State::Ended));
                while !has_ended() && inner.turn(u64::MAX / 2) {}
                if !has_ended() {
                    return Ok(());
                }
            }
            self.handle.join()
        }
    }
}

pub(crate) mod mpsc {
    //! As [`std::sync::mpsc`], over the waits of this module. No channel has a bound: who sends into one here has one thing to say.

    use super::{Condvar, Mutex, MutexGuard};
    use std::collections::VecDeque;
    use std::iter;
    use std::sync::{Arc, PoisonError};

    struct Channel<T> {
        state: Mutex<Line<T>>,
        news: Condvar,
    }

    struct Line<T> {
        waiting: VecDeque<T>,
        senders: usize,
        is_received: bool,
    }

    impl<T> Channel<T> {
        fn lock(&self) -> MutexGuard<'_, Line<T>> {
            self.state.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// As [`std::sync::mpsc::Sender`].
    pub(crate) struct Sender<T>(Arc<Channel<T>>);
    pub(crate) type SyncSender<T> = Sender<T>;
    /// As [`std::sync::mpsc::Receiver`].
    pub(crate) struct Receiver<T>(Arc<Channel<T>>);
    /// Nobody is at the other end.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Gone;

    pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let line = Line { waiting: VecDeque::new(), senders: 1, is_received: true };
        let channel = Arc::new(Channel { state: Mutex::new(line), news: Condvar::new() });
        (Sender(Arc::clone(&channel)), Receiver(channel))
    }

    pub(crate) fn sync_channel<T>(_bound: usize) -> (SyncSender<T>, Receiver<T>) {
        channel()
    }

    impl<T> Sender<T> {
        pub(crate) fn send(&self, value: T) -> Result<(), Gone> {
            let mut line = self.0.lock();
            if !line.is_received {
                return Err(Gone);
            }
            line.waiting.push_back(value);
            drop(line);
            self.0.news.notify_one();
            Ok(())
        }
    }

    impl<T> Clone for Sender<T> {
        fn clone(&self) -> Self {
            self.0.lock().senders += 1;
            Self(Arc::clone(&self.0))
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            self.0.lock().senders -= 1;
            self.0.news.notify_all();
        }
    }

    impl<T> Receiver<T> {
        pub(crate) fn recv(&self) -> Result<T, Gone> {
            let mut line = self.0.lock();
            loop {
                if let Some(value) = line.waiting.pop_front() {
                    return Ok(value);
                }
                if line.senders == 0 {
                    return Err(Gone);
                }
                line = self.0.news.wait_for(line, None).0;
            }
        }

        pub(crate) fn try_iter(&self) -> impl Iterator<Item = T> + '_ {
            iter::from_fn(|| self.0.lock().waiting.pop_front())
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            let mut line = self.0.lock();
            line.is_received = false;
            let rest = std::mem::take(&mut line.waiting);
            drop(line);
            drop(rest);
        }
    }
}

/// As [`net::TcpStream`].
#[derive(Debug)]
pub(crate) enum TcpStream {
    Real(net::TcpStream),
    Simulated { socket: Arc<Socket>, read_timeout: sync::Mutex<Option<Duration>> },
}

/// Closed when nobody has it any more.
pub(crate) struct Socket {
    inner: Arc<Inner>,
    connection: u64,
    is_shut: sync::atomic::AtomicBool,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "connection {}", self.connection)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut core = self.inner.lock();
        let now = core.now_millis;
        core.network.close(self.connection, now);
    }
}

impl TcpStream {
    pub(crate) fn connect_timeout(address: &SocketAddr, time: Duration) -> io::Result<Self> {
        let Some(Here { inner, me: Some(me) }) = here() else {
            return net::TcpStream::connect_timeout(address, time).map(Self::Real);
        };
        inner.may_turn(me);
        let connected = {
            let mut core = inner.lock();
            let now = core.now_millis;
            core.network.connect(*address, now)
        };
        match connected {
            Ok(connection) => {
                let socket = Arc::new(Socket { inner, connection, is_shut: sync::atomic::AtomicBool::new(false) });
                Ok(Self::Simulated { socket, read_timeout: sync::Mutex::default() })
            }
            // Nobody says anything: that takes its time.
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                inner.wait(me, Some(time), false);
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn set_nodelay(&self, is_so: bool) -> io::Result<()> {
        match self {
            Self::Real(socket) => socket.set_nodelay(is_so),
            Self::Simulated { .. } => Ok(()),
        }
    }

    pub(crate) fn set_write_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Real(socket) => socket.set_write_timeout(time),
            Self::Simulated { .. } => Ok(()),
        }
    }

    pub(crate) fn set_read_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Real(socket) => socket.set_read_timeout(time),
            Self::Simulated { read_timeout, .. } => {
                *read_timeout.lock().unwrap_or_else(PoisonError::into_inner) = time;
                Ok(())
            }
        }
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Real(socket) => Self::Real(socket.try_clone()?),
            Self::Simulated { socket, .. } => {
                Self::Simulated { socket: Arc::clone(socket), read_timeout: sync::Mutex::default() }
            }
        })
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Real(socket) => socket.shutdown(how),
            Self::Simulated { socket, .. } => {
                socket.is_shut.store(true, sync::atomic::Ordering::SeqCst);
                socket.inner.wake_readers();
                Ok(())
            }
        }
    }
}

impl Socket {
    fn is_shut(&self) -> bool {
        self.is_shut.load(sync::atomic::Ordering::SeqCst)
    }

    fn read(&self, input: &mut [u8], time: Option<Duration>) -> io::Result<usize> {
        let Some(Here { inner, me: Some(me) }) = here() else { return Err(ErrorKind::NotConnected.into()) };
        inner.may_turn(me);
        let end = time.map(|time| inner.lock().now_millis + super::millis(time));
        loop {
            if self.is_shut() {
                return Ok(0);
            }
            let (reading, now) = {
                let mut core = inner.lock();
                let now = core.now_millis;
                (core.network.read(self.connection, now), now)
            };
            match reading {
                Reading::Octets(octets) => {
                    let length = octets.len().min(input.len());
                    let (Some(to), Some(from)) = (input.get_mut(..length), octets.get(..length)) else { return Ok(0) };
                    to.copy_from_slice(from);
                    return Ok(length);
                }
                Reading::End => return Ok(0),
                Reading::Reset => return Err(ErrorKind::ConnectionReset.into()),
                Reading::Later(_) if end.is_some_and(|end| end <= now) => return Err(ErrorKind::WouldBlock.into()),
                Reading::Later(at) => {
                    let until = at.into_iter().chain(end).min();
                    inner.wait(me, until.map(|until| Duration::from_millis(until.saturating_sub(now))), true);
                }
            }
        }
    }

    fn write(&self, output: &[u8]) -> io::Result<usize> {
        let Some(Here { inner, me: Some(me) }) = here() else { return Err(ErrorKind::NotConnected.into()) };
        inner.may_turn(me);
        if self.is_shut() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut core = inner.lock();
        let now = core.now_millis;
        core.network.write(self.connection, output, now)?;
        Ok(output.len())
    }
}

impl Read for TcpStream {
    fn read(&mut self, input: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Real(socket) => socket.read(input),
            Self::Simulated { socket, read_timeout } => {
                let time = *read_timeout.get_mut().unwrap_or_else(PoisonError::into_inner);
                socket.read(input, time)
            }
        }
    }
}

impl Write for TcpStream {
    fn write(&mut self, output: &[u8]) -> io::Result<usize> {
        match self {
            Self::Real(socket) => socket.write(output),
            Self::Simulated { socket, .. } => socket.write(output),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Real(socket) => socket.flush(),
            Self::Simulated { .. } => Ok(()),
        }
    }
}
