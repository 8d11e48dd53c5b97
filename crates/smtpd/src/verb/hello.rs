//! HELO, EHLO (RFC 5321 §4.1.1.1) and LHLO (RFC 2033 §4.1).

use crate::greeting::Hello;
use crate::service::Role;
use crate::session::SmtpSession;
use mailflow::HOLD_SECONDS_MAX;
use sasl::Mechanism;
use smtp_proto::{Enhanced, Hold, Reply};

pub(super) fn helo(session: &mut SmtpSession, name: String) -> Reply {
    if session.service.is_lmtp() {
        return wrong("This is LMTP: say LHLO");
    }
    begin(session, Hello { name, extended: false });
    Reply::plain(250, session.service.common.hostname.clone())
}

pub(super) fn ehlo(session: &mut SmtpSession, name: String) -> Reply {
    if session.service.is_lmtp() {
        // RFC 2033 §4.1: "The LMTP server MUST NOT return a Postive Completion reply code to HELO or EHLO".
        return wrong("This is LMTP: say LHLO");
    }
    extended(session, name)
}

pub(super) fn lhlo(session: &mut SmtpSession, name: String) -> Reply {
    if !session.service.is_lmtp() {
        return wrong("This is SMTP: say EHLO");
    }
    extended(session, name)
}

fn wrong(text: &'static str) -> Reply {
    Reply::new(500, Enhanced(5, 5, 1), text)
}

fn extended(session: &mut SmtpSession, name: String) -> Reply {
    begin(session, Hello { name, extended: true });
    let common = &session.service.common;
    let mut reply = Reply::plain(250, common.hostname.clone())
        .line("PIPELINING")
        .line(format!("SIZE {}", session.limits.message_bytes_max))
        .line("8BITMIME")
        .line("SMTPUTF8")
        .line("ENHANCEDSTATUSCODES")
        .line("CHUNKING")
        // RFC 3461 §3.
        .line("DSN")
        .line(session.limits.announced());
    if let Role::Submission { .. } = session.service.role {
        // RFC 2852 §3: without a shortest time.
        reply = reply.line("DELIVERBY");
        if common.flow.holds() {
            // RFC 4865 §3.
            let latest = Hold::For(HOLD_SECONDS_MAX).released_at(session.timestamp().0);
            reply = reply.line(format!("FUTURERELEASE {HOLD_SECONDS_MAX} {}", Hold::written(latest)));
        }
    }
    if session.offers_requiretls() {
        // RFC 8689 §2.
        reply = reply.line("REQUIRETLS");
    }
    if common.starttls && session.peer.tls.is_none() {
        reply = reply.line("STARTTLS");
    }
    if let Role::Submission { auth } = &session.service.role
        && session.login.is_none()
        && session.may_log_in()
    {
        let mechanisms: Vec<&str> = login::mechanisms(auth, &session.peer).into_iter().map(Mechanism::name).collect();
        reply = reply.line(format!("AUTH {}", mechanisms.join(" ")));
    }
    reply
}

/// RFC 5321 §4.1.4: EHLO is also RSET.
fn begin(session: &mut SmtpSession, hello: Hello) {
    session.transaction = None;
    session.hello = Some(hello);
}
