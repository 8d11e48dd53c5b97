//! The threads that deliver what is due, one job each at a time.
//!
//! A driver: it owns sockets and asks its clock. A thread that has delivered to a host goes on with the next message for the same
//! destination over the same connection, as long as there is one and nobody waits of whom nothing is under way. Then it takes
//! what comes next of all that is due ([`crate::window`]).

mod state;

use crate::attempt::Attempt;
use crate::destinations::{Admission, Destinations};
use crate::entry::{Entry, LastReply};
use crate::error::Error;
use crate::hands::Holder;
use crate::machine::thread::{self, JoinHandle};
use crate::machine::{Condvar, Mutex, MutexGuard, TcpStream};
use crate::outgoing::{Destination, Outgoing};
use crate::queue::Queue;
use crate::reach::{Reach, Session};
use crate::release::Releaser;
use crate::report::Notice;
use crate::scribe::{self, Note, Scribe, Writing};
use crate::smarthost::SmarthostError;
use crate::turns::Turn;
use crate::window::Job;
pub(crate) use state::{Look, State};
use std::net::Shutdown;
use std::sync::{Arc, PoisonError};
use std::task::Wake;
use std::time::Duration;
use store::{Claim, Timestamp};
use tracing::warn;

/// After a fault of the store.
pub(crate) const FAULT_PAUSE: Duration = Duration::from_secs(5);
/// So many messages go over one connection.
const SESSION_MESSAGES_MAX: usize = 100;
/// So many jobs of a destination that cannot be reached are written down at once.
const POSTPONED_AT_ONCE: usize = 256;
/// So many jobs of a sender wait here for the pace of a destination; the others have times of their own, and leave its other mail
/// room.
const PACED_HERE_MAX: usize = 64;

/// The time, for records and schedules.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Tells somebody something: durable when it returns `Ok`, with receipts to be answered once that is written down. Called from
/// the sender's threads.
pub type Reporter = Arc<dyn Fn(Notice<'_>) -> Result<Vec<Claim>, ReportError> + Send + Sync>;

/// Why somebody was not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportError {
    /// Try again: why.
    Later(String),
    /// There is nobody (any more) to tell: why. It is dropped, and logged.
    Never(String),
}

/// The threads of the queue. Dropping it stops them without waiting.
pub struct Sender {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle>,
}

pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) outgoing: Outgoing,
    pub(crate) reach: Reach,
    pub(crate) report: Reporter,
    pub(crate) release: Releaser,
    pub(crate) clock: Clock,
    /// Of what its threads have in their hands.
    pub(crate) holder: Holder,
    state: Mutex<State>,
    /// Something has come or become free.
    work: Condvar,
    /// Anything else that threads wait for.
    pub(crate) changed: Condvar,
}

/// What a thread does next.
enum Task<'a> {
    Load(Look),
    Deliver(Job, Place<'a>),
    Postpone(Vec<(Job, Timestamp)>, Option<LastReply>),
}

impl Sender {
    /// Starts to deliver what is in the queue and what comes.
    ///
    /// # Errors
    /// What is wrong with the smarthost's configuration.
    pub fn start(
        queue: Queue,
        outgoing: Outgoing,
        report: Reporter,
        release: Releaser,
        clock: Clock,
    ) -> Result<Self, SmarthostError> {
        let reach = Reach::new(&outgoing, &queue)?;
        let threads_wanted = outgoing.connections_max();
        let state = Mutex::new(State { threads_alive: threads_wanted + 1, ..State::default() });
        let (work, changed) = (Condvar::new(), Condvar::new());
        let holder = queue.hands().holder();
        let shared = Arc::new(Shared { queue, outgoing, reach, report, release, clock, holder, state, work, changed });
        shared.queue.tell(&Arc::clone(&shared).into());
        let mut sender = Self { shared, threads: Vec::new() };
        let (scribe, notes) = scribe::scribe();
        // Where one does not start, those that run stop with the drop of `sender`.
        sender.spawn("queue-scribe".to_owned(), move |shared| {
            scribe::write_down(
                &notes,
                |heard| shared.queue.write_down(heard, (shared.clock)()),
                |notes, entries| shared.written(notes, entries),
            );
        })?;
        for number in 0..threads_wanted {
            let scribe = scribe.clone();
            sender.spawn(format!("queue-{number}"), move |shared| shared.work(&scribe))?;
        }
        Ok(sender)
    }

    fn spawn(&mut self, name: String, work: impl FnOnce(&Shared) + Send + 'static) -> Result<(), SmarthostError> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name(name).spawn(move || {
            let alive = Alive(&shared);
            work(&shared);
            drop(alive);
        });
        self.threads.push(thread.map_err(|error| SmarthostError::Thread(error.to_string()))?);
        Ok(())
    }

    /// Has the threads look at the whole queue again: after the clock was set.
    pub fn wake(&self) {
        self.shared.look_at_all();
        self.shared.wake_all();
    }

    /// Has the threads look at what is new in the queue: another process has changed it.
    pub fn look_for_news(&self) {
        self.shared.queue.spread_news();
    }

    /// Stops, at once and without waiting, because another server may lead soon: connections are cut. The threads end when what is known
    /// of mail that went out is written down, however long that takes, also when this is dropped; [`Sender::stop`] waits for them.
    pub fn leave(&self) {
        self.shared.lock().leaves = true;
        self.shared.begin_to_stop();
        self.shared.cut();
    }

    /// Whether all threads have ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.shared.lock().threads_alive == 0
    }

    /// Stops: no new attempts; those that run have `grace` to end, then their connections are cut. What was not settled
    /// is tried again after the next start.
    pub fn stop(mut self, grace: Duration) {
        self.shared.lock().leaves = false;
        self.shared.begin_to_stop();
        if !self.shared.wait_for_threads(grace) {
            self.shared.cut();
            if !self.shared.wait_for_threads(Duration::from_secs(1)) {
                warn!("a delivery does not end; it is left behind");
                return;
            }
        }
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.shared.begin_to_stop();
    }
}

/// Counts a thread as ended however it ends.
struct Alive<'a>(&'a Shared);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.lock().threads_alive -= 1;
        self.0.changed.notify_all();
    }
}

/// A place at a destination, given back when it is dropped, with its session.
pub(crate) struct Place<'a> {
    shared: &'a Shared,
    pub(crate) destination: Destination,
    pub(crate) number: u64,
    pub(crate) session: Session,
}

impl Place<'_> {
    /// Ends the session in good order; others may have the place meanwhile.
    fn close(mut self) {
        let session = std::mem::replace(&mut self.session, Session::none());
        let (shared, number) = (self.shared, self.number);
        drop(self);
        session.close();
        shared.lock().sockets.remove(&number);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let now = (self.shared.clock)();
        let mut state = self.shared.lock();
        state.destinations.leave(&self.destination, now);
        if !self.session.is_open() {
            state.sockets.remove(&self.number);
        }
        self.shared.notify(&state);
    }
}

/// Something new is in the queue.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.work.notify_one();
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread that has nothing to do may have something now.
    fn notify(&self, state: &State) {
        if state.resting > 0 && (!state.window.is_empty() || state.window.is_low()) {
            self.work.notify_one();
        }
        if state.watching > 0 {
            self.changed.notify_all();
        }
    }

    /// Waits for anything to change, for as long as `is_so`; at most for a time. Gives whether that is over.
    fn watch<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        time: Duration,
        is_so: impl Fn(&State) -> bool,
    ) -> (MutexGuard<'a, State>, bool) {
        state.watching += 1;
        let watched = self.changed.wait_timeout_while(state, time, |state| is_so(state));
        let (mut state, result) = watched.unwrap_or_else(PoisonError::into_inner);
        state.watching -= 1;
        (state, result.timed_out())
    }

    /// Threads that have nothing to do may have something now.
    pub(crate) fn wake_all(&self) {
        self.work.notify_all();
    }

    fn look_at_all(&self) {
        let mut state = self.lock();
        state.window.forget_what_was_loaded();
        state.loading.news = None;
    }

    fn begin_to_stop(&self) {
        self.lock().stopping = true;
        self.wake_all();
        self.changed.notify_all();
    }

    /// Ends the connections that there are and those to come.
    fn cut(&self) {
        self.reach.cut();
        let mut state = self.lock();
        state.cut = true;
        state.sockets.values().for_each(shut_down);
    }

    pub(crate) fn connected(&self, place: u64, socket: &TcpStream) {
        let mut state = self.lock();
        if state.cut {
            shut_down(socket);
        }
        if let Ok(socket) = socket.try_clone() {
            state.sockets.insert(place, socket);
        }
    }

    /// Whether all threads have ended in time.
    fn wait_for_threads(&self, time: Duration) -> bool {
        !self.watch(self.lock(), time, |state| state.threads_alive > 0).1
    }

    fn work(&self, scribe: &Scribe) {
        while let Some(task) = self.next() {
            let ended = match task {
                Task::Load(look) => self.load(look),
                Task::Deliver(job, place) => {
                    self.deliver_all(job, place, scribe);
                    Ok(())
                }
                Task::Postpone(jobs, last) => {
                    let ended = self.postpone(&jobs, last.as_ref());
                    jobs.iter().for_each(|(job, _)| self.done(job, ended.is_err()));
                    ended
                }
            };
            if let Err(error) = ended
                && !self.is_superseded(&error)
            {
                warn!(%error, "the queue could not be read");
                self.pause(FAULT_PAUSE);
                self.look_at_all();
            }
        }
    }

    /// Waits for something to do; `None` when it is time to stop.
    fn next(&self) -> Option<Task<'_>> {
        let mut state = self.lock();
        loop {
            if state.stopping {
                return None;
            }
            let (now, news) = ((self.clock)(), self.queue.news());
            if let Some(look) = state.wants_load(news, now) {
                state.begin_load(look, news);
                return Some(Task::Load(look));
            }
            if let Some(task) = self.pick(&mut state, now) {
                return Some(task);
            }
            let rest = state.rest(now);
            // Whichever way the wait ends, the queue is looked at again.
            state.resting += 1;
            state = self.work.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
            state.resting -= 1;
        }
    }

    /// A look at the queue has ended.
    pub(crate) fn load_ended(&self) {
        self.lock().loading.is_under_way = false;
        self.wake_all();
        self.changed.notify_all();
    }

    fn look(&self, destinations: &Destinations, destination: &Destination, now: Timestamp) -> Admission {
        destinations.look(destination, self.outgoing.share_of(destination), now)
    }

    fn pick(&self, state: &mut State, now: Timestamp) -> Option<Task<'_>> {
        let State { window, destinations, paced_until, .. } = state;
        *paced_until = None;
        let mut admission = Admission::Full;
        let job = window.take(self.per_sender_max(), &mut |destination, waiting| {
            admission = self.look(destinations, destination, now);
            if let Admission::Paced { until } = admission {
                *paced_until = Some(paced_until.map_or(until, |known| known.min(until)));
                return waiting > PACED_HERE_MAX;
            }
            admission.takes_some()
        })?;
        match admission {
            Admission::Blocked { until, last } => {
                let others = std::iter::from_fn(|| window.take_another(&job)).take(POSTPONED_AT_ONCE - 1);
                let jobs = std::iter::once(job.clone()).chain(others).map(|job| (job, until)).collect();
                Some(Task::Postpone(jobs, Some(last)))
            }
            Admission::Paced { .. } => {
                let destination = job.destination.clone();
                let jobs = window.take_behind(job, PACED_HERE_MAX, POSTPONED_AT_ONCE);
                let share = self.outgoing.share_of(&destination);
                let times = destinations.book(&destination, share, (PACED_HERE_MAX, jobs.len()), now);
                Some(Task::Postpone(jobs.into_iter().zip(times).collect(), None))
            }
            Admission::Go | Admission::Full => {
                let share = self.outgoing.share_of(&job.destination);
                destinations.enter(&job.destination);
                destinations.pass(&job.destination, share, now);
                if share.distance_millis.is_some() {
                    // Somebody has to rest just until the next may go.
                    self.work.notify_one();
                }
                state.places += 1;
                let (destination, number) = (job.destination.clone(), state.places);
                Some(Task::Deliver(job, Place { shared: self, destination, number, session: Session::none() }))
            }
        }
    }

    /// A job, and what can go the same way after it.
    fn deliver_all(&self, first: Job, mut place: Place<'_>, scribe: &Scribe) {
        let mut next = Some(first);
        let mut count = 0;
        let mut writing: Option<Writing> = None;
        while let Some(job) = next {
            let (turn, ended) = (job.turn, self.attempt(&job, &mut place));
            match ended {
                Ok(Attempt::Said(heard, hand)) => {
                    // No more than one is on its way to the disk.
                    writing.take().into_iter().for_each(|writing| self.finish(writing));
                    self.leave(&job);
                    writing = Some(scribe.write(job, heard, hand));
                }
                Ok(Attempt::Again) => self.done(&job, true),
                Ok(Attempt::Ended(entry)) => self.done(&job, self.is_due_again(entry.as_deref())),
                Err(error) if self.is_superseded(&error) => self.done(&job, false),
                Err(error) => {
                    warn!(id = %job.id, %error, "the queue could not be read");
                    self.pause(FAULT_PAUSE);
                    self.done(&job, true);
                }
            }
            count += 1;
            next = if count < SESSION_MESSAGES_MAX { self.next_for(&place, turn) } else { None };
        }
        place.close();
        writing.into_iter().for_each(|writing| self.finish(writing));
    }

    /// Waits until an outcome is durable; where it was not to be written with others, writes it down.
    fn finish(&self, writing: Writing) {
        let Err(note) = writing.wait() else { return };
        let again = match self.write_down(note.job.id, &note.heard) {
            Ok(entry) => self.is_due_again(entry.as_ref()),
            Err(Error::Damaged(why)) => {
                self.put_away(&note.job, &why);
                false
            }
            Err(error) => {
                warn!(id = %note.job.id, %error, "an outcome was not written down");
                true
            }
        };
        self.lock().window.written(&note.job, again);
    }

    /// Outcomes are durable.
    fn written(&self, notes: &[Arc<Note>], entries: &[Option<Entry>]) {
        for (note, entry) in notes.iter().zip(entries) {
            note.heard.tell();
            let again = self.is_due_again(entry.as_ref());
            self.lock().window.written(&note.job, again);
        }
        self.notify(&self.lock());
    }

    /// Whether a message is due now; of one that is due later the time is noted.
    fn is_due_again(&self, entry: Option<&Entry>) -> bool {
        let Some(entry) = entry else { return false };
        let is_due = entry.next_at <= (self.clock)();
        if !is_due && !entry.held {
            self.lock().look_again_at(entry.next_at);
        }
        is_due
    }

    /// What goes the way of an open session next.
    fn next_for(&self, place: &Place<'_>, served: Turn) -> Option<Job> {
        let mut state = self.lock();
        if state.stopping || !place.session.is_open() {
            return None;
        }
        let now = (self.clock)();
        let State { window, destinations, .. } = &mut *state;
        let share = self.outgoing.share_of(&place.destination);
        if destinations.paced_until(&place.destination, share, now).is_some()
            || window.somebody_waits(served, &mut |other| self.look(destinations, other, now).takes_some())
        {
            return None;
        }
        let job = window.take_for(&place.destination, self.per_sender_max())?;
        destinations.pass(&place.destination, share, now);
        Some(job)
    }

    /// A job leaves its place, and has not ended.
    fn leave(&self, job: &Job) {
        let mut state = self.lock();
        state.window.leave(job);
        self.notify(&state);
    }

    /// A job has ended. `again`: its message is to be looked at again.
    fn done(&self, job: &Job, again: bool) {
        let mut state = self.lock();
        state.window.done(job, again);
        self.notify(&state);
    }

    /// One sender leaves a connection to the others, where there are two or more.
    fn per_sender_max(&self) -> usize {
        self.outgoing.connections_max().saturating_sub(1).max(1)
    }

    /// Whether another server sends from now on: then these threads stop.
    pub(crate) fn is_superseded(&self, error: &Error) -> bool {
        let is_so = *error == Error::Superseded;
        if is_so && !self.lock().stopping {
            warn!("another server sends what is in the queue from now on");
            // The process goes on: what other threads know is written down.
            self.lock().leaves = true;
            self.begin_to_stop();
        }
        is_so
    }

    /// Waits, unless the process ends.
    pub(crate) fn pause_to_keep(&self, time: Duration) {
        drop(self.watch(self.lock(), time, |state| !state.is_ending()));
    }

    /// Waits, unless the server stops.
    pub(crate) fn pause(&self, time: Duration) {
        drop(self.watch(self.lock(), time, |state| !state.stopping));
    }
}

fn shut_down(socket: &TcpStream) {
    // It may be closed already.
    let _ = socket.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests;
