//! The threads that deliver what is due, one message each at a time.
//!
//! A driver: it owns sockets and asks its clock. What it learns from the smarthost is committed before anything else
//! happens; if that fails it is tried again for as long as the process lives, because trying the delivery again would
//! double the message.

use crate::bounce::{self, Bounce, Names};
use crate::destinations::{Admission, Destinations};
use crate::entry::{Entry, LastReply, Matter, QueueId, Recipient, RecipientState};
use crate::error::Error;
use crate::outgoing::{Destination, Outgoing};
use crate::queue::{Fate, Queue, Settled};
use crate::reach::{Reach, Told};
use crate::smarthost::SmarthostError;
use crate::turns::{Busy, Due};
use smtp_proto::{MailReports, Message};
use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use store::{Claim, Timestamp, Watch};
use tracing::{info, warn};

/// Of the smarthost's words so many bytes are logged.
const LOGGED_BYTES_MAX: usize = 200;
/// A wake-up may get lost; then the queue is looked at after this time.
const RECHECK: Duration = Duration::from_secs(30);
/// A recipient whose destination has no place is looked at again after this time, if it cannot wait in memory.
const FULL_PAUSE_MILLIS: u64 = 30_000;
/// So many octets of messages are in memory at a time; a longer one is alone.
const HELD_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// After a fault of the store.
const FAULT_PAUSE: Duration = Duration::from_secs(5);

/// The time, for records and schedules.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Delivers a bounce into its recipient's mailbox: durable when it returns `Ok`, with receipts to be answered once that is
/// written down. Called from the sender's threads.
pub type Reporter = Arc<dyn Fn(&Bounce) -> Result<Vec<Claim>, ReportError> + Send + Sync>;

/// Why a bounce was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportError {
    /// Try again: why.
    Later(String),
    /// There is nobody (any more) to tell: why. The bounce is dropped, and logged.
    Never(String),
}

/// The threads of the queue. Dropping it stops them without waiting.
pub struct Sender {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    _watch: Watch,
}

struct Shared {
    queue: Queue,
    outgoing: Outgoing,
    reach: Reach,
    report: Reporter,
    clock: Clock,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopping: bool,
    /// The time to stop in good order is over.
    cut: bool,
    /// Counts wake-ups, so that none is missed between a look at the queue and the wait.
    wakes: u64,
    busy: Busy,
    destinations: Destinations,
    /// What `Queue::asked` was when destinations were looked at last.
    asked: u64,
    /// Octets of messages in memory.
    held_bytes: u64,
    sockets: HashMap<QueueId, TcpStream>,
    threads_alive: usize,
}

impl Sender {
    /// Starts to deliver what is in the queue and what comes.
    ///
    /// # Errors
    /// What is wrong with the smarthost's configuration.
    pub fn start(queue: Queue, outgoing: Outgoing, report: Reporter, clock: Clock) -> Result<Self, SmarthostError> {
        let reach = Reach::new(&outgoing)?;
        let threads_wanted = outgoing.connections_max();
        let state = Mutex::new(State { threads_alive: threads_wanted, ..State::default() });
        let shared = Arc::new(Shared { queue, outgoing, reach, report, clock, state, changed: Condvar::new() });
        let watch = shared.queue.watch(Arc::clone(&shared).into());
        let mut sender = Self { shared, threads: Vec::new(), _watch: watch };
        for number in 0..threads_wanted {
            let shared = Arc::clone(&sender.shared);
            let thread = thread::Builder::new().name(format!("queue-{number}")).spawn(move || {
                let alive = Alive(&shared);
                shared.work();
                drop(alive);
            });
            match thread {
                Ok(thread) => sender.threads.push(thread),
                // Those that run stop with the drop of `sender`.
                Err(error) => return Err(SmarthostError::Thread(error.to_string())),
            }
        }
        Ok(sender)
    }

    /// Has the threads look at the queue again: after the clock was set.
    pub fn wake(&self) {
        self.shared.wake_all();
    }

    /// Stops: no new attempts; those that run have `grace` to end, then their connections are cut. What was not settled
    /// is tried again after the next start.
    pub fn stop(mut self, grace: Duration) {
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
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
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
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

/// Octets in memory, until it is dropped.
struct Held<'a> {
    shared: &'a Shared,
    bytes: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.shared.lock().held_bytes -= self.bytes;
        self.shared.changed.notify_all();
    }
}

/// A place at a destination, given back when it is dropped; what was learned there, if anything.
struct Place<'a> {
    shared: &'a Shared,
    destination: &'a Destination,
    learned: Option<(Option<LastReply>, Timestamp)>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        match self.learned.take() {
            Some((unreached, now)) => state.destinations.ended(self.destination, unreached, now),
            None => state.destinations.left(self.destination),
        }
        state.busy.unpark(self.destination);
        state.wakes += 1;
        drop(state);
        self.shared.changed.notify_all();
    }
}

/// The queue's table has changed.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_all(&self) {
        self.lock().wakes += 1;
        self.changed.notify_all();
    }

    /// Ends the connections that there are and those to come.
    fn cut(&self) {
        self.reach.cut();
        let mut state = self.lock();
        state.cut = true;
        state.sockets.values().for_each(shut_down);
    }

    fn connected(&self, id: QueueId, socket: &TcpStream) {
        let mut state = self.lock();
        if state.cut {
            shut_down(socket);
        }
        if let Ok(socket) = socket.try_clone() {
            state.sockets.insert(id, socket);
        }
    }

    /// Whether all threads have ended in time.
    fn wait_for_threads(&self, time: Duration) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), time, |state| state.threads_alive > 0)
            .unwrap_or_else(PoisonError::into_inner);
        state.threads_alive == 0
    }

    fn work(&self) {
        while let Some(due) = self.next() {
            let id = due.id;
            let ended = match self.attempt(&due) {
                Err(Error::Damaged(why)) => self.set_aside(&due, &why),
                ended => ended,
            };
            if let Err(error) = ended {
                warn!(%id, %error, "the queue could not be read");
                self.pause(FAULT_PAUSE);
            }
            let mut state = self.lock();
            state.busy.done(id);
            state.sockets.remove(&id);
            state.wakes += 1;
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Waits for the next message that is due and takes it; `None` when it is time to stop.
    fn next(&self) -> Option<Due> {
        loop {
            let (wakes, busy) = {
                let state = self.lock();
                if state.stopping {
                    return None;
                }
                (state.wakes, state.busy.clone())
            };
            let now = (self.clock)();
            let wait = match self.queue.next_due(&busy, self.per_sender_max(), now) {
                Ok(Some(due)) if due.at <= now => {
                    // Another thread may have been quicker.
                    if self.lock().busy.take(&due) {
                        return Some(due);
                    }
                    continue;
                }
                Ok(Some(due)) => Duration::from_millis(u64::try_from(due.at.0.saturating_sub(now.0)).unwrap_or(0)),
                Ok(None) => RECHECK,
                Err(_) => FAULT_PAUSE,
            };
            let unchanged = |state: &mut State| !state.stopping && state.wakes == wakes;
            // Whichever way the wait ends, the queue is looked at again.
            drop(self.changed.wait_timeout_while(self.lock(), wait.min(RECHECK), unchanged));
        }
    }

    /// One sender leaves a connection to the others, where there are two or more.
    fn per_sender_max(&self) -> usize {
        self.outgoing.connections_max().saturating_sub(1).max(1)
    }

    /// A message that cannot be read: the administrators are told, and the rest goes on.
    fn set_aside(&self, due: &Due, why: &str) -> Result<(), Error> {
        let now = (self.clock)();
        self.queue.set_aside(due, why, now)?;
        let letter = bounce::of_damage(due.id, why, &self.outgoing.hello, now);
        match (self.report)(&letter) {
            Ok(claims) => claims.into_iter().for_each(Claim::answered),
            Err(ReportError::Later(error) | ReportError::Never(error)) => {
                warn!(id = %due.id, %error, "the administrators were not told of a damaged message");
            }
        }
        Ok(())
    }

    /// One attempt: deliver, write down, report what failed.
    fn attempt(&self, due: &Due) -> Result<(), Error> {
        let id = due.id;
        let entry = match self.queue.show(id) {
            Ok(entry) => entry,
            Err(Error::NoSuchEntry) => return self.queue.forget_due(due),
            Err(error) => return Err(error),
        };
        // It was taken from a look at the queue that may have been out of date.
        if entry.held || entry.next_at > (self.clock)() {
            return self.queue.forget_due(due);
        }
        let is_waiting = entry.waiting().next().is_some();
        let entry = if is_waiting { self.deliver(entry)? } else { Some(entry) };
        match entry {
            Some(entry) if entry.matter().is_some() => self.report(&entry),
            _ => Ok(()),
        }
    }

    /// Delivers to each destination of those whose time has come; what each says is written down before the next is tried.
    /// Gives the entry as it is then, `None` if it is gone, or nothing was learned.
    fn deliver(&self, mut entry: Entry) -> Result<Option<Entry>, Error> {
        let mut postponed = Settled::new();
        let groups = self.groups(&entry)?;
        let is_alone = groups.len() == 1;
        let mut is_changed = false;
        for (destination, places) in groups {
            let now = (self.clock)();
            let max = self.outgoing.per_destination_max(&destination);
            let admission = self.admit(&destination, max, now, is_alone.then_some(entry.id));
            let fate = match admission {
                Some(Admission::Go) => {
                    let Some(after) = self.deliver_to(&entry, &destination, &places)? else { return Ok(None) };
                    (entry, is_changed) = (after, true);
                    continue;
                }
                // It waits in memory.
                None => return Ok(None),
                Some(Admission::Full) => {
                    Fate::Postponed { last: None, until: Timestamp(now.0.saturating_add_unsigned(FULL_PAUSE_MILLIS)) }
                }
                Some(Admission::Blocked { until, last }) => Fate::Postponed { last: Some(last), until },
            };
            postponed.extend(places.into_iter().map(|place| (place, fate.clone())));
        }
        if postponed.is_empty() {
            return Ok(is_changed.then_some(entry));
        }
        self.persist(|| self.queue.settle(entry.id, &postponed, (self.clock)()))
    }

    /// The places of the recipients whose time has come, by where their mail goes.
    fn groups(&self, entry: &Entry) -> Result<Vec<(Destination, Vec<usize>)>, Error> {
        let now = (self.clock)();
        let mut groups: Vec<(Destination, Vec<usize>)> = Vec::new();
        let mut places: HashMap<Destination, usize> = HashMap::new();
        for (place, recipient) in entry.waiting().filter(|(_, recipient)| recipient.is_due(now)) {
            let destination = self.outgoing.destination(&recipient.forward()?);
            let at = *places.entry(destination.clone()).or_insert(groups.len());
            match groups.get_mut(at) {
                Some((_, group)) => group.push(place),
                None => groups.push((destination, vec![place])),
            }
        }
        Ok(groups)
    }

    /// Asks for a place at a destination. `None`: the message `parked` waits for one in memory.
    fn admit(
        &self,
        destination: &Destination,
        max: usize,
        now: Timestamp,
        parked: Option<QueueId>,
    ) -> Option<Admission> {
        let mut state = self.lock();
        let asked = self.queue.asked();
        if std::mem::replace(&mut state.asked, asked) != asked {
            state.destinations.forgive();
        }
        let admission = state.destinations.admit(destination, max, now);
        match (&admission, parked) {
            (Admission::Full, Some(id)) if state.busy.park(id, destination) => None,
            _ => Some(admission),
        }
    }

    /// Delivers to one destination, where a place is taken, and writes down what became of it. Gives the entry as it is then,
    /// `None` if it is gone, or this server broke it off.
    fn deliver_to(&self, entry: &Entry, destination: &Destination, places: &[usize]) -> Result<Option<Entry>, Error> {
        let mut at = Place { shared: self, destination, learned: None };
        let held = self.hold_place(entry.size_bytes);
        let content = match self.queue.content(entry.id) {
            Ok(content) => content,
            Err(Error::NoSuchEntry) => return Ok(None),
            Err(error) => return Err(error),
        };
        let recipients: Result<_, Error> =
            places.iter().filter_map(|place| entry.recipients.get(*place)).map(Recipient::rcpt).collect();
        let reports = MailReports { ret: entry.ret, envelope_id: entry.envelope_id.clone() };
        let (reverse_path, recipients, smtputf8) = (entry.reverse()?, recipients?, entry.smtputf8);
        let message = Message { reverse_path, recipients, content, smtputf8, reports };
        let on_connect = |socket: &TcpStream| self.connected(entry.id, socket);
        let Told { states, unreached, farewell } =
            self.reach.deliver(destination, &message, &on_connect, (self.clock)());
        drop((message, held));
        if self.lock().stopping && states.iter().all(is_waiting) {
            // This server broke it off; that says nothing about the message, or the destination.
            return Ok(None);
        }
        at.learned = Some((unreached, (self.clock)()));
        drop(at);
        let settled: Settled = places.iter().copied().zip(states.into_iter().map(Fate::Tried)).collect();
        self.log(entry, &settled);
        let after = self.persist(|| self.queue.settle(entry.id, &settled, (self.clock)()));
        farewell.wait();
        after
    }

    /// Waits until a message of this length may be in memory.
    fn hold_place(&self, bytes: u64) -> Held<'_> {
        let is_full = |state: &mut State| state.held_bytes > 0 && state.held_bytes + bytes > HELD_BYTES_MAX;
        let mut state = self.changed.wait_while(self.lock(), is_full).unwrap_or_else(PoisonError::into_inner);
        state.held_bytes += bytes;
        drop(state);
        Held { shared: self, bytes }
    }

    fn report(&self, entry: &Entry) -> Result<(), Error> {
        let held = self.hold_place(entry.size_bytes);
        let content = match self.queue.content(entry.id) {
            Ok(content) => content,
            Err(Error::NoSuchEntry) => return Ok(()),
            Err(error) => return Err(error),
        };
        let smarthost = self.outgoing.smarthost.as_ref().map_or("another server", |smarthost| &smarthost.host);
        let names = Names { server: &self.outgoing.hello, smarthost };
        let now = (self.clock)();
        let bounce = bounce::compose(entry, &content, names, now);
        drop((content, held));
        let claims = match (self.report)(&bounce) {
            Ok(claims) => {
                info!(queue = %entry.id, to = bounce.recipient.to_string(), "bounced");
                claims
            }
            Err(ReportError::Never(why)) => {
                warn!(queue = %entry.id, to = bounce.recipient.to_string(), why, "a bounce has nobody to go to and is dropped");
                Vec::new()
            }
            Err(ReportError::Later(why)) => {
                warn!(queue = %entry.id, to = bounce.recipient.to_string(), why, "a bounce could not be delivered; it waits");
                return self.persist(|| self.queue.postpone(entry.id, now)).map(drop);
            }
        };
        self.persist(|| self.queue.reported(entry, Matter::Failed))?;
        claims.into_iter().for_each(Claim::answered);
        Ok(())
    }

    /// Writes down what has happened outside: until it is durable, or the server stops.
    fn persist<T>(&self, write: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        loop {
            match write() {
                Ok(result) => return Ok(result),
                Err(error) if self.lock().stopping => return Err(error),
                Err(error) => {
                    warn!(%error, "an outcome could not be written down; trying again");
                    self.pause(FAULT_PAUSE);
                }
            }
        }
    }

    /// Waits, unless the server stops.
    fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        let rest = || until.saturating_duration_since(Instant::now());
        drop(self.changed.wait_timeout_while(self.lock(), rest(), |state| !state.stopping));
    }

    fn log(&self, entry: &Entry, settled: &Settled) {
        for (place, fate) in settled {
            let Fate::Tried(state) = fate else { continue };
            let to = entry.recipients.get(*place).map_or("", |recipient| &recipient.address);
            let reply = match state {
                RecipientState::Delivered { reply, .. } | RecipientState::Failed { reply, .. } => Some(reply),
                RecipientState::Waiting { last } => last.as_ref(),
            };
            let (code, text) = reply.map_or((0, ""), |reply| (reply.code, reply.text.as_str()));
            // What the other side says may be long, and anything.
            let text = text.get(..text.floor_char_boundary(LOGGED_BYTES_MAX)).unwrap_or_default();
            let (queue, from) = (entry.id, entry.reverse_path.to_string());
            match state {
                RecipientState::Delivered { .. } => info!(%queue, from, to, code, text, "handed over"),
                RecipientState::Failed { .. } => info!(%queue, from, to, code, text, "handing over failed"),
                RecipientState::Waiting { .. } => info!(%queue, from, to, code, text, "handing over deferred"),
            }
        }
    }
}

fn shut_down(socket: &TcpStream) {
    // It may be closed already.
    let _ = socket.shutdown(Shutdown::Both);
}

fn is_waiting(state: &RecipientState) -> bool {
    matches!(state, RecipientState::Waiting { .. })
}

#[cfg(test)]
mod tests;
