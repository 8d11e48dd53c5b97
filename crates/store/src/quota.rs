//! How much the mailboxes of an account may hold together, and hold.

/// An account fills up when its mailboxes hold so many hundredths of its quota.
pub const FILLING_PERCENT: u64 = 80;

/// How much the mailboxes of an account may hold together. What is only restorable does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Octets; `None`: as many as there is disk.
    pub bytes: Option<u64>,
    /// Messages; `None`: as many as there may be octets.
    pub messages: Option<u64>,
}

impl Quota {
    /// So many octets at most.
    #[must_use]
    pub const fn of_bytes(bytes: u64) -> Self {
        Self { bytes: Some(bytes), messages: None }
    }
}

/// What a quota bounds (RFC 9208 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Octets.
    Storage,
    /// Messages.
    Message,
}

/// What some messages take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Octets.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

impl Amount {
    /// Of one message of so many octets.
    pub(crate) fn of_one(bytes: u32) -> Self {
        Self { bytes: bytes.into(), messages: 1 }
    }

    /// Of messages of so many octets each.
    #[must_use]
    pub fn of(sizes: impl IntoIterator<Item = u32>) -> Self {
        sizes.into_iter().map(Self::of_one).fold(Self::default(), |all, one| Self {
            bytes: all.bytes.saturating_add(one.bytes),
            messages: all.messages + one.messages,
        })
    }
}

/// What the mailboxes of an account hold together, and may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Octets; a copy in another mailbox counts again.
    pub bytes: u64,
    /// Messages, copies included.
    pub messages: u64,
    /// So much at most.
    pub quota: Quota,
}

impl Usage {
    /// Hundredths of the quota, of what is nearer to it, rounded down; more than 100 after an undo or a quota that became
    /// smaller. `None`: there is no quota.
    #[must_use]
    pub fn percent(&self) -> Option<u64> {
        let percent = |used: u64, quota: u64| used.saturating_mul(100).checked_div(quota).unwrap_or(100);
        let of_bytes = self.quota.bytes.map(|quota| percent(self.bytes, quota));
        of_bytes.max(self.quota.messages.map(|quota| percent(self.messages, quota)))
    }

    /// Whether the owner should do something about it.
    #[must_use]
    pub fn is_filling(&self) -> bool {
        self.percent().is_some_and(|percent| percent >= FILLING_PERCENT)
    }

    /// Whether there is no room for anything.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let is_reached = |used: u64, quota: Option<u64>| quota.is_some_and(|quota| used >= quota);
        is_reached(self.bytes, self.quota.bytes) || is_reached(self.messages, self.quota.messages)
    }
}
