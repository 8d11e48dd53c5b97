//! The end of a message: findings, a pure decision, effects, and only then the 250.

use crate::service::{Role, Submission};
use crate::session::{Phase, Session};
use crate::submit::{self, From, Given};
use crate::transaction::Transaction;
use crate::{content, replies};
use ::auth::Login;
use delivery::{Decision, Envelope, Findings, RecipientOutcome, Source, decide};
use queue::NewEntry;
use smtp_proto::{Body, Enhanced, Reply};
use store::{Actor, Protocol, SentCopy};
use tracing::{info, warn};

/// The message is complete.
pub(crate) fn message(session: &mut Session, body: Body) -> Vec<Reply> {
    session.phase = Phase::Command;
    let Some(transaction) = session.end_transaction() else {
        return vec![replies::out_of_order("No message is under way")];
    };
    let content = match content::accept(body) {
        Ok(content) => content,
        Err(reply) => return for_all(session, &transaction, reply),
    };
    let arrival = Arrival {
        id: session.service.next_id(session.timestamp()),
        source: session.source(transaction.smtputf8),
        reverse_path: transaction.reverse_path_text(),
        transaction,
    };
    let replies = match &session.service.role {
        Role::Mx => vec![for_one(deliver(session, &arrival, &content), &arrival.id)],
        Role::Lmtp { .. } => {
            let outcomes = deliver(session, &arrival, &content);
            outcomes.into_iter().map(|outcome| replies::outcome(outcome, &arrival.id)).collect()
        }
        Role::Submission(submission) => vec![match &session.login {
            Some(login) => submit(session, submission, login, &arrival, content),
            None => replies::out_of_order("Log in first"),
        }],
    };
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
        Some(transaction) if is_complete => for_all(session, &transaction, replies::too_big()),
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
}

impl Arrival {
    fn envelope(&self) -> Envelope<'_> {
        let Self { id, source, reverse_path, transaction } = self;
        Envelope { reverse_path, recipients: &transaction.local, source, id }
    }
}

/// RFC 2033 §4.2: one reply per recipient; elsewhere one in all.
fn for_all(session: &Session, transaction: &Transaction, reply: Reply) -> Vec<Reply> {
    let count = if session.service.is_lmtp() { transaction.recipients() } else { 1 };
    vec![reply; count]
}

/// The one reply for all: a 250 only if all have it.
fn for_one(outcomes: Vec<RecipientOutcome>, id: &str) -> Reply {
    let worst = outcomes.into_iter().max().unwrap_or(RecipientOutcome::Delivered);
    replies::outcome(worst, id)
}

fn deliver(session: &Session, arrival: &Arrival, content: &[u8]) -> Vec<RecipientOutcome> {
    session.service.common.delivery.deliver(&arrival.envelope(), content, session.timestamp())
}

/// Submission: is it the sender's own, does it lack something, then local copies, then the sender's own copy, then the
/// queue: what goes out cannot be called back.
fn submit(session: &Session, submission: &Submission, login: &Login, arrival: &Arrival, content: Vec<u8>) -> Reply {
    if let Err(reply) = check_from(submission, login, &content) {
        return reply;
    }
    if decide(Findings::of(&content)) == Decision::Loop {
        return replies::outcome(RecipientOutcome::Loop, &arrival.id);
    }
    let completed = complete(session, login, arrival, content);
    let outgoing = submit::without_bcc(&completed.content);
    let local = for_one(deliver(session, arrival, &outgoing), &arrival.id);
    if !local.is_positive() {
        return local;
    }
    let kept = keep(session, submission, login, arrival, &completed);
    let reply = match kept.is_positive() && !arrival.transaction.outside.is_empty() {
        true => enqueue(session, submission, arrival, &outgoing).map_or(kept, |refusal| refusal),
        false => kept,
    };
    if !reply.is_positive() {
        let delivery = &session.service.common.delivery;
        delivery.refused_as_a_whole(&arrival.envelope(), &outgoing, session.timestamp());
    }
    reply
}

/// The sender's own account: the copy in Sent, and flags on what the message answers or forwards. What can never be kept
/// is sent nevertheless, and the reply says so.
fn keep(session: &Session, submission: &Submission, login: &Login, arrival: &Arrival, completed: &Completed) -> Reply {
    let actor = Actor { device: login.device, protocol: Protocol::Submission, now: session.timestamp() };
    let message = store::Submission { body: &completed.content, added_bytes: completed.added_bytes };
    let id = &arrival.id;
    match submission.auth.store().account(login.account).submit(actor, message) {
        Ok(submitted) => match submitted.copy {
            SentCopy::Saved(appended) => {
                info!(id, account = %login.account, email = appended.email.text(), "saved to Sent");
                replies::accepted(id)
            }
            SentCopy::WasThere | SentCopy::Off => replies::accepted(id),
            SentCopy::Refused(error) => {
                warn!(id, account = %login.account, %error, "not saved to Sent");
                replies::accepted_but_not_kept(id, &error)
            }
        },
        Err(error) => {
            warn!(id, account = %login.account, %error, "not saved to Sent, so not sent");
            replies::outcome(RecipientOutcome::from(&error), id)
        }
    }
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
    let given = Given { sender, hostname, id: &arrival.id, now: session.timestamp() };
    let fields = submit::missing_fields(&content, given);
    let added_bytes = fields.len();
    let content = if fields.is_empty() { content } else { [fields, content].concat() };
    Completed { content, added_bytes }
}

/// Gives a refusal, if there is one.
fn enqueue(session: &Session, submission: &Submission, arrival: &Arrival, content: &[u8]) -> Option<Reply> {
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
        content: [&received, content].concat(),
    };
    match queue.enqueue(entry, now) {
        Ok(number) => {
            info!(id = arrival.id, queue = %number, from = arrival.reverse_path, "queued");
            None
        }
        Err(error) => {
            warn!(id = arrival.id, %error, "not queued");
            Some(replies::not_queued(&error))
        }
    }
}
