//! AUTH (RFC 4954).

use crate::replies;
use crate::service::{Role, Submission};
use crate::session::{Phase, Session};
use ::auth::{Attempt, LoginError};
use sasl::{Credentials, Exchange, Failure, Mechanism, Progress};
use smtp_proto::{Auth, Enhanced, Reply, Secret, SyntaxError};

/// Begins an exchange; `None` if the answer comes later.
pub(super) fn handle(session: &mut Session, auth: Auth) -> Option<Reply> {
    if let Err(reply) = may_begin(session) {
        return Some(reply);
    }
    let Some(mechanism) = Mechanism::from_name(&auth.mechanism) else {
        return Some(Reply::new(504, Enhanced(5, 5, 4), "PLAIN and LOGIN are known here"));
    };
    let initial = auth.initial_response.as_ref().map(Secret::as_bytes);
    go_on(session, Exchange::start(mechanism, initial))
}

/// Takes a line of the exchange; `None` if the answer comes later.
pub(crate) fn line(session: &mut Session, line: Result<Secret, SyntaxError>) -> Option<Reply> {
    let phase = std::mem::replace(&mut session.phase, Phase::Command);
    match (phase, line) {
        (Phase::Auth(exchange), Ok(line)) => go_on(session, exchange.respond(line.as_bytes())),
        (_, Err(error)) => Some(error.reply()),
        (_, Ok(_)) => Some(replies::out_of_order("No login is under way")),
    }
}

fn may_begin(session: &Session) -> Result<(), Reply> {
    if !matches!(session.service.role, Role::Submission(_)) {
        return Err(replies::not_here("Nobody logs in here"));
    }
    if session.hello.is_none() {
        return Err(replies::out_of_order("Say hello first"));
    }
    // RFC 4954 §4.
    if session.login.is_some() {
        return Err(replies::out_of_order("You are logged in already"));
    }
    if session.transaction.is_some() {
        return Err(replies::out_of_order("A message is under way"));
    }
    if !session.may_log_in() {
        return Err(Reply::new(538, Enhanced(5, 7, 11), "Say STARTTLS first: the password would go in the clear"));
    }
    Ok(())
}

fn go_on(session: &mut Session, progress: Progress) -> Option<Reply> {
    match progress {
        Progress::Challenge(challenge, exchange) => {
            session.receiver.begin_auth();
            session.phase = Phase::Auth(exchange);
            Some(Reply::plain(334, challenge))
        }
        Progress::Done(credentials) => log_in(session, &credentials),
        Progress::Failed(failure) => Some(failed(failure)),
    }
}

/// RFC 4954 §4, §6.
fn failed(failure: Failure) -> Reply {
    match failure {
        Failure::Cancelled => Reply::new(501, Enhanced(5, 0, 0), "Cancelled"),
        Failure::NotBase64 => Reply::new(501, Enhanced(5, 5, 2), "This is not base64"),
        Failure::TooLong => Reply::new(500, Enhanced(5, 5, 6), "The line is too long"),
        Failure::Malformed => Reply::new(501, Enhanced(5, 5, 2), "This is not what the mechanism asks for"),
    }
}

fn log_in(session: &mut Session, credentials: &Credentials) -> Option<Reply> {
    let Role::Submission(Submission { auth, .. }) = &session.service.role else {
        return Some(replies::not_here("Nobody logs in here"));
    };
    let user = credentials.authentication_id.as_str();
    // RFC 4616 §2: nobody acts for somebody else here.
    if credentials.authorization_id.as_ref().is_some_and(|other| !other.eq_ignore_ascii_case(user)) {
        return Some(Reply::new(535, Enhanced(5, 7, 8), "Log in as yourself"));
    }
    let attempt = Attempt {
        user,
        password: credentials.password.as_str(),
        protocol: session.service.protocol(),
        address: session.peer.address,
        fingerprint: None,
        tls: session.peer.tls.as_ref().map(|tls| tls.version.as_str()),
        now: session.timestamp(),
    };
    match auth.log_in(&attempt) {
        Ok(login) => {
            session.login = Some(auth.enter(login, session.peer.waker.clone()));
            Some(Reply::new(235, Enhanced(2, 7, 0), "You are logged in"))
        }
        Err(LoginError::Rejected { delay_millis }) => {
            session.delay(Reply::new(535, Enhanced(5, 7, 8), "Wrong user name or password"), delay_millis)
        }
        Err(LoginError::Throttled { delay_millis }) => {
            session.delay(Reply::new(454, Enhanced(4, 7, 0), "Too many failed logins; try again later"), delay_millis)
        }
        Err(LoginError::Fault(_)) => {
            Some(Reply::new(454, Enhanced(4, 7, 0), "Logins are not possible at the moment; try again later"))
        }
    }
}
