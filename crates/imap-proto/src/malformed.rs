//! Why a command was not understood, and what to answer.

use std::fmt;

use crate::flag::FlagError;
use crate::mailbox::NameError;
use crate::response::{Code, Status};
use crate::tag::Tag;

/// A command the machine took in whole and refuses; the machine stands at the next command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The command's tag, where it had a valid one; otherwise the answer is an untagged BAD.
    pub tag: Option<Tag>,
    /// What is wrong.
    pub reason: Reason,
}

/// One fact each about what a client got wrong. `Display` is the text for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The line does not begin with a tag.
    Tag,
    /// A tag and nothing behind it.
    MissingCommand,
    /// No such command.
    UnknownCommand,
    /// Something else stood where this was expected.
    Expected(&'static str),
    /// The command is complete and something follows.
    Trailing,
    /// An option, item or key that this server does not know; says which kind.
    Unknown(&'static str),
    /// Not a number, zero where zero is not allowed, or more than the field holds.
    Number,
    /// Text that is not UTF-8.
    NotUtf8,
    /// A NUL in a string.
    Nul,
    /// More than [`line_bytes_max`](crate::Limits::line_bytes_max).
    LineTooLong,
    /// More than [`literal_bytes_max`](crate::Limits::literal_bytes_max) or
    /// [`append_bytes_max`](crate::Limits::append_bytes_max).
    LiteralTooBig,
    /// More than [`literals_max`](crate::Limits::literals_max).
    TooManyLiterals,
    /// Deeper than [`nesting_max`](crate::Limits::nesting_max).
    TooDeep,
    /// More than [`ranges_max`](crate::Limits::ranges_max) or [`items_max`](crate::Limits::items_max).
    TooMany,
    /// A mailbox name that cannot exist here.
    Name(NameError),
    /// A flag that cannot be stored.
    Flag(FlagError),
    /// SEARCH in a charset other than US-ASCII and UTF-8.
    Charset,
    /// CREATE with a use attribute this server does not know.
    UseAttribute,
    /// A line of AUTHENTICATE, or its initial response, that is not base64.
    Base64,
    /// A line other than `DONE` while idling. IDLE is over.
    ExpectedDone,
}

impl Reason {
    /// BAD for what breaks the grammar, NO for what is well formed and refused.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::Flag(FlagError::Empty) => Status::Bad,
            Self::LiteralTooBig | Self::Name(_) | Self::Flag(_) | Self::Charset | Self::UseAttribute => Status::No,
            Self::Tag
            | Self::MissingCommand
            | Self::UnknownCommand
            | Self::Expected(_)
            | Self::Trailing
            | Self::Unknown(_)
            | Self::Number
            | Self::NotUtf8
            | Self::Nul
            | Self::LineTooLong
            | Self::TooManyLiterals
            | Self::TooDeep
            | Self::TooMany
            | Self::Base64
            | Self::ExpectedDone => Status::Bad,
        }
    }

    /// The response code that tells a program.
    #[must_use]
    pub fn code(self) -> Option<Code<'static>> {
        match self {
            // RFC 7889 §4 and RFC 9051 §4.3: a literal too large is refused with TOOBIG.
            Self::LiteralTooBig => Some(Code::TooBig),
            Self::Flag(FlagError::Empty) => None,
            Self::Name(_) | Self::Flag(_) => Some(Code::Cannot),
            Self::Charset => Some(Code::BadCharset),
            Self::UseAttribute => Some(Code::UseAttr),
            Self::TooDeep | Self::TooMany | Self::TooManyLiterals | Self::LineTooLong => Some(Code::Limit),
            Self::Tag
            | Self::MissingCommand
            | Self::UnknownCommand
            | Self::Expected(_)
            | Self::Trailing
            | Self::Unknown(_)
            | Self::Number
            | Self::NotUtf8
            | Self::Nul
            | Self::Base64
            | Self::ExpectedDone => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag => f.write_str("Expected a tag"),
            Self::MissingCommand => f.write_str("Expected a command after the tag"),
            Self::UnknownCommand => f.write_str("Unknown command"),
            Self::Expected(what) => write!(f, "Expected {what}"),
            Self::Trailing => f.write_str("Unexpected text after the command"),
            Self::Unknown(kind) => write!(f, "Unknown {kind}"),
            Self::Number => f.write_str("Number out of range"),
            Self::NotUtf8 => f.write_str("Text is not UTF-8"),
            Self::Nul => f.write_str("NUL in a string"),
            Self::LineTooLong => f.write_str("Command line too long"),
            Self::LiteralTooBig => f.write_str("Literal too big"),
            Self::TooManyLiterals => f.write_str("Too many literals"),
            Self::TooDeep => f.write_str("Nested too deep"),
            Self::TooMany => f.write_str("Too many elements"),
            Self::Name(error) => write!(f, "Mailbox name {error}"),
            Self::Flag(error) => write!(f, "Flag {error}"),
            Self::Charset => f.write_str("Only US-ASCII and UTF-8 can be searched"),
            Self::UseAttribute => f.write_str("Unknown special use"),
            Self::Base64 => f.write_str("Not base64"),
            Self::ExpectedDone => f.write_str("Expected DONE"),
        }
    }
}
