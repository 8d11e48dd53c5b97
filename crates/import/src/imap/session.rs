//! A conversation with an IMAP server: commands and what it answers.

use super::reader::{COMMAND_BYTES_MAX, Part, Reader};
use super::server::{Security, Server};
use super::stream::{Stream, Timed, broken, connect, secure};
use super::value::{Value, parse};
use crate::source::SourceError;
use std::collections::HashSet;
use std::io;
use std::time::{Duration, Instant};

/// A command has at most so many responses: a few for each message or folder that it is about.
const RESPONSES_MAX: usize = 50_000;
/// Octets that are read at once.
const READ_BYTES: usize = 64 * 1024;
/// A string that is longer is sent as a literal.
const QUOTED_BYTES_MAX: usize = 1000;
/// What a server says is shown up to so many characters.
const SHOWN_CHARS_MAX: usize = 300;
/// Literals of responses that are no message: names of folders, texts.
const SMALL_BYTES: u64 = 256 * 1024;
/// A server has no more to say of what it can do.
const CAPABILITIES_MAX: usize = 500;
/// So long a command may take, and what it brings besides as long as that takes on the slowest line.
const COMMAND_PATIENCE: Duration = Duration::from_secs(600);
/// A line that is slower than that (128 kbit/s) is not waited for.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;

/// What a command is made of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word<'a> {
    /// As it is.
    Plain(&'a str),
    /// RFC 9051 §9: astring.
    String(&'a [u8]),
}

/// A response without a tag.
pub(super) struct Response(Vec<Part>);

impl Response {
    /// The text up to the first literal.
    pub(super) fn text(&self) -> &[u8] {
        match self.0.first() {
            Some(Part::Text(text)) => text,
            Some(Part::Literal(_) | Part::TooLarge) | None => &[],
        }
    }

    /// What stands behind `* ` and a word; `None`: it is another response.
    pub(super) fn after(&self, word: &str) -> Option<&[u8]> {
        let text = self.text().strip_prefix(b"* ")?;
        let (first, rest) = text.split_at_checked(word.len())?;
        (first.eq_ignore_ascii_case(word.as_bytes()) && matches!(rest.first(), None | Some(b' '))).then_some(rest)
    }

    /// Whether it is `* n WORD …`.
    pub(super) fn is_about_a_message(&self, word: &str) -> bool {
        let mut words = self.text().split(|octet| *octet == b' ').skip(1);
        words.next().is_some_and(|number| number.iter().all(u8::is_ascii_digit))
            && words.next().is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The values of `* n WORD …` or `* WORD …`, without these.
    pub(super) fn values(self, word: &str) -> Option<Vec<Value>> {
        let is_word = |value: &Value| value.octets().is_some_and(|octets| octets.eq_ignore_ascii_case(word.as_bytes()));
        let words = self.text().split(|octet| *octet == b' ').take(3);
        // The body of a message need not be looked through for another response.
        let at = words.clone().position(|found| found.eq_ignore_ascii_case(word.as_bytes()))?;
        let mut values = parse(self.0)?;
        (values.get(at).is_some_and(is_word)).then(|| values.split_off(at + 1))
    }
}

/// A connection on which somebody has logged in.
pub(crate) struct Session {
    stream: Box<dyn Stream>,
    reader: Reader,
    host: String,
    commands: u32,
    capabilities: HashSet<String>,
    is_logged_in: bool,
}

impl Session {
    /// Connects and logs in.
    pub(super) fn begin(server: &Server) -> Result<Self, SourceError> {
        let socket = connect(server)?;
        let again = socket.try_clone().map_err(|error| broken(&server.host, &error))?;
        let stream: Box<dyn Stream> =
            if server.security == Security::Tls { secure(server, socket)? } else { Box::new(Timed::new(socket)) };
        let mut session = Self::over(stream, &server.host);
        let is_known = session.greeting()?;
        if server.security == Security::StartTls {
            session.ask(&[Word::Plain("STARTTLS")], |_| Ok(())).map_err(|error| match error {
                SourceError::Refused(why) => SourceError::Refused(format!(
                    "{why}; without TLS the password and all mail could be read on the way: use imaps://, or --no-tls if nobody \
                     else is on the way"
                )),
                broken => broken,
            })?;
            // RFC 9051 §6.2.1: nothing that was said before counts.
            if !session.reader.is_empty() {
                return Err(SourceError::Refused(format!("{} says something between STARTTLS and TLS", server.host)));
            }
            session = Self::over(secure(server, again)?, &server.host);
        }
        if !is_known || server.security == Security::StartTls {
            session.learn_capabilities()?;
        }
        session.logs_in(server)
    }

    /// The same on a connection that needs no TLS.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn logged_in(mut self, server: &Server) -> Result<Self, SourceError> {
        if !self.greeting()? {
            self.learn_capabilities()?;
        }
        self.logs_in(server)
    }

    fn logs_in(mut self, server: &Server) -> Result<Self, SourceError> {
        self.log_in(server)?;
        self.is_logged_in = true;
        self.learn_capabilities()?;
        Ok(self)
    }

    pub(super) fn over(stream: Box<dyn Stream>, host: &str) -> Self {
        let (reader, capabilities) = (Reader::default(), HashSet::new());
        Self { stream, reader, host: host.to_owned(), commands: 0, capabilities, is_logged_in: false }
    }

    /// Whether the server can do something.
    pub(super) fn can(&self, capability: &str) -> bool {
        self.capabilities.contains(capability)
    }

    fn refused(&self, what: impl std::fmt::Display) -> SourceError {
        SourceError::Refused(format!("{} {what}", self.host))
    }

    /// Whether it said what it can do.
    fn greeting(&mut self) -> Result<bool, SourceError> {
        self.allow(0);
        let greeting = self.response()?;
        if greeting.after("OK").is_none() && greeting.after("PREAUTH").is_none() {
            return Err(SourceError::Broken(format!("{} says: {}", self.host, shown(greeting.text()))));
        }
        Ok(self.note_capabilities(&greeting))
    }

    fn note_capabilities(&mut self, response: &Response) -> bool {
        let listed = match response.after("CAPABILITY") {
            Some(listed) => listed,
            None => {
                let text = response.text();
                let Some(at) = text.windows(12).position(|found| found.eq_ignore_ascii_case(b"[CAPABILITY ")) else {
                    return false;
                };
                let rest = text.get(at + 12..).unwrap_or_default();
                rest.split(|octet| *octet == b']').next().unwrap_or_default()
            }
        };
        let words = listed.split(|octet| *octet == b' ').filter(|word| !word.is_empty()).take(CAPABILITIES_MAX);
        self.capabilities = words.map(|word| String::from_utf8_lossy(word).to_uppercase()).collect();
        true
    }

    fn learn_capabilities(&mut self) -> Result<(), SourceError> {
        // One at most: whoever is asked may send as many as it likes.
        let mut told = None;
        self.ask(&[Word::Plain("CAPABILITY")], |response| {
            if response.after("CAPABILITY").is_some() {
                told = Some(response);
            }
            Ok(())
        })?;
        if let Some(told) = told {
            self.note_capabilities(&told);
        }
        Ok(())
    }

    fn log_in(&mut self, server: &Server) -> Result<(), SourceError> {
        let login = &server.login;
        let (user, on_behalf) = match (&login.master, login.separator) {
            (None, _) => (login.user.clone(), None),
            (Some(master), Some(separator)) => (format!("{}{separator}{master}", login.user), None),
            (Some(master), None) => (master.clone(), Some(login.user.as_str())),
        };
        let failed = |error| match error {
            SourceError::Refused(why) => SourceError::Refused(format!("no login as {user}: {why}")),
            broken => broken,
        };
        if on_behalf.is_some() || self.can("AUTH=PLAIN") {
            let response = sasl::client::plain(on_behalf, &user, &login.password);
            return self.authenticate(&response).map_err(failed);
        }
        if self.can("LOGINDISABLED") {
            return Err(self.refused("takes no password on this connection; use imaps:// or imap:// with STARTTLS"));
        }
        let words = [Word::Plain("LOGIN "), Word::String(user.as_bytes()), Word::Plain(" ")];
        self.ask(&[&words[..], &[Word::String(login.password.as_bytes())]].concat(), |_| Ok(())).map_err(failed)
    }

    /// RFC 9051 §6.2.2, with the response at once where the server takes it so (RFC 4959).
    fn authenticate(&mut self, response: &str) -> Result<(), SourceError> {
        if self.can("SASL-IR") {
            return self.ask(&[Word::Plain("AUTHENTICATE PLAIN "), Word::Plain(response)], |_| Ok(()));
        }
        self.allow(0);
        let tag = self.send(&[Word::Plain("AUTHENTICATE PLAIN")])?;
        self.await_continuation(&tag)?;
        self.write(format!("{response}\r\n").as_bytes())?;
        self.finish(&tag, |_| Ok(()))
    }

    /// A command begins, or what stands for one: how much its answer may have, and until when it may take.
    fn allow(&mut self, bytes: u64) {
        self.reader.begin(bytes.saturating_add(SMALL_BYTES));
        self.stream.until(Instant::now() + patience(bytes));
    }

    /// Literals of messages of so many octets in all are kept in what the next command brings.
    pub(super) fn ask_for(
        &mut self,
        bytes: u64,
        words: &[Word<'_>],
        heard: impl FnMut(Response) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        self.allow(bytes);
        let tag = self.send(words)?;
        self.finish(&tag, heard)
    }

    /// Sends a command, and gives each response to it that has no tag.
    pub(super) fn ask(
        &mut self,
        words: &[Word<'_>],
        heard: impl FnMut(Response) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        self.ask_for(0, words, heard)
    }

    fn finish(
        &mut self,
        tag: &str,
        mut heard: impl FnMut(Response) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        for _ in 0..RESPONSES_MAX {
            let response = self.response()?;
            if let Some(status) = tagged(response.text(), tag) {
                return self.ended(status);
            }
            // RFC 9051 §7.1.5: the connection ends.
            if response.after("BYE").is_some() {
                return Err(SourceError::Broken(format!("{} says: {}", self.host, shown(response.text()))));
            }
            heard(response)?;
        }
        Err(self.refused("answers a command with more than it can have to say"))
    }

    fn ended(&self, status: &[u8]) -> Result<(), SourceError> {
        let is_ok = status.get(..2).is_some_and(|word| word.eq_ignore_ascii_case(b"OK"));
        if is_ok { Ok(()) } else { Err(self.refused(format_args!("says: {}", shown(status)))) }
    }

    /// Sends a command; gives its tag.
    fn send(&mut self, words: &[Word<'_>]) -> Result<String, SourceError> {
        self.commands += 1;
        let tag = format!("i{}", self.commands);
        let mut line = format!("{tag} ").into_bytes();
        for word in words {
            match word {
                Word::Plain(text) => line.extend_from_slice(text.as_bytes()),
                Word::String(octets) if can_be_quoted(octets) => {
                    line.push(b'"');
                    for octet in *octets {
                        if matches!(octet, b'"' | b'\\') {
                            line.push(b'\\');
                        }
                        line.push(*octet);
                    }
                    line.push(b'"');
                }
                // RFC 9051 §4.3: synchronizing, which every server knows.
                Word::String(octets) => {
                    line.extend_from_slice(format!("{{{}}}\r\n", octets.len()).as_bytes());
                    self.write(&line)?;
                    self.await_continuation(&tag)?;
                    line = octets.to_vec();
                }
            }
        }
        line.extend_from_slice(b"\r\n");
        self.write(&line)?;
        Ok(tag)
    }

    fn await_continuation(&mut self, tag: &str) -> Result<(), SourceError> {
        for _ in 0..RESPONSES_MAX {
            let response = self.response()?;
            if response.text().starts_with(b"+") {
                return Ok(());
            }
            if let Some(status) = tagged(response.text(), tag) {
                self.ended(status)?;
                return Err(self.refused("ends a command in its middle"));
            }
        }
        Err(self.refused("answers a command with more than it can have to say"))
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), SourceError> {
        self.stream.write_all(octets).and_then(|()| self.stream.flush()).map_err(|error| broken(&self.host, &error))
    }

    fn response(&mut self) -> Result<Response, SourceError> {
        loop {
            match self.reader.next() {
                Ok(Some(parts)) => return Ok(Response(parts)),
                Ok(None) => {}
                Err(_) => {
                    let max = COMMAND_BYTES_MAX / (1024 * 1024);
                    return Err(self.refused(format_args!("answers a command with more than any can need ({max} MiB)")));
                }
            }
            let mut octets = [0; READ_BYTES];
            match self.stream.read(&mut octets) {
                Ok(0) => {
                    let end = io::Error::new(io::ErrorKind::UnexpectedEof, "it ended");
                    return Err(broken(&self.host, &end));
                }
                Ok(count) => self.reader.push(octets.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(&self.host, &error)),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // RFC 9051 §6.1.3; a server that has gone need not be told, and nothing is said between STARTTLS and TLS.
        if self.is_logged_in {
            let _gone = self.write(b"bye LOGOUT\r\n");
        }
    }
}

/// How long the answer to a command may take that brings so many octets.
fn patience(bytes: u64) -> Duration {
    COMMAND_PATIENCE + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND)
}

/// RFC 9051 §9: what a quoted string may have; names beyond ASCII go as literals.
fn can_be_quoted(octets: &[u8]) -> bool {
    octets.len() <= QUOTED_BYTES_MAX && octets.iter().all(|octet| matches!(octet, b' '..=b'~'))
}

/// What stands behind a tag.
fn tagged<'a>(text: &'a [u8], tag: &str) -> Option<&'a [u8]> {
    text.strip_prefix(tag.as_bytes())?.strip_prefix(b" ")
}

/// What a server says, for people.
pub(super) fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
