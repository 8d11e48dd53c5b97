//! What is found out of a stranger before his message is there: it is begun at MAIL, and RCPT waits for it, without a thread. At the
//! end of the message it is not asked again.
//!
//! Who is not waited for is taken without it, and what could not be decided at RCPT is decided with the message
//! ([`Introducing::is_owed`]): a dead resolver, a client that goes on sending, too many questions at once.

use crate::service::Common;
use mailflow::Envelope;
use message::hop::Origin;
use sender_auth::{Claim, Introduction, Verifier};
use session::{Job, Moment, Peer};
use std::future::Future;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// How long RCPT waits at most; the verifier has its own limit, below that. RFC 5321 §4.5.3.2.3: a client waits for 5 minutes.
const PATIENCE_MILLIS: u64 = 45 * 1000;
/// Octets that a client may send meanwhile (RFC 2920 §3.1: the commands of an envelope). Who sends more has begun with the message
/// (RFC 3030 §4.2), and is not waited for.
const EARLY_BYTES_MAX: usize = 64 * 1024;

/// What is known of a stranger.
pub(crate) struct Introducing {
    state: State,
    /// A recipient was taken without it.
    is_owed: bool,
}

enum State {
    /// Nobody asks.
    NotAsked,
    Asked {
        job: Job<Introduction>,
        /// On the clock that never goes back.
        until: u64,
        early_bytes: usize,
    },
    Known(Box<Introduction>),
    /// It did not come.
    Unknown,
}

impl Introducing {
    /// Nobody asks.
    pub(crate) fn not_asked() -> Self {
        Self { state: State::NotAsked, is_owed: false }
    }

    /// Begins to ask.
    pub(crate) fn begin(verifier: Arc<dyn Verifier>, claim: Claim, peer: &Peer, now: Moment) -> Self {
        let state = match Job::wait(&*peer.jobs, peer.stranger(), verifier.introduce(claim)) {
            Ok(job) => {
                let until = now.monotonic_millis.saturating_add(PATIENCE_MILLIS);
                State::Asked { job, until, early_bytes: 0 }
            }
            Err(session::Full) => State::Unknown,
        };
        Self { state, is_owed: false }
    }

    /// The client sent something while it should wait.
    pub(crate) fn heard(&mut self, bytes: usize) {
        if let State::Asked { early_bytes, .. } = &mut self.state {
            *early_bytes = early_bytes.saturating_add(bytes);
        }
    }

    /// When it is given up.
    pub(crate) fn until(&self) -> Option<u64> {
        if let State::Asked { until, .. } = &self.state { Some(*until) } else { None }
    }

    /// Whether it is still to be waited for; `waker` is woken when it is there.
    pub(crate) fn is_awaited(&mut self, now: u64, waker: &Waker) -> bool {
        let State::Asked { job, until, early_bytes } = &mut self.state else { return false };
        self.state = match job.look(waker) {
            Poll::Pending if now < *until && *early_bytes <= EARLY_BYTES_MAX => return true,
            Poll::Pending | Poll::Ready(Err(session::Lost)) => State::Unknown,
            Poll::Ready(Ok(known)) => State::Known(Box::new(known)),
        };
        false
    }

    /// What is known, to decide whether a recipient is taken; without it that is owed.
    pub(crate) fn known(&mut self) -> Option<&Introduction> {
        match &self.state {
            State::Known(known) => Some(known),
            State::NotAsked => None,
            State::Asked { .. } | State::Unknown => {
                self.is_owed = true;
                None
            }
        }
    }

    /// Whether a recipient was taken before it was known whether he should be.
    pub(crate) fn is_owed(&self) -> bool {
        self.is_owed
    }

    /// All that is to be known, for the end of the message; of the one who made `claim` if it is not known yet.
    pub(crate) fn complete(
        &mut self,
        verifier: Arc<dyn Verifier>,
        claim: Claim,
    ) -> impl Future<Output = Introduction> + Send + use<> {
        let state = std::mem::replace(&mut self.state, State::Unknown);
        async move {
            let known = match state {
                State::Known(known) => Some(*known),
                State::Asked { job, .. } => job.await.ok(),
                State::NotAsked | State::Unknown => None,
            };
            match known {
                Some(known) => known,
                None => verifier.introduce(claim).await,
            }
        }
    }
}

/// What a host says of itself and of the envelope.
pub(crate) fn claim(common: &Common, Origin { address, helo }: Origin, envelope: &Envelope, now: Moment) -> Claim {
    Claim {
        address,
        helo,
        mail_from: mail_from(envelope),
        receiver: common.hostname.clone(),
        unix_seconds: now.unix_millis.div_euclid(1000),
    }
}

/// What the address means, not how it is quoted.
pub(crate) fn mail_from(envelope: &Envelope) -> String {
    let from = envelope.reverse_path.mailbox();
    from.map(|from| format!("{}@{}", from.local_part(), from.domain())).unwrap_or_default()
}
