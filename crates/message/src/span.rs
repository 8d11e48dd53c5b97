//! Where something stands in a message.

/// A range of bytes of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte; never before `start`.
    pub end: usize,
}

impl Span {
    /// How many bytes it covers.
    #[must_use]
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether it covers nothing.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The bytes it covers; what lies outside of `message` is left out.
    #[must_use]
    pub fn of(self, message: &[u8]) -> &[u8] {
        message.get(self.start..self.end.min(message.len())).unwrap_or_default()
    }
}
