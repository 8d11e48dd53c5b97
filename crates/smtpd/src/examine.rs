//! Who a message comes from is looked at before it is answered, and what filters beside us say of it: mail from other hosts, on
//! port 25. It waits for the DNS without a thread, and without the message in memory; for filters without a thread, and with as
//! many messages in memory as they have room for.
//!
//! Of mail that a relay of ours brings, the host that brought it to the relay is looked at, as the relay's trace field has it.
//!
//! Not looked at: what comes from this machine itself (a mail system in front of us, a program, a test), over LMTP (a mail system
//! of ours, whose own `Authentication-Results` stay), what an account submits, and what begins at a relay of ours.

use crate::introduction::{claim, mail_from};
use crate::service::Common;
use crate::transaction::Transaction;
use crate::{log, replies};
use mailflow::Envelope;
use message::hop::{Origin, origin};
use metrics::Stopwatch;
use scan::{Opinion, Question};
use sender_auth::{Digests, Findings};
use session::{Job, Moment, Owner, Peer, Step};
use smtp_proto::Reply;
use std::task::{Poll, Waker};
use store_objects::Holder;

/// Octets that a client may send while it should wait for an answer; a sender of mail sends a few commands (RFC 2920 §3.1).
const EARLY_BYTES_MAX: usize = 64 * 1024;
/// When it is given up. What is asked has limits of its own, one after another, and all of them together are below that: who
/// brings it, if that is not known yet (30 s), who it comes from (30 s), and filters (45 s).
/// RFC 5321 §4.5.3.2.6: a client waits for 10 minutes.
const PATIENCE_MILLIS: u64 = 120 * 1000;

/// What was found out about a message.
#[derive(Default)]
pub(crate) struct Examined {
    /// Who it comes from, if that was looked at.
    pub(crate) sender: Option<Box<Findings>>,
    /// What filters say, if there are any.
    pub(crate) opinion: Option<Opinion>,
}

/// A message that is looked at.
pub(crate) struct Examination {
    job: Job<Examined>,
    pub(crate) begun: Stopwatch,
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

/// Begins to look at a message that is complete; `None` if that is done already, or not to be done.
pub(crate) fn begin(
    common: &Common,
    peer: &Peer,
    holder: Holder,
    transaction: &mut Transaction,
    now: Moment,
) -> Option<Examination> {
    let Transaction { envelope, introduction, content, examined, .. } = transaction;
    let is_relay = envelope.source.by_relay;
    if examined.is_some() || common.verifier.is_none() && common.scanner.is_none() {
        return None;
    }
    let is_local = peer.is_loopback() && !is_relay;
    if is_local && !common.flow.tests().any_open() {
        log::not_examined(peer.address);
        return None;
    }
    // A test of this server's own port comes from this machine, and is to be looked at as what strangers bring.
    let is_exempt = |content: &[u8]| is_local && !common.flow.tests().comes_back(content);
    let host = |content: &[u8]| match is_relay {
        true => origin(content, |address| common.is_relay(address)),
        false => Some(Origin { address: peer.address, helo: envelope.source.helo.clone() }),
    };
    let begin = |content: &[u8]| {
        if is_exempt(content) {
            log::not_examined(peer.address);
            return None;
        }
        let host = host(content)?;
        let address = host.address;
        let verifying = common.verifier.clone().map(|verifier| {
            let claim = claim(common, host.clone(), envelope, now);
            let known = introduction.complete(verifier.clone(), claim);
            let digests = Digests::of(content);
            async move { verifier.verify(known.await, digests).await }
        });
        let scanning = common.scanner.clone().map(|scanner| {
            let room = scanner.reserve(content.len() as u64);
            (scanner, room.map(|room| (question(common, host, envelope, content, now), room)))
        });
        Some((address, verifying, scanning))
    };
    let (address, verifying, scanning) = content.as_ref()?.look(&common.spool, holder, begin)??;
    let examine = async move {
        let sender = match verifying {
            Some(verifying) => Some(Box::new(verifying.await)),
            None => None,
        };
        let opinion = match scanning {
            Some((scanner, mut asked)) => {
                if let (Some((question, _)), Some(sender)) = (&mut asked, &sender) {
                    question.name.clone_from(&sender.introduction.iprev.name);
                }
                Some(scanner.ask(asked).await)
            }
            None => None,
        };
        Examined { sender, opinion }
    };
    match Job::wait(&*peer.jobs, Owner::stranger(address), examine) {
        Ok(job) => {
            let until = now.monotonic_millis.saturating_add(PATIENCE_MILLIS);
            Some(Examination { job, begun: Stopwatch::start(), until, early_bytes: 0 })
        }
        Err(session::Full) => {
            *examined = Some(Err(replies::not_examined()));
            None
        }
    }
}

fn question(common: &Common, host: Origin, envelope: &Envelope, content: &[u8], now: Moment) -> Question {
    Question {
        id: format!("{:x}", now.unix_millis),
        hostname: common.hostname.clone(),
        address: host.address,
        name: None,
        helo: host.helo,
        tls: envelope.source.tls.clone(),
        mail_from: mail_from(envelope),
        recipients: envelope.local.iter().map(|recipient| recipient.address.clone()).collect(),
        content: common.flow.without_forged(content.to_vec(), envelope.source.protocol),
    }
}

/// What was found out, or that it is to be waited for.
pub(crate) fn look(examination: &mut Examination, now: u64, waker: &Waker) -> Result<Result<Examined, Reply>, Step> {
    match examination.job.look(waker) {
        Poll::Ready(Ok(examined)) => Ok(Ok(examined)),
        Poll::Ready(Err(session::Lost)) => Ok(Err(replies::not_examined())),
        Poll::Pending if now >= examination.until => Ok(Err(replies::not_examined())),
        Poll::Pending => Err(Step::Wait),
    }
}
