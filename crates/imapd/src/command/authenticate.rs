//! AUTHENTICATE (RFC 9051 §6.2.2) with an initial response (RFC 4959).

use crate::connection::{Session, Turn};
use crate::state::{Finish, Running};
use crate::tagged::Tagged;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use imap_proto::command::Authenticate;
use imap_proto::{AuthLine, Code, Event, Secret, Tag};
use sasl::{Credentials, Exchange, Failure, Mechanism, Progress};

/// A SASL exchange that waits for the client's line.
pub(crate) struct Authenticating {
    tag: Tag,
    exchange: Exchange,
}

impl Session {
    pub(super) fn authenticate(&mut self, tag: Tag, command: &Authenticate, output: &mut Vec<u8>) -> Turn {
        if let Some(refusal) = self.refuse_login() {
            return self.end(Finish::new(tag, refusal));
        }
        let Some(mechanism) = Mechanism::from_name(&command.mechanism) else {
            return self.end(Finish::new(tag, Tagged::refused(Code::Cannot, "Unknown mechanism")));
        };
        let initial = command.initial.as_ref().map(initial_response);
        let progress = Exchange::start(mechanism, initial.as_deref().map(str::as_bytes));
        self.progress(tag, progress, output)
    }

    pub(crate) fn authenticate_turn(&mut self, authenticating: Authenticating, output: &mut Vec<u8>) -> Turn {
        let Authenticating { tag, exchange } = authenticating;
        match self.poll() {
            Event::NeedMore => {
                self.running = Some(Running::Authenticate(Authenticating { tag, exchange }));
                Turn::Wait
            }
            Event::Auth(AuthLine::Response(response)) => {
                let progress = exchange.respond(STANDARD.encode(response.as_bytes()).as_bytes());
                self.progress(tag, progress, output)
            }
            Event::Auth(AuthLine::Cancelled) => self.failed(tag, Failure::Cancelled),
            Event::Malformed(_) | Event::Command(_) | Event::Done | Event::Literal(_) | Event::Octets(_) => {
                self.failed(tag, Failure::NotBase64)
            }
        }
    }

    fn progress(&mut self, tag: Tag, progress: Progress, output: &mut Vec<u8>) -> Turn {
        match progress {
            Progress::Challenge(challenge, exchange) => {
                // Our own words, so they are base64.
                self.encoder(output).challenge(&STANDARD.decode(challenge).unwrap_or_default());
                self.receiver.expect_auth_line();
                self.run(Running::Authenticate(Authenticating { tag, exchange }))
            }
            Progress::Done(credentials) => self.check_credentials(tag, &credentials),
            Progress::Failed(failure) => self.failed(tag, failure),
        }
    }

    fn check_credentials(&mut self, tag: Tag, credentials: &Credentials) -> Turn {
        let Credentials { authorization_id, authentication_id, password } = credentials;
        // Nobody acts for somebody else here (RFC 4616 §2).
        if authorization_id.as_ref().is_some_and(|id| !id.is_empty() && id != authentication_id) {
            let refusal = Tagged::refused(Code::AuthorizationFailed, "You cannot act as another user");
            return self.end(Finish::new(tag, refusal));
        }
        self.check_password(tag, authentication_id, password.as_str())
    }

    fn failed(&mut self, tag: Tag, failure: Failure) -> Turn {
        let answer = match failure {
            // RFC 9051 §6.2.2: BAD for a cancelled exchange and for what is not base64.
            Failure::Cancelled => Tagged::bad("Cancelled"),
            Failure::NotBase64 => Tagged::bad("Not base64"),
            Failure::TooLong => Tagged::refused(Code::AuthenticationFailed, "The response is too long"),
            Failure::Malformed => Tagged::refused(Code::AuthenticationFailed, "The response has a part missing"),
        };
        self.end(Finish::new(tag, answer))
    }
}

/// As `sasl` takes it: base64, `=` for an empty response (RFC 4959 §3).
fn initial_response(response: &Secret) -> String {
    match response.as_bytes() {
        [] => "=".to_owned(),
        bytes => STANDARD.encode(bytes),
    }
}
