//! The client's side: delivers messages to one server, one after another, over SMTP or LMTP.
//!
//! Driven like a session: octets in, octets out, the time passed in, a deadline handed back.
//! Greeting → EHLO (HELO) → STARTTLS, EHLO → AUTH → MAIL, RCPT… (pipelined) → DATA, or BDAT → the message → QUIT, or the next MAIL.
//! A message with more recipients than the server takes at once is several transactions (`limits`).
//! DATA or BDAT is sent when the recipients are known, never pipelined with them: one round trip is the price for
//! never having to send an empty message to nobody (RFC 2920 §3.1).
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

pub use config::{ClientConfig, Credentials, Message, Protocol, TlsPolicy};
pub use outcome::{Author, Failure, Outcome, Stage};

use crate::{Enhanced, Reply, ReplyError, ReplyReader};
use auth::Exchange;
use envelope::{Answered, Envelope};
use extensions::Extensions;
use line_proto::Input;
use outcome::is_too_many_recipients;
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
            State::Data if reply.code == 354 => self.begin_message(Sending::lines(self.message.size_bytes)),
            State::Sending(sending) if reply.is_positive() && sending.awaits_answer() => {
                self.state = State::Sending(sending.answered());
            }
            State::Message { chunks: 0 } => self.handle_message(reply),
            State::Message { chunks } if reply.is_positive() => self.state = State::Message { chunks: chunks - 1 },
            State::Greeting | State::Ehlo | State::Helo | State::StartTls | State::Handshake => {
                self.refuse(stage, reply)
            }
            // RFC 3030 §2: what follows a chunk that was refused is refused too.
            State::Reset | State::Data | State::Sending(_) | State::Message { .. } => self.refuse(stage, reply),
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

    fn begin_envelope(&mut self) {
        if let Some(reply) = self.obstacle() {
            let failure = Failure { stage: Stage::Mail, author: Author::Client, reply };
            self.settle(&Outcome::Permanent(failure));
            return self.finish();
        }
        self.begin_transaction();
    }

    /// The next transaction, for as many recipients as the server takes in one.
    fn begin_transaction(&mut self) {
        if std::mem::take(&mut self.is_reset_due) {
            return self.send("RSET", State::Reset);
        }
        let limits = &self.extensions.limits;
        if !limits.allow_another(self.transactions) {
            self.settle(&Outcome::NotTried);
            return self.send_quit();
        }
        self.transactions += 1;
        let recipients = limits.take(&mut self.waiting, &self.message.recipients);
        self.send_envelope(Envelope::new(recipients, self.extensions.pipelining));
    }

    /// What the message needs and the server does not offer.
    fn obstacle(&self) -> Option<Reply> {
        let offered = &self.extensions;
        if offered.size.is_some_and(|limit| limit > 0 && limit < self.message.size_bytes) {
            // RFC 1870 §6.1.
            return Some(Reply::new(552, Enhanced(5, 3, 4), "the message is larger than the server takes"));
        }
        if let Some(by) = self.message.deliver_by.filter(|by| by.returns)
            && offered.deliver_by.is_none_or(|least| by.seconds < least)
        {
            // RFC 2852 §4.1.4: whoever cannot return it in time does not get it. RFC 3463, X.3.3: not capable of that.
            return Some(Reply::new(
                554,
                Enhanced(5, 3, 3),
                "the server does not promise to deliver in the time asked for",
            ));
        }
        let is_bounce = self.message.reverse_path.mailbox().is_none();
        if self.message.requires_tls && !offered.requires_tls && !is_bounce {
            // RFC 8689 §4.2.1.
            let text = "the server does not promise to keep the message protected (REQUIRETLS)";
            return Some(Reply::new(550, Enhanced(5, 7, 30), text));
        }
        if !offered.smtputf8 && self.message.needs_smtputf8() {
            // RFC 6531 §3.5.
            return Some(Reply::new(553, Enhanced(5, 6, 7), "the server takes no addresses beyond ASCII"));
        }
        if !offered.eight_bit_mime && self.message.eight_bit {
            // RFC 6152 §3: not to be sent; nothing here re-encodes.
            return Some(Reply::new(554, Enhanced(5, 6, 3), "the server takes no 8-bit messages"));
        }
        None
    }

    fn send_envelope(&mut self, mut envelope: Envelope) {
        for command in envelope.due() {
            let recipient = command.and_then(|index| self.message.recipients.get(index));
            let command = match recipient {
                Some(rcpt) => envelope::rcpt(rcpt, &self.extensions),
                None => envelope::mail(&self.message, &self.extensions),
            };
            self.write_line(&command);
        }
        self.state = State::Envelope(envelope);
    }

    fn handle_envelope(&mut self, mut envelope: Envelope, reply: Reply) {
        match envelope.answer() {
            Answered::Mail if reply.is_positive() => {}
            Answered::Mail => envelope.refuse(reply),
            Answered::Recipient(_) if envelope.refusal().is_some() => {}
            Answered::Recipient(index) if reply.is_positive() => self.accepted.push_back(index),
            // RFC 5321 §4.5.3.1.10: the rest goes in a transaction of its own, as long as each brings some.
            Answered::Recipient(index) if is_too_many_recipients(&reply) && !self.accepted.is_empty() => {
                self.waiting.push_back(index);
            }
            Answered::Recipient(index) => self.settle_one(index, Outcome::of(Stage::Rcpt, reply)),
        }
        if !envelope.is_complete() {
            return self.send_envelope(envelope);
        }
        match envelope.refusal() {
            Some(reply) => self.refuse(Stage::Mail, reply.clone()),
            None if self.accepted.is_empty() => {
                self.is_reset_due = true;
                self.end_transaction();
            }
            // RFC 3030 §2: a round trip less.
            None if self.extensions.chunking => {
                self.begin_message(Sending::chunks(self.message.size_bytes, self.extensions.pipelining));
            }
            None => self.send("DATA", State::Data),
        }
    }

    fn begin_message(&mut self, sending: Sending) {
        self.state = State::Sending(sending);
        if self.message.size_bytes == 0 {
            self.send_piece(&[]);
        }
    }

    fn send_piece(&mut self, piece: &[u8]) {
        let State::Sending(sending) = &mut self.state else { return };
        if let Some(chunks) = sending.take(piece, &mut self.output) {
            self.state = State::Message { chunks };
        }
    }

    fn handle_message(&mut self, reply: Reply) {
        let outcome = match Outcome::of(Stage::Message, reply) {
            Outcome::Accepted { reply, .. } => Outcome::Accepted { reply, reports: self.extensions.dsn },
            outcome => outcome,
        };
        // RFC 2033 §4.2: one reply for each recipient that RCPT accepted, in that order.
        let count = if self.config.protocol == Protocol::Lmtp { 1 } else { self.accepted.len() };
        // RFC 3030 §2: after chunks that were refused there is a transaction still.
        self.is_reset_due = self.extensions.chunking && !matches!(outcome, Outcome::Accepted { .. });
        for index in self.accepted.drain(..count.min(self.accepted.len())).collect::<Vec<_>>() {
            self.settle_one(index, outcome.clone());
        }
        if self.accepted.is_empty() {
            self.end_transaction();
        } else {
            self.state = State::Message { chunks: 0 };
        }
    }

    fn end_transaction(&mut self) {
        if self.waiting.is_empty() { self.finish() } else { self.begin_transaction() }
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

    /// The server refuses what concerns all.
    fn refuse(&mut self, stage: Stage, reply: Reply) {
        let outcome = match Outcome::of(stage, reply) {
            // A 2xx where 334 or 354 belongs is no acceptance.
            Outcome::Accepted { reply, .. } => Outcome::Temporary(Failure { stage, author: Author::Server, reply }),
            outcome => outcome,
        };
        self.settle(&outcome);
        self.send_quit();
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
            State::Envelope(envelope) if envelope.awaits_mail() => Stage::Mail,
            State::Envelope(_) => Stage::Rcpt,
            State::Data => Stage::Data,
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
