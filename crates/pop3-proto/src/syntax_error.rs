//! What can be wrong with a line, and the reply to it.

use crate::Reply;

/// The client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyntaxError {
    /// Longer than the limit; the line is gone.
    LineTooLong,
    /// A control character, be it NUL, a CR inside the line or a tab.
    ControlCharacter,
    /// Neither ASCII nor UTF-8.
    NotUtf8,
    /// No such keyword.
    UnknownCommand,
    /// Nothing where something must be.
    MissingArgument,
    /// Something where nothing may be.
    UnexpectedArgument,
    /// Not a decimal number.
    BadNumber,
    /// A number that no message has: 0, or beyond 32 bits.
    NoSuchNumber,
}

impl SyntaxError {
    /// The reply that tells it.
    #[must_use]
    pub fn reply(self) -> Reply {
        Reply::err(match self {
            Self::LineTooLong => "Line too long",
            Self::ControlCharacter => "Control characters are not allowed",
            Self::NotUtf8 => "Neither ASCII nor UTF-8",
            Self::UnknownCommand => "Unknown command",
            Self::MissingArgument => "An argument is missing",
            Self::UnexpectedArgument => "Unexpected argument",
            Self::BadNumber => "Not a number",
            Self::NoSuchNumber => "No such message",
        })
    }
}
