//! Days of UTC: reports are made of whole ones (RFC 7489 §7.2, RFC 8460 §4.1).

use store::Timestamp;

const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// A day, counted from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(pub(crate) u32);

impl Day {
    /// The one of a moment.
    #[must_use]
    pub(crate) fn of(moment: Timestamp) -> Self {
        Self(u32::try_from(moment.0.div_euclid(DAY_MILLIS)).unwrap_or(0))
    }

    /// Its first moment.
    #[must_use]
    pub(crate) fn begin(self) -> Timestamp {
        Timestamp(i64::from(self.0) * DAY_MILLIS)
    }

    /// Its first and its last second.
    #[must_use]
    pub(crate) fn unix_seconds(self) -> (i64, i64) {
        let begin = self.begin().0 / 1000;
        (begin, begin + DAY_MILLIS / 1000 - 1)
    }

    /// As ISO 8601 has it: `2026-11-28`.
    pub(crate) fn date(self) -> String {
        let (year, month, day) = message::date::Day(self.0.into()).civil();
        format!("{year:04}-{month:02}-{day:02}")
    }
}
