//! Who a message comes from is looked at before it is answered: mail from other hosts, on port 25. It waits for the DNS without a
//! thread, and without the message in memory.
//!
//! Of mail that a relay of ours brings, the host that brought it to the relay is looked at, as the relay's trace field has it.
//!
//! Not looked at: what comes from this machine itself (a mail system in front of us, a program, a test), over LMTP (a mail system
//! of ours, whose own `Authentication-Results` stay), what an account submits, and what begins at a relay of ours.

use crate::service::Common;
use crate::transaction::Transaction;
use crate::{log, replies};
use message::hop::{Origin, origin};
use sender_auth::{Claim, Digests, Findings};
use session::{Job, Moment, Owner, Peer, Step};
use smtp_proto::Reply;
use std::sync::Arc;
use std::task::{Poll, Waker};
use store_objects::Holder;

/// Octets that a client may send while it should wait for an answer; a sender of mail sends a few commands (RFC 2920 §3.1).
const EARLY_BYTES_MAX: usize = 64 * 1024;
/// When it is given up. The verifier has its own limit, below that.
const PATIENCE_MILLIS: u64 = 90 * 1000;

/// A sender that is looked at.
pub(crate) struct Examination {
    job: Job<Findings>,
    /// On the clock that never goes back.
    pub(crate) until: u64,
    early_bytes: usize,
}

impl Examination {
    /// The client sent something.
    pub(crate) fn heard(&mut self, bytes: usize) {
        self.early_bytes = self.early_bytes.saturating_add(bytes);
    }

    pub(crate) fn is_flooded(&self) -> bool {
        self.early_bytes > EARLY_BYTES_MAX
    }
}

/// Begins to look at the sender of a message that is complete; `None` if that is done already, or not to be done.
pub(crate) fn begin(
    common: &Common,
    peer: &Peer,
    holder: Holder,
    transaction: &mut Transaction,
    now: Moment,
) -> Option<Examination> {
    let verifier = Arc::clone(common.verifier.as_ref()?);
    let is_relay = transaction.envelope.source.by_relay;
    if transaction.sender.is_some() {
        return None;
    }
    if peer.is_loopback() && !is_relay {
        log::not_examined(peer.address);
        return None;
    }
    let host = |content: &[u8]| match is_relay {
        true => origin(content, |address| common.is_relay(address)),
        false => Some(Origin { address: peer.address, helo: transaction.envelope.source.helo.clone() }),
    };
    let look = |content: &[u8]| host(content).map(|host| (host, Digests::of(content)));
    let (host, digests) = transaction.content.as_ref()?.look(&common.spool, holder, look)??;
    let from = transaction.envelope.reverse_path.mailbox();
    let claim = Claim {
        address: host.address,
        helo: host.helo,
        // What the address means, not how it is quoted.
        mail_from: from.map(|from| format!("{}@{}", from.local_part(), from.domain())).unwrap_or_default(),
        receiver: common.hostname.clone(),
        unix_seconds: now.unix_millis.div_euclid(1000),
    };
    match Job::wait(&*peer.jobs, Owner::stranger(host.address), verifier.verify(claim, digests)) {
        Ok(job) => {
            let until = now.monotonic_millis.saturating_add(PATIENCE_MILLIS);
            Some(Examination { job, until, early_bytes: 0 })
        }
        Err(session::Full) => {
            transaction.sender = Some(Err(replies::not_examined()));
            None
        }
    }
}

/// What was found out, or that it is to be waited for.
pub(crate) fn look(
    examination: &mut Examination,
    now: u64,
    waker: &Waker,
) -> Result<Result<Box<Findings>, Reply>, Step> {
    match examination.job.look(waker) {
        Poll::Ready(Ok(findings)) => Ok(Ok(Box::new(findings))),
        Poll::Ready(Err(session::Lost)) => Ok(Err(replies::not_examined())),
        Poll::Pending if now >= examination.until => Ok(Err(replies::not_examined())),
        Poll::Pending => Err(Step::Wait),
    }
}
