//! Commands: one file per verb that has a grammar of its own.
//!
//! The machine reads syntax only. Whether a command may come now, whether an extension was announced on this
//! connection, and how much may be sent is the session's business.

mod auth;
mod bdat;
mod hello;
mod mail;
mod rcpt;

pub use auth::Auth;
pub use bdat::Bdat;
pub use mail::{BodyType, Mail};
pub use rcpt::Rcpt;

use crate::SyntaxError;
use std::borrow::Cow;

/// A command that is well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `HELO name` (RFC 5321 §4.1.1.1). The name as the client gave it: no control character, at most 255
    /// characters, else not checked.
    Helo(String),
    /// `EHLO name`.
    Ehlo(String),
    /// `LHLO name` (RFC 2033 §4.1).
    Lhlo(String),
    /// `MAIL FROM:<path> …` (RFC 5321 §4.1.1.2).
    Mail(Mail),
    /// `RCPT TO:<path> …` (RFC 5321 §4.1.1.3).
    Rcpt(Rcpt),
    /// `DATA`: answer 354 and call `Receiver::begin_data`, or refuse.
    Data,
    /// `BDAT size [LAST]` (RFC 3030 §2): call `Receiver::begin_chunk`, or refuse; the octets follow in both cases.
    Bdat(Bdat),
    /// `RSET`.
    Rset,
    /// `NOOP [anything]`.
    Noop,
    /// `QUIT`.
    Quit,
    /// `VRFY text`.
    Vrfy(String),
    /// `EXPN text`.
    Expn(String),
    /// `HELP [text]`.
    Help(Option<String>),
    /// `STARTTLS` (RFC 3207 §4); `Receiver::discard` must be called before anything else is read.
    StartTls,
    /// `AUTH mechanism [initial-response]` (RFC 4954 §4).
    Auth(Auth),
}

impl Command {
    /// The verb as in the RFC, for metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Helo(_) => "HELO",
            Self::Ehlo(_) => "EHLO",
            Self::Lhlo(_) => "LHLO",
            Self::Mail(_) => "MAIL",
            Self::Rcpt(_) => "RCPT",
            Self::Data => "DATA",
            Self::Bdat(_) => "BDAT",
            Self::Rset => "RSET",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
            Self::Vrfy(_) => "VRFY",
            Self::Expn(_) => "EXPN",
            Self::Help(_) => "HELP",
            Self::StartTls => "STARTTLS",
            Self::Auth(_) => "AUTH",
        }
    }

    /// Reads a line without its CRLF.
    pub fn parse(line: &[u8]) -> Result<Self, SyntaxError> {
        let line = match str::from_utf8(line) {
            Ok(line) => Cow::Borrowed(line),
            Err(_) if hello::is_hello(line) => String::from_utf8_lossy(line),
            Err(_) => return Err(SyntaxError::NotUtf8),
        };
        if line.chars().any(char::is_control) {
            return Err(SyntaxError::ControlCharacter);
        }
        // RFC 5321 §4.1.1: "SHOULD tolerate trailing white space".
        let line = line.trim_end_matches(' ');
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        Self::dispatch(&verb.to_ascii_uppercase(), rest.trim_start_matches(' '))
    }

    fn dispatch(verb: &str, rest: &str) -> Result<Self, SyntaxError> {
        match verb {
            "HELO" => hello::parse(rest).map(Self::Helo),
            "EHLO" => hello::parse(rest).map(Self::Ehlo),
            "LHLO" => hello::parse(rest).map(Self::Lhlo),
            "MAIL" => mail::parse(rest).map(Self::Mail),
            "RCPT" => rcpt::parse(rest).map(Self::Rcpt),
            "BDAT" => bdat::parse(rest).map(Self::Bdat),
            "AUTH" => auth::parse(rest).map(Self::Auth),
            "DATA" => alone(rest, Self::Data),
            "RSET" => alone(rest, Self::Rset),
            "QUIT" => alone(rest, Self::Quit),
            "STARTTLS" => alone(rest, Self::StartTls),
            "NOOP" => Ok(Self::Noop),
            "VRFY" => required(rest).map(Self::Vrfy),
            "EXPN" => required(rest).map(Self::Expn),
            "HELP" => Ok(Self::Help(required(rest).ok())),
            _ => Err(SyntaxError::UnknownCommand),
        }
    }
}

fn alone(rest: &str, command: Command) -> Result<Command, SyntaxError> {
    if rest.is_empty() { Ok(command) } else { Err(SyntaxError::UnexpectedArgument) }
}

fn required(rest: &str) -> Result<String, SyntaxError> {
    if rest.is_empty() { Err(SyntaxError::MissingArgument) } else { Ok(rest.to_owned()) }
}

/// What follows `FROM:` or `TO:`, in any case.
fn after_keyword<'a>(rest: &'a str, keyword: &str) -> Result<&'a str, SyntaxError> {
    match rest.split_at_checked(keyword.len()) {
        Some((found, path)) if found.eq_ignore_ascii_case(keyword) => Ok(path),
        _ => Err(SyntaxError::MissingArgument),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<Command, SyntaxError>) {
        assert_eq!(Command::parse(line.as_bytes()), expected, "{line}");
    }

    #[test]
    fn verbs_in_any_case() {
        check("ehlo pc.example", Ok(Command::Ehlo("pc.example".into())));
        check("HELO [192.0.2.1] ", Ok(Command::Helo("[192.0.2.1]".into())));
        check("LHLO x", Ok(Command::Lhlo("x".into())));
        check("data", Ok(Command::Data));
        check("RSET  ", Ok(Command::Rset));
        check("Quit", Ok(Command::Quit));
        check("StartTLS", Ok(Command::StartTls));
        check("NOOP whatever", Ok(Command::Noop));
        check("NOOP", Ok(Command::Noop));
        check("VRFY alice", Ok(Command::Vrfy("alice".into())));
        check("EXPN staff list", Ok(Command::Expn("staff list".into())));
        check("HELP", Ok(Command::Help(None)));
        check("HELP MAIL", Ok(Command::Help(Some("MAIL".into()))));
    }

    #[test]
    fn the_name_of_a_windows_machine_was_refused() {
        check("EHLO MÜLLER-PC", Ok(Command::Ehlo("MÜLLER-PC".into())));
        check("HELO My Computer", Ok(Command::Helo("My Computer".into())));
        check("lhlo пример", Ok(Command::Lhlo("пример".into())));
        assert_eq!(Command::parse(b"EHLO M\xdcLLER-PC"), Ok(Command::Ehlo("M\u{fffd}LLER-PC".into())));
        assert_eq!(Command::parse(b"EHLO M\xdc\0"), Err(SyntaxError::ControlCharacter));
        assert_eq!(Command::parse(b"MAIL M\xdc"), Err(SyntaxError::NotUtf8));
    }

    #[test]
    fn what_is_no_command() {
        check("", Err(SyntaxError::UnknownCommand));
        check(" EHLO x", Err(SyntaxError::UnknownCommand));
        check("GET / HTTP/1.1", Err(SyntaxError::UnknownCommand));
        check("EHLO", Err(SyntaxError::MissingArgument));
        check("DATA now", Err(SyntaxError::UnexpectedArgument));
        check("STARTTLS now", Err(SyntaxError::UnexpectedArgument));
        check("VRFY", Err(SyntaxError::MissingArgument));
        check("NOOP\t", Err(SyntaxError::ControlCharacter));
        check("NOOP \0", Err(SyntaxError::ControlCharacter));
        check("NOOP \r", Err(SyntaxError::ControlCharacter));
        assert_eq!(Command::parse(b"NOOP \xff"), Err(SyntaxError::NotUtf8));
    }
}
