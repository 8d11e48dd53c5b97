//! The sans-io contract between a protocol session and the loop that drives it.
//!
//! A session is a synchronous state machine: bytes in, bytes out, the time passed in, a deadline handed back.
//! It may read and commit to the store while it steps, it never touches a socket, never sleeps and never reads a clock.
//! The driver (crate `server`) owns the socket, TLS and the clock; a test plays the driver in memory.
//!
//! Invariant: a driver calls [`Session::step`] until it returns [`Step::Wait`] before it reads from the client again,
//! so what a session has to buffer is bounded by its own line and literal limits.
//! Long work: what may take longer than one flush of the disk begins with [`Step::Flush`], before anything of it was done,
//! and goes on in slices of a few milliseconds with a [`Step::Flush`] between them. The driver gives every step after a
//! `Flush` a thread where it is in nobody's way, as soon as one of a few places is free; until then the session waits
//! without a thread. [`Session::owner`] says among whom the places are shared. What cannot go in slices (a password), and
//! what has to be waited for (the DNS, a scanner), is a [`Job`]: the session returns [`Step::Wait`] and is woken.
//!
//! Invariant: for any split of the client's bytes into calls of [`Session::receive`] the output is the same.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod jobs;
mod network;
mod number;
mod roster;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Waker;

pub use jobs::{Full, Job, Jobs, Line, Lost, Owner, Ticket, Turn};
pub use network::{Network, NoNetwork};
pub use number::{AtWork, NoSessionId, SessionId, Whom};
pub use roster::{Ending, Live, Roster};

/// The target of lines of the log that a stranger can make without end: a log keeps so many of them in a second.
pub const STRANGERS: &str = "strangers";

/// The current time, read once by the driver for each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment {
    /// Wall clock, milliseconds since 1970-01-01T00:00:00Z: for records that people read.
    pub unix_millis: i64,
    /// A clock that never goes back, milliseconds since an arbitrary start: for deadlines.
    pub monotonic_millis: u64,
}

impl Moment {
    /// This moment, `millis` later on both clocks.
    #[must_use]
    pub fn plus_millis(self, millis: u64) -> Self {
        Self {
            unix_millis: self.unix_millis.saturating_add_unsigned(millis),
            monotonic_millis: self.monotonic_millis.saturating_add(millis),
        }
    }
}

/// What a session wants after a step. In every case the driver first sends what was written to `output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to do until bytes arrive, the waker fires or the deadline passes.
    Wait,
    /// Nothing to do until the deadline passes, whatever the client sends: it is not read, and stays where it is.
    Pause,
    /// `output` has reached [`OUTPUT_HIGH_WATER_BYTES`], or what comes next takes long: send it, then step again as soon
    /// as there is a place for a slice of work.
    Flush,
    /// Send, throw away all input that was received and not consumed, do the TLS handshake as server,
    /// then call [`Session::tls_started`] and step again (RFC 3207 §6: nothing pipelined before the handshake survives it).
    StartTls,
    /// Send, then close the connection (with close_notify under TLS).
    Close,
}

/// A session that still has output to make returns [`Step::Flush`] once `output` is at least this long.
pub const OUTPUT_HIGH_WATER_BYTES: usize = 64 * 1024;

/// A client's connection as the session sees it when it begins.
#[derive(Clone)]
pub struct Peer {
    /// The client's address.
    pub address: IpAddr,
    /// The client's port.
    pub port: u16,
    /// The TLS session, where the connection began with one (implicit TLS).
    pub tls: Option<Tls>,
    /// Wakes the driver, which then calls [`Session::step`]. Waking too often, late or never is harmless.
    pub waker: Waker,
    /// Does what no step does itself.
    pub jobs: Arc<dyn Jobs>,
}

impl Peer {
    /// Whose jobs the session starts as long as nobody has logged in.
    #[must_use]
    pub fn stranger(&self) -> Owner {
        Owner::stranger(self.address)
    }

    /// Whether the client is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.address.to_canonical().is_loopback()
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, port, tls, .. } = self;
        f.debug_struct("Peer").field("address", address).field("port", port).field("tls", tls).finish_non_exhaustive()
    }
}

/// What a session may know of the TLS session under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// For people and trace headers: `TLSv1.3`.
    pub version: String,
    /// For people and trace headers: `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// What the client offered, as a number that tells programs apart; 0: not known.
    pub hello: u64,
    /// What only the two ends of this session know: its exporter for channel bindings (RFC 9266 §2), if it has one.
    pub exporter: Option<Box<[u8; 32]>>,
}

/// What a session does between two steps, for people who look, and for whoever is to end it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doing {
    /// The device that is logged in, by its number within its owner's account.
    pub device: Option<u32>,
    /// The command that is not answered yet, by its name.
    pub command: Option<&'static str>,
    /// The client waits for an answer, or is in the middle of handing something over.
    pub is_busy: bool,
}

/// Why a session has to say goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goodbye {
    /// The server stops.
    ServerStops,
    /// Somebody who administers it has ended the session.
    Ended,
}

/// One connection of one protocol.
pub trait Session: Send {
    /// Hands over bytes that the client sent; they are kept until the next [`Session::step`].
    fn receive(&mut self, input: &[u8]);

    /// Makes progress on what was received, on a wake-up or on a passed deadline, and appends to `output`.
    /// The first call comes before any input: a session greets there.
    fn step(&mut self, now: Moment, output: &mut Vec<u8>) -> Step;

    /// Whose work the session does, once somebody has logged in: long work of one owner waits for his own before it waits
    /// for that of others. Before that the client's address counts.
    fn owner(&self) -> Option<u64> {
        None
    }

    /// What it does, asked after a step.
    fn doing(&self) -> Doing {
        Doing::default()
    }

    /// The moment on [`Moment::monotonic_millis`] at which the session wants to be stepped even if nothing happens.
    fn deadline_millis(&self) -> Option<u64>;

    /// The TLS handshake asked for by [`Step::StartTls`] is done; input received before it is gone.
    fn tls_started(&mut self, tls: Tls);

    /// Say goodbye in `output`, and why, where the protocol has a word for it (`* BYE`, `421`, `-ERR`).
    /// Called between steps only; the connection is closed afterwards.
    fn shut_down(&mut self, why: Goodbye, output: &mut Vec<u8>);
}
