//! AUTH (RFC 4954): how `login`'s conversation sounds in SMTP.

use crate::replies;
use crate::service::Role;
use crate::session::{Phase, SmtpSession};
use login::{Answer, Progress, Refusal, Said};
use sasl::Failure;
use session::Step;
use smtp_proto::{Auth, Enhanced, Reply, Secret, SyntaxError};

/// Begins an exchange; `None` if the answer comes later.
pub(super) fn handle(session: &mut SmtpSession, auth: Auth) -> Option<Reply> {
    if let Err(reply) = may_begin(session) {
        return Some(reply);
    }
    let Role::Submission { auth: keeper } = &session.service.role else { return Some(not_here()) };
    let initial = auth.initial_response.as_ref().map(Secret::as_bytes);
    let said = session.desk.begin(keeper, &session.peer, &auth.mechanism, initial);
    go_on(session, said)
}

/// Takes a line of the exchange; `None` if the answer comes later.
pub(crate) fn line(session: &mut SmtpSession, line: Result<Secret, SyntaxError>) -> Option<Reply> {
    session.phase = Phase::Command;
    let line = match &line {
        Ok(line) => Ok(line.as_bytes()),
        Err(SyntaxError::LineTooLong) => Err(Failure::TooLong),
        Err(_) => Err(Failure::NotBase64),
    };
    let Role::Submission { auth } = &session.service.role else { return Some(not_here()) };
    let said = session.desk.line(auth, &session.peer, line);
    go_on(session, said)
}

fn may_begin(session: &SmtpSession) -> Result<(), Reply> {
    if !matches!(session.service.role, Role::Submission { .. }) {
        return Err(not_here());
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

fn go_on(session: &mut SmtpSession, said: Said) -> Option<Reply> {
    match said {
        Said::Challenge(challenge) => Some(ask(session, challenge)),
        Said::Check => {
            session.phase = Phase::LogIn;
            None
        }
        Said::Refused(answer) => Some(refuse(session, answer)),
    }
}

fn ask(session: &mut SmtpSession, challenge: String) -> Reply {
    session.receiver.begin_auth();
    session.phase = Phase::AuthLine;
    Reply::plain(334, challenge)
}

fn not_here() -> Reply {
    replies::not_here("Nobody logs in here")
}

/// A login is looked into, or the answer to it waits: what to do now, or what to say.
pub(crate) fn look(session: &mut SmtpSession) -> Result<Reply, Step> {
    let Role::Submission { auth } = &session.service.role else {
        session.phase = Phase::Command;
        return Ok(not_here());
    };
    match session.desk.go_on(auth, &session.peer, None, session.now) {
        Progress::Wait => Err(Step::Wait),
        Progress::Challenge(challenge) => Ok(ask(session, challenge)),
        Progress::Refused(answer) => Ok(refuse(session, answer)),
        Progress::Admitted(presence) => {
            session.phase = Phase::Command;
            session.login = Some(presence);
            Ok(Reply::new(235, Enhanced(2, 7, 0), "You are logged in"))
        }
    }
}

fn refuse(session: &mut SmtpSession, answer: Answer) -> Reply {
    session.phase = if answer.is_last { Phase::TooManyLogins } else { Phase::Command };
    refusal(answer.refusal)
}

/// RFC 4954 §4, §6.
fn refusal(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::NoSuchMechanism => {
            Reply::new(504, Enhanced(5, 5, 4), "This mechanism is not known here; EHLO tells which are")
        }
        Refusal::Cancelled => Reply::new(501, Enhanced(5, 0, 0), "Cancelled"),
        Refusal::NotBase64 => Reply::new(501, Enhanced(5, 5, 2), "This is not base64"),
        Refusal::TooLong => Reply::new(500, Enhanced(5, 5, 6), "The line is too long"),
        Refusal::Malformed => Reply::new(501, Enhanced(5, 5, 2), "This is not what the mechanism asks for"),
        Refusal::OtherIdentity => Reply::new(535, Enhanced(5, 7, 8), "Log in as yourself"),
        Refusal::Wrong => Reply::new(535, Enhanced(5, 7, 8), "Wrong user name or password"),
        Refusal::WrongToken => Reply::new(535, Enhanced(5, 7, 8), "The token is wrong or has expired"),
        Refusal::TooManyFailures => Reply::new(454, Enhanced(4, 7, 0), "Too many failed logins; try again later"),
        Refusal::Busy => Reply::new(454, Enhanced(4, 7, 0), "Too many people log in at this moment; try again"),
        Refusal::Fault => Reply::new(454, Enhanced(4, 7, 0), "Logins are not possible at the moment; try again later"),
    }
}
