//! The AUTHORIZATION state (RFC 1939 §4): USER and PASS, AUTH (RFC 5034), STLS (RFC 2595 §4). Who logs in is the business
//! of `login`; this is how it sounds in POP3.

use crate::habit::Method;
use crate::transaction::Transaction;
use crate::{Outcome, Pop3Session, State};
use auth::Presence;
use login::{Answer, Progress, Refusal, Said};
use pop3_proto::{Command, Reply, ResponseCode, Secret, SyntaxError};
use sasl::{Failure, Mechanism};
use session::{Moment, Step};
use store::{Error, Timestamp};

/// A step opens a maildrop of at most so many messages without having announced it.
pub(crate) const UNANNOUNCED_MESSAGES_MAX: u64 = 2_000;

/// What the client has said so far.
#[derive(Default)]
pub(crate) struct Authorization {
    user: Option<String>,
    method: Method,
}

impl Pop3Session {
    pub(crate) fn authorize(&mut self, command: Command, output: &mut Vec<u8>) -> Outcome {
        match command {
            Command::User(name) => self.user(name),
            Command::Pass(password) => self.pass(&password),
            Command::AuthList => self.mechanisms(output),
            Command::Auth(auth) => {
                if !self.may_log_in() {
                    return self.needs_tls();
                }
                let initial = auth.initial_response.as_ref().map(Secret::as_bytes);
                // A name that is known is told as it is announced.
                let known = Mechanism::from_name(&auth.mechanism).map_or("", Mechanism::name);
                self.begin_with(Method::Auth { mechanism: known, at_once: initial.is_some() });
                let said = self.desk.begin(&self.service.auth, &self.peer, &auth.mechanism, initial);
                self.progress(said, output)
            }
            Command::Stls if self.peer.tls.is_some() => Outcome::Reply(Reply::err(self.words.tls_is_on)),
            Command::Stls if !self.service.tls_available => Outcome::Reply(Reply::err(self.words.tls_is_not_available)),
            // RFC 6856 §2.1: it must not be sent after UTF8.
            Command::Stls if self.utf8 => Outcome::Reply(Reply::err(self.words.tls_before_utf8)),
            Command::Stls => {
                Reply::ok(self.words.begin_tls).encode(output);
                Outcome::StartTls
            }
            Command::Utf8 => {
                self.utf8 = true;
                Outcome::Reply(Reply::ok(self.words.utf8_is_on))
            }
            Command::Quit => Outcome::Close(Reply::ok(self.words.goodbye)),
            Command::Capa
            | Command::Lang(_)
            | Command::Stat
            | Command::List(_)
            | Command::Uidl(_)
            | Command::Retr(_)
            | Command::Top(..)
            | Command::Dele(_)
            | Command::Noop
            | Command::Rset => Outcome::Reply(Reply::err(self.words.log_in_first)),
        }
    }

    fn user(&mut self, name: String) -> Outcome {
        if !self.may_log_in() {
            return self.needs_tls();
        }
        if let State::Authorization(authorization) = &mut self.state {
            authorization.user = Some(name);
        }
        // The same for every name: nobody learns here which exist.
        Outcome::Reply(Reply::ok(self.words.send_the_password))
    }

    fn pass(&mut self, password: &Secret) -> Outcome {
        let user = match &mut self.state {
            State::Authorization(authorization) => authorization.user.take(),
            State::New | State::Transaction(_) | State::Over => None,
        };
        match user {
            Some(_) if !self.may_log_in() => self.needs_tls(),
            Some(user) => {
                self.begin_with(Method::Pass);
                self.desk.password(&user, &password.text());
                Outcome::Done
            }
            None => Outcome::Reply(Reply::err(self.words.user_first)),
        }
    }

    /// `AUTH` alone, for clients from before CAPA.
    fn mechanisms(&self, output: &mut Vec<u8>) -> Outcome {
        Reply::ok(self.words.mechanisms).encode(output);
        if self.may_log_in() {
            let mechanisms = login::mechanisms(&self.service.auth, &self.peer);
            mechanisms.iter().for_each(|mechanism| pop3_proto::encode_line(mechanism.name(), output));
        }
        pop3_proto::encode_end(output);
        Outcome::Done
    }

    fn begin_with(&mut self, method: Method) {
        if let State::Authorization(authorization) = &mut self.state {
            authorization.method = method;
        }
    }

    pub(crate) fn auth_line(&mut self, line: Result<Secret, SyntaxError>, output: &mut Vec<u8>) -> Outcome {
        let line = match &line {
            Ok(line) => Ok(line.as_bytes()),
            Err(SyntaxError::LineTooLong) => Err(Failure::TooLong),
            Err(_) => Err(Failure::NotBase64),
        };
        let said = self.desk.line(&self.service.auth, &self.peer, line);
        self.progress(said, output)
    }

    fn progress(&mut self, said: Said, output: &mut Vec<u8>) -> Outcome {
        match said {
            Said::Challenge(challenge) => {
                Reply::encode_challenge(&challenge, output);
                self.receiver.begin_auth();
                Outcome::Done
            }
            Said::Check => Outcome::Done,
            Said::Refused(answer) => self.refuse(answer, output),
        }
    }

    /// A login is looked into, or the answer to it waits: what to do now, or what to say.
    pub(crate) fn look(&mut self, now: Moment, output: &mut Vec<u8>) -> Result<Outcome, Step> {
        if self.desk.is_flooded() {
            return Ok(Outcome::Close(Reply::err(self.words.too_many_errors)));
        }
        let method = match &self.state {
            State::Authorization(authorization) => authorization.method,
            State::New | State::Transaction(_) | State::Over => Method::Pass,
        };
        let user = self.desk.user();
        let fingerprint = user.map(|user| self.habit.fingerprint(method, self.peer.tls.as_ref(), user));
        match self.desk.go_on(&self.service.auth, &self.peer, fingerprint.as_deref(), now) {
            Progress::Wait => Err(Step::Wait),
            Progress::Challenge(challenge) => Ok(self.progress(Said::Challenge(challenge), output)),
            Progress::Refused(answer) => Ok(self.refuse(answer, output)),
            Progress::Admitted(presence) if is_large(&presence) => {
                self.opening = Some(presence);
                Err(Step::Flush)
            }
            Progress::Admitted(presence) => Ok(self.open(*presence, now, output)),
        }
    }

    fn refuse(&mut self, answer: Answer, output: &mut Vec<u8>) -> Outcome {
        let words = self.words;
        let reply = match answer.refusal {
            Refusal::NoSuchMechanism => Reply::err(words.no_such_mechanism),
            Refusal::Cancelled => Reply::err((words.exchange)(Failure::Cancelled)),
            Refusal::NotBase64 => Reply::err((words.exchange)(Failure::NotBase64)),
            Refusal::TooLong => Reply::err((words.exchange)(Failure::TooLong)),
            Refusal::Malformed => Reply::err((words.exchange)(Failure::Malformed)),
            // RFC 3206 §4: the credentials are the problem.
            Refusal::OtherIdentity => Reply::err_with(ResponseCode::Auth, words.log_in_as_yourself),
            Refusal::Wrong => Reply::err_with(ResponseCode::Auth, words.wrong_credentials),
            Refusal::WrongToken => Reply::err_with(ResponseCode::Auth, words.wrong_token),
            // RFC 3206 §3: nobody is to be asked for another password.
            Refusal::TooManyFailures => temporary(words.too_many_failures),
            Refusal::Busy => temporary(words.too_many_logins),
            Refusal::Fault => temporary(words.login_is_broken),
        };
        if !answer.is_last {
            return Outcome::Reply(reply);
        }
        reply.encode(output);
        Outcome::Close(Reply::err(words.too_many_errors))
    }

    pub(crate) fn open(&mut self, presence: Presence, now: Moment, output: &mut Vec<u8>) -> Outcome {
        let words = self.words;
        let login = presence.login().clone();
        let (account, device) = (login.account, login.device);
        // RFC 2449 §8.1.1: only who knows the password learns that somebody was here.
        if let Some(secs) = self.service.login_delay.wait_secs(account, device, now.monotonic_millis) {
            return Outcome::Reply(Reply::err_with(ResponseCode::LoginDelay, (words.too_soon)(secs)));
        }
        match Transaction::open(presence, &login.maildrop, Timestamp(now.unix_millis), self.utf8) {
            Ok(transaction) => {
                self.service.login_delay.let_in(account, device, now.monotonic_millis);
                transaction.greeting(words).encode(output);
                self.state = State::Transaction(Box::new(transaction));
                self.errors = 0;
                self.touch(now);
                Outcome::Done
            }
            Err(Error::NoSuchMailbox) => {
                let name = login.maildrop.mailbox.as_deref().unwrap_or_default();
                Outcome::Reply(Reply::err((words.no_mailbox)(name)))
            }
            Err(Error::LoginEnded | Error::NoSuchAccount) => Outcome::Reply(Reply::err(words.login_ended)),
            Err(Error::MaildropInUse) => Outcome::Reply(Reply::err_with(ResponseCode::InUse, words.in_use)),
            Err(_) => Outcome::Reply(temporary(words.maildrop_is_broken)),
        }
    }

    fn needs_tls(&self) -> Outcome {
        Outcome::Reply(Reply::err(self.words.needs_tls))
    }
}

/// Whether the maildrop takes longer to open than a step may that nobody announced.
fn is_large(presence: &Presence) -> bool {
    let mailboxes = presence.account().mailboxes();
    mailboxes.is_ok_and(|mailboxes| {
        mailboxes.iter().map(|mailbox| u64::from(mailbox.counts.messages)).sum::<u64>() > UNANNOUNCED_MESSAGES_MAX
    })
}

pub(crate) fn temporary(text: &'static str) -> Reply {
    Reply::err_with(ResponseCode::SysTemp, text)
}
