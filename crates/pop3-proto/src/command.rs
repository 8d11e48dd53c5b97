//! Commands (RFC 1939 §5–§7, RFC 2449 §5, RFC 2595 §4, RFC 5034 §4, RFC 6856 §2.1, §3). None has a grammar worth a file of its own.
//!
//! The machine reads syntax only; whether a command may come in this state, and whether there is such a message,
//! is the session's business.

use crate::{Secret, SyntaxError};
use std::fmt;
use std::num::NonZeroU32;

/// A message's number in the maildrop of one session, counted from 1 (RFC 1939 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageNumber(NonZeroU32);

impl MessageNumber {
    /// The number, unless it is 0.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The number, 1 or more.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for MessageNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The beginning of an authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// The mechanism in upper case.
    pub mechanism: String,
    /// The initial response as it came: base64, or `=` for an empty one.
    pub initial_response: Option<Secret>,
}

/// A command that is well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `USER name`: the rest of the line, without spaces around it.
    User(String),
    /// `PASS password`: the rest of the line, spaces and all (RFC 1939 §7).
    Pass(Secret),
    /// `AUTH mechanism [initial-response]`.
    Auth(Auth),
    /// `AUTH` alone: older clients ask for the list of mechanisms (RFC 1734 had no other way to learn them).
    AuthList,
    /// `CAPA`.
    Capa,
    /// `STLS`; `Receiver::discard` must be called before anything else is read.
    Stls,
    /// `UTF8`: from now on messages are sent as they are.
    Utf8,
    /// `LANG [range]`: alone it asks for the list of languages.
    Lang(Option<String>),
    /// `STAT`.
    Stat,
    /// `LIST [n]`.
    List(Option<MessageNumber>),
    /// `UIDL [n]`.
    Uidl(Option<MessageNumber>),
    /// `RETR n`.
    Retr(MessageNumber),
    /// `TOP n lines`. A number of lines beyond 64 bits is all of them.
    Top(MessageNumber, u64),
    /// `DELE n`.
    Dele(MessageNumber),
    /// `NOOP`.
    Noop,
    /// `RSET`.
    Rset,
    /// `QUIT`.
    Quit,
}

impl Command {
    /// The keyword as in the RFC, for metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::User(_) => "USER",
            Self::Pass(_) => "PASS",
            Self::Auth(_) | Self::AuthList => "AUTH",
            Self::Capa => "CAPA",
            Self::Stls => "STLS",
            Self::Utf8 => "UTF8",
            Self::Lang(_) => "LANG",
            Self::Stat => "STAT",
            Self::List(_) => "LIST",
            Self::Uidl(_) => "UIDL",
            Self::Retr(_) => "RETR",
            Self::Top(..) => "TOP",
            Self::Dele(_) => "DELE",
            Self::Noop => "NOOP",
            Self::Rset => "RSET",
            Self::Quit => "QUIT",
        }
    }

    /// Reads a line without its line end.
    pub fn parse(line: &[u8]) -> Result<Self, SyntaxError> {
        let line = str::from_utf8(line).map_err(|_| SyntaxError::NotUtf8)?;
        if line.chars().any(char::is_control) {
            return Err(SyntaxError::ControlCharacter);
        }
        let (keyword, rest) = line.split_once(' ').unwrap_or((line, ""));
        let keyword = keyword.to_ascii_uppercase();
        if keyword == "PASS" {
            // RFC 1939 §7: the server "may treat spaces in the argument as part of the password".
            return required(rest).map(|password| Self::Pass(Secret::new(password)));
        }
        Self::dispatch(&keyword, rest.trim_matches(' '))
    }

    fn dispatch(keyword: &str, rest: &str) -> Result<Self, SyntaxError> {
        match keyword {
            "USER" => required(rest).map(|name| Self::User(name.to_owned())),
            "AUTH" => auth(rest),
            "CAPA" => alone(rest, Self::Capa),
            "STLS" => alone(rest, Self::Stls),
            "UTF8" => alone(rest, Self::Utf8),
            "LANG" => language(rest).map(Self::Lang),
            "STAT" => alone(rest, Self::Stat),
            "LIST" => optional_number(rest).map(Self::List),
            "UIDL" => optional_number(rest).map(Self::Uidl),
            "RETR" => number(rest).map(Self::Retr),
            "TOP" => top(rest),
            "DELE" => number(rest).map(Self::Dele),
            "NOOP" => alone(rest, Self::Noop),
            "RSET" => alone(rest, Self::Rset),
            "QUIT" => alone(rest, Self::Quit),
            _ => Err(SyntaxError::UnknownCommand),
        }
    }
}

fn alone(rest: &str, command: Command) -> Result<Command, SyntaxError> {
    if rest.is_empty() { Ok(command) } else { Err(SyntaxError::UnexpectedArgument) }
}

fn required(rest: &str) -> Result<&str, SyntaxError> {
    if rest.is_empty() { Err(SyntaxError::MissingArgument) } else { Ok(rest) }
}

fn auth(rest: &str) -> Result<Command, SyntaxError> {
    let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
    let initial = initial.trim_start_matches(' ');
    if mechanism.is_empty() {
        return Ok(Command::AuthList);
    }
    if initial.contains(' ') {
        return Err(SyntaxError::UnexpectedArgument);
    }
    let initial_response = (!initial.is_empty()).then(|| Secret::new(initial));
    Ok(Command::Auth(Auth { mechanism: mechanism.to_ascii_uppercase(), initial_response }))
}

fn language(rest: &str) -> Result<Option<String>, SyntaxError> {
    if rest.contains(' ') {
        return Err(SyntaxError::UnexpectedArgument);
    }
    Ok((!rest.is_empty()).then(|| rest.to_owned()))
}

fn top(rest: &str) -> Result<Command, SyntaxError> {
    let (message, lines) = rest.split_once(' ').ok_or(SyntaxError::MissingArgument)?;
    let lines = lines.trim_start_matches(' ');
    if !is_decimal(lines) {
        return Err(SyntaxError::BadNumber);
    }
    Ok(Command::Top(number(message)?, lines.parse().unwrap_or(u64::MAX)))
}

fn optional_number(rest: &str) -> Result<Option<MessageNumber>, SyntaxError> {
    if rest.is_empty() { Ok(None) } else { number(rest).map(Some) }
}

fn number(rest: &str) -> Result<MessageNumber, SyntaxError> {
    if !is_decimal(required(rest)?) {
        return Err(SyntaxError::BadNumber);
    }
    // What does not fit is a number that no message has, like 0.
    rest.parse().ok().and_then(MessageNumber::new).ok_or(SyntaxError::NoSuchNumber)
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<Command, SyntaxError>) {
        assert_eq!(Command::parse(line.as_bytes()), expected, "{line:?}");
    }

    fn n(number: u32) -> MessageNumber {
        MessageNumber::new(number).unwrap()
    }

    #[test]
    fn commands_in_any_case() {
        check("USER recent:alice@example.org ", Ok(Command::User("recent:alice@example.org".into())));
        check("user  alice", Ok(Command::User("alice".into())));
        check("PASS  two words ", Ok(Command::Pass(Secret::new(" two words "))));
        check("Pass пароль", Ok(Command::Pass(Secret::new("пароль"))));
        check("capa", Ok(Command::Capa));
        check("STLS", Ok(Command::Stls));
        check("utf8", Ok(Command::Utf8));
        check("LANG", Ok(Command::Lang(None)));
        check("lang de-AT ", Ok(Command::Lang(Some("de-AT".into()))));
        check("LANG *", Ok(Command::Lang(Some("*".into()))));
        check("stat ", Ok(Command::Stat));
        check("LIST", Ok(Command::List(None)));
        check("LIST 2", Ok(Command::List(Some(n(2)))));
        check("uidl", Ok(Command::Uidl(None)));
        check("uidl  17 ", Ok(Command::Uidl(Some(n(17)))));
        check("RETR 4294967295", Ok(Command::Retr(n(u32::MAX))));
        check("DELE 01", Ok(Command::Dele(n(1))));
        check("TOP 1 0", Ok(Command::Top(n(1), 0)));
        check("top  3  99999999999999999999999", Ok(Command::Top(n(3), u64::MAX)));
        check("NOOP", Ok(Command::Noop));
        check("RSET", Ok(Command::Rset));
        check("QUIT", Ok(Command::Quit));
    }

    #[test]
    fn authentication() {
        let auth = |mechanism: &str, initial: Option<&str>| {
            Ok(Command::Auth(Auth { mechanism: mechanism.into(), initial_response: initial.map(Secret::new) }))
        };
        check("AUTH", Ok(Command::AuthList));
        check("auth ", Ok(Command::AuthList));
        check("AUTH plain", auth("PLAIN", None));
        check("AUTH PLAIN =", auth("PLAIN", Some("=")));
        check("AUTH LOGIN  dGlt", auth("LOGIN", Some("dGlt")));
        check("AUTH PLAIN a b", Err(SyntaxError::UnexpectedArgument));
        assert!(!format!("{:?}", Command::parse(b"AUTH PLAIN c2VjcmV0")).contains("c2VjcmV0"));
        assert!(!format!("{:?}", Command::parse(b"PASS hidden")).contains("hidden"));
    }

    #[test]
    fn what_is_no_command() {
        check("", Err(SyntaxError::UnknownCommand));
        check(" STAT", Err(SyntaxError::UnknownCommand));
        check("APOP mrose c4c9334bac560ecc979e58001b3e22fb", Err(SyntaxError::UnknownCommand));
        check("USER", Err(SyntaxError::MissingArgument));
        check("PASS", Err(SyntaxError::MissingArgument));
        check("PASS ", Err(SyntaxError::MissingArgument));
        check("RETR", Err(SyntaxError::MissingArgument));
        check("TOP 1", Err(SyntaxError::MissingArgument));
        check("TOP 1 x", Err(SyntaxError::BadNumber));
        check("TOP 1 2 3", Err(SyntaxError::BadNumber));
        check("RETR 1 2", Err(SyntaxError::BadNumber));
        check("RETR +1", Err(SyntaxError::BadNumber));
        check("DELE -1", Err(SyntaxError::BadNumber));
        check("LIST 0", Err(SyntaxError::NoSuchNumber));
        check("RETR 4294967296", Err(SyntaxError::NoSuchNumber));
        check("STAT 1", Err(SyntaxError::UnexpectedArgument));
        check("UTF8 USER", Err(SyntaxError::UnexpectedArgument));
        check("LANG de en", Err(SyntaxError::UnexpectedArgument));
        check("QUIT\0", Err(SyntaxError::ControlCharacter));
        check("PASS a\rb", Err(SyntaxError::ControlCharacter));
        assert_eq!(Command::parse(b"PASS \xe4"), Err(SyntaxError::NotUtf8));
    }
}
