//! Newtypes for every number that crosses a function.

use std::fmt;
use std::str::FromStr;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// An account: the unit of consistency, ordering and sharding. Never used again after the account is removed.
    AccountId(u32)
);
number!(
    /// A credential of an account and what was done with it. Counts up within the account, never used again.
    DeviceId(u32)
);
number!(
    /// Removals of a device that are held. Counts up within the account, never used again.
    HoldId(u32)
);
number!(
    /// A mailbox of an account. Survives renames; never used again.
    MailboxId(u32)
);
number!(
    /// A message's unique identifier in one mailbox (RFC 9051 §2.3.1.1): ascending, never used again, at least 1.
    Uid(u32)
);
number!(
    /// The incarnation of a mailbox's UIDs (RFC 9051 §2.3.1.1): at least 1.
    UidValidity(u32)
);
number!(
    /// The account's change counter (RFC 7162 §3): every journal entry has one of its own; at least 1 once anything happened.
    ModSeq(u64)
);
number!(
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64)
);
number!(
    /// The immutable identity of a message in its account: the `EMAILID` of RFC 8474 and the `UIDL` of RFC 1939.
    /// Survives flags, COPY, MOVE, removal and restore; ascending in order of arrival; never used again.
    EmailId(u64)
);

impl DeviceId {
    /// Whoever logged in with the main password where no device of it is known and the disk took no note of the login. It
    /// reads, and nothing is committed on its behalf: no record holds this number.
    pub const UNNOTED: Self = Self(u32::MAX);
}

impl AccountId {
    /// The first number of an account. Those below are what the engine knows the tables of the server by.
    pub const FIRST: Self = Self(16);
    /// The number of no account.
    pub const NOBODY: Self = Self(0);

    /// Whether this number can be an account's.
    pub(crate) fn is_mail(self) -> bool {
        self >= Self::FIRST
    }
}

impl Timestamp {
    /// As the date of a message that every reader can parse: programs that count in seconds from 1970 take what is before it
    /// for an error (mbsync), and some end with the year 3000 (the C library of Windows), which is before what the grammar
    /// ends with (RFC 9051 §9: four digits).
    #[must_use]
    pub fn as_internal_date(self) -> Self {
        /// 3000-01-01T00:00:00Z.
        const END: i64 = 376_200 * 24 * 3600 * 1000;
        Self(self.0.clamp(0, END - 1))
    }
}

impl Uid {
    /// The largest UID.
    pub const MAX: Self = Self(u32::MAX);
}

impl Timestamp {
    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment so many days earlier.
    #[must_use]
    pub fn days_before(self, days: u16) -> Self {
        Self(self.0.saturating_sub(i64::from(days) * 24 * 3600 * 1000))
    }

    /// The moment so many days later.
    #[must_use]
    pub(crate) fn days_after(self, days: u16) -> Self {
        Self(self.0.saturating_add(i64::from(days) * 24 * 3600 * 1000))
    }

    /// From whole seconds since 1970.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }
}

/// RFC 8474 §4 object id text: `M` and 13 characters of base 32 (`0-9a-v`), sorting as the numbers do.
impl EmailId {
    /// The text that IMAP shows as `EMAILID` and POP3 as `UIDL`: 14 characters out of `[0-9a-vM]`.
    #[must_use]
    pub fn text(self) -> String {
        let mut text = String::with_capacity(14);
        text.push('M');
        for place in (0..13).rev() {
            let digit = (self.0 >> (place * 5)) & 31;
            text.push(char::from_digit(digit as u32, 32).unwrap_or('0'));
        }
        text
    }
}

impl EmailId {
    /// Whether the message came in this millisecond or later, as far as its number tells: numbers are near the clock, in
    /// microseconds.
    #[must_use]
    pub(crate) fn came_since(self, moment: Timestamp) -> bool {
        self.0 >= moment.0.max(0).unsigned_abs().saturating_mul(1000)
    }
}

/// Text that is not the form [`EmailId::text`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnEmailId;

impl FromStr for EmailId {
    type Err = NotAnEmailId;

    fn from_str(text: &str) -> Result<Self, NotAnEmailId> {
        let digits = text.strip_prefix('M').filter(|d| d.len() == 13).ok_or(NotAnEmailId)?;
        digits.chars().try_fold(Self(0), |id, c| {
            let digit = c.to_digit(32).filter(|_| !c.is_ascii_uppercase()).ok_or(NotAnEmailId)?;
            id.0.checked_mul(32).map(|n| Self(n | u64::from(digit))).ok_or(NotAnEmailId)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_id_text_parses_back_and_sorts_like_the_number() {
        for n in [0, 1, 31, 32, 1_790_000_000_000_000, u64::MAX] {
            assert_eq!(EmailId(n).text().parse(), Ok(EmailId(n)));
        }
        assert!(EmailId(31).text() < EmailId(32).text());
        for bad in ["", "M", "M000000000000", "X0000000000001", "M000000000000w", "Mzzzzzzzzzzzzz", "Mvvvvvvvvvvvvv"] {
            assert_eq!(bad.parse::<EmailId>(), Err(NotAnEmailId), "{bad}");
        }
    }
}
