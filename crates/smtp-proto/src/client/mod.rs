//! The client's side: delivers messages to one server, one after another, over SMTP or LMTP.
//!
//! Driven like a session: octets in, octets out, the time passed in, a deadline handed back.
//! Greeting → EHLO (HELO) → STARTTLS, EHLO → AUTH → MAIL, RCPT… → DATA, or BDAT → the message → QUIT, or the next MAIL.
//! A message with more recipients than the server takes at once is several transactions (`limits`).
//! MAIL, RCPT and DATA go together where the server takes commands in a row; a server that has taken no recipient and wants
//! the message all the same gets one without an octet (RFC 2920 §3.1). BDAT is sent when the recipients are known: its chunk
//! would go with it, for nobody where none is taken.
//!
//! Invariant: every recipient has exactly one [`Outcome`] in the end, and `Accepted` only after the server's own 2xx
//! to the message.
//! Invariant: nothing received before a TLS handshake is obeyed after it.

mod auth;
mod config;
mod envelope;
mod extensions;
mod limits;
mod outcome;
mod sending;
mod transaction;

pub use config::{ClientConfig, Credentials, Message, Protocol, TlsPolicy};
pub use outcome::{Author, Failure, Outcome, Stage};

use crate::{Enhanced, Reply, ReplyError, ReplyReader};
use auth::Exchange;
use envelope::{Envelope, Part};
use extensions::Extensions;
use line_proto::Input;
use sending::Sending;
use std::collections::VecDeque;

/// A reply line of the server may have so many octets, line end included. RFC 5321 §4.5.3.1.5 says 512; not all obey.
const REPLY_LINE_READ_OCTETS_MAX: usize = 4096;
/// So much of the server's talk is held unread while the client is busy sending.
const INPUT_BYTES_MAX: usize = 256 * 1024;

const SECOND_MILLIS: u64 = 1000;
const MINUTE_MILLIS: u64 = 60 * SECOND_MILLIS;

/// What a client wants after a step. In every case the driver first sends what was written to `output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientStep {
    /// Nothing to do until octets arrive or the deadline passes.
    Wait,
    /// The message is read on: send, hand over its next octets from this place on with [`Client::content`] (or call
    /// [`Client::connection_lost`]), and step again. A message that goes to many recipients may be read more than once.
    Content(u64),
    /// Send, throw away all input that was received and not handed over, do the TLS handshake as client,
    /// then call [`Client::tls_started`] (or [`Client::connection_lost`]) and step again.
    StartTls,
    /// Only after [`Client::kept_open`]: every recipient has an outcome ([`Client::take_outcomes`]), and the server takes another
    /// message: [`Client::next_message`], or [`Client::quit`].
    Settled,
    /// Send, close the connection, take [`Client::into_outcomes`].
    Close,
}

enum State {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Handshake,
    Auth(Exchange),
    Reset,
    Envelope(Envelope),
    Data,
    /// An empty message went to nobody; the recipients are settled, or wait for another transaction. `goes_on`: over this connection.
    Nobody {
        goes_on: bool,
    },
    Sending(Sending),
    /// So many chunks are to be answered before it.
    Message {
        chunks: usize,
    },
    Idle,
    Quit,
    Closed,
}

/// Delivers messages over one connection.
pub struct Client {
    config: ClientConfig,
    message: Message,
    input: Input,
    reader: ReplyReader,
    output: Vec<u8>,
    state: State,
    is_tls: bool,
    extensions: Extensions,
    keep_open: bool,
    /// So many began over this connection.
    transactions: usize,
    /// The last one was not ended by its message.
    is_reset_due: bool,
    /// Recipients that wait for a transaction.
    waiting: VecDeque<usize>,
    /// Recipients that RCPT accepted and the message's reply did not settle yet.
    accepted: VecDeque<usize>,
    outcomes: Vec<Option<Outcome>>,
    deadline_millis: u64,
}

impl Client {
    /// At the beginning of a connection that is just established (and under TLS with [`TlsPolicy::Implicit`]).
    /// `now_millis` here and below: any clock that never goes back.
    #[must_use]
    pub fn new(config: ClientConfig, message: Message, now_millis: u64) -> Self {
        let mut client = Self {
            is_tls: config.tls == TlsPolicy::Implicit,
            outcomes: message.recipients.iter().map(|_| None).collect(),
            config,
            keep_open: false,
            transactions: 0,
            is_reset_due: false,
            waiting: (0..message.recipients.len()).collect(),
            message,
            input: Input::default(),
            reader: ReplyReader::default(),
            output: Vec::new(),
            state: State::Greeting,
            extensions: Extensions::default(),
            accepted: VecDeque::new(),
            deadline_millis: 0,
        };
        client.extend_deadline(now_millis);
        client
    }

    /// Does not end the connection after a message, but waits in [`ClientStep::Settled`] where the server takes another one.
    #[must_use]
    pub fn kept_open(mut self) -> Self {
        self.keep_open = true;
        self
    }

    /// In [`ClientStep::Settled`]: what became of each recipient, in the order of [`Message::recipients`].
    pub fn take_outcomes(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes).into_iter().flatten().collect()
    }

    /// In [`ClientStep::Settled`]: delivers another message.
    pub fn next_message(&mut self, message: Message, now_millis: u64) {
        self.outcomes = message.recipients.iter().map(|_| None).collect();
        self.waiting = (0..message.recipients.len()).collect();
        self.message = message;
        if matches!(self.state, State::Idle) {
            self.begin_envelope();
            self.extend_deadline(now_millis);
        }
    }

    /// In [`ClientStep::Settled`]: ends the connection in good order.
    pub fn quit(&mut self, now_millis: u64) {
        if matches!(self.state, State::Idle) {
            self.send_quit();
            self.extend_deadline(now_millis);
        }
    }

    /// Hands over octets that the server sent.
    pub fn receive(&mut self, octets: &[u8]) {
        if matches!(self.state, State::Handshake | State::Closed) {
            return;
        }
        if self.input.pending().len() + octets.len() > INPUT_BYTES_MAX {
            self.break_off(Reply::new(451, Enhanced(4, 5, 0), "the server sends without being asked"));
        } else {
            self.input.push(octets);
        }
    }

    /// In [`ClientStep::Content`]: the octets of the message from there on, as many as there are at hand, one at least. Bare line ends are
    /// repaired.
    pub fn content(&mut self, octets: &[u8], now_millis: u64) {
        match self.state {
            State::Sending(_) if octets.is_empty() => {
                self.break_off(Reply::new(451, Enhanced(4, 3, 0), "the message ended too early"));
            }
            _ => self.send_piece(octets),
        }
        self.extend_deadline(now_millis);
    }

    /// Makes progress on what was received or on a passed deadline, and appends to `output`.
    pub fn step(&mut self, now_millis: u64, output: &mut Vec<u8>) -> ClientStep {
        let step = self.advance(now_millis);
        output.append(&mut self.output);
        step
    }

    /// When the client wants to be stepped even if nothing happens (RFC 5321 §4.5.3.2).
    #[must_use]
    pub fn deadline_millis(&self) -> u64 {
        self.deadline_millis
    }

    /// The handshake asked for by [`ClientStep::StartTls`] is done.
    pub fn tls_started(&mut self, now_millis: u64) {
        if matches!(self.state, State::Handshake) {
            self.is_tls = true;
            // RFC 3207 §4.2: what was learned before TLS is forgotten.
            self.extensions = Extensions::default();
            self.greet();
            self.extend_deadline(now_millis);
        }
    }

    /// The connection is gone, or TLS failed: whatever is not settled is to be tried again. `why` is for people.
    pub fn connection_lost(&mut self, why: &str) {
        let text = format!("connection lost at {}: {why}", self.stage());
        self.break_off(Reply::new(421, Enhanced(4, 4, 2), text));
    }

    /// What became of each recipient, in the order of [`Message::recipients`].
    #[must_use]
    pub fn into_outcomes(mut self) -> Vec<Outcome> {
        self.break_off(Reply::new(421, Enhanced(4, 4, 2), "the delivery was not finished"));
        self.take_outcomes()
    }

    fn advance(&mut self, now_millis: u64) -> ClientStep {
        loop {
            if let State::Sending(sending) = &self.state
                && let Some(position) = sending.wanted()
            {
                return ClientStep::Content(position);
            }
            match self.state {
                State::Closed => return ClientStep::Close,
                State::Idle => return ClientStep::Settled,
                _ => {}
            }
            match self.next_reply() {
                Ok(Some(reply)) => {
                    self.handle(reply);
                    self.extend_deadline(now_millis);
                }
                Ok(None) => break,
                Err(error) => self.break_off(Reply::new(451, Enhanced(4, 5, 0), reply_error_text(error))),
            }
            if matches!(self.state, State::Handshake) {
                return ClientStep::StartTls;
            }
        }
        if now_millis >= self.deadline_millis {
            let text = format!("no answer in time at {}", self.stage());
            self.break_off(Reply::new(421, Enhanced(4, 4, 2), text));
            return ClientStep::Close;
        }
        ClientStep::Wait
    }

    fn next_reply(&mut self) -> Result<Option<Reply>, ReplyError> {
        while let Some(line) = self.input.take_line(REPLY_LINE_READ_OCTETS_MAX) {
            let line = line.map_err(|_| ReplyError::LineTooLong)?;
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            if let Some(reply) = self.reader.push_line(line.strip_suffix(b"\r").unwrap_or(line))? {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    fn handle(&mut self, reply: Reply) {
        let stage = self.stage();
        match std::mem::replace(&mut self.state, State::Closed) {
            // Nobody asked, or nothing depends on it.
            State::Idle | State::Quit | State::Closed => {}
            // RFC 5321 §3.8: 421 is the last word of a server, whatever it was asked.
            _ if reply.code == 421 => self.settle(&Outcome::of(stage, reply)),
            State::Greeting if reply.is_positive() => self.greet(),
            State::Ehlo if reply.is_positive() => {
                self.extensions = Extensions::of(&reply);
                // RFC 8689 §2: without TLS nobody can promise it.
                self.extensions.requires_tls &= self.is_tls;
                self.secure();
            }
            // RFC 5321 §3.2: a server that does not know EHLO may know HELO.
            State::Ehlo if reply.is_permanent() && self.config.protocol == Protocol::Smtp => {
                self.send(&format!("HELO {}", self.config.name), State::Helo);
            }
            State::Helo if reply.is_positive() => self.secure(),
            State::StartTls if reply.code == 220 => {
                self.input.clear();
                self.state = State::Handshake;
            }
            State::StartTls if self.config.tls != TlsPolicy::Required => self.authenticate(),
            State::Auth(exchange) => self.handle_auth(exchange, reply),
            State::Reset if reply.is_positive() => self.begin_transaction(),
            State::Envelope(envelope) => self.handle_envelope(envelope, reply),
            State::Data => self.handle_data(reply),
            // Whatever is said of it.
            State::Nobody { goes_on: true } => self.end_transaction(),
            State::Nobody { goes_on: false } => self.send_quit(),
            State::Sending(sending) if reply.is_positive() && sending.awaits_answer() => {
                self.state = State::Sending(sending.answered());
            }
            State::Message { chunks: 0 } => self.handle_message(reply),
            State::Message { chunks } if reply.is_positive() => self.state = State::Message { chunks: chunks - 1 },
            State::Greeting | State::Ehlo | State::Helo | State::StartTls | State::Handshake => {
                self.refuse(stage, reply)
            }
            // RFC 3030 §2: what follows a chunk that was refused is refused too.
            State::Reset | State::Sending(_) | State::Message { .. } => self.refuse(stage, reply),
        }
    }

    fn greet(&mut self) {
        self.send(&format!("{} {}", envelope::hello(self.config.protocol), self.config.name), State::Ehlo);
    }

    /// After EHLO: TLS, if it shall be and is not.
    fn secure(&mut self) {
        match self.config.tls {
            TlsPolicy::Opportunistic | TlsPolicy::Required if !self.is_tls && self.extensions.starttls => {
                self.send("STARTTLS", State::StartTls);
            }
            TlsPolicy::Required if !self.is_tls => {
                self.give_up(Stage::StartTls, Reply::new(454, Enhanced(4, 7, 10), "the server offers no STARTTLS"));
            }
            TlsPolicy::Never | TlsPolicy::Opportunistic | TlsPolicy::Required | TlsPolicy::Implicit => {
                self.authenticate()
            }
        }
    }

    fn authenticate(&mut self) {
        let Some(credentials) = &self.config.credentials else {
            return self.begin_envelope();
        };
        if !self.is_tls && self.config.tls != TlsPolicy::Never {
            let text = "the server offers no TLS, and the password is not sent without";
            return self.give_up(Stage::Auth, Reply::new(454, Enhanced(4, 7, 10), text));
        }
        match Exchange::choose(&self.extensions, credentials) {
            Some(exchange) => {
                self.write_line(exchange.command());
                self.state = State::Auth(exchange);
            }
            None => {
                let text = "the server offers neither AUTH PLAIN nor AUTH LOGIN";
                self.give_up(Stage::Auth, Reply::new(454, Enhanced(4, 7, 0), text));
            }
        }
    }

    fn handle_auth(&mut self, mut exchange: Exchange, reply: Reply) {
        match reply.code {
            235 => self.begin_envelope(),
            334 => match exchange.next_response() {
                Some(response) => self.send(&response, State::Auth(exchange)),
                None => self
                    .give_up(Stage::Auth, Reply::new(454, Enhanced(4, 7, 0), "the server asks for more than AUTH has")),
            },
            _ => self.refuse(Stage::Auth, reply),
        }
    }

    /// The message is settled.
    fn finish(&mut self) {
        if self.keep_open && self.extensions.limits.allow_another(self.transactions) {
            self.state = State::Idle;
        } else {
            self.send_quit();
        }
    }

    fn settle_one(&mut self, index: usize, outcome: Outcome) {
        if let Some(slot) = self.outcomes.get_mut(index) {
            slot.get_or_insert(outcome);
        }
    }

    /// Gives every recipient without an outcome this one.
    fn settle(&mut self, outcome: &Outcome) {
        for slot in &mut self.outcomes {
            slot.get_or_insert_with(|| outcome.clone());
        }
    }

    /// The server refuses what concerns all, and is left.
    fn refuse(&mut self, stage: Stage, reply: Reply) {
        self.refuse_with(stage, reply);
        self.send_quit();
    }

    fn refuse_with(&mut self, stage: Stage, reply: Reply) {
        let outcome = match Outcome::of(stage, reply) {
            // A 2xx where 334 or 354 belongs is no acceptance.
            Outcome::Accepted { reply, .. } => Outcome::Temporary(Failure { stage, author: Author::Server, reply }),
            outcome => outcome,
        };
        self.settle(&outcome);
    }

    /// The client refuses to go on, in good order.
    fn give_up(&mut self, stage: Stage, reply: Reply) {
        self.settle(&Outcome::Temporary(Failure { stage, author: Author::Client, reply }));
        self.send_quit();
    }

    /// The client can't go on.
    fn break_off(&mut self, reply: Reply) {
        let stage = self.stage();
        self.settle(&Outcome::Temporary(Failure { stage, author: Author::Client, reply }));
        self.state = State::Closed;
    }

    fn send_quit(&mut self) {
        self.send("QUIT", State::Quit);
    }

    fn send(&mut self, line: &str, state: State) {
        self.write_line(line);
        self.state = state;
    }

    fn write_line(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    fn stage(&self) -> Stage {
        match &self.state {
            State::Greeting => Stage::Greeting,
            State::Ehlo | State::Helo => Stage::Hello,
            State::StartTls | State::Handshake => Stage::StartTls,
            State::Auth(_) => Stage::Auth,
            State::Reset => Stage::Mail,
            State::Envelope(envelope) => match envelope.awaited() {
                Part::Mail => Stage::Mail,
                Part::Recipient(_) => Stage::Rcpt,
                Part::Data => Stage::Data,
            },
            State::Data => Stage::Data,
            State::Nobody { .. } => Stage::Quit,
            State::Sending(_) | State::Message { .. } => Stage::Message,
            State::Idle | State::Quit | State::Closed => Stage::Quit,
        }
    }

    /// RFC 5321 §4.5.3.2.
    fn extend_deadline(&mut self, now_millis: u64) {
        let timeout_millis = match &self.state {
            State::Greeting | State::Ehlo | State::Helo | State::Auth(_) => 5 * MINUTE_MILLIS,
            State::Reset | State::Envelope(_) => 5 * MINUTE_MILLIS,
            State::StartTls | State::Handshake => 2 * MINUTE_MILLIS,
            State::Data => 2 * MINUTE_MILLIS,
            State::Nobody { .. } => MINUTE_MILLIS,
            State::Sending(_) => 3 * MINUTE_MILLIS,
            State::Message { .. } => 10 * MINUTE_MILLIS,
            // The message is settled; politeness has its limits.
            State::Idle | State::Quit | State::Closed => 10 * SECOND_MILLIS,
        };
        self.deadline_millis = now_millis.saturating_add(timeout_millis);
    }
}

fn reply_error_text(error: ReplyError) -> &'static str {
    match error {
        ReplyError::Malformed => "the server's reply is not SMTP",
        ReplyError::CodeChanged => "the server's reply changes its code from line to line",
        ReplyError::TooManyLines => "the server's reply has too many lines",
        ReplyError::LineTooLong => "the server's reply has a line that is too long",
    }
}
