//! The server's side: octets in, events out, one at a time.
//!
//! A session polls, answers, polls again. After DATA, BDAT and AUTH it says how to go on before it polls;
//! that is why events are not handed out in bulk.
//!
//! A command line ends with CRLF. A line that ends with a bare LF is cut there and refused unread
//! ([`SyntaxError::BareLineFeed`]): waiting for a CRLF would hang whoever types into a pipe, obeying it would
//! be one of the two readings on which smuggling lives (RFC 5321 §2.3.8).

use crate::chunk::ChunkReader;
use crate::command::Bdat;
use crate::data::{DataReader, Part};
use crate::{Command, Secret, SyntaxError};
use line_proto::Input;

/// The longest command line, CRLF included. RFC 5321 §4.5.3.1.4 asks for 512; extensions raise it.
pub const COMMAND_LINE_OCTETS_MAX: usize = 2048;
/// The longest line of an AUTH exchange, the command itself included, with CRLF (RFC 4954 §4).
pub const AUTH_LINE_OCTETS_MAX: usize = 12_288;

/// What the client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A command, or a line that is none: answer with [`SyntaxError::reply`].
    Command(Result<Command, SyntaxError>),
    /// The line after [`Receiver::begin_auth`], without CRLF: base64 or `*`. The next line is a command again.
    AuthLine(Result<Secret, SyntaxError>),
    /// The next octets of a message, dots unstuffed, every other octet as it came: after [`Receiver::begin_data`] or
    /// [`Receiver::begin_chunk`].
    Octets(Vec<u8>),
    /// The end of a message: all of it has come, after DATA with CRLF at its end unless it is empty, after BDAT as the
    /// client pleased.
    Message,
    /// The end of a chunk that is not the last: answer 250.
    Chunk,
    /// The end of a message, or of a chunk of it, that is larger than the limit: throw away what came, and answer 552.
    TooBig,
}

#[derive(Debug, Default)]
enum Mode {
    #[default]
    Command,
    Auth,
    Data(DataReader),
    /// BDAT was read; the session has not taken the chunk yet.
    Announced(Bdat),
    Chunk(ChunkReader),
    /// All octets were handed on; of a chunk, whether it is the last.
    Ended {
        is_last: bool,
    },
    Skip(u64),
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

    /// Whether octets were pushed and not consumed: the client pipelines, or talks before its turn.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        !self.input.pending().is_empty()
    }

    /// The next event, `None` if more octets are needed for one.
    pub fn poll(&mut self) -> Option<Event> {
        if let Mode::Announced(bdat) = self.mode {
            // The session did not take the chunk. RFC 3030 §2: its octets come nevertheless and are no commands.
            self.mode = Mode::Skip(bdat.size);
        }
        if let Mode::Skip(remaining) = self.mode {
            self.skip(remaining);
        }
        match &mut self.mode {
            Mode::Command => self.poll_command(),
            Mode::Auth => self.poll_auth(),
            Mode::Data(reader) => {
                let (used, part) = reader.feed(self.input.pending());
                self.input.consume(used);
                Some(self.came(part?, true))
            }
            Mode::Chunk(reader) => {
                let (used, part) = reader.feed(self.input.pending());
                let is_last = reader.is_last();
                self.input.consume(used);
                Some(self.came(part?, is_last))
            }
            Mode::Ended { is_last } => {
                let event = if *is_last { Event::Message } else { Event::Chunk };
                self.mode = Mode::Command;
                Some(event)
            }
            Mode::Announced(_) | Mode::Skip(_) => None,
        }
    }

    /// After 354: what follows is content up to CRLF.CRLF, handed on up to `limit_bytes`.
    pub fn begin_data(&mut self, limit_bytes: usize) {
        self.mode = Mode::Data(DataReader::new(limit_bytes));
    }

    /// After [`Command::Bdat`]: takes the chunk, after chunks of `so_far_bytes`, up to `limit_bytes` in all.
    /// A session that refuses the chunk calls nothing; the octets are then skipped.
    /// After any other event it does nothing.
    pub fn begin_chunk(&mut self, so_far_bytes: u64, limit_bytes: usize) {
        if let Mode::Announced(bdat) = self.mode {
            self.mode = Mode::Chunk(ChunkReader::new(so_far_bytes, bdat.size, limit_bytes).last(bdat.last));
        }
    }

    /// After 334: the next line is one of the exchange.
    pub fn begin_auth(&mut self) {
        self.mode = Mode::Auth;
    }

    /// Forgets everything that was pushed. RFC 3207 §6: to be called when TLS starts, so that nothing
    /// sent in the clear is obeyed afterwards.
    pub fn discard(&mut self) {
        self.input.clear();
        self.mode = Mode::Command;
    }

    fn poll_command(&mut self) -> Option<Event> {
        let command = self.line()?.and_then(|line| {
            let is_auth = line.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
            if line.len() + 2 > COMMAND_LINE_OCTETS_MAX && !is_auth {
                return Err(SyntaxError::LineTooLong);
            }
            Command::parse(&line)
        });
        if let Ok(Command::Bdat(bdat)) = command {
            self.mode = Mode::Announced(bdat);
        }
        Some(Event::Command(command))
    }

    fn poll_auth(&mut self) -> Option<Event> {
        let line = self.line()?;
        self.mode = Mode::Command;
        Some(Event::AuthLine(line.map(Secret::new)))
    }

    /// The next line without its CRLF.
    fn line(&mut self) -> Option<Result<Vec<u8>, SyntaxError>> {
        let line = self.input.take_line(AUTH_LINE_OCTETS_MAX)?;
        Some(match line {
            Err(_) => Err(SyntaxError::LineTooLong),
            Ok(mut line) if line.ends_with(b"\r\n") => {
                line.truncate(line.len() - 2);
                Ok(line)
            }
            Ok(_) => Err(SyntaxError::BareLineFeed),
        })
    }

    fn came(&mut self, part: Part, is_last: bool) -> Event {
        match part {
            Part::Octets(octets) => Event::Octets(octets),
            Part::Last(octets) => {
                self.mode = Mode::Ended { is_last };
                Event::Octets(octets)
            }
            Part::TooBig => {
                self.mode = Mode::Command;
                Event::TooBig
            }
        }
    }

    fn skip(&mut self, remaining: u64) {
        let pending = self.input.pending().len() as u64;
        let skipped = remaining.min(pending);
        self.input.consume(usize::try_from(skipped).unwrap_or(usize::MAX));
        self.mode = if skipped == remaining { Mode::Command } else { Mode::Skip(remaining - skipped) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every DATA, BDAT and AUTH is taken; lines tell what happened.
    fn play(receiver: &mut Receiver, log: &mut Vec<String>) {
        let mut so_far_bytes = 0;
        while let Some(event) = receiver.poll() {
            log.push(format!("{event:?}"));
            match event {
                Event::Command(Ok(Command::Data)) => receiver.begin_data(20),
                Event::Command(Ok(Command::Bdat(_))) => receiver.begin_chunk(so_far_bytes, 20),
                Event::Command(Ok(Command::Auth(_))) => receiver.begin_auth(),
                Event::Octets(octets) => so_far_bytes += octets.len() as u64,
                Event::Message | Event::TooBig => so_far_bytes = 0,
                _ => {}
            }
        }
    }

    fn check(input: &str, expected: &[&str]) {
        let mut receiver = Receiver::new();
        let mut log = Vec::new();
        receiver.push(input.as_bytes());
        play(&mut receiver, &mut log);
        assert_eq!(log, expected, "{input:?}");
    }

    #[test]
    fn a_pipelined_transaction() {
        check(
            "RSET\r\nDATA\r\nhi\r\n.\r\nQUIT\r\nQ",
            &["Command(Ok(Rset))", "Command(Ok(Data))", "Octets([104, 105, 13, 10])", "Message", "Command(Ok(Quit))"],
        );
    }

    #[test]
    fn chunks_are_joined() {
        check(
            "BDAT 3\r\na\r\nBDAT 6 LAST\r\n\nQUIT\r\nRSET\r\nBDAT 0 LAST\r\n",
            &[
                "Command(Ok(Bdat(Bdat { size: 3, last: false })))",
                "Octets([97, 13, 10])",
                "Chunk",
                "Command(Ok(Bdat(Bdat { size: 6, last: true })))",
                "Octets([10, 81, 85, 73, 84, 13])",
                "Message",
                "Command(Err(BareLineFeed))",
                "Command(Ok(Rset))",
                "Command(Ok(Bdat(Bdat { size: 0, last: true })))",
                "Octets([])",
                "Message",
            ],
        );
        check(
            "BDAT 21\r\n123456789012345678901QUIT\r\n",
            &["Command(Ok(Bdat(Bdat { size: 21, last: false })))", "TooBig", "Command(Ok(Quit))"],
        );
    }

    #[test]
    fn a_refused_chunk_is_skipped() {
        let mut receiver = Receiver::new();
        receiver.push(b"BDAT 6 LAST\r\nRS");
        assert_eq!(receiver.poll(), Some(Event::Command(Ok(Command::Bdat(Bdat { size: 6, last: true })))));
        assert_eq!(receiver.poll(), None);
        receiver.push(b"ET\r\nQUIT\r\n");
        assert_eq!(receiver.poll(), Some(Event::Command(Ok(Command::Quit))));
    }

    #[test]
    fn a_chunk_can_not_be_begun_without_bdat() {
        let mut receiver = Receiver::new();
        receiver.begin_chunk(0, 20);
        receiver.push(b"QUIT\r\n");
        assert_eq!(receiver.poll(), Some(Event::Command(Ok(Command::Quit))));
    }

    #[test]
    fn auth_lines_are_raw_and_hidden() {
        check(
            "AUTH LOGIN\r\nc2VjcmV0\r\nQUIT\r\n",
            &[
                "Command(Ok(Auth(Auth { mechanism: \"LOGIN\", initial_response: None })))",
                "AuthLine(Ok(Secret(…)))",
                "Command(Ok(Quit))",
            ],
        );
        check(
            "AUTH LOGIN\r\n*\n",
            &[
                "Command(Ok(Auth(Auth { mechanism: \"LOGIN\", initial_response: None })))",
                "AuthLine(Err(BareLineFeed))",
            ],
        );
    }

    #[test]
    fn bare_line_feeds_are_refused_unread() {
        check("QUIT\nRSET\r\n", &["Command(Err(BareLineFeed))", "Command(Ok(Rset))"]);
        check("QUIT\rRSET\r\n", &["Command(Err(ControlCharacter))"]);
        check("QUIT\r\r\n", &["Command(Err(ControlCharacter))"]);
        check("QUIT\0\r\n", &["Command(Err(ControlCharacter))"]);
        check("\r\n", &["Command(Err(UnknownCommand))"]);
    }

    #[test]
    fn lines_are_bounded() {
        let noop = |octets: usize| format!("NOOP {}\r\n", "x".repeat(octets - 7));
        let auth = |octets: usize| format!("auth x {}\r\n", "x".repeat(octets - 9));
        check(&noop(COMMAND_LINE_OCTETS_MAX), &["Command(Ok(Noop))"]);
        check(&noop(COMMAND_LINE_OCTETS_MAX + 1), &["Command(Err(LineTooLong))"]);
        check(&noop(AUTH_LINE_OCTETS_MAX + 1), &["Command(Err(LineTooLong))"]);
        check(
            &auth(AUTH_LINE_OCTETS_MAX),
            &["Command(Ok(Auth(Auth { mechanism: \"X\", initial_response: Some(Secret(…)) })))"],
        );
        check(&auth(AUTH_LINE_OCTETS_MAX + 1), &["Command(Err(LineTooLong))"]);
        check(
            &format!("{}QUIT\r\n", auth(AUTH_LINE_OCTETS_MAX + 1)),
            &["Command(Err(LineTooLong))", "Command(Ok(Quit))"],
        );
    }

    #[test]
    fn nothing_sent_before_tls_is_obeyed_after() {
        let mut receiver = Receiver::new();
        receiver.push(b"STARTTLS\r\nMAIL FROM:<a@b>\r\nRCPT TO");
        assert_eq!(receiver.poll(), Some(Event::Command(Ok(Command::StartTls))));
        assert!(receiver.has_pending());
        receiver.discard();
        assert_eq!(receiver.poll(), None);
        receiver.push(b"RSET\r\n");
        assert_eq!(receiver.poll(), Some(Event::Command(Ok(Command::Rset))));
    }
}
