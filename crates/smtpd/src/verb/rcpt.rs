//! RCPT (RFC 5321 §4.1.1.3).

use crate::introduction::mail_from;
use crate::service::Role;
use crate::session::{Phase, SmtpSession};
use crate::transaction::Transaction;
use crate::{refused, replies};
use mailflow::{MailFlow, Reach, Recipient, Route, Unroutable};
use smtp_proto::{Enhanced, ForwardPath, Rcpt, Reply, ReversePath, SyntaxError};
use store::Timestamp;

/// The answer; `None` if what is to be known before it is waited for.
pub(super) fn handle(session: &mut SmtpSession, rcpt: Rcpt) -> Option<Reply> {
    if is_awaited(session) {
        session.phase = Phase::Introduce(Box::new(rcpt));
        return None;
    }
    Some(answer(session, rcpt))
}

/// Whether it is still to be waited for who brings the message.
pub(crate) fn is_awaited(session: &mut SmtpSession) -> bool {
    let (now, waker) = (session.now.monotonic_millis, &session.peer.waker);
    session.transaction.as_mut().is_some_and(|transaction| transaction.introduction.is_awaited(now, waker))
}

/// Answers, with what is known by now.
pub(crate) fn answer(session: &mut SmtpSession, rcpt: Rcpt) -> Reply {
    let to = rcpt.forward_path.to_string();
    let reply = take(session, rcpt);
    if !reply.is_positive() {
        let from = session.transaction.as_ref().map(|transaction| transaction.envelope.from()).unwrap_or_default();
        refused::recipient(&session.client(), &from, to.trim_start_matches('<').trim_end_matches('>'), &reply);
    }
    reply
}

fn take(session: &mut SmtpSession, rcpt: Rcpt) -> Reply {
    let Rcpt { forward_path: path, reports } = rcpt;
    let now = session.timestamp();
    let limits = &session.limits;
    let Some(transaction) = session.transaction.as_mut().filter(|transaction| transaction.content.is_none()) else {
        return replies::out_of_order("MAIL comes first");
    };
    // RFC 5321 §4.5.1: the postmaster can always be reached.
    let guest = session.guest.as_ref().filter(|_| !is_postmaster(&path));
    if let Some(Err(too_much)) = guest.map(|guest| guest.may_name_recipient(session.now.monotonic_millis)) {
        return Reply::new(450, Enhanced(4, 7, 0), replies::too_much(too_much));
    }
    // RFC 6531 §3.2.
    if !transaction.envelope.smtputf8 && !is_ascii(&path) {
        return SyntaxError::NeedsSmtpUtf8.reply();
    }
    // RFC 5321 §4.5.3.1.10.
    if transaction.recipients() >= limits.recipients_max {
        return Reply::new(452, Enhanced(4, 5, 3), "Enough recipients for one message; send it again for the others");
    }
    let role = &session.service.role;
    let reach = if matches!(role, Role::Submission { .. }) { Reach::Everywhere } else { Reach::Local };
    match session.service.common.flow.route(&path, reach, &transaction.envelope.reverse_path, now) {
        Ok(Route::Local(recipient)) if !recipient.takes(&transaction.envelope.reverse_path) => {
            let text = "bounces of what was passed on come back to it, and nothing else";
            Reply::new(550, Enhanced(5, 7, 1), format!("{path} takes no mail: {text}"))
        }
        Ok(Route::Local(recipient)) if recipient.copies() > limits.accounts_max => {
            Reply::new(550, Enhanced(5, 5, 3), format!("{path} leads to more mailboxes than one message may reach"))
        }
        // RFC 5321 §4.5.3.1.10, in the same spirit.
        Ok(Route::Local(recipient)) if transaction.copies() + recipient.copies() > limits.accounts_max => {
            Reply::new(452, Enhanced(4, 5, 3), "Enough mailboxes for one message; send it again for the others")
        }
        Ok(Route::Local(mut recipient)) => {
            if let Some(refusal) = not_admitted(&session.service.common.flow, transaction, &recipient, now) {
                return refusal;
            }
            recipient.reports = reports;
            transaction.envelope.local.push(recipient);
            ok()
        }
        Ok(Route::Relay(forward_path)) => {
            transaction.envelope.outside.push(Rcpt { forward_path, reports });
            ok()
        }
        Ok(Route::Refused(why)) => {
            session.tally.is_elsewhere = why == Unroutable::NotLocal;
            not_routed(role, (&path, &transaction.envelope.reverse_path), why)
        }
        Err(_) => replies::fault(),
    }
}

/// Why a stranger may not hand over a message to a recipient.
fn not_admitted(
    flow: &MailFlow,
    transaction: &mut Transaction,
    recipient: &Recipient,
    now: Timestamp,
) -> Option<Reply> {
    if recipient.is_for_everybody() {
        return None;
    }
    let from = mail_from(&transaction.envelope);
    let known = transaction.introduction.known()?;
    replies::not_admitted(flow.admit(known, (&from, recipient), now))
}

fn is_postmaster(path: &ForwardPath) -> bool {
    match path {
        ForwardPath::Postmaster => true,
        ForwardPath::Mailbox(mailbox) => mailflow::is_for_everybody(mailbox.local_part()),
    }
}

fn ok() -> Reply {
    Reply::new(250, Enhanced(2, 1, 5), "Recipient ok")
}

fn not_routed(role: &Role, (path, from): (&ForwardPath, &ReversePath), why: Unroutable) -> Reply {
    match (why, role) {
        (Unroutable::Full, _) => replies::mailbox_full(),
        (Unroutable::NoSuchUser, _) => Reply::new(550, Enhanced(5, 1, 1), format!("Nobody here is called {path}")),
        (Unroutable::NotReturned, _) => {
            let text = "this server did not make that address, or made it too long ago";
            Reply::new(550, Enhanced(5, 1, 1), format!("{path}: {text}"))
        }
        (Unroutable::NotLocal, Role::Lmtp { .. }) => {
            Reply::new(550, Enhanced(5, 1, 2), format!("{path} is not in a domain of this server"))
        }
        (Unroutable::NotLocal, Role::Mx | Role::Submission { .. }) => {
            Reply::new(550, Enhanced(5, 7, 1), format!("{path} is not here, and this server relays for nobody"))
        }
        (Unroutable::NotSent, _) => {
            Reply::new(550, Enhanced(5, 7, 1), format!("{path}: this server sends no mail to that domain"))
        }
        (Unroutable::NotSentFrom, Role::Submission { .. }) => {
            Reply::new(550, Enhanced(5, 7, 1), format!("{path}: this server sends no mail from {from} to others"))
        }
        (Unroutable::NotSentFrom, Role::Mx | Role::Lmtp { .. }) => {
            Reply::new(550, Enhanced(5, 7, 1), format!("{path}: this server passes no mail on from its domain"))
        }
        (Unroutable::NoWayOut, _) => {
            let text = "this server has no way out configured, so it cannot send to outside addresses";
            Reply::new(550, Enhanced(5, 4, 4), format!("{path}: {text}"))
        }
    }
}

fn is_ascii(path: &ForwardPath) -> bool {
    match path {
        ForwardPath::Postmaster => true,
        ForwardPath::Mailbox(mailbox) => mailbox.is_ascii(),
    }
}
