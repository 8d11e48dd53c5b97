//! The end of a message: findings, a pure decision, effects, and only then the 250.

use crate::service::{Role, Submission};
use crate::session::{Phase, Session};
use crate::submit::{self, From, Given};
use crate::transaction::Transaction;
use crate::{log, replies};
use ::auth::{Login, Presence};
use mailflow::{Decision, Delivered, Envelope, Findings, RecipientOutcome, Source, decide};
use message::content::with_fields;
use queue::{Enqueued, NewEntry};
use smtp_proto::{Enhanced, Reply};
use std::sync::Arc;
use store::{Actor, Claim, Handover, Protocol, SentCopy, Timestamp};
use tracing::{info, warn};

/// The message is complete.
pub(crate) fn message(session: &mut Session) -> Vec<Reply> {
    session.phase = Phase::Command;
    let Some(mut transaction) = session.end_transaction() else {
        return vec![replies::out_of_order("No message is under way")];
    };
    let Some(content) = transaction.content.take() else {
        return vec![replies::out_of_order("No message is under way")];
    };
    // Its room in memory is the message's until all have it.
    let (content, _room) = match content.complete(&session.service.common.spool, session.holder()) {
        Ok(complete) => complete,
        Err(reply) => {
            log::message_refused(session, None, &transaction.reverse_path_text(), &reply);
            return for_all(session, &transaction, reply);
        }
    };
    let arrival = Arrival::new(session, transaction, &content);
    let (id, from) = (arrival.id.clone(), arrival.reverse_path.clone());
    let (replies, claims) = match &session.service.role {
        Role::Mx => {
            let delivered = deliver(session, &arrival, &content);
            let reply = for_one(&delivered, &arrival.id);
            let claims = if reply.is_positive() { delivered.accepted() } else { Vec::new() };
            (vec![reply], claims)
        }
        Role::Lmtp { .. } => {
            let delivered = deliver(session, &arrival, &content);
            let reply = |outcome: &RecipientOutcome| replies::outcome(*outcome, &arrival.id);
            (delivered.outcomes.iter().map(reply).collect(), delivered.answered_one_by_one())
        }
        Role::Submission(submission) => match &session.login {
            Some(presence) => {
                let mut claims = Vec::new();
                let reply = submit(session, (submission, presence), arrival, content, &mut claims);
                // Refused, it comes again: whoever has it already, Sent included, is left out then.
                claims.truncate(if reply.is_positive() { claims.len() } else { 0 });
                (vec![reply], claims)
            }
            None => (vec![replies::out_of_order("Log in first")], Vec::new()),
        },
    };
    session.said.add(claims);
    replies.iter().filter(|reply| !reply.is_positive()).for_each(|reply| {
        log::message_refused(session, Some(&id), &from, reply);
    });
    if replies.iter().any(Reply::is_positive) {
        session.tally.message();
    }
    replies
}

/// The message, or the chunks so far, were too large.
pub(crate) fn too_big(session: &mut Session) -> Vec<Reply> {
    let is_complete = match std::mem::replace(&mut session.phase, Phase::Command) {
        Phase::Chunk { is_last } => is_last,
        _ => true,
    };
    match session.end_transaction() {
        Some(transaction) if is_complete => {
            let reply = replies::too_big();
            log::message_refused(session, None, &transaction.reverse_path_text(), &reply);
            for_all(session, &transaction, reply)
        }
        // RFC 3030 §2: with the transaction gone, the chunks to come are refused.
        Some(_) | None => vec![replies::too_big()],
    }
}

/// A message on its way in: its envelope, how it is called, and how it came.
struct Arrival {
    id: String,
    source: Source,
    reverse_path: String,
    transaction: Transaction,
    handover: Handover,
}

impl Arrival {
    fn new(session: &Session, transaction: Transaction, content: &[u8]) -> Self {
        let (at, serial) = (session.timestamp(), session.service.next_serial());
        let reverse_path = transaction.reverse_path_text();
        // What two accounts submit is two messages, even if it is the same.
        let account = session.login.as_ref().map_or([0; 4], |presence| presence.login().account.0.to_be_bytes());
        let handover = Handover::new(&[&account, reverse_path.as_bytes(), content], at, serial);
        let source = session.source(transaction.smtputf8);
        Self { id: name(&handover), source, reverse_path, transaction, handover }
    }

    fn envelope(&self) -> Envelope<'_> {
        let Self { id, source, reverse_path, transaction, handover } = self;
        Envelope { reverse_path, recipients: &transaction.local, source, id, handover: *handover }
    }
}

/// A message's name, in the log and in its trace field.
fn name(Handover { at, serial, .. }: &Handover) -> String {
    format!("{:x}.{serial:08x}", at.0)
}

/// RFC 2033 §4.2: one reply per recipient; elsewhere one in all.
fn for_all(session: &Session, transaction: &Transaction, reply: Reply) -> Vec<Reply> {
    let count = if session.service.is_lmtp() { transaction.recipients() } else { 1 };
    vec![reply; count]
}

/// The one reply for all: a 250 only if all have it.
fn for_one(delivered: &Delivered, id: &str) -> Reply {
    let worst = delivered.outcomes.iter().max().copied().unwrap_or(RecipientOutcome::Delivered);
    replies::outcome(worst, id)
}

fn deliver(session: &Session, arrival: &Arrival, content: &[u8]) -> Delivered {
    session.service.common.delivery.deliver(&arrival.envelope(), content, session.timestamp())
}

/// Submission: is it the sender's own, does it lack something, then local copies, then the sender's own copy, then the
/// queue: what goes out cannot be called back.
fn submit(
    session: &Session,
    (submission, presence): (&Submission, &Presence),
    mut arrival: Arrival,
    content: Vec<u8>,
    claims: &mut Vec<Claim>,
) -> Reply {
    let login = presence.login();
    if let Err(reply) = check_from(submission, login, &content) {
        return reply;
    }
    if decide(Findings::of(&content)) == Decision::Loop {
        return replies::outcome(RecipientOutcome::Loop, &arrival.id);
    }
    if let Some(line) = too_long(&arrival, &content) {
        return replies::line_too_long(line);
    }
    if let Err(reply) = check_room(submission, login, &arrival, content.len()) {
        return reply;
    }
    match first_handover(session, presence, &arrival) {
        Ok(first) => arrival.handover = first,
        Err(_) => return replies::fault(),
    }
    let completed = complete(session, login, &arrival, content);
    let outgoing = submit::without_bcc(&completed.content);
    let delivered = deliver(session, &arrival, &outgoing);
    let local = for_one(&delivered, &arrival.id);
    if !local.is_positive() {
        return local;
    }
    claims.extend(delivered.accepted());
    let kept = keep(presence, &arrival, &completed, session.timestamp(), claims);
    if !kept.is_positive() || arrival.transaction.outside.is_empty() {
        return kept;
    }
    enqueue(session, (submission, login), &arrival, &outgoing, claims).map_or(kept, |refusal| refusal)
}

/// What will not be queued is not saved to Sent either.
fn check_room(submission: &Submission, login: &Login, arrival: &Arrival, bytes: usize) -> Result<(), Reply> {
    let (outside, now) = (arrival.transaction.outside.len(), arrival.handover.at);
    match &submission.queue {
        Some(queue) if outside > 0 => queue.check(login.account, outside, bytes, now).map_err(|error| {
            warn!(id = arrival.id, account = %login.account, %error, "not queued");
            replies::not_queued(&error)
        }),
        Some(_) | None => Ok(()),
    }
}

/// How the message was handed over first: what it lacked then it is given again, to the last octet.
fn first_handover(session: &Session, presence: &Presence, arrival: &Arrival) -> Result<Handover, store::Error> {
    let (handover, now) = (arrival.handover, session.timestamp());
    let local = session.service.common.delivery.first_handover(&arrival.envelope(), now)?;
    if let Some(first) = local {
        return Ok(first);
    }
    match presence.account().first_handover(&handover, now) {
        Ok(first) => Ok(first.unwrap_or(handover)),
        Err(store::Error::NoSuchAccount) => Ok(handover),
        Err(error) => Err(error),
    }
}

/// The sender's own account: the copy in Sent, and flags on what the message answers or forwards. What can never be kept
/// is sent nevertheless, and the reply says so.
fn keep(
    presence: &Presence,
    arrival: &Arrival,
    completed: &Completed,
    now: Timestamp,
    claims: &mut Vec<Claim>,
) -> Reply {
    let login = presence.login();
    let actor = Actor { device: login.device, protocol: Protocol::Submission, now };
    let (body, added_bytes) = (Arc::new(completed.content.clone()), completed.added_bytes);
    let message = store::Submission { body, added_bytes, handover: Some(arrival.handover) };
    let id = &arrival.id;
    match presence.account().submit(actor, message) {
        Ok(submitted) => {
            claims.extend(submitted.claim);
            match submitted.copy {
                SentCopy::Saved(appended) => {
                    info!(id, account = %login.account, email = appended.email.text(), "saved to Sent");
                    replies::accepted(id)
                }
                SentCopy::WasThere | SentCopy::Off => replies::accepted(id),
                SentCopy::Refused(error) => {
                    warn!(id, account = %login.account, %error, "not saved to Sent");
                    replies::accepted_but_not_kept(id, &error)
                }
            }
        }
        Err(store::Error::LoginEnded | store::Error::NoSuchAccount) => replies::login_ended(),
        Err(error) => {
            warn!(id, account = %login.account, %error, "not saved to Sent, so not sent");
            replies::outcome(RecipientOutcome::from(&error), id)
        }
    }
}

/// A line that cannot go to the smarthost. What stays here may have it.
fn too_long(arrival: &Arrival, content: &[u8]) -> Option<(usize, usize)> {
    let goes_out = !arrival.transaction.outside.is_empty();
    // What is taken out of the outgoing message is no reason; the line is told as the sender counts it.
    let found = submit::long_line(&submit::without_bcc(content)).filter(|_| goes_out)?;
    submit::long_line(content).or(Some(found))
}

/// RFC 6409 §6.1: a sender may use own addresses only.
fn check_from(submission: &Submission, login: &Login, content: &[u8]) -> Result<(), Reply> {
    let addresses = match submit::from(content) {
        From::Missing => return Ok(()),
        From::Addresses(addresses) if addresses.is_empty() => {
            return Err(Reply::new(550, Enhanced(5, 7, 1), "The From field has no address"));
        }
        From::Addresses(addresses) => addresses,
    };
    for address in addresses {
        match submission.auth.directory().may_send_as(login.account, &address) {
            Ok(true) => {}
            Ok(false) => {
                let text = format!("{} may not write as {address} in From: it is not one of its addresses", login.name);
                return Err(Reply::new(550, Enhanced(5, 7, 1), text));
            }
            Err(_) => return Err(replies::fault()),
        }
    }
    Ok(())
}

/// A message with all that it must have.
struct Completed {
    content: Vec<u8>,
    /// So many octets at its beginning are what it lacked.
    added_bytes: usize,
}

fn complete(session: &Session, login: &Login, arrival: &Arrival, content: Vec<u8>) -> Completed {
    let sender = if arrival.reverse_path.is_empty() { &login.name } else { &arrival.reverse_path };
    let hostname = &session.service.common.hostname;
    // When it comes again, it is given the same.
    let first = arrival.handover;
    let given = Given { sender, hostname, id: &name(&first), now: first.at };
    let fields = submit::missing_fields(&content, given);
    let added_bytes = fields.len();
    let content = if fields.is_empty() { content } else { with_fields(&[&fields], &content) };
    Completed { content, added_bytes }
}

/// Gives a refusal, if there is one.
fn enqueue(
    session: &Session,
    (submission, login): (&Submission, &Login),
    arrival: &Arrival,
    content: &[u8],
    claims: &mut Vec<Claim>,
) -> Option<Reply> {
    // RCPT takes outside addresses only with a queue.
    let Some(queue) = &submission.queue else { return Some(replies::fault()) };
    let (now, transaction) = (session.timestamp(), &arrival.transaction);
    let only = transaction.outside.first().filter(|_| transaction.recipients() == 1).map(ToString::to_string);
    let only = only.as_deref().map(|path| path.trim_start_matches('<').trim_end_matches('>'));
    let received = arrival.source.received(&session.service.common.hostname, &arrival.id, only, now);
    // The header decides, not the client's word: a smarthost without SMTPUTF8 can take a message that does not need it.
    let header = content.get(..message::header::end(content)).unwrap_or_default();
    let entry = NewEntry {
        reverse_path: transaction.reverse_path.clone(),
        recipients: transaction.outside.clone(),
        smtputf8: transaction.smtputf8 && !header.is_ascii(),
        account: Some(login.account),
        content: with_fields(&[&received], content),
        handover: Some(arrival.handover),
    };
    match queue.enqueue(entry, now) {
        Ok(Enqueued { id: number, claim }) => {
            info!(id = arrival.id, queue = %number, from = arrival.reverse_path, account = %login.account, "queued");
            claims.extend(claim);
            None
        }
        Err(error) => {
            warn!(id = arrival.id, %error, "not queued");
            Some(replies::not_queued(&error))
        }
    }
}
