//! The one loop that drives every protocol: socket, TLS, wake-ups, deadlines, shutdown.
//!
//! [`drive`] waits for whatever comes first and then lets `connection::Connection` go as far as it can. What takes no
//! longer than a flush of the disk happens in there, on the thread of the task: the runtime
//! ([`crate::lifecycle::runtime`]) has many more threads than there are processors, and another one takes over the
//! tasks of a thread that waits for the disk. (`block_in_place` instead costs a thread switch for each command: 50 µs
//! rather than 22 for a round trip on two processors, and a thread with its buffers for each of 500 connections that
//! wake up together.) Longer work has threads of its own, and there are few of them: [`Work`].
//!
//! Invariant: only waiting is asynchronous, and what is waited for (readiness, a hint, a timer, the stop signal) can
//! be dropped at any point without losing anything; no byte is ever read inside a `select`.

mod connection;
mod figures;
mod jobs;
mod live;
mod pipe;
mod places;
mod work;

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ServerConfig;
use session::{Goodbye, Peer, Session};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock::{Clock, FAR};
use crate::service::Service;
use connection::{Connection, Wait};
use places::Place;

pub(crate) use live::Present;
pub use work::Work;

/// Makes the session of a new connection. Called when the connection can begin to speak: after the handshake where
/// TLS is implicit.
pub type SessionFactory = Box<dyn Fn(Peer) -> Box<dyn Session> + Send + Sync>;

/// What all connections of one service have in common.
pub struct Endpoint {
    /// What is spoken; decides whether TLS begins with the first byte.
    pub service: Service,
    /// Makes the sessions.
    pub begin: SessionFactory,
    /// For implicit TLS and STARTTLS.
    pub tls: Arc<ServerConfig>,
    /// The server's clock.
    pub clock: Clock,
    /// How long a client may take where no session decides it.
    pub timeouts: Timeouts,
    /// Where the sessions work; one for all services.
    pub work: Arc<Work>,
}

/// How long a client may take where no session decides it, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte (or STARTTLS) to the end of the TLS handshake.
    pub handshake_millis: u64,
    /// For taking 16 KiB of what we send, or the rest if that is less.
    pub write_stall_millis: u64,
    /// For taking our last words and closing.
    pub close_millis: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        // RFC 5321 §4.5.3.2 wants five minutes for a reply to be taken; closing must fit into the drain at a stop.
        Self { handshake_millis: 30_000, write_stall_millis: 300_000, close_millis: 2_000 }
    }
}

/// Serves one connection until it is over. Returns when the client has gone, was cut off or was told goodbye after
/// `stop` became true (or its sender was dropped).
///
/// Blocks its thread while the session steps: run it on [`crate::lifecycle::runtime`].
pub async fn drive(socket: TcpStream, address: SocketAddr, endpoint: Arc<Endpoint>, mut stop: watch::Receiver<bool>) {
    let live = endpoint.work.sessions.begin(endpoint.service, address, endpoint.clock.now());
    let mut connection = EndOnDrop(Connection::new(socket, endpoint.clone(), live.clone()));
    let connection = &mut connection.0;
    let mut timer = Timer { sleep: pin!(sleep_until(Instant::now() + FAR)), armed: None, clock: endpoint.clock };
    let mut turn: Option<Pin<Box<dyn Future<Output = Place> + Send>>> = None;
    let mut hinted = pin!(live.notify.notified());
    let mut stopping = pin!(async move {
        // An error means that nobody can stop us any more: the server has gone.
        let _gone = stop.wait_for(|stop| *stop).await;
    });
    let (mut stopped, mut is_hinted, mut is_ending) = (false, false, false);

    connection.open();
    let mut wait = connection.advance();
    loop {
        match wait {
            Wait::Ended => return,
            Wait::Nothing => yield_now().await,
            Wait::Readable { until } => timer.arm(until),
            Wait::Writable { until } | Wait::Moment { until } => timer.arm(Some(until)),
            Wait::Place { owner } => turn = Some(Box::pin(endpoint.work.clone().place(owner))),
        }
        let (socket, takes_hints) = (connection.socket(), connection.takes_hints());
        let woken = poll_fn(|context| {
            if !stopped && stopping.as_mut().poll(context).is_ready() {
                stopped = true;
                return Poll::Ready(Woken::Stop);
            }
            if let Some(turn) = &mut turn {
                return turn.as_mut().poll(context).map(Woken::Place);
            }
            if wait == Wait::Nothing || poll_socket(socket, wait, context).is_ready() {
                return Poll::Ready(Woken::Socket);
            }
            // It is listened to in any case: a hint that is not taken now is kept, the word that it is to end is heard.
            while !(takes_hints && is_hinted) && hinted.as_mut().poll(context).is_ready() {
                hinted.set(live.notify.notified());
                is_hinted = true;
            }
            if !is_ending && live.ends_by().is_some() {
                is_ending = true;
                return Poll::Ready(Woken::End);
            }
            if takes_hints && std::mem::take(&mut is_hinted) {
                return Poll::Ready(Woken::Hint);
            }
            timer.poll(context).map(|()| Woken::Timer)
        })
        .await;
        turn = None;
        match woken {
            Woken::Socket => {}
            Woken::Place(place) => connection.placed(place),
            Woken::Hint => {
                live.since.heard().inspect(|lag| endpoint.work.figures.hint_lag.took(*lag));
                connection.hinted();
            }
            Woken::Timer => connection.expired(),
            Woken::Stop => connection.shut_down(Goodbye::ServerStops),
            // It ends where it can.
            Woken::End => {}
        }
        wait = connection.advance();
    }
}

enum Woken {
    Socket,
    Place(Place),
    Hint,
    Timer,
    Stop,
    End,
}

fn poll_socket(socket: &TcpStream, wait: Wait, context: &mut Context<'_>) -> Poll<()> {
    match wait {
        // An error of the driver shows in the read or write that follows.
        Wait::Readable { .. } => socket.poll_read_ready(context).map(|_| ()),
        Wait::Writable { .. } => socket.poll_write_ready(context).map(|_| ()),
        Wait::Moment { .. } => Poll::Pending,
        Wait::Nothing | Wait::Place { .. } | Wait::Ended => Poll::Ready(()),
    }
}

/// A timer that is set anew only when it would fire too late: most deadlines move away with every command, so an idle
/// client costs one timer and a busy one hardly more.
struct Timer<'a> {
    sleep: Pin<&'a mut Sleep>,
    armed: Option<u64>,
    clock: Clock,
}

impl Timer<'_> {
    fn arm(&mut self, until: Option<u64>) {
        let Some(until) = until else { return };
        if self.armed.is_none_or(|armed| until < armed) {
            self.armed = Some(until);
            self.sleep.as_mut().reset(Instant::from_std(self.clock.instant(until)));
        }
    }

    /// Ready when the armed moment has come, which may be earlier than what is waited for now.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.armed.is_none() {
            return Poll::Pending;
        }
        self.sleep.as_mut().poll(context).map(|()| self.armed = None)
    }
}

/// Ends the session with care for panics, also when the task is dropped in mid-wait.
struct EndOnDrop(Connection);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests;
