//! What is known of a connection while it lasts, for whoever asks who is here, and the word that it is to end.
//!
//! A connection has one [`Live`] of its own, which is what its session's waker wakes, too: whoever looks reads a few numbers under a
//! lock that nobody but this connection and who looks ever takes. The list of all, [`Sessions`], is locked where a connection begins
//! and ends, and by who looks for a few entries at a time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

use session::{Doing, Ending, Moment, Roster, SessionId};
use tokio::sync::Notify;

use super::figures::Since;
use super::work::Work;
use crate::clock::Clock;
use crate::service::Service;

/// So many entries are taken from the list at a time.
const TAKEN_AT_ONCE_MAX: usize = 64;
/// So long a session that was told to end may go on with what it is about.
const ENDING_MILLIS: u64 = 30_000;
/// It was not told to end.
const NEVER: u64 = u64::MAX;

/// A connection that lasts.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) notify: Notify,
    pub(super) since: Since,
    pub(super) id: SessionId,
    pub(super) address: SocketAddr,
    service: Service,
    facts: Mutex<Facts>,
    /// On the monotonic clock: it is cut off then.
    ends_by: AtomicU64,
}

/// What changes while it lasts.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    owner: Option<u64>,
    doing: Doing,
    is_tls: bool,
    /// All is said; the client is to close.
    is_over: bool,
    /// When something came from the client last, on the monotonic clock.
    heard_at: u64,
    received_bytes: u64,
    sent_bytes: u64,
}

impl Wake for Live {
    fn wake(self: Arc<Self>) {
        self.since.note();
        self.notify.notify_one();
    }
}

impl Live {
    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So much came from the client.
    pub(super) fn heard(&self, bytes: u64, now: u64) {
        let mut facts = self.facts();
        facts.received_bytes += bytes;
        facts.heard_at = now;
    }

    /// The session has made a step.
    pub(super) fn stepped(&self, owner: Option<u64>, doing: Doing) {
        let mut facts = self.facts();
        (facts.owner, facts.doing) = (owner, doing);
    }

    /// What is said from now on is under TLS.
    pub(super) fn tls_started(&self) {
        self.facts().is_tls = true;
    }

    /// So much went to the client, in all.
    pub(super) fn sent(&self, bytes: u64) {
        self.facts().sent_bytes = bytes;
    }

    /// Octets that came from the client.
    pub(super) fn received_bytes(&self) -> u64 {
        self.facts().received_bytes
    }

    /// Whether its client waits for an answer, or hands something over.
    pub(super) fn is_busy(&self) -> bool {
        self.facts().doing.is_busy
    }

    /// Until when it may go on; `None`: it was not told to end.
    pub(super) fn ends_by(&self) -> Option<u64> {
        Some(self.ends_by.load(Ordering::Acquire)).filter(|by| *by != NEVER)
    }

    /// Its last words are said.
    pub(super) fn over(&self) {
        self.facts().is_over = true;
    }

    /// Tells it to end, by that time.
    pub(super) fn end_by(&self, by: u64) -> Ending {
        if self.facts().is_over || self.ends_by.fetch_min(by, Ordering::AcqRel) != NEVER {
            return Ending::Begun;
        }
        self.notify.notify_one();
        Ending::Begins
    }

    fn seen(&self, now: u64) -> session::Live {
        let Facts { owner, doing, is_tls, is_over, heard_at, received_bytes, sent_bytes } = *self.facts();
        session::Live {
            id: self.id,
            service: self.service.name(),
            protocol: self.service.protocol(),
            address: self.address.ip().to_canonical(),
            port: self.address.port(),
            is_tls,
            owner,
            doing,
            quiet_secs: now.saturating_sub(heard_at) / 1000,
            received_bytes,
            sent_bytes,
            is_ending: is_over || self.ends_by().is_some(),
        }
    }
}

/// All connections that last, of every protocol that has sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<BTreeMap<SessionId, Arc<Live>>>);

impl Sessions {
    fn all(&self) -> MutexGuard<'_, BTreeMap<SessionId, Arc<Live>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One begins.
    pub(super) fn begin(&self, service: Service, address: SocketAddr, now: Moment) -> Arc<Live> {
        let live = Arc::new(Live {
            notify: Notify::new(),
            since: Since::new(),
            id: SessionId::begun(now),
            address,
            service,
            facts: Mutex::new(Facts { heard_at: now.monotonic_millis, ..Facts::default() }),
            ends_by: AtomicU64::new(NEVER),
        });
        self.all().insert(live.id, live.clone());
        live
    }

    /// It is over.
    pub(super) fn leave(&self, id: SessionId) {
        let gone = self.all().remove(&id);
        // Not under the lock.
        drop(gone);
    }

    fn find(&self, id: SessionId) -> Option<Arc<Live>> {
        self.all().get(&id).cloned()
    }

    /// A few of those before one, the last first.
    pub(super) fn some_before(&self, before: Option<SessionId>) -> Vec<Arc<Live>> {
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        self.all().range((Bound::Unbounded, end)).rev().take(TAKEN_AT_ONCE_MAX).map(|(_, live)| live.clone()).collect()
    }
}

/// Who is connected, for whoever asks.
pub(crate) struct Present {
    work: Arc<Work>,
    clock: Clock,
}

impl Present {
    /// Those whose sessions `work` does.
    pub(crate) fn new(work: Arc<Work>, clock: Clock) -> Self {
        Self { work, clock }
    }

    fn now(&self) -> u64 {
        self.clock.now().monotonic_millis
    }
}

impl Roster for Present {
    fn each(&self, before: Option<SessionId>, look: &mut dyn FnMut(session::Live) -> ControlFlow<()>) {
        let (mut before, now) = (before, self.now());
        loop {
            let some = self.work.sessions.some_before(before);
            let Some(last) = some.last() else { return };
            before = Some(last.id);
            for live in &some {
                if look(live.seen(now)).is_break() {
                    return;
                }
            }
        }
    }

    fn one(&self, id: SessionId) -> Option<session::Live> {
        self.work.sessions.find(id).map(|live| live.seen(self.now()))
    }

    fn end(&self, id: SessionId) -> Option<Ending> {
        let by = self.now().saturating_add(ENDING_MILLIS);
        self.work.sessions.find(id).map(|live| live.end_by(by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_list_is_taken_at_a_time_and_all_are_seen_once() {
        let (sessions, address) = (Sessions::default(), "192.0.2.7:1234".parse().unwrap());
        let now = Moment { unix_millis: 1_764_500_000_000, monotonic_millis: 7 };
        let lives: Vec<_> =
            (0..TAKEN_AT_ONCE_MAX * 2 + 3).map(|_| sessions.begin(Service::Imap, address, now)).collect();
        let (mut before, mut seen, mut taken) = (None, Vec::new(), Vec::new());
        loop {
            let some = sessions.some_before(before);
            let Some(last) = some.last() else { break };
            before = Some(last.id);
            taken.push(some.len());
            seen.extend(some.iter().map(|live| live.id));
        }
        assert_eq!(taken, [TAKEN_AT_ONCE_MAX, TAKEN_AT_ONCE_MAX, 3]);
        assert!(seen.iter().eq(lives.iter().rev().map(|live| &live.id)));
        sessions.leave(seen[0]);
        assert!(sessions.find(seen[0]).is_none() && sessions.find(seen[1]).is_some());
        assert_eq!(sessions.some_before(None)[0].id, seen[1]);
    }

    #[test]
    fn a_session_that_is_told_twice_to_end_does_so_by_the_first_time() {
        let live = Sessions::default().begin(Service::Pop3, "[::ffff:192.0.2.7]:9".parse().unwrap(), Moment::default());
        assert_eq!((live.ends_by(), live.seen(0).is_ending), (None, false));
        assert_eq!((live.end_by(50), live.end_by(90)), (Ending::Begins, Ending::Begun));
        assert_eq!(live.ends_by(), Some(50));
        live.heard(5, 2_000);
        live.sent(9);
        let seen = live.seen(4_500);
        assert_eq!((seen.quiet_secs, seen.received_bytes, seen.sent_bytes, seen.is_ending), (2, 5, 9, true));
        assert_eq!((seen.address.to_string().as_str(), seen.service, seen.protocol), ("192.0.2.7", "pop3", "pop3"));
    }

    #[test]
    fn a_session_that_has_said_goodbye_is_not_ended_by_somebody_else() {
        let live = Sessions::default().begin(Service::Imap, "192.0.2.7:9".parse().unwrap(), Moment::default());
        live.over();
        assert_eq!((live.end_by(50), live.ends_by(), live.seen(0).is_ending), (Ending::Begun, None, true));
    }

    /// So many are connected to a large server at once.
    #[test]
    fn what_is_known_of_a_session_is_small() {
        let bytes = size_of::<Live>();
        assert!(bytes <= 256, "{bytes}");
    }
}
