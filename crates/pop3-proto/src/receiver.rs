//! The server's side: octets in, events out, one at a time.
//!
//! A line ends with LF, with or without a CR before it: clients on Unix pipe bare LF, and nothing in POP3 depends on
//! where another server would see the end (RFC 1939 §3 asks for CRLF).

use crate::{Command, Secret, SyntaxError};
use line_proto::Input;

/// The longest command line, line end included. RFC 2449 §4 says 255; passwords may be long.
pub const COMMAND_LINE_OCTETS_MAX: usize = 512;
/// The longest line of an AUTH exchange, the command itself included, with line end.
pub const AUTH_LINE_OCTETS_MAX: usize = 12_288;

/// What the client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A command, or a line that is none: answer with `-ERR`.
    Command(Result<Command, SyntaxError>),
    /// The line after [`Receiver::begin_auth`], without line end: base64 or `*`. The next line is a command again.
    AuthLine(Result<Secret, SyntaxError>),
}

#[derive(Debug, Default)]
enum Mode {
    #[default]
    Command,
    Auth,
}

/// Cuts a client's octets into [`Event`]s.
#[derive(Debug, Default)]
pub struct Receiver {
    input: Input,
    mode: Mode,
}

impl Receiver {
    /// At the beginning of a connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes octets. Poll until `None` before pushing more, and memory stays bounded.
    pub fn push(&mut self, octets: &[u8]) {
        self.input.push(octets);
    }

    /// Whether octets were pushed and not consumed: the client pipelines.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        !self.input.pending().is_empty()
    }

    /// The next event, `None` if more octets are needed for one.
    pub fn poll(&mut self) -> Option<Event> {
        match self.mode {
            Mode::Command => self.poll_command(),
            Mode::Auth => self.poll_auth(),
        }
    }

    /// After `+ challenge`: the next line is one of the exchange.
    pub fn begin_auth(&mut self) {
        self.mode = Mode::Auth;
    }

    /// Forgets everything that was pushed. To be called when TLS starts, so that nothing sent in the clear
    /// is obeyed afterwards (RFC 2595 §4: STLS must not be pipelined).
    pub fn discard(&mut self) {
        self.input.clear();
        self.mode = Mode::Command;
    }

    fn poll_command(&mut self) -> Option<Event> {
        let line = self.input.take_line(AUTH_LINE_OCTETS_MAX)?;
        let command = line.map_err(|_| SyntaxError::LineTooLong).and_then(|line| {
            let is_auth = line.get(..5).is_some_and(|keyword| keyword.eq_ignore_ascii_case(b"AUTH "));
            if line.len() > COMMAND_LINE_OCTETS_MAX && !is_auth {
                return Err(SyntaxError::LineTooLong);
            }
            Command::parse(without_line_end(&line))
        });
        Some(Event::Command(command))
    }

    fn poll_auth(&mut self) -> Option<Event> {
        let line = self.input.take_line(AUTH_LINE_OCTETS_MAX)?;
        self.mode = Mode::Command;
        let line = line.map_err(|_| SyntaxError::LineTooLong).and_then(|line| {
            let text = str::from_utf8(without_line_end(&line)).map_err(|_| SyntaxError::NotUtf8)?;
            Ok(Secret::new(text))
        });
        Some(Event::AuthLine(line))
    }
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &[&str]) {
        let mut receiver = Receiver::new();
        receiver.push(input.as_bytes());
        let mut log = Vec::new();
        while let Some(event) = receiver.poll() {
            log.push(format!("{event:?}"));
            if matches!(event, Event::Command(Ok(Command::Auth(_)))) {
                receiver.begin_auth();
            }
        }
        assert_eq!(log, expected, "{input:?}");
    }

    #[test]
    fn lines_end_with_lf_or_crlf() {
        check("STAT\r\nNOOP\nQUIT", &["Command(Ok(Stat))", "Command(Ok(Noop))"]);
        check("STAT\r\r\n", &["Command(Err(ControlCharacter))"]);
        check("\n", &["Command(Err(UnknownCommand))"]);
    }

    #[test]
    fn auth_lines_are_raw_and_hidden() {
        check(
            "AUTH PLAIN\r\nc2VjcmV0\r\nQUIT\r\n",
            &[
                "Command(Ok(Auth(Auth { mechanism: \"PLAIN\", initial_response: None })))",
                "AuthLine(Ok(Secret(…)))",
                "Command(Ok(Quit))",
            ],
        );
    }

    #[test]
    fn lines_are_bounded() {
        let pass = |octets: usize| format!("PASS {}\r\n", "x".repeat(octets - 7));
        let auth = |octets: usize| format!("AUTH P {}\r\n", "x".repeat(octets - 9));
        let too_long = "Command(Err(LineTooLong))";
        check(&pass(COMMAND_LINE_OCTETS_MAX), &["Command(Ok(Pass(Secret(…))))"]);
        check(&pass(COMMAND_LINE_OCTETS_MAX + 1), &[too_long]);
        check(&format!("{}QUIT\n", pass(AUTH_LINE_OCTETS_MAX + 1)), &[too_long, "Command(Ok(Quit))"]);
        check(
            &auth(AUTH_LINE_OCTETS_MAX),
            &["Command(Ok(Auth(Auth { mechanism: \"P\", initial_response: Some(Secret(…)) })))"],
        );
        check(&auth(AUTH_LINE_OCTETS_MAX + 1), &[too_long]);
    }

    #[test]
    fn nothing_sent_before_tls_is_obeyed_after() {
        let mut receiver = Receiver::new();
        receiver.push(b"STLS\r\nUSER mallory\r\nPA");
        assert_eq!(receiver.poll(), Some(Event::Command(Ok(Command::Stls))));
        assert!(receiver.has_pending());
        receiver.discard();
        assert_eq!(receiver.poll(), None);
        receiver.push(b"CAPA\r\n");
        assert_eq!(receiver.poll(), Some(Event::Command(Ok(Command::Capa))));
    }
}
