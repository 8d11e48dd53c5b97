//! What can be wrong with a line, and the reply to it.

use crate::path::PathError;
use crate::{Enhanced, Reply};

/// The client's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyntaxError {
    /// Longer than the limit; the line is gone.
    LineTooLong,
    /// The line ends with LF alone (RFC 5321 §2.3.8). It is not looked at any further.
    BareLineFeed,
    /// A control character, be it NUL, a bare CR or a tab.
    ControlCharacter,
    /// Neither ASCII nor UTF-8.
    NotUtf8,
    /// No such verb.
    UnknownCommand,
    /// Nothing, or not `FROM:` or `TO:`, where something must be.
    MissingArgument,
    /// Something where nothing may be.
    UnexpectedArgument,
    /// The name after HELO, EHLO or LHLO is too long.
    BadName,
    /// The path of MAIL.
    SenderPath(PathError),
    /// The path of RCPT.
    RecipientPath(PathError),
    /// A parameter (its keyword) has a wrong value, lacks one, or came twice.
    MalformedParameter(String),
    /// A parameter (its keyword) of an extension that is not offered.
    UnknownParameter(String),
    /// BODY is neither 7BIT nor 8BITMIME.
    UnknownBodyType,
    /// An address beyond ASCII without SMTPUTF8.
    NeedsSmtpUtf8,
    /// How many octets follow BDAT is not known, so what follows can't be told from commands.
    BadChunkSize,
}

impl SyntaxError {
    /// Whether the connection must be closed after the reply, because what comes next has no known meaning.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        *self == Self::BadChunkSize
    }

    /// The reply that tells it (RFC 5321 §4.2.4, RFC 3463 §3).
    #[must_use]
    pub fn reply(&self) -> Reply {
        let syntax = Enhanced(5, 5, 2);
        let arguments = Enhanced(5, 5, 4);
        match self {
            Self::LineTooLong => Reply::new(500, syntax, "Line too long"),
            Self::BareLineFeed => Reply::new(500, syntax, "Lines end with CRLF, not with LF alone"),
            Self::ControlCharacter => Reply::new(500, syntax, "Control characters are not allowed"),
            Self::NotUtf8 => Reply::new(500, syntax, "Neither ASCII nor UTF-8"),
            Self::UnknownCommand => Reply::new(500, Enhanced(5, 5, 1), "Unknown command"),
            Self::MissingArgument => Reply::new(501, arguments, "An argument is missing"),
            Self::UnexpectedArgument => Reply::new(501, arguments, "Unexpected argument"),
            Self::BadName => Reply::new(501, arguments, "Not a host name"),
            Self::SenderPath(error) => Reply::new(501, Enhanced(5, 1, 7), path_text(*error)),
            Self::RecipientPath(error) => Reply::new(501, Enhanced(5, 1, 3), path_text(*error)),
            Self::MalformedParameter(keyword) => Reply::new(501, arguments, format!("Bad parameter {keyword}")),
            // RFC 5321 §4.1.1.11.
            Self::UnknownParameter(keyword) => Reply::new(555, arguments, format!("Unknown parameter {keyword}")),
            Self::UnknownBodyType => Reply::new(501, arguments, "BODY is 7BIT or 8BITMIME"),
            // RFC 6531 §3.5: 553 with 5.6.7.
            Self::NeedsSmtpUtf8 => Reply::new(553, Enhanced(5, 6, 7), "This address needs SMTPUTF8"),
            Self::BadChunkSize => Reply::new(501, arguments, "BDAT needs the number of octets"),
        }
    }
}

fn path_text(error: PathError) -> &'static str {
    match error {
        PathError::Brackets => "Address: unbalanced angle brackets or text after them",
        PathError::LocalPart => "Address: bad part before the @",
        PathError::LocalPartTooLong => "Address: the part before the @ is too long",
        PathError::NoDomain => "Address: no domain",
        PathError::Domain => "Address: bad domain",
        PathError::DomainTooLong => "Address: the domain is too long",
        PathError::AddressLiteral => "Address: bad address literal",
    }
}
