//! One connection as a state machine over [`Pipe`] and [`Session`], without waiting: [`Connection::advance`] goes as
//! far as it can and says what it waits for.
//!
//! Invariant: input is read only in [`Phase::Idle`], that is after the session said [`Step::Wait`] and all it wrote is
//! out; so a client that does not read is not listened to.
//! Invariant: a panic in a session ends its connection and nothing else.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use metrics::Stopwatch;
use session::{Goodbye, Moment, OUTPUT_HIGH_WATER_BYTES, Owner, Peer, Session, Step, Tls, Whom};
use tokio::net::TcpStream;
use tokio::task::block_in_place;
use tracing::{debug, error, info};

use super::Endpoint;
use super::live::Live;
use super::pipe::{Handshake, Input, Pipe};
use super::places::Place;
use crate::tls::note_failed;

/// A client that takes less than this in [`super::Timeouts::write_stall_millis`] is cut off.
const WRITE_PROGRESS_BYTES: u64 = 16 * 1024;
/// So many slices of one session in one place, if each fills the output: about 1 ms.
const SLICES_PER_PLACE_MAX: usize = 16;
/// Phases between two looks at the rest of the world (other tasks, shutdown).
const ADVANCE_PHASES_MAX: usize = 64;
/// What a client may still send after our last word before it is cut off, in reads.
const DRAIN_READS_MAX: usize = 64;

enum Phase {
    /// A TLS handshake runs and must be done by then.
    Handshake {
        until: u64,
    },
    /// The session is to be stepped.
    Step,
    /// The session is to be stepped once there is a place for a slice of its work.
    Slice,
    /// What a step wrote goes out, then what the step asked for happens. `written` is the count at which `until` was set.
    Send {
        step: Step,
        until: u64,
        written: u64,
    },
    /// Bytes, a hint or the session's deadline lead on.
    Idle,
    /// Only the session's deadline leads on.
    Pause,
    /// The last words go out, with close_notify.
    Closing {
        until: u64,
    },
    /// All is said; the client is to close.
    Draining {
        until: u64,
        reads: usize,
    },
    Ended,
}

/// What a connection waits for. The deadline is on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Readable {
        until: Option<u64>,
    },
    Writable {
        until: u64,
    },
    /// A moment.
    Moment {
        until: u64,
    },
    /// A place for a slice of the owner's work.
    Place {
        owner: Owner,
    },
    /// Nothing; it only came up for air.
    Nothing,
    /// The connection is over.
    Ended,
}

impl Wait {
    /// The same, for no longer than that. Who waits for a place has one soon, as others have theirs for a slice.
    fn at_most_until(self, by: u64) -> Self {
        match self {
            Self::Readable { until } => Self::Readable { until: Some(until.map_or(by, |until| until.min(by))) },
            Self::Writable { until } => Self::Writable { until: until.min(by) },
            Self::Moment { until } => Self::Moment { until: until.min(by) },
            Self::Place { .. } | Self::Nothing | Self::Ended => self,
        }
    }
}

pub(super) struct Connection {
    pipe: Pipe,
    phase: Phase,
    /// `None` before an implicit TLS handshake is done, and when the end has begun.
    session: Option<Box<dyn Session>>,
    endpoint: Arc<Endpoint>,
    /// What others see of it.
    live: Arc<Live>,
    /// For the next step, which is a slice of something long.
    place: Option<Place>,
    /// On the monotonic clock.
    began: u64,
    /// The device that is logged in.
    device: Option<u32>,
    /// Who is logged in, or was last, and with which device.
    account: Option<(u64, Option<u32>)>,
    /// Why it is over, for the log.
    why: Option<&'static str>,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, endpoint: Arc<Endpoint>, live: Arc<Live>) -> Self {
        let began = endpoint.clock.now().monotonic_millis;
        let (pipe, phase) = (Pipe::new(socket), Phase::Step);
        Self { pipe, phase, session: None, endpoint, live, place: None, began, device: None, account: None, why: None }
    }

    /// For whom a thread works that works for it.
    fn whom(&self) -> Whom {
        Whom { session: self.live.id, device: self.device }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        self.pipe.socket()
    }

    /// Begins: with a handshake or with the session's greeting.
    pub(super) fn open(&mut self) {
        let _at_work = self.whom().work();
        if self.endpoint.service.implicit_tls() {
            self.start_tls();
        } else {
            self.begin_session(None);
        }
    }

    /// Goes as far as possible without waiting.
    pub(super) fn advance(&mut self) -> Wait {
        let _at_work = self.whom().work();
        for _ in 0..ADVANCE_PHASES_MAX {
            match self.next_phase() {
                Ok(None) => {}
                Ok(Some(wait)) => {
                    let Some(wait) = self.ending(wait) else { continue };
                    self.pipe.release_output();
                    self.live.sent(self.pipe.written_bytes());
                    return wait;
                }
                Err(error) => self.broken(&error),
            }
        }
        // A client that takes all at once is never waited for.
        self.ending(Wait::Nothing).unwrap_or(Wait::Nothing)
    }

    /// What is waited for where the session was told to end: what its client waits for comes first, for a while. `None`: it has said
    /// goodbye, and the rest of it is to be done.
    fn ending(&mut self, wait: Wait) -> Option<Wait> {
        let Some(by) = self.live.ends_by() else { return Some(wait) };
        let is_free = match self.phase {
            Phase::Closing { .. } | Phase::Draining { .. } | Phase::Ended => return Some(wait),
            Phase::Handshake { .. } => true,
            Phase::Idle | Phase::Pause => !self.live.is_busy(),
            Phase::Step | Phase::Slice | Phase::Send { .. } => false,
        };
        if is_free || by <= self.now() {
            self.shut_down(Goodbye::Ended);
            return None;
        }
        Some(wait.at_most_until(by))
    }

    fn broken(&mut self, error: &io::Error) {
        self.why.get_or_insert("broken");
        if matches!(self.phase, Phase::Handshake { .. }) {
            note_failed(self.endpoint.service.protocol(), self.live.address.ip(), error);
        }
        debug!(service = %self.endpoint.service, peer = %self.live.address, %error, "connection broke");
        let speaking = matches!(self.phase, Phase::Handshake { .. } | Phase::Idle);
        // What the client sent is no TLS: the alert that says so still goes out.
        if speaking && error.kind() == io::ErrorKind::InvalidData { self.close() } else { self.end() }
    }

    /// One phase; `Some` when there is nothing more to do now.
    fn next_phase(&mut self) -> io::Result<Option<Wait>> {
        match self.phase {
            Phase::Handshake { until } => match self.pipe.handshake()? {
                Handshake::Readable => return Ok(Some(Wait::Readable { until: Some(until) })),
                Handshake::Writable => return Ok(Some(Wait::Writable { until })),
                Handshake::Done(tls) => self.tls_started(tls),
            },
            Phase::Step => self.step(),
            Phase::Slice => {
                let owner = self.owner();
                match self.endpoint.work.slices.try_take(owner) {
                    Some(place) => self.placed(place),
                    None => return Ok(Some(Wait::Place { owner })),
                }
            }
            Phase::Send { step, until, written } => {
                if !self.pipe.flush()? {
                    return Ok(Some(self.stalled(step, until, written)));
                }
                self.sent(step);
            }
            Phase::Idle => match self.receive()? {
                Input::Bytes => {}
                Input::Pending => return Ok(Some(Wait::Readable { until: self.session_deadline() })),
                Input::End => {
                    self.why.get_or_insert("client left");
                    self.close();
                }
            },
            Phase::Pause => match self.session_deadline() {
                Some(until) => return Ok(Some(Wait::Moment { until })),
                None => self.phase = Phase::Step,
            },
            Phase::Closing { until } => {
                if !self.pipe.finish()? {
                    return Ok(Some(Wait::Writable { until }));
                }
                self.phase = Phase::Draining { until, reads: 0 };
            }
            Phase::Draining { until, reads } => match self.drain(reads)? {
                Input::Bytes => self.phase = Phase::Draining { until, reads: reads + 1 },
                Input::Pending => return Ok(Some(Wait::Readable { until: Some(until) })),
                Input::End => self.end(),
            },
            Phase::Ended => return Ok(Some(Wait::Ended)),
        }
        Ok(None)
    }

    fn owner(&mut self) -> Owner {
        let owner = self.guarded("owner", |session, _| session.owner()).flatten();
        owner.map_or_else(|| Owner::stranger(self.live.address.ip()), Owner::Account)
    }

    /// There is a place for the next slice.
    pub(super) fn placed(&mut self, place: Place) {
        if matches!(self.phase, Phase::Slice) {
            self.place = Some(place);
            self.phase = Phase::Step;
        }
    }

    /// Whether a hint leads to a step now. In other phases the hint is kept.
    pub(super) fn takes_hints(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// A hint came: the session looks what it is about.
    pub(super) fn hinted(&mut self) {
        if self.takes_hints() {
            self.phase = Phase::Step;
        }
    }

    /// The deadline of the last [`Wait`] may have passed.
    pub(super) fn expired(&mut self) {
        let _at_work = self.whom().work();
        let now = self.now();
        let (until, what) = match self.phase {
            Phase::Idle | Phase::Pause => {
                if self.session_deadline().is_some_and(|until| until <= now) {
                    self.phase = Phase::Step;
                }
                return;
            }
            Phase::Handshake { until } => (until, "TLS handshake takes too long"),
            Phase::Send { until, .. } => (until, "client does not read"),
            Phase::Closing { until } | Phase::Draining { until, .. } => (until, "client does not close"),
            Phase::Step | Phase::Slice | Phase::Ended => return,
        };
        if until <= now {
            debug!(service = %self.endpoint.service, peer = %self.live.address, "{what}");
            self.why.get_or_insert(what);
            self.end();
        }
    }

    /// The session says goodbye, unless it is in the middle of saying something else.
    pub(super) fn shut_down(&mut self, why: Goodbye) {
        let _at_work = self.whom().work();
        self.why.get_or_insert(match why {
            Goodbye::ServerStops => "server stops",
            Goodbye::Ended => "ended by an administrator",
        });
        match self.phase {
            Phase::Ended | Phase::Closing { .. } | Phase::Draining { .. } => return,
            Phase::Handshake { .. } | Phase::Slice | Phase::Send { step: Step::Flush, .. } => {}
            // It came up for air with the place for its next slice in hand.
            Phase::Step if self.place.is_some() => {}
            Phase::Step | Phase::Send { .. } | Phase::Idle | Phase::Pause => {
                self.guarded("shut_down", |session, pipe| session.shut_down(why, pipe.output()));
            }
        }
        self.close();
    }

    fn now(&self) -> u64 {
        self.endpoint.clock.now().monotonic_millis
    }

    fn session_deadline(&mut self) -> Option<u64> {
        self.guarded("deadline", |session, _| session.deadline_millis()).flatten()
    }

    fn step(&mut self) {
        let now = self.endpoint.clock.now();
        let endpoint = self.endpoint.clone();
        let (running, stopwatch) = (endpoint.work.begin(), Stopwatch::start());
        // A thread that runs a step does not look for events of other sockets, and another one looks only once it is woken:
        // the slices of something long must not run where everybody's events come in.
        let stepped = match self.place.take() {
            Some(_place) => block_in_place(|| self.slices(now)),
            None => self.step_once(now),
        };
        drop(running);
        endpoint.work.figures.stepped(stopwatch.elapsed());
        if let Some(step) = stepped {
            let until = now.monotonic_millis.saturating_add(self.endpoint.timeouts.write_stall_millis);
            self.phase = Phase::Send { step, until, written: self.pipe.written_bytes() };
            match step {
                Step::Wait | Step::Pause | Step::Flush => {}
                Step::StartTls => self.discard_input(),
                // What a session holds (a lock, a maildrop) is free before the client hears the last reply.
                Step::Close => {
                    self.why.get_or_insert("goodbye");
                    self.drop_session();
                }
            }
        }
    }

    fn step_once(&mut self, now: Moment) -> Option<Step> {
        let (step, owner, doing) = self.guarded("step", |session, pipe| {
            let step = session.step(now, pipe.output());
            (step, session.owner(), session.doing())
        })?;
        self.live.stepped(owner, doing);
        self.device = doing.device;
        Whom::is_device(doing.device);
        self.account = owner.map(|account| (account, doing.device)).or(self.account);
        Some(step)
    }

    /// Slices of something long, in one place: a slice that filled the output was a short one, and where the socket has
    /// taken all of it at once, to leave the place and to take it again costs more than the slice.
    fn slices(&mut self, mut now: Moment) -> Option<Step> {
        for _ in 1..SLICES_PER_PLACE_MAX {
            let step = self.step_once(now)?;
            // An error shows again when the rest is sent.
            if step != Step::Flush
                || self.pipe.output_len() < OUTPUT_HIGH_WATER_BYTES
                || !self.pipe.flush().is_ok_and(|is_out| is_out)
            {
                return Some(step);
            }
            now = self.endpoint.clock.now();
        }
        self.step_once(now)
    }

    /// All that a step wrote is out.
    fn sent(&mut self, step: Step) {
        match step {
            Step::Wait => self.phase = Phase::Idle,
            Step::Pause => self.phase = Phase::Pause,
            Step::Flush => self.phase = Phase::Slice,
            Step::StartTls => self.start_tls(),
            Step::Close => self.close(),
        }
    }

    /// The socket takes no more for now. As long as the client takes a little in time, it has more time.
    fn stalled(&mut self, step: Step, until: u64, written: u64) -> Wait {
        let so_far = self.pipe.written_bytes();
        if so_far.saturating_sub(written) < WRITE_PROGRESS_BYTES {
            return Wait::Writable { until };
        }
        let until = self.now().saturating_add(self.endpoint.timeouts.write_stall_millis);
        self.phase = Phase::Send { step, until, written: so_far };
        Wait::Writable { until }
    }

    fn receive(&mut self) -> io::Result<Input> {
        let Some(session) = &mut self.session else { return Ok(Input::End) };
        let (pipe, mut received_bytes) = (&mut self.pipe, 0);
        let mut sink = |bytes: &[u8]| {
            received_bytes += bytes.len() as u64;
            session.receive(bytes);
        };
        let read = catch_unwind(AssertUnwindSafe(|| pipe.read(&mut sink)));
        if received_bytes > 0 {
            self.live.heard(received_bytes, self.now());
        }
        match read {
            Ok(Ok(Input::Bytes)) => {
                self.phase = Phase::Step;
                Ok(Input::Bytes)
            }
            Ok(other) => other,
            Err(_) => {
                self.fault("receive");
                Ok(Input::Bytes)
            }
        }
    }

    fn discard_input(&mut self) {
        // An error shows again at the next write.
        let _broken = self.pipe.discard_input();
    }

    fn start_tls(&mut self) {
        if self.pipe.has_tls() {
            self.fault("StartTls under TLS");
            return;
        }
        if let Err(error) = self.pipe.start_tls(self.endpoint.tls.clone()) {
            error!(service = %self.endpoint.service, %error, "no TLS session can be made: check the certificate");
            self.end();
            return;
        }
        let until = self.now().saturating_add(self.endpoint.timeouts.handshake_millis);
        self.phase = Phase::Handshake { until };
    }

    fn tls_started(&mut self, tls: Tls) {
        self.live.tls_started();
        if self.session.is_none() {
            self.begin_session(Some(tls));
        } else if self.guarded("tls_started", |session, _| session.tls_started(tls)).is_some() {
            self.phase = Phase::Step;
        }
    }

    fn begin_session(&mut self, tls: Option<Tls>) {
        let peer = Peer {
            address: self.live.address.ip().to_canonical(),
            port: self.live.address.port(),
            tls,
            waker: Waker::from(self.live.clone()),
            jobs: self.endpoint.work.clone(),
        };
        let begin = &self.endpoint.begin;
        match catch_unwind(AssertUnwindSafe(|| begin(peer))) {
            Ok(session) => {
                self.session = Some(session);
                self.phase = Phase::Step;
            }
            Err(_) => self.fault("begin"),
        }
    }

    /// Calls the session. After a panic its state is not to be trusted: it is dropped, and with it the connection,
    /// which is why unwind safety may be asserted.
    fn guarded<T>(&mut self, call: &str, f: impl FnOnce(&mut dyn Session, &mut Pipe) -> T) -> Option<T> {
        let session = self.session.as_deref_mut()?;
        let pipe = &mut self.pipe;
        let before = pipe.output_len();
        match catch_unwind(AssertUnwindSafe(|| f(session, pipe))) {
            Ok(value) => Some(value),
            Err(_) => {
                self.pipe.truncate_output(before);
                self.fault(call);
                None
            }
        }
    }

    /// The panic hook has logged what and where; this says whose connection it was.
    fn fault(&mut self, call: &str) {
        error!(service = %self.endpoint.service, peer = %self.live.address, call, "session failed, its connection ends");
        self.why.get_or_insert("fault");
        self.close();
    }

    fn drop_session(&mut self) {
        if let Some(session) = self.session.take() {
            // Dropping may touch the store, so it may fail as a step can; the hook has logged it.
            let _logged = catch_unwind(AssertUnwindSafe(|| drop(session)));
        }
    }

    /// The session is over; what is in the output still goes out.
    fn close(&mut self) {
        self.drop_session();
        self.live.over();
        let until = self.now().saturating_add(self.endpoint.timeouts.close_millis);
        self.phase = Phase::Closing { until };
    }

    fn drain(&mut self, reads: usize) -> io::Result<Input> {
        if self.pipe.input_ended() || reads >= DRAIN_READS_MAX {
            return Ok(Input::End);
        }
        self.pipe.drain()
    }

    pub(super) fn end(&mut self) {
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        let _at_work = self.whom().work();
        self.drop_session();
        self.phase = Phase::Ended;
        self.endpoint.work.sessions.leave(self.live.id);
        let Some((account, device)) = self.account else { return };
        Whom::is_device(device);
        let (service, address) = (self.endpoint.service, self.live.address.ip().to_canonical());
        let (received, sent) = (self.live.received_bytes(), self.pipe.written_bytes());
        let (seconds, why) = (self.now().saturating_sub(self.began) / 1000, self.why.unwrap_or("server stops"));
        info!(%service, %address, account, seconds, received, sent, why, "session ended");
    }
}
