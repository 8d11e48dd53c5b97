//! The AUTHORIZATION state (RFC 1939 §4): USER and PASS, AUTH (RFC 5034), STLS (RFC 2595 §4).

use crate::transaction::Transaction;
use crate::{Outcome, Session, State};
use auth::{Attempt, LoginError};
use pop3_proto::{Command, Reply, ResponseCode, Secret, SyntaxError};
use sasl::{Exchange, Failure, Mechanism, Progress};
use session::Moment;
use store::{Error, Protocol, Timestamp};

/// What the client has said so far.
#[derive(Default)]
pub(crate) struct Authorization {
    user: Option<String>,
    exchange: Option<Exchange>,
}

impl Session {
    pub(crate) fn authorize(&mut self, command: Command, now: Moment, output: &mut Vec<u8>) -> Outcome {
        match command {
            Command::User(name) => self.user(name),
            Command::Pass(password) => self.pass(&password, now, output),
            Command::AuthList => self.mechanisms(output),
            Command::Auth(auth) => {
                if !self.may_log_in() {
                    return Outcome::Reply(needs_tls());
                }
                let initial = auth.initial_response.as_ref().map(|initial| initial.as_str().as_bytes());
                match Mechanism::from_name(&auth.mechanism) {
                    Some(mechanism) => self.progress(Exchange::start(mechanism, initial), now, output),
                    None => Outcome::Reply(Reply::err("No such mechanism; AUTH alone lists them")),
                }
            }
            Command::Stls if self.peer.tls.is_some() => Outcome::Reply(Reply::err("TLS is on already")),
            Command::Stls if !self.service.tls_available => Outcome::Reply(Reply::err("TLS is not available")),
            Command::Stls => {
                Reply::ok("Begin TLS").encode(output);
                Outcome::StartTls
            }
            Command::Quit => Outcome::Close(Reply::ok("Goodbye")),
            Command::Capa
            | Command::Stat
            | Command::List(_)
            | Command::Uidl(_)
            | Command::Retr(_)
            | Command::Top(..)
            | Command::Dele(_)
            | Command::Noop
            | Command::Rset => Outcome::Reply(Reply::err("Log in first")),
        }
    }

    fn user(&mut self, name: String) -> Outcome {
        if !self.may_log_in() {
            return Outcome::Reply(needs_tls());
        }
        if let State::Authorization(authorization) = &mut self.state {
            authorization.user = Some(name);
        }
        // The same for every name: nobody learns here which exist.
        Outcome::Reply(Reply::ok("Send the password"))
    }

    fn pass(&mut self, password: &Secret, now: Moment, output: &mut Vec<u8>) -> Outcome {
        let user = match &mut self.state {
            State::Authorization(authorization) => authorization.user.take(),
            State::New | State::Rejected { .. } | State::Transaction(_) | State::Over => None,
        };
        match user {
            Some(user) => self.log_in(&user, password.as_str(), now, output),
            None => Outcome::Reply(Reply::err("USER first")),
        }
    }

    /// `AUTH` alone, for clients from before CAPA.
    fn mechanisms(&self, output: &mut Vec<u8>) -> Outcome {
        Reply::ok("Mechanisms").encode(output);
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
            (Ok(line), Some(exchange)) => self.progress(exchange.respond(line.as_str().as_bytes()), now, output),
            (Err(error), _) => Outcome::Reply(error.reply()),
            (Ok(_), None) => Outcome::Reply(SyntaxError::UnknownCommand.reply()),
        }
    }

    fn progress(&mut self, progress: Progress, now: Moment, output: &mut Vec<u8>) -> Outcome {
        match progress {
            Progress::Challenge(challenge, exchange) => {
                Reply::encode_challenge(&challenge, output);
                self.receiver.begin_auth();
                if let State::Authorization(authorization) = &mut self.state {
                    authorization.exchange = Some(exchange);
                }
                Outcome::Done
            }
            Progress::Done(credentials) => {
                // RFC 4616 §2: acting for somebody else is not for sale here.
                let user = credentials.authentication_id;
                if credentials.authorization_id.is_some_and(|other| !other.is_empty() && other != user) {
                    return Outcome::Reply(Reply::err_with(ResponseCode::Auth, "Log in as yourself"));
                }
                self.log_in(&user, credentials.password.as_str(), now, output)
            }
            Progress::Failed(failure) => Outcome::Reply(Reply::err(why(failure))),
        }
    }

    fn log_in(&mut self, user: &str, password: &str, now: Moment, output: &mut Vec<u8>) -> Outcome {
        if !self.may_log_in() {
            return Outcome::Reply(needs_tls());
        }
        let attempt = Attempt {
            user,
            password,
            protocol: Protocol::Pop3,
            address: self.peer.address,
            fingerprint: None,
            now: Timestamp(now.unix_millis),
        };
        let login = match self.service.auth.log_in(&attempt) {
            Ok(login) => login,
            Err(LoginError::Rejected { delay_millis }) => {
                return self.reject(now, delay_millis, "The user name or the password is wrong");
            }
            Err(LoginError::Throttled { delay_millis }) => {
                return self.reject(now, delay_millis, "Too many failed logins; wait some minutes");
            }
            Err(LoginError::Fault(_)) => return Outcome::Reply(temporary("Logging in does not work at the moment")),
        };
        let account = self.service.auth.store().account(login.account);
        match Transaction::open(account, login.device, &login.maildrop, Timestamp(now.unix_millis)) {
            Ok(transaction) => {
                transaction.greeting().encode(output);
                self.state = State::Transaction(Box::new(transaction));
                self.errors = 0;
                self.touch(now);
                Outcome::Done
            }
            Err(Error::NoSuchMailbox) => {
                let name = login.maildrop.mailbox.unwrap_or_default();
                Outcome::Reply(Reply::err(format!("There is no mailbox \"{name}\"; leave out +{name} for INBOX")))
            }
            Err(Error::MaildropInUse) => {
                let text = "This device has another POP session; end it or wait until it ends";
                Outcome::Reply(Reply::err_with(ResponseCode::InUse, text))
            }
            Err(_) => Outcome::Reply(temporary("The maildrop cannot be opened at the moment")),
        }
    }

    fn reject(&mut self, now: Moment, delay_millis: u64, text: &'static str) -> Outcome {
        let until_millis = now.monotonic_millis.saturating_add(delay_millis);
        self.state = State::Rejected { until_millis, reply: Reply::err_with(ResponseCode::Auth, text) };
        Outcome::Done
    }
}

fn why(failure: Failure) -> &'static str {
    match failure {
        Failure::Cancelled => "Cancelled",
        Failure::NotBase64 => "That is not base64",
        Failure::TooLong => "That is too long",
        Failure::Malformed => "That is not what the mechanism sends",
    }
}

fn needs_tls() -> Reply {
    Reply::err("A password may not be sent without TLS: use STLS, or the TLS port")
}

pub(crate) fn temporary(text: &'static str) -> Reply {
    Reply::err_with(ResponseCode::SysTemp, text)
}
