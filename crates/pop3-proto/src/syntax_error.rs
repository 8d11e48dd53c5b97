//! What can be wrong with a line.

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
