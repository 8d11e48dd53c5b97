//! A connection: takes events out of the machine one at a time, answers each, keeps the deadlines.

use crate::content::{Content, UNANNOUNCED_BYTES_MAX};
use crate::examine::{self, Examination};
use crate::greeting::{Hello, Layers, greeting, with};
use crate::limits::Limits;
use crate::networks::Guest;
use crate::service::{Role, SmtpService};
use crate::tally::{Deed, Mistake, Tally};
use crate::tarpit::{Held, delay_millis};
use crate::transaction::Transaction;
use crate::{finish, log, refused, replies, verb};
use auth::Presence;
use login::Desk;
use mailflow::Source;
use metrics::Stopwatch;
use session::{Doing, Goodbye, Moment, OUTPUT_HIGH_WATER_BYTES, Peer, Step, Tls};
use smtp_proto::{Enhanced, Event, Rcpt, Receiver, Reply};
use std::sync::Arc;
use store::{Claim, Timestamp};
use store_objects::Holder;

/// A step takes in a message for at most so many accounts without having announced it.
const UNANNOUNCED_ACCOUNTS_MAX: usize = 4;

/// One connection of one of the services.
pub struct SmtpSession {
    pub(crate) service: Arc<SmtpService>,
    pub(crate) peer: Peer,
    pub(crate) limits: Limits,
    /// The client is a relay of ours, in front of us.
    pub(crate) is_relay: bool,
    pub(crate) receiver: Receiver,
    pub(crate) phase: Phase,
    pub(crate) hello: Option<Hello>,
    pub(crate) desk: Desk,
    pub(crate) login: Option<Box<Presence>>,
    pub(crate) transaction: Option<Transaction>,
    pub(crate) tally: Tally,
    /// What it counts for in its network; `None`: nobody counts, or it has not begun.
    pub(crate) guest: Option<Guest>,
    /// An answer that waits.
    held: Option<Held>,
    pub(crate) now: Moment,
    pub(crate) said: Said,
    /// A message is here and waits for a place for what has to be done with it.
    arrived: bool,
    /// The command that is not answered yet.
    timed: Option<(&'static str, Stopwatch)>,
    clocks: Clocks,
}

/// Where a session stands.
pub(crate) enum Phase {
    /// Before the greeting.
    New,
    /// A command is to come.
    Command,
    /// A line of AUTH is to come.
    AuthLine,
    /// A login is looked into, or its answer is held back.
    LogIn,
    /// One login too many has failed.
    TooManyLogins,
    /// RCPT waits for what is to be known of a stranger.
    Introduce(Box<Rcpt>),
    /// The message after DATA is to come.
    Data,
    /// A chunk after BDAT is to come.
    Chunk { is_last: bool },
    /// The sender of a message is looked at.
    Examine(Examination),
    /// Between STARTTLS and the end of the handshake.
    Handshake,
    /// The last word is said.
    Closed,
}

/// On the clock that never goes back.
#[derive(Debug, Default)]
struct Clocks {
    /// Silence ends the connection then.
    idle_at: u64,
    /// What is going on (envelope or content) must be done then.
    stage_at: u64,
    /// Something came since the last step.
    heard: bool,
    /// The greeting is said then, once that is decided.
    greet_at: Option<u64>,
    /// Something came before the greeting.
    spoke_first: bool,
}

/// Receipts of messages for which the client's answer was written in this step. The answer is out before the next one;
/// until then a crash takes it along, and the message comes again.
#[derive(Debug, Default)]
pub(crate) struct Said(Vec<Claim>);

impl Said {
    pub(crate) fn add(&mut self, claims: impl IntoIterator<Item = Claim>) {
        self.0.extend(claims);
    }

    fn answer(&mut self) {
        self.0.drain(..).for_each(Claim::answered);
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        self.answer();
    }
}

impl SmtpSession {
    /// A client has connected.
    #[must_use]
    pub fn new(service: Arc<SmtpService>, peer: Peer) -> Self {
        let is_relay = service.is_relay(&peer);
        Self {
            desk: Desk::new(service.protocol()),
            limits: service.limits(is_relay),
            is_relay,
            service,
            peer,
            receiver: Receiver::new(),
            phase: Phase::New,
            hello: None,
            login: None,
            transaction: None,
            tally: Tally::default(),
            guest: None,
            held: None,
            now: Moment::default(),
            said: Said::default(),
            arrived: false,
            timed: None,
            clocks: Clocks::default(),
        }
    }

    /// Whom something is refused to.
    pub(crate) fn client(&self) -> refused::Client<'_> {
        refused::Client {
            shown: log::Client { protocol: self.service.protocol().name(), address: self.peer.address.to_canonical() },
            sender: self.login.as_ref().map(|presence| presence.login().account),
            now: self.timestamp(),
            refusals: self.service.common.flow.refusals(),
            counted: &self.service.common.refusals,
        }
    }

    /// The time, for records.
    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp(self.now.unix_millis)
    }

    /// Whether the client may show a password: under TLS, or without a network in between.
    pub(crate) fn may_log_in(&self) -> bool {
        self.peer.tls.is_some() || self.peer.is_loopback()
    }

    /// Whether a message that has to stay protected may be handed over (RFC 8689 §2).
    pub(crate) fn offers_requiretls(&self) -> bool {
        self.peer.tls.is_some() && !self.service.is_lmtp()
    }

    /// Whose share of the spool its messages take.
    pub(crate) fn holder(&self) -> Holder {
        match &self.login {
            Some(presence) => Holder::Account(presence.login().account),
            None => Holder::stranger(self.peer.address),
        }
    }

    /// The content begins.
    pub(crate) fn begin_content(&mut self, phase: Phase) {
        self.phase = phase;
        let content = Content::begin(&self.service.common.spool, self.holder());
        if let Some(transaction) = &mut self.transaction {
            transaction.content = Some(content);
        }
        self.clocks.stage_at = self.after(self.limits.content_millis);
        if let Some(guest) = &self.guest {
            guest.message(self.now.monotonic_millis);
        }
    }

    /// The transaction is over, whatever came of it.
    pub(crate) fn end_transaction(&mut self) -> Option<Transaction> {
        self.clocks.stage_at = self.after(self.limits.envelope_millis);
        self.transaction.take()
    }

    /// How a message comes, for its trace field and the journal.
    pub(crate) fn source(&self, smtputf8: bool) -> Source {
        let hello = self.hello.as_ref();
        let layers = Layers {
            lmtp: self.service.is_lmtp(),
            extended: hello.is_some_and(|hello| hello.extended),
            tls: self.peer.tls.is_some(),
            login: self.login.is_some(),
            utf8: smtputf8,
        };
        Source {
            protocol: self.service.protocol(),
            helo: hello.map(|hello| hello.name.clone()).unwrap_or_default(),
            client: self.peer.address,
            with: with(layers),
            tls: self.peer.tls.as_ref().map(|tls| format!("{} {}", tls.version, tls.cipher)),
            by_relay: self.is_relay,
        }
    }

    fn after(&self, millis: u64) -> u64 {
        self.now.monotonic_millis.saturating_add(millis)
    }

    /// What is to be done before the next event; `None` if nothing.
    fn before_events(&mut self, output: &mut Vec<u8>) -> Option<Step> {
        if let Some(held) = self.held.take() {
            if self.now.monotonic_millis < held.until {
                self.held = Some(held);
                return Some(Step::Pause);
            }
            held.reply.encode(output);
            self.clocks.heard = true;
        }
        if matches!(self.phase, Phase::New) {
            self.enter(output);
        }
        if matches!(self.phase, Phase::New) && self.must_wait_to_greet() {
            return Some(Step::Wait);
        }
        match &self.phase {
            Phase::New if self.clocks.spoke_first => {
                // RFC 5321 §4.3.1: "the sender SHOULD wait for this greeting message". Who does not speaks to many at once.
                let reply = Reply::new(554, Enhanced(5, 5, 1), "You speak before the greeting");
                self.send_away(&reply, output);
                None
            }
            Phase::New => {
                let reply = greeting(&self.service, &self.peer);
                if !reply.is_positive() {
                    self.send_away(&reply, output);
                    return None;
                }
                self.phase = Phase::Command;
                reply.encode(output);
                self.clocks.stage_at = self.after(self.limits.envelope_millis);
                self.clocks.heard = true;
                None
            }
            Phase::LogIn if self.desk.is_flooded() => {
                replies::bye(Enhanced(4, 7, 0), "Too much input before the login is answered").encode(output);
                self.close();
                None
            }
            Phase::LogIn => match verb::auth::look(self) {
                Ok(reply) => {
                    self.answer(Deed::Login, vec![reply], output);
                    None
                }
                Err(step) => Some(step),
            },
            Phase::TooManyLogins => {
                replies::bye(Enhanced(4, 7, 0), "Too many failed logins").encode(output);
                self.close();
                None
            }
            Phase::Examine(examination) if examination.is_flooded() => {
                replies::bye(Enhanced(4, 7, 0), "Too much input before the message is answered").encode(output);
                self.close();
                None
            }
            Phase::Examine(_) => self.look_at_sender().err(),
            Phase::Introduce(_) => self.look_at_host(output),
            Phase::Handshake => Some(Step::StartTls),
            Phase::Closed => Some(Step::Close),
            Phase::Command | Phase::AuthLine | Phase::Data | Phase::Chunk { .. } => None,
        }
    }

    /// Counts the connection, once.
    fn enter(&mut self, output: &mut Vec<u8>) {
        if self.clocks.greet_at.is_some() {
            return;
        }
        match self.service.enter(&self.peer, self.now.monotonic_millis) {
            Ok(guest) => self.guest = guest,
            // RFC 5321 §3.1, §3.8: 421 instead of 220. RFC 3463 §3.8: X.7.0.
            Err(too_much) => self.send_away(&replies::bye(Enhanced(4, 7, 0), replies::too_much(too_much)), output),
        }
    }

    /// Whether the greeting is to come later. Who has spoken need not wait for the answer to that.
    fn must_wait_to_greet(&mut self) -> bool {
        let pause = match self.service.role {
            Role::Mx if self.guest.is_some() => self.limits.greeting_pause_millis,
            Role::Mx | Role::Submission { .. } | Role::Lmtp { .. } => 0,
        };
        let greet_at = *self.clocks.greet_at.get_or_insert(self.now.monotonic_millis.saturating_add(pause));
        self.now.monotonic_millis < greet_at && !self.clocks.spoke_first
    }

    /// Once it is known who brings the message, RCPT is answered.
    fn look_at_host(&mut self, output: &mut Vec<u8>) -> Option<Step> {
        if verb::rcpt::is_awaited(self) {
            return Some(Step::Wait);
        }
        if let Phase::Introduce(rcpt) = std::mem::replace(&mut self.phase, Phase::Command) {
            let reply = verb::rcpt::answer(self, *rcpt);
            self.answer(Deed::Recipient, vec![reply], output);
            self.clocks.heard = true;
        }
        None
    }

    /// Once it is known, the message is taken in as if it had just come; in a place of its own if that takes long.
    fn look_at_sender(&mut self) -> Result<(), Step> {
        let Phase::Examine(examination) = &mut self.phase else { return Ok(()) };
        let found = examine::look(examination, self.now.monotonic_millis, &self.peer.waker)?;
        let examining = (examination.begun, Stopwatch::start());
        self.phase = Phase::Command;
        if let Some(transaction) = &mut self.transaction {
            transaction.examined = Some(found);
            transaction.examining = Some(examining);
        }
        self.arrived = true;
        self.clocks.heard = true;
        if self.takes_long() { Err(Step::Flush) } else { Ok(()) }
    }

    fn handle(&mut self, event: Event, output: &mut Vec<u8>) {
        self.note_begun(&event);
        let (deed, replies) = match event {
            Event::Command(Ok(command)) => (verb::deed(&command), verb::dispatch(self, command).into_iter().collect()),
            Event::Command(Err(error)) => {
                if error.is_fatal() {
                    self.close();
                }
                (Deed::Idle, vec![error.reply()])
            }
            Event::AuthLine(line) => (Deed::Login, verb::auth::line(self, line).into_iter().collect()),
            Event::Octets(octets) => {
                if let Some(content) = self.content() {
                    content.push(&octets);
                }
                return;
            }
            Event::Message => (Deed::Transfer, finish::message(self)),
            Event::Chunk => (Deed::Transfer, vec![verb::bdat::chunk(self)]),
            Event::TooBig => (Deed::Transfer, finish::too_big(self)),
        };
        self.answer(deed, replies, output);
    }

    /// What a command takes counts from when it was read; that of a message, from its end.
    fn note_begun(&mut self, event: &Event) {
        let command = match event {
            Event::Command(Ok(command)) => command.name(),
            Event::AuthLine(_) => "AUTH",
            // It may come a second time, once its sender was looked at.
            Event::Message if self.timed.is_none() => "end of data",
            Event::Command(Err(_)) | Event::Message | Event::Octets(_) | Event::Chunk | Event::TooBig => return,
        };
        self.timed = Some((command, Stopwatch::start()));
    }

    fn answer(&mut self, deed: Deed, replies: Vec<Reply>, output: &mut Vec<u8>) {
        if let Some((command, stopwatch)) = self.timed.take_if(|_| !replies.is_empty()) {
            self.service.common.commands.answered(self.service.protocol().name(), command, stopwatch);
        }
        for reply in replies {
            // RFC 5321 §3.8: it is the last word, whoever says it.
            if reply.code == 421 {
                reply.encode(output);
                return self.close();
            }
            let mistake = self.tally.mistake(deed, &reply);
            let last_word = self.tally.note((deed, mistake), &reply, &self.limits);
            if let Some(last_word) = last_word {
                return self.send_away(&last_word, output);
            }
            match mistake.map_or(0, |mistake| self.pays(mistake)) {
                0 => reply.encode(output),
                delay => self.held = Some(Held { until: self.after(delay), reply }),
            }
        }
    }

    /// Counts a mistake; for how long its answer waits.
    fn pays(&mut self, mistake: Mistake) -> u64 {
        let now = self.now.monotonic_millis;
        self.tally.mistakes = self.tally.mistakes.saturating_add(1);
        let of_network = self.guest.as_ref().map_or(0, |guest| {
            match mistake {
                Mistake::Recipient => guest.wrong_recipient(now),
                Mistake::Command => guest.bad_command(now),
            }
            guest.mistakes(now)
        });
        // Who is logged in, on this machine or a relay of ours is no stranger.
        let is_spared = self.login.is_some() || self.peer.is_loopback() || self.is_relay || self.service.is_lmtp();
        let most = if is_spared { 0 } else { self.limits.tarpit_millis_max };
        delay_millis(self.tally.mistakes, of_network, most)
    }

    /// Ends the connection of a client that does what it may not.
    fn send_away(&mut self, last_word: &Reply, output: &mut Vec<u8>) {
        refused::connection(&self.client(), last_word);
        last_word.encode(output);
        self.close();
    }

    /// Whether somebody is here whose login does not count any more. A disk that cannot be read ends no session.
    fn is_to_go(&self) -> bool {
        let is_open = !matches!(self.phase, Phase::Handshake | Phase::Closed);
        is_open && self.login.as_ref().is_some_and(|presence| !presence.still_counts(self.timestamp()).unwrap_or(true))
    }

    fn close(&mut self) {
        self.transaction = None;
        self.phase = Phase::Closed;
    }

    /// What came so far of the message under way.
    fn content(&mut self) -> Option<&mut Content> {
        self.transaction.as_mut().and_then(|transaction| transaction.content.as_mut())
    }

    /// Whether the message is more than a step takes in that nobody announced.
    fn takes_long(&mut self) -> bool {
        let accounts = self.transaction.as_ref().map_or(0, Transaction::copies);
        accounts > UNANNOUNCED_ACCOUNTS_MAX
            || self.content().is_some_and(|content| content.len() > UNANNOUNCED_BYTES_MAX)
    }

    fn is_late(&self) -> bool {
        self.now.monotonic_millis >= self.clocks.idle_at.min(self.clocks.stage_at)
    }
}

impl session::Session for SmtpSession {
    fn receive(&mut self, input: &[u8]) {
        let is_content = match &mut self.phase {
            Phase::Handshake | Phase::TooManyLogins | Phase::Closed => return,
            Phase::LogIn => {
                self.desk.heard(input.len());
                false
            }
            Phase::Examine(examination) => {
                examination.heard(input.len());
                false
            }
            Phase::Introduce(_) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.introduction.heard(input.len());
                }
                false
            }
            Phase::Data | Phase::Chunk { .. } => true,
            // A pause of nothing is none: all that is here is read after the greeting.
            Phase::New => {
                self.clocks.spoke_first = self.clocks.greet_at.is_some();
                false
            }
            Phase::Command | Phase::AuthLine => false,
        };
        // In a message any octet is a sign of life; between messages only a whole command is.
        self.clocks.heard |= is_content;
        self.receiver.push(input);
    }

    fn step(&mut self, now: Moment, output: &mut Vec<u8>) -> Step {
        self.now = now;
        // All that the step before wrote is out.
        self.said.answer();
        loop {
            if self.is_to_go() {
                replies::login_ended().encode(output);
                self.close();
            }
            if let Some(step) = self.before_events(output) {
                return step;
            }
            if std::mem::take(&mut self.clocks.heard) {
                self.clocks.idle_at = self.after(self.limits.idle_millis);
            }
            if matches!(self.phase, Phase::Closed | Phase::TooManyLogins) {
                continue;
            }
            if output.len() >= OUTPUT_HIGH_WATER_BYTES {
                return Step::Flush;
            }
            let was_announced = std::mem::take(&mut self.arrived);
            let event = if was_announced { Some(Event::Message) } else { self.receiver.poll() };
            match event {
                Some(Event::Message) if !was_announced && self.takes_long() => {
                    self.arrived = true;
                    return Step::Flush;
                }
                Some(event) => {
                    self.handle(event, output);
                    self.clocks.heard = true;
                }
                None if self.is_late() => {
                    // RFC 5321 §4.5.3.2.7.
                    replies::bye(Enhanced(4, 4, 2), "Too slow").encode(output);
                    self.close();
                }
                None => return Step::Wait,
            }
        }
    }

    fn owner(&self) -> Option<u64> {
        self.login.as_ref().map(|presence| presence.login().account.0.into())
    }

    fn doing(&self) -> Doing {
        let content = match &self.phase {
            Phase::Data => Some("DATA"),
            Phase::Chunk { .. } => Some("BDAT"),
            // More chunks of a message are to come.
            Phase::Command => {
                self.transaction.as_ref().and_then(|under_way| under_way.content.as_ref()).map(|_| "BDAT")
            }
            Phase::New
            | Phase::AuthLine
            | Phase::LogIn
            | Phase::TooManyLogins
            | Phase::Introduce(_)
            | Phase::Examine(_)
            | Phase::Handshake
            | Phase::Closed => None,
        };
        let command = self.timed.map(|(command, _)| command).or(content);
        let device = self.login.as_ref().map(|presence| presence.login().device.0);
        Doing { device, command, is_busy: command.is_some() }
    }

    fn deadline_millis(&self) -> Option<u64> {
        if let Some(held) = &self.held {
            return Some(held.until);
        }
        match &self.phase {
            Phase::LogIn if self.desk.until().is_some() => self.desk.until(),
            Phase::Examine(examination) => Some(examination.until),
            Phase::Introduce(_) => self.transaction.as_ref().and_then(|transaction| transaction.introduction.until()),
            Phase::New => self.clocks.greet_at,
            Phase::Handshake | Phase::TooManyLogins | Phase::Closed => None,
            Phase::Command | Phase::AuthLine | Phase::LogIn | Phase::Data | Phase::Chunk { .. } => {
                Some(self.clocks.idle_at.min(self.clocks.stage_at))
            }
        }
    }

    fn tls_started(&mut self, tls: Tls) {
        self.peer.tls = Some(tls);
        // RFC 3207 §4.2: the client begins again, and the server forgets what it was told.
        self.receiver.discard();
        self.hello = None;
        self.login = None;
        self.desk.begin_anew();
        self.transaction = None;
        self.phase = Phase::Command;
        self.clocks.heard = true;
    }

    fn shut_down(&mut self, why: Goodbye, output: &mut Vec<u8>) {
        if !matches!(self.phase, Phase::Handshake | Phase::Closed) {
            // RFC 5321 §3.8; RFC 3463 §3.4, §3.8.
            let (status, text) = match why {
                Goodbye::ServerStops => (Enhanced(4, 3, 2), "This server stops; try again later"),
                Goodbye::Ended => (Enhanced(4, 7, 0), "An administrator has ended this session"),
            };
            replies::bye(status, text).encode(output);
        }
        self.close();
    }
}
