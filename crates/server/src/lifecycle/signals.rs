//! What the outside asks of a running process.

use std::future::poll_fn;
use std::task::Poll;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use crate::setup::SetupError;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM or SIGINT: finish what is under way and stop.
    Stop,
    /// SIGHUP: read certificates again.
    Reload,
}

/// The signals of this process.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Stream,
    interrupt: Stream,
    hangup: Stream,
}

impl Signals {
    /// From now on these signals no longer end the process by themselves. Must be called on a runtime.
    ///
    /// # Errors
    /// When the system has no signal handler left for us.
    pub(crate) fn listen() -> Result<Self, SetupError> {
        let stream = |kind| {
            signal(kind).map_err(|error| SetupError::new(format!("signals cannot be handled: {error}; start again")))
        };
        Ok(Self {
            terminate: stream(SignalKind::terminate())?,
            interrupt: stream(SignalKind::interrupt())?,
            hangup: stream(SignalKind::hangup())?,
        })
    }

    /// The next request. Can be dropped and called again without losing one.
    pub(crate) async fn next(&mut self) -> Request {
        poll_fn(|context| {
            let stop = [&mut self.terminate, &mut self.interrupt].map(|signal| signal.poll_recv(context).is_ready());
            if stop.contains(&true) {
                return Poll::Ready(Request::Stop);
            }
            self.hangup.poll_recv(context).map(|_| Request::Reload)
        })
        .await
    }
}
