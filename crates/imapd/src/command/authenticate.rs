//! AUTHENTICATE (RFC 9051 §6.2.2) with an initial response (RFC 4959): how `login`'s conversation sounds in IMAP.

use crate::connection::{ImapSession, Turn};
use crate::state::{Finish, Running, State};
use crate::tagged::Tagged;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use imap_proto::command::Authenticate;
use imap_proto::{AuthLine, Code, Event, Reason, Secret, Tag};
use login::{Refusal, Said};
use sasl::Failure;

impl ImapSession {
    pub(super) fn authenticate(&mut self, tag: Tag, command: &Authenticate, output: &mut Vec<u8>) -> Turn {
        if let Some(refusal) = self.must_begin_tls() {
            return self.end(Finish::new(tag, refusal));
        }
        let initial = command.initial.as_ref().map(initial_response);
        let State::NotAuthenticated(stranger) = &mut self.state else { return Turn::Close };
        let said = stranger.desk.begin(
            &self.service.auth,
            &self.peer,
            &command.mechanism,
            initial.as_deref().map(str::as_bytes),
        );
        self.said(tag, said, output)
    }

    /// A line of an exchange is to come.
    pub(crate) fn auth_line_turn(&mut self, tag: Tag, output: &mut Vec<u8>) -> Turn {
        let line = match self.poll() {
            Event::NeedMore => {
                self.running = Some(Running::AuthLine(tag));
                return Turn::Wait;
            }
            Event::Auth(AuthLine::Response(response)) => Ok(STANDARD.encode(response.as_bytes())),
            Event::Auth(AuthLine::Cancelled) => Err(Failure::Cancelled),
            Event::Malformed(malformed) if malformed.reason == Reason::LineTooLong => Err(Failure::TooLong),
            Event::Malformed(_)
            | Event::Command(_)
            | Event::Done
            | Event::Literal(_)
            | Event::Octets(_)
            | Event::Message(_) => Err(Failure::NotBase64),
        };
        let State::NotAuthenticated(stranger) = &mut self.state else { return Turn::Close };
        let line = line.as_ref().map(String::as_bytes).map_err(|failure| *failure);
        let said = stranger.desk.line(&self.service.auth, &self.peer, line);
        self.said(tag, said, output)
    }

    pub(super) fn said(&mut self, tag: Tag, said: Said, output: &mut Vec<u8>) -> Turn {
        match said {
            Said::Challenge(challenge) => {
                // Our own words, so they are base64.
                self.encoder(output).challenge(&STANDARD.decode(challenge).unwrap_or_default());
                self.receiver.expect_auth_line();
                self.go_on(Running::AuthLine(tag))
            }
            Said::Check => self.go_on(Running::LogIn(tag)),
            Said::Refused(answer) => self.refuse_login(tag, answer, output),
        }
    }
}

/// RFC 9051 §6.2.2, §6.2.3, RFC 5530 §3.
pub(super) fn refusal(refusal: Refusal) -> Tagged {
    match refusal {
        // BAD for a cancelled exchange and for what is not base64.
        Refusal::Cancelled => Tagged::bad("Cancelled"),
        Refusal::NotBase64 => Tagged::bad("Not base64"),
        Refusal::NoSuchMechanism => Tagged::refused(Code::Cannot, "Unknown mechanism"),
        Refusal::TooLong => Tagged::refused(Code::AuthenticationFailed, "The response is too long"),
        Refusal::Malformed => Tagged::refused(Code::AuthenticationFailed, "The response has a part missing"),
        Refusal::OtherIdentity => Tagged::refused(Code::AuthorizationFailed, "You cannot act as another user"),
        Refusal::Wrong => Tagged::refused(Code::AuthenticationFailed, "Wrong user name or password"),
        Refusal::WrongToken => Tagged::refused(Code::AuthenticationFailed, "The token is wrong or has expired"),
        Refusal::TooManyFailures => Tagged::refused(Code::Unavailable, "Too many failed logins, try again later"),
        Refusal::Busy => Tagged::refused(Code::Unavailable, "Too many people log in at this moment, try again"),
        Refusal::Fault => Tagged::refused(Code::Unavailable, "Internal error, try again later"),
    }
}

/// As `sasl` takes it: base64, `=` for an empty response (RFC 4959 §3).
fn initial_response(response: &Secret) -> String {
    match response.as_bytes() {
        [] => "=".to_owned(),
        bytes => STANDARD.encode(bytes),
    }
}
