//! How long a message is held before it is released (RFC 4865): `HOLDFOR=3600`, `HOLDUNTIL=2026-11-30T08:00:00Z`.

use crate::dsn::Malformed;
use jiff::Timestamp;
use std::fmt;
use std::str::FromStr;

/// What a sender says of it. Its text is that of the field `Future-Release-Request` (RFC 4865 §5.1.2): `for;3600`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// `HOLDFOR`: so many seconds.
    For(u32),
    /// `HOLDUNTIL`: until this moment, milliseconds since 1970-01-01T00:00:00Z.
    Until(i64),
}

impl Hold {
    /// The value of HOLDFOR.
    pub(crate) fn interval(text: &str) -> Result<Self, Malformed> {
        // RFC 4865 §3: `%x31-39 *8DIGIT`.
        let is_integer = (1..=9).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
        let seconds = text.parse().map_err(|_| Malformed)?;
        if is_integer && !text.starts_with('0') { Ok(Self::For(seconds)) } else { Err(Malformed) }
    }

    /// The value of HOLDUNTIL.
    pub(crate) fn moment(text: &str) -> Result<Self, Malformed> {
        // RFC 4865 §3: the date-time of RFC 3339 §5.6 "normalized to UTC"; others that the parser knows are none.
        let shape = b"0000-00-00T00:00:00";
        let fits = |(octet, shape): (u8, &u8)| match shape {
            b'0' => octet.is_ascii_digit(),
            shape => octet.eq_ignore_ascii_case(shape),
        };
        let (begin, rest) = text.split_at_checked(shape.len()).ok_or(Malformed)?;
        let fraction = rest.strip_suffix(['Z', 'z']).ok_or(Malformed)?;
        let digits = fraction.strip_prefix('.');
        let is_fraction = digits.map_or(fraction.is_empty(), |digits| {
            (1..=9).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit())
        });
        if !begin.bytes().zip(shape).all(fits) || !is_fraction {
            return Err(Malformed);
        }
        let at: Timestamp = text.parse().map_err(|_| Malformed)?;
        // RFC 4865 §4.2: not before.
        let is_past = at.subsec_nanosecond() % 1_000_000 != 0;
        Ok(Self::Until(at.as_millisecond().saturating_add(i64::from(is_past))))
    }

    /// When a message that is submitted now is released, milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn released_at(self, now_millis: i64) -> i64 {
        match self {
            Self::For(seconds) => now_millis.saturating_add(i64::from(seconds) * 1000),
            Self::Until(millis) => millis,
        }
    }

    /// A moment as HOLDUNTIL and the reply to EHLO have it: `2026-11-30T08:00:00Z`.
    #[must_use]
    pub fn written(unix_millis: i64) -> String {
        Timestamp::from_millisecond(unix_millis).unwrap_or_default().to_string()
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(seconds) => write!(f, "for;{seconds}"),
            Self::Until(millis) => write!(f, "until;{}", Self::written(*millis)),
        }
    }
}

impl FromStr for Hold {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text.split_once(';') {
            Some(("for", seconds)) => Self::interval(seconds),
            Some(("until", moment)) => Self::moment(moment),
            Some(_) | None => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_and_moments_are_read_as_the_rfc_has_them() {
        for (text, expected) in [
            ("for;1", Some(Hold::For(1))),
            ("for;999999999", Some(Hold::For(999_999_999))),
            ("for;1000000000", None),
            ("for;0", None),
            ("for;01", None),
            ("for;+1", None),
            ("for;", None),
            ("until;2026-09-21T14:13:20Z", Some(Hold::Until(1_790_000_000_000))),
            ("until;2026-09-21t14:13:20z", Some(Hold::Until(1_790_000_000_000))),
            ("until;2026-09-21T14:13:20.5Z", Some(Hold::Until(1_790_000_000_500))),
            ("until;2026-09-21T14:13:20.0001Z", Some(Hold::Until(1_790_000_000_001))),
            ("until;2026-09-21T16:13:20+02:00", None),
            ("until;2026-09-21 14:13:20Z", None),
            ("until;2026-09-21T14:13Z", None),
            ("until;2026-02-30T14:13:20Z", None),
            ("until;2026-09-21T14:13:20.Z", None),
            ("until;2026-09-21T14:13:20Z[UTC]", None),
            ("until;+002026-09-21T14:13:20Z", None),
            ("until;2026-09-21T14:13:2\u{e4}Z", None),
            ("1", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
            if let Some(hold) = expected {
                assert_eq!(hold.to_string().parse(), Ok(hold), "{text}");
            }
        }
    }

    #[test]
    fn a_message_is_released_after_its_time_and_not_before() {
        assert_eq!(Hold::For(2).released_at(500), 2500);
        assert_eq!(Hold::Until(7).released_at(500), 7);
        assert_eq!(Hold::For(999_999_999).released_at(i64::MAX), i64::MAX);
        assert_eq!(Hold::Until(1_790_000_000_000).to_string(), "until;2026-09-21T14:13:20Z");
    }
}
