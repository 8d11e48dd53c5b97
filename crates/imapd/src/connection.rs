//! One IMAP connection: what the client sends goes to the dispatcher, what a command leaves running goes on here.

use crate::capability;
use crate::compress::{INFLATED_PER_STEP_MAX, Inflated, Layer, append_deflated};
use crate::context::Context;
use crate::service::ImapService;
use crate::state::{Answers, Finish, Running, State, Stranger, Then};
use crate::sync::Look;
use crate::tagged::ResultCode;
use crate::upload::Upload;
use crate::user::User;
use crate::work::{Progress, Stop, Work};
use imap_proto::{Code, Command, Dialect, Encoder, Event, Limits, LiteralRequest, Octets, Receiver, Status, Tag};
use metrics::Stopwatch;
use session::{Doing, Goodbye, Moment, OUTPUT_HIGH_WATER_BYTES, Peer, Step, Tls};
use std::mem;
use std::sync::Arc;
use store::{Error, Protocol, Timestamp};

/// A client that hears nothing of its command for so long is told that it goes on.
pub(crate) const FIRST_PROGRESS_MILLIS: u64 = 400;
/// The same for each time after that: many give up after a minute (RFC 9585 §4: every 10 to 15 seconds).
const IN_PROGRESS_MILLIS: u64 = 10_000;

/// An IMAP session, for the driver of `session::Session`.
///
/// Idle it holds less than 2 KiB beside the index that it shares with all sessions of the mailbox.
pub struct ImapSession {
    pub(crate) service: Arc<ImapService>,
    pub(crate) peer: Peer,
    pub(crate) receiver: Receiver,
    pub(crate) state: State,
    pub(crate) running: Option<Running>,
    /// What commands that were done together are answered with.
    pub(crate) answers: Option<Box<dyn Answers>>,
    /// What comes next from the client, where it was looked at before its turn.
    next: Option<Box<Event>>,
    /// The message of an APPEND, as far as it came, where it is a long one.
    pub(crate) upload: Option<Box<Upload>>,
    /// The time of this step.
    pub(crate) now: Moment,
    /// When the first step was, on the monotonic clock.
    connected_at: Option<u64>,
    /// When the client was last heard, or the session last worked for it.
    pub(crate) active_at: u64,
    /// Bytes were received since the last step.
    heard: bool,
    bad_commands: u32,
    /// RFC 4978: what comes in is to be inflated, what goes out to be deflated.
    pub(crate) compression: Option<Box<Layer>>,
    /// The command that is not answered yet, or of those that are done together the first.
    timed: Option<(&'static str, Stopwatch)>,
}

/// What came of one turn of the session's loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Again,
    Wait,
    Flush,
    Close,
    StartTls,
}

impl ImapSession {
    /// A session with a client that has just connected; it greets at its first step.
    ///
    /// Commands wait for the disk, LOGIN and AUTHENTICATE for a password to be verified as well (argon2id: tens of
    /// milliseconds), so [`session::Session::step`] blocks: drive it where that is allowed.
    #[must_use]
    pub fn new(service: Arc<ImapService>, peer: Peer) -> Self {
        Self {
            service,
            peer,
            receiver: Receiver::new(Limits::before_login()),
            state: State::NotAuthenticated(Stranger::default()),
            running: None,
            answers: None,
            next: None,
            upload: None,
            now: Moment::default(),
            connected_at: None,
            active_at: 0,
            heard: false,
            bad_commands: 0,
            compression: None,
            timed: None,
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match &self.state {
            State::Authenticated(user) => user.enabled.dialect(),
            State::NotAuthenticated(_) | State::Logout => Dialect::Rev1,
        }
    }

    pub(crate) fn encoder<'o>(&self, output: &'o mut Vec<u8>) -> Encoder<'o> {
        Encoder::new(output, self.dialect())
    }

    /// A command was read.
    pub(crate) fn note_begun(&mut self, command: &Command) {
        self.timed = Some((command.name(), Stopwatch::start()));
    }

    /// A command has its answer, or one of those that were done together.
    pub(crate) fn note_answered(&mut self) {
        if let Some((command, stopwatch)) = self.timed {
            self.service.commands.answered(Protocol::Imap.name(), command, stopwatch);
        }
        if self.answers.is_none() {
            self.timed = None;
        }
    }

    /// Ends a command.
    pub(crate) fn end(&mut self, finish: Finish) -> Turn {
        self.running = Some(Running::Finish(finish));
        Turn::Again
    }

    /// Goes on with what `running` says at the next turn.
    pub(crate) fn go_on(&mut self, running: Running) -> Turn {
        self.running = Some(running);
        Turn::Again
    }

    /// Goes on with what `running` says once the output is sent.
    pub(crate) fn pause(&mut self, running: Running) -> Turn {
        self.active_at = self.now.monotonic_millis;
        self.running = Some(running);
        Turn::Flush
    }

    /// `* BYE`, and no more.
    pub(crate) fn bye(&mut self, output: &mut Vec<u8>, code: Option<Code<'_>>, text: &str) -> Turn {
        self.encoder(output).bye(code, text);
        self.state = State::Logout;
        Turn::Close
    }

    /// Whoever is here may not be here any more.
    pub(crate) fn show_out(&mut self, output: &mut Vec<u8>) -> Turn {
        if self.may_be_in_literal() {
            self.state = State::Logout;
            return Turn::Close;
        }
        self.bye(output, None, "This login does not count any more; log in again")
    }

    /// Whether BYE could be read as mail.
    fn may_be_in_literal(&self) -> bool {
        matches!(&self.running, Some(Running::Work(_, work, _) | Running::Telling(work, _)) if work.may_be_in_literal())
    }

    /// Whether somebody is here whose login does not count any more.
    fn is_to_go(&self) -> bool {
        match &self.state {
            State::Authenticated(user) => !user.presence.still_counts(Timestamp(self.now.unix_millis)).unwrap_or(true),
            State::NotAuthenticated(_) | State::Logout => false,
        }
    }

    fn greet(&mut self, output: &mut Vec<u8>) {
        self.connected_at = Some(self.now.monotonic_millis);
        self.active_at = self.now.monotonic_millis;
        let capabilities = self.capabilities();
        let names: Vec<&str> = capabilities.iter().map(String::as_str).collect();
        let text = format!("{} Pillarbox ready", self.service.hostname);
        self.encoder(output).untagged(Status::Ok, Some(Code::Capability(&names)), &text);
    }

    fn turn(&mut self, output: &mut Vec<u8>) -> Turn {
        match self.running.take() {
            None if self.answers.is_some() => self.next_answer(),
            None => self.next_event(output),
            Some(Running::Idle(tag, watch)) => self.idle_turn(tag, watch, output),
            Some(Running::Telling(telling, then)) => self.telling_turn(telling, then, output),
            Some(Running::AuthLine(tag)) => self.auth_line_turn(tag, output),
            Some(Running::LogIn(tag)) => self.log_in_turn(tag, output),
            Some(Running::Finish(finish)) => self.finish(finish, output),
            Some(Running::Announced(announced)) => {
                let imap_proto::Tagged { tag, command } = *announced;
                self.dispatch(tag, command, None, output)
            }
            Some(Running::Work(tag, work, tell_at)) => self.work_turn(tag, work, tell_at, output),
        }
    }

    fn next_answer(&mut self) -> Turn {
        if let (State::Authenticated(user), Some(answers)) = (&mut self.state, &mut self.answers)
            && let Some(finish) = answers.next(user)
        {
            return self.end(finish);
        }
        self.answers = None;
        Turn::Again
    }

    fn next_event(&mut self, output: &mut Vec<u8>) -> Turn {
        match self.poll() {
            Event::NeedMore => self.notify(None, output),
            Event::Literal(request) => self.literal(&request, output),
            Event::Message(tagged) => {
                self.take_message(tagged.command);
                Turn::Again
            }
            Event::Command(tagged) => self.command(tagged, output),
            Event::Octets(octets) => {
                self.take_octets(&octets);
                Turn::Again
            }
            Event::Malformed(malformed) => {
                self.upload = None;
                self.encoder(output).malformed(&malformed);
                self.count_bad_command(output)
            }
            // The machine gives these only after it was told to expect them.
            Event::Done | Event::Auth(_) => Turn::Again,
        }
    }

    /// The client asks whether to send a literal.
    fn literal(&mut self, request: &LiteralRequest, output: &mut Vec<u8>) -> Turn {
        if let (State::Authenticated(user), Some(tag)) = (&self.state, &request.tag) {
            let before = self.upload.take().map(|upload| *upload);
            match Upload::expect(before, &self.service, (user, self.now), request) {
                Ok(upload) => self.upload = upload.map(Box::new),
                Err(refusal) => {
                    self.receiver.refuse_literal();
                    return self.end(Finish::new(tag.clone(), refusal));
                }
            }
        }
        self.encoder(output).continuation("Send the literal");
        Turn::Again
    }

    /// A part of a long message, announced or not.
    fn take_octets(&mut self, octets: &Octets) {
        if let Some(upload) = self.upload() {
            upload.take(&octets.0);
        }
    }

    /// One of several messages of an APPEND, or a part of a message.
    fn take_message(&mut self, command: Command) {
        let append = match command {
            Command::Append(append) => append,
            Command::Replace(replace) => replace.append,
            _ => return,
        };
        if let Some(upload) = self.upload() {
            upload.complete(&append);
        }
    }

    fn upload(&mut self) -> Option<&mut Upload> {
        let State::Authenticated(user) = &self.state else { return None };
        let begin = || Box::new(Upload::begin(&self.service, &user.account));
        Some(self.upload.get_or_insert_with(begin))
    }

    /// The next slice of a command.
    fn work_turn(&mut self, tag: Tag, mut work: Box<dyn Work>, tell_at: u64, output: &mut Vec<u8>) -> Turn {
        let State::Authenticated(user) = &mut self.state else { return Turn::Close };
        let mut context = Context { service: &self.service, now: self.now, user, output };
        let answer = match work.run(&mut context) {
            Ok(Progress::More) => {
                let now = self.now.monotonic_millis;
                // RFC 9585 §4: seldom, and only while there is nothing else to hear.
                let is_silent = output.is_empty() && !work.may_be_in_literal();
                let is_long = now >= tell_at;
                if is_silent && is_long {
                    self.encoder(output).untagged(Status::Ok, Some(Code::InProgress(&tag)), "Still at it");
                }
                let tell_at = if is_long { now.saturating_add(IN_PROGRESS_MILLIS) } else { tell_at };
                return self.pause(Running::Work(tag, work, tell_at));
            }
            Ok(Progress::Done(answer)) | Err(Stop::Refused(answer)) => answer,
            Err(Stop::Broken) => return Turn::Close,
            Err(Stop::Gone) => return self.show_out(output),
        };
        let news = work.news();
        // What a copy that failed has brought is taken back before the client hears of it.
        drop(work);
        self.end(Finish { news, ..Finish::new(tag, answer) })
    }

    /// The machine's next event.
    pub(crate) fn poll(&mut self) -> Event {
        self.next.take().map_or_else(|| self.receiver.poll(), |event| *event)
    }

    /// Gives an event back whose turn it is not yet.
    pub(crate) fn put_back(&mut self, event: Event) {
        self.next = Some(Box::new(event));
    }

    fn count_bad_command(&mut self, output: &mut Vec<u8>) -> Turn {
        self.bad_commands += 1;
        if self.bad_commands < self.service.limits.bad_commands_max {
            return Turn::Again;
        }
        self.bye(output, Some(Code::ClientBug), "Too many bad commands")
    }

    /// News, then the answer.
    fn finish(&mut self, mut finish: Finish, output: &mut Vec<u8>) -> Turn {
        self.active_at = self.now.monotonic_millis;
        if let (State::Authenticated(user), Some(news)) = (&mut self.state, &mut finish.news) {
            match user.tell(news, output) {
                Ok(Look::Done) => {}
                Ok(Look::More) => {
                    self.running = Some(Running::Finish(finish));
                    return Turn::Flush;
                }
                Err(Error::NoSuchAccount) => return self.show_out(output),
                // Logged by the store. The news come with a later look: `told` is as it was.
                Err(_) => {}
            }
        }
        if let State::Authenticated(user) = &mut self.state
            && let Some(modseq) = user.modseq_to_say()
        {
            let mut encoder = Encoder::new(output, user.enabled.dialect());
            finish.answer.say_modseq(modseq, &mut encoder);
        }
        finish.answer.write(&finish.tag, &mut self.encoder(output));
        self.note_answered();
        self.receiver.set_dialect(self.dialect());
        match finish.then {
            Then::Close => {
                self.state = State::Logout;
                Turn::Close
            }
            Then::StartTls => {
                self.receiver.discard_input();
                Turn::StartTls
            }
            Then::Compress => {
                self.compression = Some(Box::new(Layer::new(self.receiver.take_input())));
                self.bad_commands = 0;
                // The answer is the last that is not compressed.
                Turn::Flush
            }
            Then::Unauthenticate => self.begin_anew(),
            Then::Continue if finish.answer.status == Status::Bad => self.count_bad_command(output),
            Then::Continue => {
                self.bad_commands = 0;
                Turn::Again
            }
        }
    }

    /// As one that has just connected.
    pub(crate) fn count_as_connected(&mut self) {
        self.connected_at = Some(self.now.monotonic_millis);
        self.bad_commands = 0;
    }

    /// When silence or a slow login ends the session.
    fn expires_at(&self) -> Option<u64> {
        let limits = &self.service.limits;
        match (&self.state, &self.running) {
            (State::Logout, _) => None,
            (State::NotAuthenticated(_), _) => self.connected_at.map(|at| at.saturating_add(limits.login_millis)),
            (State::Authenticated(_), Some(Running::Idle(..))) => {
                Some(self.active_at.saturating_add(limits.idle_millis))
            }
            (State::Authenticated(_), _) => Some(self.active_at.saturating_add(limits.autologout_millis)),
        }
    }

    fn wait(&mut self, output: &mut Vec<u8>) -> Step {
        if self.is_to_go() {
            self.show_out(output);
            return Step::Close;
        }
        if self.expires_at().is_none_or(|at| self.now.monotonic_millis < at) {
            return Step::Wait;
        }
        let text = match self.state {
            State::NotAuthenticated(_) => "Login took too long",
            State::Authenticated(_) | State::Logout => "Idle for too long",
        };
        self.bye(output, None, text);
        Step::Close
    }

    /// The code that tells what the session can do now.
    pub(crate) fn capability_code(&self) -> ResultCode {
        ResultCode::Capability(self.capabilities())
    }

    /// What the session can do now.
    pub(crate) fn capabilities(&self) -> Vec<String> {
        let is_logged_in = !matches!(self.state, State::NotAuthenticated(_));
        let mut names = capability::names(&self.service, &self.peer, is_logged_in);
        names.retain(|name| !matches!(name.as_str(), "STARTTLS" | "UNAUTHENTICATE") || self.compression.is_none());
        names
    }
}

impl session::Session for ImapSession {
    fn receive(&mut self, input: &[u8]) {
        match &mut self.compression {
            Some(layer) => layer.push(input),
            None => self.receiver.push(input),
        }
        self.heard = true;
        if let State::NotAuthenticated(stranger) = &mut self.state {
            stranger.desk.heard(input.len());
        }
    }

    fn step(&mut self, now: Moment, output: &mut Vec<u8>) -> Step {
        if self.compression.is_none() {
            return self.step_plain(now, output);
        }
        let mut plain = Vec::new();
        let step = self.step_inflating(now, &mut plain);
        append_deflated(&plain, output);
        step
    }

    fn owner(&self) -> Option<u64> {
        match &self.state {
            State::Authenticated(user) => Some(user.account.id().0.into()),
            State::NotAuthenticated(_) | State::Logout => None,
        }
    }

    fn doing(&self) -> Doing {
        let device = match &self.state {
            State::Authenticated(user) => Some(user.presence.login().device.0),
            State::NotAuthenticated(_) | State::Logout => None,
        };
        // What it takes counts up to its continuation: whoever idles waits for nothing of theirs.
        let idles = matches!(self.running, Some(Running::Idle(..)));
        // A message that comes in is that of a command that is not whole yet.
        let brings = || device.and_then(|_| self.receiver.bringing());
        let command = if idles { Some("IDLE") } else { self.timed.map(|(command, _)| command).or_else(brings) };
        Doing { device, command, is_busy: command.is_some() && !idles }
    }

    fn deadline_millis(&self) -> Option<u64> {
        let sooner = match (&self.state, &self.running) {
            (State::NotAuthenticated(stranger), _) => stranger.desk.until(),
            (State::Authenticated(user), Some(Running::Idle(..))) => Some(self.refreshes_at(user)),
            (State::Authenticated(user), _) if user.notify.is_some() => Some(self.refreshes_at(user)),
            (State::Authenticated(_) | State::Logout, _) => None,
        };
        [sooner, self.expires_at()].into_iter().flatten().min()
    }

    fn tls_started(&mut self, tls: Tls) {
        self.peer.tls = Some(tls);
        self.receiver.discard_input();
        // RFC 9051 §6.2.1: what was said before TLS, ID included, does not count any more.
        if let State::NotAuthenticated(stranger) = &mut self.state {
            stranger.fingerprint = None;
            stranger.desk.begin_anew();
        }
    }

    fn shut_down(&mut self, why: Goodbye, output: &mut Vec<u8>) {
        if matches!(self.state, State::Logout) || self.may_be_in_literal() {
            return;
        }
        let (code, text) = match why {
            Goodbye::ServerStops => (Some(Code::Unavailable), "The server stops, come again soon"),
            Goodbye::Ended => (None, "An administrator has ended this session"),
        };
        let mut goodbye = Vec::new();
        self.bye(&mut goodbye, code, text);
        match &self.compression {
            Some(_) => append_deflated(&goodbye, output),
            None => output.append(&mut goodbye),
        }
    }
}

impl ImapSession {
    /// A step over what is not compressed, or not any more.
    fn step_plain(&mut self, now: Moment, output: &mut Vec<u8>) -> Step {
        self.now = now;
        if self.connected_at.is_none() {
            self.greet(output);
        }
        if mem::take(&mut self.heard) {
            self.active_at = now.monotonic_millis;
        }
        loop {
            if matches!(self.state, State::Logout) {
                return Step::Close;
            }
            if output.len() >= OUTPUT_HIGH_WATER_BYTES {
                return Step::Flush;
            }
            // What goes on reads on.
            if self.running.is_some() && self.is_to_go() {
                self.show_out(output);
                return Step::Close;
            }
            match self.turn(output) {
                Turn::Again => {}
                Turn::Wait => return self.wait(output),
                Turn::Flush => return Step::Flush,
                Turn::Close => return Step::Close,
                Turn::StartTls => return Step::StartTls,
            }
        }
    }

    /// Steps as long as the layer has something to inflate and others need not wait.
    fn step_inflating(&mut self, now: Moment, output: &mut Vec<u8>) -> Step {
        let mut inflated = 0;
        loop {
            let step = self.step_plain(now, output);
            if step != Step::Wait {
                return step;
            }
            if output.len() >= OUTPUT_HIGH_WATER_BYTES || inflated >= INFLATED_PER_STEP_MAX {
                return Step::Flush;
            }
            let Some(layer) = &mut self.compression else { return step };
            match layer.inflate() {
                Inflated::Octets(octets) => {
                    inflated += octets.len();
                    self.receiver.push(octets);
                }
                Inflated::NeedMore => {
                    layer.rest();
                    return Step::Wait;
                }
                Inflated::Broken => {
                    self.bye(output, Some(Code::ClientBug), "This is no DEFLATE stream");
                    return Step::Close;
                }
            }
        }
    }

    fn refreshes_at(&self, user: &User) -> u64 {
        user.refreshed_at.saturating_add(self.service.limits.refresh_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_small() {
        let bytes = size_of::<ImapSession>() + size_of::<User>();
        assert!(bytes <= 1120, "{bytes}");
    }
}
