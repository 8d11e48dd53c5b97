//! MAIL (RFC 5321 §4.1.1.2).

use crate::introduction::{Introducing, claim};
use crate::service::Role;
use crate::session::{Phase, SmtpSession};
use crate::transaction::Transaction;
use crate::{refused, replies};
use ::auth::{Auth, Login};
use mailflow::{Appointment, Envelope, NotHeld};
use message::hop::Origin;
use metrics::Stopwatch;
use smtp_proto::{Enhanced, Hold, Mail, Mailbox, Reply, SyntaxError};

pub(super) fn handle(session: &mut SmtpSession, mail: Mail) -> Reply {
    let appointment = match check(session, &mail).and_then(|()| appointment(session, &mail)) {
        Ok(appointment) => appointment,
        Err(reply) => {
            let from = mail.reverse_path.mailbox().map(ToString::to_string).unwrap_or_default();
            refused::sender(&session.client(), &from, &reply);
            return reply;
        }
    };
    let limits = &session.limits;
    if session.tally.messages >= limits.messages_max {
        session.phase = Phase::Closed;
        return replies::bye(Enhanced(4, 7, 0), "Enough messages on this connection; make a new one");
    }
    let Mail { reverse_path, smtputf8, reports, deliver_by, requires_tls, .. } = mail;
    let envelope = Envelope::new(reverse_path, session.source(smtputf8));
    let envelope = Envelope { smtputf8, reports, deliver_by, appointment, requires_tls, ..envelope };
    let introduction = introduce(session, &envelope);
    let (begun, examining) = (Stopwatch::start(), None);
    session.transaction = Some(Transaction { envelope, introduction, content: None, examined: None, begun, examining });
    Reply::new(250, Enhanced(2, 1, 0), "Sender ok")
}

/// When the message is released, if its sender has chosen a time.
fn appointment(session: &SmtpSession, mail: &Mail) -> Result<Option<Appointment>, Reply> {
    let Some(hold) = mail.hold else { return Ok(None) };
    let flow = &session.service.common.flow;
    let login = session.login.as_ref().filter(|_| flow.holds());
    let (Role::Submission { .. }, Some(presence)) = (&session.service.role, login) else {
        // RFC 4865 §4.2: it is for whoever submits.
        let keyword = if matches!(hold, Hold::For(_)) { "HOLDFOR" } else { "HOLDUNTIL" };
        return Err(SyntaxError::UnknownParameter(keyword.to_owned()).reply());
    };
    // RFC 4865 §5.1.1, §5.3.1: no report, and no automatic answer.
    let asked = mail.reverse_path.mailbox().map(|_| (hold, mail.deliver_by)).ok_or(NotHeld::FromNobody);
    let (account, size) = (presence.login().account, mail.size.unwrap_or(0));
    let found = asked.and_then(|asked| flow.appointment(account, asked, size, session.timestamp()));
    found.map(Some).map_err(|why| replies::not_held(&why))
}

/// Begins to ask who a stranger is. Of what a relay of ours brings, only the message says who it is about.
fn introduce(session: &SmtpSession, envelope: &Envelope) -> Introducing {
    let (common, peer) = (&session.service.common, &session.peer);
    let is_stranger = matches!(session.service.role, Role::Mx) && !peer.is_loopback() && !session.is_relay;
    let Some(verifier) = common.verifier.clone().filter(|_| is_stranger) else { return Introducing::not_asked() };
    let host = Origin { address: peer.address, helo: envelope.source.helo.clone() };
    Introducing::begin(verifier, claim(common, host, envelope, session.now), peer, session.now)
}

fn check(session: &SmtpSession, mail: &Mail) -> Result<(), Reply> {
    let common = &session.service.common;
    if session.hello.is_none() {
        return Err(replies::out_of_order("Say hello first"));
    }
    if session.transaction.is_some() {
        return Err(replies::out_of_order("A message is under way; RSET ends it"));
    }
    if let Role::Submission { auth } = &session.service.role {
        check_sender(session, auth, mail)?;
    } else if mail.deliver_by.is_some() {
        // It is offered to whoever sends, and is nobody else's business.
        return Err(SyntaxError::UnknownParameter("BY".to_owned()).reply());
    }
    // RFC 8689 §2: what came in the clear is protected by nothing.
    if mail.requires_tls && !session.offers_requiretls() {
        return Err(SyntaxError::UnknownParameter("REQUIRETLS".to_owned()).reply());
    }
    // RFC 1870 §6.1.
    if mail.size.is_some_and(|size| size > session.limits.message_bytes_max as u64) {
        return Err(replies::too_big());
    }
    if mail.size.is_some_and(|size| size > common.spool.available_to(session.holder())) {
        return Err(replies::no_space());
    }
    Ok(())
}

fn check_sender(session: &SmtpSession, auth: &Auth, mail: &Mail) -> Result<(), Reply> {
    let Some(login) = &session.login else {
        // RFC 4954 §6, RFC 3207 §4.
        return Err(Reply::new(
            530,
            Enhanced(5, 7, 0),
            match session.may_log_in() {
                true => "Log in first",
                false => "Say STARTTLS first, then log in",
            },
        ));
    };
    // RFC 5321 §4.5.5: a receipt or an automatic answer comes from nobody.
    let Some(mailbox) = mail.reverse_path.mailbox() else { return Ok(()) };
    let login = login.login();
    match may_send_as(auth, login, mailbox) {
        Ok(true) => Ok(()),
        // RFC 6409 §6.1.
        Ok(false) => {
            let text = format!("{} may not send as {mailbox}: it is not one of its addresses", login.name);
            Err(Reply::new(550, Enhanced(5, 7, 1), text))
        }
        Err(_) => Err(replies::fault()),
    }
}

fn may_send_as(auth: &Auth, login: &Login, mailbox: &Mailbox) -> Result<bool, store::Error> {
    // What the address means, not how it is quoted.
    let address = format!("{}@{}", mailbox.local_part(), mailbox.domain());
    auth.directory().may_send_as(login.account, &address)
}
