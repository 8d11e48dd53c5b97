//! What a client may make the machine hold or do, by name.

/// The bounds of one command. A session sets the tight ones first and the wide ones after login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a command outside its literals, line ends included.
    pub line_bytes_max: usize,
    /// Bytes of all literals of a command together, the message of an APPEND apart.
    pub literal_bytes_max: u64,
    /// Bytes of the message literal of an APPEND.
    pub append_bytes_max: u64,
    /// Literals in one command.
    pub literals_max: usize,
    /// Depth of parentheses, `NOT` and `OR` in SEARCH, and of a section's part number.
    pub nesting_max: usize,
    /// Ranges in one sequence set.
    pub ranges_max: usize,
    /// Elements in one parenthesised list, and search keys at one level.
    pub items_max: usize,
}

impl Limits {
    /// For strangers: an ID as large as RFC 2971 §3.3 lets it be (30 fields with names of 30 octets and values of 1,024),
    /// quoted or in literals. A small APPEND before login is read to its end and refused as a command.
    #[must_use]
    pub const fn before_login() -> Self {
        Self {
            line_bytes_max: 36 * 1024,
            literal_bytes_max: 32 * 1024,
            append_bytes_max: 4 * 1024,
            literals_max: 60,
            nesting_max: 8,
            ranges_max: 100,
            items_max: 100,
        }
    }

    /// For users: 64 KiB of line, 64 KiB of literals, messages up to `message_bytes_max`.
    /// The depth allows for clients that write a search of n words as n nested `OR`s.
    #[must_use]
    pub const fn after_login(message_bytes_max: u64) -> Self {
        Self {
            line_bytes_max: 64 * 1024,
            literal_bytes_max: 64 * 1024,
            append_bytes_max: message_bytes_max,
            literals_max: 64,
            nesting_max: 100,
            ranges_max: 10_000,
            items_max: 2_000,
        }
    }
}
