//! The AUTHORIZATION state (RFC 1939 §4): USER and PASS, AUTH (RFC 5034), STLS (RFC 2595 §4).

use crate::habit::Method;
use crate::transaction::Transaction;
use crate::{Outcome, Session, State};
use auth::{Attempt, LoginError, Presence};
use pop3_proto::{Command, Reply, ResponseCode, Secret, SyntaxError};
use sasl::{Exchange, Mechanism, Progress};
use session::Moment;
use store::{Error, Protocol, Timestamp};

/// What the client has said so far.
#[derive(Default)]
pub(crate) struct Authorization {
    user: Option<String>,
    exchange: Option<(Exchange, Method)>,
}

impl Session {
    pub(crate) fn authorize(&mut self, command: Command, now: Moment, output: &mut Vec<u8>) -> Outcome {
        match command {
            Command::User(name) => self.user(name),
            Command::Pass(password) => self.pass(&password, now, output),
            Command::AuthList => self.mechanisms(output),
            Command::Auth(auth) => {
                if !self.may_log_in() {
                    return self.needs_tls();
                }
                let initial = auth.initial_response.as_ref().map(|initial| initial.as_str().as_bytes());
                match Mechanism::from_name(&auth.mechanism) {
                    Some(mechanism) => {
                        let method = Method::Auth { mechanism: mechanism.name(), at_once: initial.is_some() };
                        self.progress(Exchange::start(mechanism, initial), method, now, output)
                    }
                    None => Outcome::Reply(Reply::err(self.words.no_such_mechanism)),
                }
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

    fn pass(&mut self, password: &Secret, now: Moment, output: &mut Vec<u8>) -> Outcome {
        let user = match &mut self.state {
            State::Authorization(authorization) => authorization.user.take(),
            State::New | State::Rejected { .. } | State::Transaction(_) | State::Over => None,
        };
        match user {
            Some(user) => self.log_in((&user, password.as_str()), Method::Pass, now, output),
            None => Outcome::Reply(Reply::err(self.words.user_first)),
        }
    }

    /// `AUTH` alone, for clients from before CAPA.
    fn mechanisms(&self, output: &mut Vec<u8>) -> Outcome {
        Reply::ok(self.words.mechanisms).encode(output);
        if self.may_log_in() {
            Mechanism::ALL.iter().for_each(|mechanism| pop3_proto::encode_line(mechanism.name(), output));
        }
        pop3_proto::encode_end(output);
        Outcome::Done
    }

    pub(crate) fn auth_line(
        &mut self,
        line: Result<Secret, SyntaxError>,
        now: Moment,
        output: &mut Vec<u8>,
    ) -> Outcome {
        let exchange = match &mut self.state {
            State::Authorization(authorization) => authorization.exchange.take(),
            State::New | State::Rejected { .. } | State::Transaction(_) | State::Over => None,
        };
        match (line, exchange) {
            (Ok(line), Some((exchange, method))) => {
                self.progress(exchange.respond(line.as_str().as_bytes()), method, now, output)
            }
            (Err(error), _) => Outcome::Reply(Reply::err((self.words.syntax)(error))),
            (Ok(_), None) => Outcome::Reply(Reply::err((self.words.syntax)(SyntaxError::UnknownCommand))),
        }
    }

    fn progress(&mut self, progress: Progress, method: Method, now: Moment, output: &mut Vec<u8>) -> Outcome {
        match progress {
            Progress::Challenge(challenge, exchange) => {
                Reply::encode_challenge(&challenge, output);
                self.receiver.begin_auth();
                if let State::Authorization(authorization) = &mut self.state {
                    authorization.exchange = Some((exchange, method));
                }
                Outcome::Done
            }
            Progress::Done(credentials) => {
                // RFC 4616 §2: acting for somebody else is not for sale here.
                let user = credentials.authentication_id;
                if credentials.authorization_id.is_some_and(|other| !other.is_empty() && other != user) {
                    return Outcome::Reply(Reply::err_with(ResponseCode::Auth, self.words.log_in_as_yourself));
                }
                self.log_in((&user, credentials.password.as_str()), method, now, output)
            }
            Progress::Failed(failure) => Outcome::Reply(Reply::err((self.words.exchange)(failure))),
        }
    }

    fn log_in(&mut self, (user, password): (&str, &str), method: Method, now: Moment, output: &mut Vec<u8>) -> Outcome {
        if !self.may_log_in() {
            return self.needs_tls();
        }
        let words = self.words;
        let tls = self.peer.tls.as_ref();
        let fingerprint = self.habit.fingerprint(method, tls, user);
        let attempt = Attempt {
            user,
            password,
            protocol: Protocol::Pop3,
            address: self.peer.address,
            fingerprint: Some(&fingerprint),
            tls: tls.map(|tls| tls.version.as_str()),
            now: Timestamp(now.unix_millis),
        };
        let login = match self.service.auth.log_in(&attempt) {
            Ok(login) => self.service.auth.enter(login, self.peer.waker.clone()),
            Err(LoginError::Rejected { delay_millis }) => {
                return self.reject(now, delay_millis, words.wrong_credentials);
            }
            Err(LoginError::Throttled { delay_millis }) => {
                return self.reject(now, delay_millis, words.too_many_failures);
            }
            Err(LoginError::Fault(_)) => return Outcome::Reply(temporary(words.login_is_broken)),
        };
        self.open(login, now, output)
    }

    fn open(&mut self, presence: Presence, now: Moment, output: &mut Vec<u8>) -> Outcome {
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

    fn reject(&mut self, now: Moment, delay_millis: u64, text: &'static str) -> Outcome {
        let until_millis = now.monotonic_millis.saturating_add(delay_millis);
        self.state = State::Rejected { until_millis, reply: Reply::err_with(ResponseCode::Auth, text) };
        Outcome::Done
    }

    fn needs_tls(&self) -> Outcome {
        Outcome::Reply(Reply::err(self.words.needs_tls))
    }
}

pub(crate) fn temporary(text: &'static str) -> Reply {
    Reply::err_with(ResponseCode::SysTemp, text)
}
