//! POP3 sessions: RFC 1939 on a maildrop that belongs to one device.
//!
//! A session is in one of four states: it is authorizing, it waits to tell a rejected login, it has a maildrop, or it is
//! over. What it deletes lives in its memory until QUIT; a session that ends otherwise changes nothing (RFC 1939 §6).
//! Downloading never marks a message as read, and what a deletion does to the mailbox that other devices share is decided
//! by the device's removal policy, in the store.
//!
//! Invariant: message numbers and their UIDLs stay as they were when the maildrop was opened, whatever other devices do.
//! Invariant: `+OK` to QUIT comes after the commit.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod authorization;
mod capabilities;
mod habit;
mod listing;
mod login_delay;
mod retrieval;
mod transaction;
mod words;

#[cfg(test)]
mod tests;

use auth::{Auth, Presence};
use authorization::Authorization;
use habit::Habit;
use login::Desk;
use metrics::{Commands, Stopwatch};
use pop3_proto::{Command, Event, Receiver, Reply};
use retrieval::Slice;
use session::{Doing, Goodbye, Moment, OUTPUT_HIGH_WATER_BYTES, Peer, Step, Tls};
use std::sync::Arc;
use store::{LanguageTag, Protocol};
use transaction::Transaction;
use words::{ENGLISH, Words};

pub use login_delay::LoginDelay;

/// A client that has not logged in within this time is disconnected.
pub(crate) const AUTHORIZATION_TIMEOUT_MILLIS: u64 = 60 * 1000;
/// RFC 1939 §3: an autologout timer must be at least ten minutes.
pub(crate) const IDLE_TIMEOUT_MILLIS: u64 = 10 * 60 * 1000;
/// So many commands that fail before a login, or lines that are none, end the session. A command that is refused after
/// the login does not: a program that deletes what is gone already must get as far as QUIT.
pub(crate) const ERRORS_MAX: u32 = 20;

/// What all POP3 sessions share.
pub struct Pop3Service {
    /// Who may log in.
    pub auth: Auth,
    /// The name of this host in the greeting.
    pub hostname: String,
    /// Whether STLS is offered to clients that are not under TLS yet.
    pub tls_available: bool,
    /// How long a device waits between two logins.
    pub login_delay: LoginDelay,
    /// How long commands took.
    pub commands: Commands,
}

/// One POP3 connection.
pub struct Pop3Session {
    service: Arc<Pop3Service>,
    peer: Peer,
    receiver: Receiver,
    state: State,
    desk: Desk,
    errors: u32,
    deadline_millis: u64,
    words: &'static Words,
    habit: Habit,
    /// RFC 6856 §2.1: messages are sent as they are.
    utf8: bool,
    /// Who is let in, to a maildrop that takes long to open.
    opening: Option<Box<Presence>>,
    /// The command that is not answered yet.
    timed: Option<(&'static str, Stopwatch)>,
}

enum State {
    /// Connected; the greeting is to be sent.
    New,
    /// RFC 1939 §4.
    Authorization(Authorization),
    /// RFC 1939 §5. Boxed: connections that wait for a login stay small.
    Transaction(Box<Transaction>),
    /// After QUIT, a timeout or too many errors.
    Over,
}

/// What a command gives: a reply and where the session goes from there.
enum Outcome {
    /// A reply; the state stays.
    Reply(Reply),
    /// The state was changed or an answer of many lines begins: nothing more to say here.
    Done,
    /// What was begun goes on when there is a place for it.
    Slice,
    /// A reply, then TLS.
    StartTls,
    /// A reply, and the connection ends.
    Close(Reply),
}

impl Pop3Session {
    /// A session for a client that has just connected.
    #[must_use]
    pub fn new(service: Arc<Pop3Service>, peer: Peer) -> Self {
        Self {
            service,
            peer,
            receiver: Receiver::new(),
            state: State::New,
            desk: Desk::new(Protocol::Pop3),
            errors: 0,
            deadline_millis: 0,
            words: &ENGLISH,
            habit: Habit::default(),
            utf8: false,
            opening: None,
            timed: None,
        }
    }

    /// RFC 2595 §2.1: no passwords in the clear, except on this machine.
    fn may_log_in(&self) -> bool {
        self.peer.tls.is_some() || self.peer.is_loopback()
    }

    fn touch(&mut self, now: Moment) {
        let timeout = match self.state {
            State::Transaction(_) => IDLE_TIMEOUT_MILLIS,
            State::New | State::Over => AUTHORIZATION_TIMEOUT_MILLIS,
            // Commands do not prolong it: a stranger cannot hold a connection by talking.
            State::Authorization(_) => return,
        };
        self.deadline_millis = now.monotonic_millis.saturating_add(timeout);
    }

    fn greet(&mut self, now: Moment, output: &mut Vec<u8>) {
        self.touch(now);
        Reply::ok((self.words.ready)(&self.service.hostname)).encode(output);
        self.state = State::Authorization(Authorization::default());
    }

    /// Counts an error; `true` when it was one too many and the session is over.
    fn error(&mut self) -> bool {
        self.errors += 1;
        if self.errors >= ERRORS_MAX {
            self.state = State::Over;
        }
        matches!(self.state, State::Over)
    }

    fn handle(&mut self, event: Event, now: Moment, output: &mut Vec<u8>) -> Outcome {
        match event {
            Event::AuthLine(line) => self.auth_line(line, output),
            Event::Command(Err(error)) => Outcome::Reply(Reply::err((self.words.syntax)(error))),
            Event::Command(Ok(command)) => self.dispatch(command, now, output),
        }
    }

    fn dispatch(&mut self, command: Command, now: Moment, output: &mut Vec<u8>) -> Outcome {
        match (command, &mut self.state) {
            (Command::Capa, _) => {
                self.habit.capa = true;
                capabilities::capa(self, output)
            }
            (Command::Lang(range), _) => self.language(range.as_deref(), output),
            (command, State::Authorization(_)) => self.authorize(command, output),
            (command, State::Transaction(transaction)) => transaction.handle(command, now, self.words, output),
            (_, State::New | State::Over) => Outcome::Close(Reply::err(self.words.not_now)),
        }
    }

    /// LANG (RFC 6856 §3.2): answers with the language that is on from now, or without an argument with all.
    fn language(&mut self, range: Option<&str>, output: &mut Vec<u8>) -> Outcome {
        let Some(range) = range else {
            Reply::ok(self.words.languages).encode(output);
            words::ALL.iter().for_each(|w| pop3_proto::encode_line(format_args!("{} {}", w.tag, w.name), output));
            pop3_proto::encode_end(output);
            return Outcome::Done;
        };
        let preferred = self.preferred_language();
        match words::matching(range, preferred.as_ref().map(LanguageTag::as_str)) {
            Some(words) => {
                self.words = words;
                Outcome::Reply(Reply::ok(format!("{} {}", words.tag, words.language_is_on)))
            }
            None => Outcome::Reply(Reply::err(self.words.no_such_language)),
        }
    }

    /// What the owner of the account has chosen, once it is known whose it is.
    fn preferred_language(&self) -> Option<LanguageTag> {
        let State::Transaction(transaction) = &self.state else { return None };
        transaction.language()
    }

    /// Goes on with an answer of many lines, if one is being sent. As long as the client takes it, however slowly, it is
    /// not idle.
    fn answer(&mut self, now: Moment, output: &mut Vec<u8>) -> Option<Slice> {
        let State::Transaction(transaction) = &mut self.state else { return None };
        let slice = transaction.answer(self.words, output)?;
        self.touch(now);
        Some(slice)
    }

    /// Ends the session of somebody whose login does not count any more, in words where there is room for some.
    fn shows_out(&mut self, now: Moment, output: &mut Vec<u8>) -> bool {
        let State::Transaction(transaction) = &self.state else { return false };
        if !transaction.is_over(now) {
            return false;
        }
        if !transaction.is_answering() {
            Reply::err(self.words.login_ended).encode(output);
        }
        self.state = State::Over;
        true
    }

    /// Goes on with the UPDATE state, if QUIT has led there.
    fn update(&mut self, now: Moment) -> Option<Outcome> {
        let State::Transaction(transaction) = &mut self.state else { return None };
        let outcome = transaction.update(self.words)?;
        self.touch(now);
        Some(outcome)
    }

    /// Handles what was received, until something has to be waited for.
    fn run(&mut self, now: Moment, output: &mut Vec<u8>) -> Step {
        loop {
            if self.shows_out(now, output) {
                return Step::Close;
            }
            match self.answer(now, output) {
                None => {}
                Some(Slice::Done) => continue,
                Some(Slice::More) => return Step::Flush,
                Some(Slice::Unreadable) => {
                    authorization::temporary(self.words.message_is_broken).encode(output);
                    continue;
                }
                Some(Slice::Broken) => {
                    self.state = State::Over;
                    return Step::Close;
                }
            }
            if output.len() >= OUTPUT_HIGH_WATER_BYTES {
                return Step::Flush;
            }
            let (outcome, counts) = if let Some(presence) = self.opening.take() {
                (self.open(*presence, now, output), false)
            } else if self.desk.is_busy() {
                match self.look(now, output) {
                    Ok(outcome) => (outcome, false),
                    Err(step) => return step,
                }
            } else if let Some(outcome) = self.update(now) {
                (outcome, false)
            } else {
                // All of the one before was said.
                self.note_answered();
                let Some(event) = self.receiver.poll() else { return Step::Wait };
                self.touch(now);
                self.timed = match &event {
                    Event::Command(Ok(command)) => Some((command.name(), Stopwatch::start())),
                    Event::AuthLine(_) => Some(("AUTH", Stopwatch::start())),
                    Event::Command(Err(_)) => None,
                };
                let is_command = !matches!(event, Event::AuthLine(_));
                let is_none = matches!(event, Event::Command(Err(_)));
                let counts = is_none || (is_command && !matches!(self.state, State::Transaction(_)));
                (self.handle(event, now, output), counts)
            };
            if let Some(step) = self.conclude(outcome, counts, output) {
                return step;
            }
        }
    }

    /// Nothing is removed.
    fn say_last(&mut self, text: &'static str, output: &mut Vec<u8>) {
        if !matches!(self.state, State::Over) {
            Reply::err(text).encode(output);
            self.state = State::Over;
        }
    }

    fn note_answered(&mut self) {
        if let Some((command, stopwatch)) = self.timed.take() {
            self.service.commands.answered(Protocol::Pop3.name(), command, stopwatch);
        }
    }

    /// Says what came of it; gives what follows, if the session does not go on. `counts`: a refusal is an error.
    fn conclude(&mut self, outcome: Outcome, counts: bool, output: &mut Vec<u8>) -> Option<Step> {
        match outcome {
            Outcome::Done => None,
            Outcome::Slice => Some(Step::Flush),
            Outcome::StartTls => {
                self.note_answered();
                Some(Step::StartTls)
            }
            Outcome::Reply(reply) => {
                reply.encode(output);
                if counts && !reply.is_ok() && self.error() {
                    Reply::err(self.words.too_many_errors).encode(output);
                    return Some(Step::Close);
                }
                None
            }
            Outcome::Close(reply) => {
                reply.encode(output);
                self.note_answered();
                self.state = State::Over;
                Some(Step::Close)
            }
        }
    }
}

impl session::Session for Pop3Session {
    fn receive(&mut self, input: &[u8]) {
        self.desk.heard(input.len());
        self.receiver.push(input);
    }

    fn step(&mut self, now: Moment, output: &mut Vec<u8>) -> Step {
        if let State::New = self.state {
            self.greet(now, output);
        }
        let step = self.run(now, output);
        let overdue = now.monotonic_millis >= self.deadline_millis && self.desk.until().is_none();
        if step == Step::Wait && overdue {
            // RFC 1939 §3: the session is not in the UPDATE state; nothing is removed.
            self.say_last(self.words.closing, output);
            return Step::Close;
        }
        step
    }

    fn owner(&self) -> Option<u64> {
        match &self.state {
            State::Transaction(transaction) => Some(transaction.presence.login().account.0.into()),
            // Who has just logged in, to a maildrop that takes long to open.
            State::Authorization(_) => self.opening.as_ref().map(|presence| presence.login().account.0.into()),
            State::New | State::Over => None,
        }
    }

    fn doing(&self) -> Doing {
        let device = match &self.state {
            State::Transaction(transaction) => Some(transaction.presence.login().device.0),
            State::Authorization(_) => self.opening.as_ref().map(|presence| presence.login().device.0),
            State::New | State::Over => None,
        };
        let command = self.timed.map(|(command, _)| command);
        Doing { device, command, is_busy: command.is_some() }
    }

    fn deadline_millis(&self) -> Option<u64> {
        self.desk.until().or(Some(self.deadline_millis))
    }

    fn tls_started(&mut self, tls: Tls) {
        // RFC 2595 §4: what the client said before is forgotten; somebody on the way may have said LANG (RFC 6856 §7).
        self.receiver.discard();
        self.words = &ENGLISH;
        self.habit = Habit { capa: false, stls: true };
        self.state = State::Authorization(Authorization::default());
        self.desk.begin_anew();
        self.peer.tls = Some(tls);
    }

    fn shut_down(&mut self, why: Goodbye, output: &mut Vec<u8>) {
        match why {
            Goodbye::ServerStops => self.say_last(self.words.closing, output),
            Goodbye::Ended => self.say_last(self.words.ended, output),
        }
    }
}
