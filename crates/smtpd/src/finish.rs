//! The end of a message: it goes to `mailflow`, and what became of it is put into SMTP's words.

use crate::examine::{self, Examination, Examined};
use crate::introduction::mail_from;
use crate::service::Role;
use crate::session::{Phase, SmtpSession};
use crate::transaction::Transaction;
use crate::{log, refused, replies};
use mailflow::{Accepted, Arrival, Missed, Refusal};
use metrics::{STAGES, Stopwatch};
use smtp_proto::Reply;
use store::Claim;
use tracing::trace;

/// The message is complete; no answer yet while its sender is looked at.
pub(crate) fn message(session: &mut SmtpSession) -> Vec<Reply> {
    session.phase = Phase::Command;
    if let Some(examination) = examination(session) {
        session.phase = Phase::Examine(examination);
        return Vec::new();
    }
    let Some(mut transaction) = session.end_transaction() else {
        return vec![replies::out_of_order("No message is under way")];
    };
    let Some(content) = transaction.content.take() else {
        return vec![replies::out_of_order("No message is under way")];
    };
    let from = transaction.envelope.from();
    // Its room in memory is the message's until all have it.
    let (content, _room) = match content.complete(&session.service.common.spool, session.holder()) {
        Ok(complete) => complete,
        Err(reply) => {
            refused::message(&session.client(), &transaction, b"", &reply);
            return for_all(session, &transaction, reply);
        }
    };
    let examined = match transaction.examined.take() {
        Some(Err(reply)) => {
            refused::message(&session.client(), &transaction, &content, &reply);
            return for_all(session, &transaction, reply);
        }
        Some(Ok(examined)) => examined,
        None => Examined::default(),
    };
    if let Some(reply) = not_admitted(session, &transaction, &examined) {
        refused::message(&session.client(), &transaction, &content, &reply);
        return for_all(session, &transaction, reply);
    }
    let way = Way::of(&transaction, &content);
    let account = session.login.as_ref().map(|presence| presence.login().account);
    let flow = &session.service.common.flow;
    let arrival = flow.arrive(transaction.envelope, content, account, session.timestamp());
    let arrival = match examined.sender {
        Some(findings) => arrival.from_sender(*findings),
        None => arrival,
    };
    let arrival = match examined.opinion {
        Some(opinion) => arrival.scanned(opinion),
        None => arrival,
    };
    let id = arrival.id().to_owned();
    let TakenIn { replies, claims, missed } = take_in(session, arrival);
    session.said.add(claims);
    refused::named(&session.client(), (&id, &from), &replies, missed.as_deref());
    way.tell(&id, &from, session, &replies);
    if replies.iter().any(Reply::is_positive) {
        session.tally.message();
    }
    replies
}

/// The way of a message as far as here, for those who follow messages.
struct Way {
    begun: Stopwatch,
    examining: Option<(Stopwatch, Stopwatch)>,
    octets: usize,
    recipients: usize,
}

impl Way {
    fn of(transaction: &Transaction, content: &[u8]) -> Self {
        let Transaction { begun, examining, .. } = *transaction;
        Self { begun, examining, octets: content.len(), recipients: transaction.recipients() }
    }

    fn tell(self, id: &str, from: &str, session: &SmtpSession, replies: &[Reply]) {
        if let Some((begun, ended)) = self.examining {
            let ago = ended.micros();
            trace!(target: STAGES, id, took = begun.micros().saturating_sub(ago), ago, "sender examined");
        }
        let log::Client { protocol, address } = session.client().shown;
        let (size, recipients) = (self.octets, self.recipients);
        // Over LMTP one for each recipient (RFC 2033 §4.2): the worst says what is to be seen.
        let code = replies.iter().map(|reply| reply.code).max().unwrap_or(0);
        let took = self.begun.micros();
        trace!(target: STAGES, id, took, protocol, client.address = %address, from, size, recipients, code, "received");
    }
}

/// Why a host may not hand over a message, where that was not known yet when its recipients were taken.
fn not_admitted(session: &SmtpSession, transaction: &Transaction, examined: &Examined) -> Option<Reply> {
    let sender = examined.sender.as_ref().filter(|_| transaction.introduction.is_owed())?;
    let flow = &session.service.common.flow;
    let (from, now) = (mail_from(&transaction.envelope), session.timestamp());
    let of = |recipient| replies::not_admitted(flow.admit(&sender.introduction, (&from, recipient), now));
    // Nobody gets it along with those whom everybody reaches.
    transaction.envelope.local.iter().find_map(of)
}

/// Mail from other hosts is looked at first.
fn examination(session: &mut SmtpSession) -> Option<Examination> {
    let (common, holder) = (&session.service.common, session.holder());
    if !matches!(session.service.role, Role::Mx) {
        return None;
    }
    examine::begin(common, &session.peer, holder, session.transaction.as_mut()?, session.now)
}

/// The answers, the receipts that they answer, and who did not get the message.
struct TakenIn {
    replies: Vec<Reply>,
    claims: Vec<Claim>,
    missed: Option<Box<Missed>>,
}

fn take_in(session: &SmtpSession, arrival: Arrival) -> TakenIn {
    let (flow, now, id) = (&session.service.common.flow, session.timestamp(), arrival.id().to_owned());
    let mut missed = None;
    let (replies, claims) = match (&session.service.role, &session.login) {
        (Role::Mx, _) => {
            let mut delivered = flow.deliver(arrival, now);
            missed = delivered.missed.take();
            let reply = replies::outcome(delivered.worst(), delivered.reason.as_ref(), &id);
            let claims = if reply.is_positive() { delivered.accepted() } else { Vec::new() };
            (vec![reply], claims)
        }
        (Role::Lmtp { .. }, _) => {
            let mut delivered = flow.deliver(arrival, now);
            missed = delivered.missed.take();
            let reason = delivered.reason.as_ref();
            let replies = delivered.outcomes.iter().map(|outcome| replies::outcome(*outcome, reason, &id)).collect();
            (replies, delivered.answered_one_by_one())
        }
        (Role::Submission { .. }, Some(presence)) => match flow.submit(presence, arrival, now) {
            Ok(Accepted { claims, held_until: Some(until), .. }) => (vec![replies::held(&id, until)], claims),
            Ok(Accepted { claims, not_kept: None, waits: true, .. }) => {
                (vec![replies::accepted_and_waits(&id)], claims)
            }
            Ok(Accepted { claims, not_kept: None, waits: false, .. }) => (vec![replies::accepted(&id)], claims),
            Ok(Accepted { claims, not_kept: Some(why), .. }) => {
                (vec![replies::accepted_but_not_kept(&id, &why)], claims)
            }
            Err(refusal) => (vec![not_sent(refusal, &presence.login().name, &id)], Vec::new()),
        },
        (Role::Submission { .. }, None) => (vec![replies::out_of_order("Log in first")], Vec::new()),
    };
    TakenIn { replies, claims, missed }
}

fn not_sent(refusal: Refusal, name: &str, id: &str) -> Reply {
    match refusal {
        Refusal::NoAuthor => replies::no_author(),
        Refusal::NotOwn(address) => replies::not_own(name, &address),
        Refusal::LineTooLong { number, octets } => replies::line_too_long(number, octets),
        Refusal::NotQueued(error) => replies::not_queued(&error),
        Refusal::Outcome(outcome) => replies::outcome(outcome, None, id),
        Refusal::LoginEnded => replies::login_ended(),
    }
}

/// The message, or the chunks so far, were too large.
pub(crate) fn too_big(session: &mut SmtpSession) -> Vec<Reply> {
    let is_complete = match std::mem::replace(&mut session.phase, Phase::Command) {
        Phase::Chunk { is_last } => is_last,
        _ => true,
    };
    match session.end_transaction() {
        Some(transaction) if is_complete => {
            let reply = replies::too_big();
            refused::message(&session.client(), &transaction, b"", &reply);
            for_all(session, &transaction, reply)
        }
        // RFC 3030 §2: with the transaction gone, the chunks to come are refused.
        Some(_) | None => vec![replies::too_big()],
    }
}

/// RFC 2033 §4.2: one reply per recipient; elsewhere one in all.
fn for_all(session: &SmtpSession, transaction: &Transaction, reply: Reply) -> Vec<Reply> {
    let count = if session.service.is_lmtp() { transaction.recipients() } else { 1 };
    vec![reply; count]
}
