//! From the client's bytes to events.
//!
//! Every byte is looked at once when it is pushed and once when its command is parsed: text is moved line by line into
//! the command being collected and never searched again, literal octets go straight to where they stay.
//! What the limits refuse is discarded as it arrives, literals that the client does not wait for included, and answered
//! when the command is over. The machine takes one command at a time, so limits and dialect can change between two.

mod collected;

use std::fmt;
use std::mem;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr;

use line_proto::Secret;

use crate::command::{self, Tagged};
use crate::cursor::Literal;
use crate::limits::Limits;
use crate::mailbox::{Dialect, MailboxName};
use crate::malformed::{Malformed, Reason};
use crate::tag::Tag;
use collected::Collected;

/// What the client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing until more bytes are pushed.
    NeedMore,
    /// The client waits to be told whether to send a literal that is within the limits: send `+ ` and go on polling,
    /// or call [`Receiver::refuse_literal`] and answer the tag (RFC 9051 §4.3).
    Literal(LiteralRequest),
    /// The next octets of the message of an APPEND, where it is a long one: what follows the last of them comes with the
    /// command. If anything but more of them, [`Event::NeedMore`] or the command comes, the message was given up.
    Octets(Octets),
    /// A message of an APPEND that another one follows (RFC 3502), or a part of one that others follow (RFC 4469): the command
    /// as if it had this alone. The last one comes with the command. If anything but [`Event::Octets`], [`Event::Literal`], another one, [`Event::NeedMore`] or the
    /// command comes, all of them were given up.
    Message(Tagged),
    /// A whole command.
    Command(Tagged),
    /// The `DONE` that ends IDLE; the next line is a command.
    Done,
    /// The line asked for by [`Receiver::expect_auth_line`].
    Auth(AuthLine),
    /// A command or line that is answered with [`Encoder::malformed`](crate::Encoder::malformed).
    Malformed(Malformed),
}

/// A part of a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Octets(pub Vec<u8>);

/// A synchronising literal that the client has announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiteralRequest {
    /// The command's tag; `None` when it is not a valid one and the command will be refused anyway.
    pub tag: Option<Tag>,
    /// The size the client declared.
    pub bytes: u64,
    /// What it is.
    pub role: LiteralRole,
    /// Where the message of an APPEND shall go; `None` for arguments, and for a name that will be refused anyway.
    pub mailbox: Option<MailboxName>,
}

/// What a literal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiteralRole {
    /// An argument of a command.
    Argument,
    /// The message of an APPEND, or a part of it.
    Message,
    /// The address of a part of a message (RFC 4469 §5).
    Url,
}

/// A line within AUTHENTICATE (RFC 9051 §6.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthLine {
    /// The client's response, base64 removed.
    Response(Secret),
    /// `*`: the client gives up; answer BAD.
    Cancelled,
}

/// The server's end of the wire: bytes in, events out.
pub struct Receiver {
    pending: Vec<u8>,
    /// How much of `pending` is used up.
    taken: usize,
    limits: Limits,
    dialect: Dialect,
    expect: Expect,
    state: State,
    command: Collected,
}

/// What the next line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Command,
    Done,
    AuthLine,
}

enum State {
    /// Reading text up to the end of a line.
    Line,
    /// Reading the octets of a literal. `ask`: the client waits to be told to send them, and was not told yet.
    Literal { literal: Literal, remaining: u64, role: LiteralRole, ask: Option<Box<LiteralRequest>> },
    /// Throwing a refused command away.
    Discard(Discard),
}

struct Discard {
    malformed: Malformed,
    /// Octets of a literal still to be swallowed.
    swallow: u64,
    /// The last bytes of the line, enough to see whether a literal follows.
    tail: Vec<u8>,
}

/// A literal's announcement at the end of a line.
#[derive(Clone, Copy)]
struct Marker {
    bytes: u64,
    binary: bool,
    /// The client waits for a continuation.
    synchronising: bool,
    /// Where in the line it begins.
    start: usize,
}

/// What a step of the machine came to.
enum Progress {
    Event(Event),
    Again,
    NeedMore,
}

/// `~{18446744073709551615+}` and a CR, rounded up; leading zeros beyond are not recognised.
const MARKER_BYTES_MAX: usize = 32;
/// A buffer that is empty and larger than this is given back: most connections idle.
const IDLE_BUFFER_BYTES: usize = 1024;
/// Of the message of an APPEND about so much is held; what is more is given away as it comes.
const MESSAGE_OCTETS_MAX: usize = 64 * 1024;
/// An address that comes as a literal counts so many octets more: the command is looked through for each.
const URL_BYTES_MIN: u64 = 512;
/// Reserved for a literal before its octets come: a client cannot make the server hold memory by declaring.
const LITERAL_RESERVE_BYTES: u64 = 64 * 1024;

impl Receiver {
    /// A machine at the beginning of a connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            pending: Vec::new(),
            taken: 0,
            limits,
            dialect: Dialect::Rev1,
            expect: Expect::Command,
            state: State::Line,
            command: Collected::default(),
        }
    }

    /// New limits, from the next command on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// How mailbox names are read from the next command on (after ENABLE).
    pub fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }

    /// The client idles: until [`Event::Done`] lines are not commands. An [`Event::Malformed`] without tag
    /// ([`Reason::ExpectedDone`], [`Reason::LineTooLong`]) ends IDLE too: answer BAD to the IDLE's tag.
    /// Call it on an IDLE that is accepted, before the next poll.
    pub fn expect_done(&mut self) {
        self.expect = Expect::Done;
    }

    /// The next line is a response of AUTHENTICATE: one [`Event::Auth`], or an [`Event::Malformed`] without tag
    /// ([`Reason::Base64`], [`Reason::LineTooLong`]): answer BAD to the AUTHENTICATE's tag, which is over.
    /// Call it for each challenge; what comes after that one line is a command again.
    pub fn expect_auth_line(&mut self) {
        self.expect = Expect::AuthLine;
    }

    /// Answers [`Event::Literal`] with no: the client will not send it, the command is over.
    /// The caller sends the tagged NO. Without a literal that waits it does nothing.
    pub fn refuse_literal(&mut self) {
        if matches!(self.state, State::Literal { .. }) {
            self.state = State::Line;
            self.command = Collected::default();
        }
    }

    /// Forgets all input (RFC 9051 §6.2.1: nothing sent before the TLS handshake counts after it).
    pub fn discard_input(&mut self) {
        *self = Self { limits: self.limits, dialect: self.dialect, ..Self::new(self.limits) };
    }

    /// Whether the last command is whole and nothing of another one came.
    #[must_use]
    pub fn is_between_commands(&self) -> bool {
        matches!(self.state, State::Line) && self.command.text.is_empty() && !self.has_input()
    }

    /// The command that brings a message, as long as it is not whole: `APPEND` or `REPLACE`. One that is refused is none.
    #[must_use]
    pub fn bringing(&self) -> Option<&'static str> {
        self.command.bringing()
    }

    /// Takes out what no event has used: it is to be read in another way (RFC 4978 §3).
    pub fn take_input(&mut self) -> Vec<u8> {
        let input = self.input().to_vec();
        self.consume(input.len());
        input
    }

    /// Whether bytes were pushed that no event has used yet.
    #[must_use]
    pub(crate) fn has_input(&self) -> bool {
        self.taken < self.pending.len()
    }

    /// Takes bytes from the client; poll until [`Event::NeedMore`] before pushing more, so that little is held.
    pub fn push(&mut self, mut input: &[u8]) {
        if !self.has_input()
            && let State::Literal { literal, remaining, .. } = &mut self.state
        {
            input = fill(literal, remaining, input);
        }
        if self.taken > self.pending.len() / 2 {
            self.pending.drain(..self.taken);
            self.taken = 0;
        }
        self.pending.extend_from_slice(input);
    }

    /// The next event.
    pub fn poll(&mut self) -> Event {
        loop {
            let progress = match &mut self.state {
                State::Line => self.poll_line(),
                State::Literal { .. } => self.poll_literal(),
                State::Discard(_) => self.poll_discard(),
            };
            match progress {
                Progress::Event(event) => return event,
                Progress::Again => {}
                Progress::NeedMore => return Event::NeedMore,
            }
        }
    }

    fn input(&self) -> &[u8] {
        self.pending.get(self.taken..).unwrap_or_default()
    }

    fn consume(&mut self, count: usize) {
        self.taken += count;
        if self.taken >= self.pending.len() {
            self.taken = 0;
            self.pending.clear();
            if self.pending.capacity() > IDLE_BUFFER_BYTES {
                self.pending = Vec::new();
            }
        }
    }

    fn poll_line(&mut self) -> Progress {
        let input = self.pending.get(self.taken..).unwrap_or_default();
        if input.is_empty() {
            return Progress::NeedMore;
        }
        let end = memchr(b'\n', input);
        let count = end.map_or(input.len(), |at| at + 1);
        let room = self.limits.line_bytes_max.saturating_sub(self.command.text.len());
        if count > room {
            // What fits is kept, so that the tag is found however the line was split.
            self.command.text.extend_from_slice(&input[..room]);
            self.consume(room);
            return self.discard(Reason::LineTooLong, 0);
        }
        self.command.text.extend_from_slice(&input[..count]);
        self.consume(count);
        if end.is_none() {
            return Progress::NeedMore;
        }
        match self.expect {
            Expect::Command => self.line_of_command(),
            Expect::Done => self.line_of_idle(),
            Expect::AuthLine => self.line_of_authenticate(),
        }
    }

    fn line_of_command(&mut self) -> Progress {
        let line = self.command.text.get(self.command.line_start..).unwrap_or_default();
        if let Some(marker) = find_marker(without_line_end(line)) {
            return self.begin_literal(marker);
        }
        let command = mem::take(&mut self.command);
        let text = without_line_end(&command.text);
        if text.is_empty() {
            // A read that begins with CRLF (Apple Mail after APPEND) is no command and no error.
            return Progress::Again;
        }
        Progress::Event(match command::parse(text, command.literals, &self.limits, self.dialect) {
            // What a message goes on with is missing.
            Ok(Tagged { tag, command }) if command.goes_on() => {
                Event::Malformed(Malformed { tag: Some(tag), reason: Reason::Expected("the end of CATENATE") })
            }
            Ok(tagged) => Event::Command(tagged),
            Err(malformed) => Event::Malformed(malformed),
        })
    }

    fn line_of_idle(&mut self) -> Progress {
        let line = mem::take(&mut self.command).text;
        let line = without_line_end(&line).trim_ascii_end();
        if line.is_empty() {
            return Progress::Again;
        }
        self.expect = Expect::Command;
        Progress::Event(if line.eq_ignore_ascii_case(b"DONE") {
            Event::Done
        } else {
            Event::Malformed(Malformed { tag: None, reason: Reason::ExpectedDone })
        })
    }

    fn line_of_authenticate(&mut self) -> Progress {
        self.expect = Expect::Command;
        let line = mem::take(&mut self.command).text;
        let line = without_line_end(&line).trim_ascii_end();
        if line == b"*" {
            return Progress::Event(Event::Auth(AuthLine::Cancelled));
        }
        Progress::Event(match STANDARD.decode(line) {
            Ok(response) => Event::Auth(AuthLine::Response(Secret::new(response))),
            Err(_) => Event::Malformed(Malformed { tag: None, reason: Reason::Base64 }),
        })
    }

    fn begin_literal(&mut self, marker: Marker) -> Progress {
        let role = self.command.role_of_literal(marker.start);
        if let Some(reason) = self.command.refusal(marker.bytes, role, &self.limits) {
            return self.refuse_marker(marker, reason);
        }
        let mut finished = None;
        match role {
            LiteralRole::Argument => self.command.argument_bytes += marker.bytes,
            LiteralRole::Url => self.command.argument_bytes += marker.bytes + URL_BYTES_MIN,
            LiteralRole::Message if self.command.has_message => {
                match self.command.take_message(&self.limits, self.dialect) {
                    Ok(message) => finished = Some(message),
                    Err(reason) => return self.refuse_marker(marker, reason),
                }
            }
            LiteralRole::Message => {
                let command = &mut self.command;
                command.has_message = true;
                let before = command.text.get(..command.line_start + marker.start).unwrap_or_default();
                command.target = command::append_target(before, command.literals.first(), &self.limits, self.dialect);
            }
        }
        let command = &mut self.command;
        match role {
            // What it is will stand where the marker is.
            LiteralRole::Url => command.text.truncate(command.line_start + marker.start),
            LiteralRole::Argument | LiteralRole::Message => command.line_start = command.text.len(),
        }
        // The cast loses nothing: the value is at most LITERAL_RESERVE_BYTES.
        let data = Vec::with_capacity(marker.bytes.min(LITERAL_RESERVE_BYTES) as usize);
        let literal = Literal { data, binary: marker.binary };
        let ask = marker.synchronising.then(|| {
            let mailbox = match role {
                LiteralRole::Argument | LiteralRole::Url => None,
                LiteralRole::Message => command.target.as_ref().map(|(name, _)| name.clone()),
            };
            Box::new(LiteralRequest { tag: command.tag(), bytes: marker.bytes, role, mailbox })
        });
        self.state = State::Literal { literal, remaining: marker.bytes, role, ask };
        finished.map_or(Progress::Again, |message| Progress::Event(Event::Message(message)))
    }

    /// The command is over: at once where the client waits to be told whether to send a literal.
    fn refuse_marker(&mut self, marker: Marker, reason: Reason) -> Progress {
        if !marker.synchronising {
            return self.discard(reason, marker.bytes);
        }
        let tag = mem::take(&mut self.command).tag();
        Progress::Event(Event::Malformed(Malformed { tag, reason }))
    }

    fn poll_literal(&mut self) -> Progress {
        let State::Literal { literal, remaining, role, ask } = &mut self.state else { return Progress::Again };
        if let Some(request) = ask.take() {
            return Progress::Event(Event::Literal(*request));
        }
        let input = self.pending.get(self.taken..).unwrap_or_default();
        let used = input.len() - fill(literal, remaining, input).len();
        let complete = *remaining == 0;
        let is_long = *role == LiteralRole::Message && literal.data.len() >= MESSAGE_OCTETS_MAX;
        let octets = (is_long && !complete).then(|| mem::take(&mut literal.data));
        self.consume(used);
        if let Some(octets) = octets {
            return Progress::Event(Event::Octets(Octets(octets)));
        }
        if !complete {
            return Progress::NeedMore;
        }
        match mem::replace(&mut self.state, State::Line) {
            State::Literal { literal, role: LiteralRole::Url, .. } => self.command.quote(&literal.data),
            State::Literal { literal, role: LiteralRole::Argument | LiteralRole::Message, .. } => {
                self.command.literals.push(literal);
            }
            State::Line | State::Discard(_) => {}
        }
        Progress::Again
    }

    /// Gives the command up; its rest, beginning with `swallow` octets of a literal, is thrown away as it comes.
    fn discard(&mut self, reason: Reason, swallow: u64) -> Progress {
        let command = mem::take(&mut self.command);
        let tag = if self.expect == Expect::Command { command.tag() } else { None };
        let line = command.text.get(command.line_start..).unwrap_or_default();
        let mut discard = Discard { malformed: Malformed { tag, reason }, swallow, tail: Vec::new() };
        if swallow == 0 && !matches!(line, [.., b'\n']) {
            discard.remember(line);
        }
        self.state = State::Discard(discard);
        Progress::Again
    }

    fn poll_discard(&mut self) -> Progress {
        let is_command = self.expect == Expect::Command;
        let State::Discard(discard) = &mut self.state else { return Progress::Again };
        let input = self.pending.get(self.taken..).unwrap_or_default();
        if input.is_empty() {
            return Progress::NeedMore;
        }
        if discard.swallow > 0 {
            let count = input.len().min(usize::try_from(discard.swallow).unwrap_or(usize::MAX));
            discard.swallow -= count as u64;
            self.consume(count);
            return Progress::Again;
        }
        let end = memchr(b'\n', input);
        let count = end.map_or(input.len(), |at| at + 1);
        discard.remember(&input[..count]);
        let marker = if end.is_some() && is_command { find_marker(without_line_end(&discard.tail)) } else { None };
        let over = match marker {
            Some(Marker { synchronising: false, bytes, .. }) => {
                discard.swallow = bytes;
                discard.tail.clear();
                false
            }
            // A client that waits for a continuation gets the refusal instead and sends no more of this command.
            Some(_) | None => end.is_some(),
        };
        self.consume(count);
        if over { self.end_discard() } else { Progress::Again }
    }

    fn end_discard(&mut self) -> Progress {
        self.expect = Expect::Command;
        match mem::replace(&mut self.state, State::Line) {
            State::Discard(discard) => Progress::Event(Event::Malformed(discard.malformed)),
            State::Line | State::Literal { .. } => Progress::Again,
        }
    }
}

/// Shows no mail.
impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Octets({})", self.0.len())
    }
}

/// Shows no input: it may be a password.
impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("pending_bytes", &self.input().len())
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

impl Discard {
    /// Keeps the last [`MARKER_BYTES_MAX`] bytes of the line.
    fn remember(&mut self, bytes: &[u8]) {
        let kept = bytes.get(bytes.len().saturating_sub(MARKER_BYTES_MAX)..).unwrap_or_default();
        self.tail.extend_from_slice(kept);
        let excess = self.tail.len().saturating_sub(MARKER_BYTES_MAX);
        self.tail.drain(..excess);
    }
}

/// Moves octets of `input` into the literal until it is full; gives back the rest.
fn fill<'i>(literal: &mut Literal, remaining: &mut u64, input: &'i [u8]) -> &'i [u8] {
    let count = input.len().min(usize::try_from(*remaining).unwrap_or(usize::MAX));
    let (octets, rest) = input.split_at(count);
    let data = &mut literal.data;
    if data.capacity() - data.len() < count {
        // Twice as much each time, but never more than the literal needs.
        let whole = data.len().saturating_add(usize::try_from(*remaining).unwrap_or(usize::MAX));
        let target = whole.min((data.capacity() * 2).max(data.len() + count));
        data.reserve_exact(target - data.len());
    }
    data.extend_from_slice(octets);
    *remaining -= count as u64;
    rest
}

/// RFC 9051 §2.2 ends lines with CRLF; a bare LF ends them too.
fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// RFC 9051 §4.3 and RFC 7888 §4: `{n}` waits for a continuation, `{n+}` does not; `~` before it says literal8.
/// A number beyond 64 bits is the largest there is.
fn find_marker(line: &[u8]) -> Option<Marker> {
    let window = line.len().saturating_sub(MARKER_BYTES_MAX - 2);
    let inner = line.get(window..)?.strip_suffix(b"}")?;
    let open = memchr::memrchr(b'{', inner)?;
    let number = inner.get(open + 1..)?;
    let digits = number.strip_suffix(b"+").unwrap_or(number);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |value: u64, digit: &u8| value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    let binary = inner.get(..open).is_some_and(|before| before.ends_with(b"~"));
    Some(Marker {
        bytes: digits.iter().fold(0, add),
        binary,
        synchronising: digits.len() == number.len(),
        start: window + open - usize::from(binary),
    })
}

#[cfg(test)]
mod tests;
