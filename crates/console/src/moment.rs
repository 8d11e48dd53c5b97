//! Moments as people write and read them.

use crate::error::Error;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use store::Timestamp;
use wording::tr;

const UNITS: [(&str, i64); 5] =
    [("minute", 60), ("hour", 3_600), ("day", 24 * 3_600), ("week", 7 * 24 * 3_600), ("month", 30 * 24 * 3_600)];

/// A moment: `2 days ago`, `yesterday` (24 hours ago), a date or a date and time in UTC, or RFC 3339.
///
/// # Errors
/// Anything else, and a moment that has not come yet; the text says how to write one.
pub fn parse_moment(text: &str, now: Timestamp) -> Result<Timestamp, Error> {
    let text = text.trim();
    let unknown = || {
        Error::refused(tr!(
            "“{text}” is no moment; write it as “2 days ago”, “90 minutes ago”, “2026-11-22” or “2026-11-22T08:30” (UTC)",
            text = text
        ))
    };
    let at = match ago(text) {
        Some(seconds) => Timestamp(now.0.saturating_sub(seconds.saturating_mul(1000))),
        None => absolute(text).ok_or_else(unknown)?,
    };
    if at > now {
        return Err(Error::refused(tr!(
            "“{text}” has not come yet; write it as “2 days ago”, “90 minutes ago”, “2026-11-22” or “2026-11-22T08:30” (UTC)",
            text = text
        )));
    }
    Ok(at)
}

/// Seconds.
fn ago(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("yesterday") {
        return Some(24 * 3_600);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let [number, unit, ago] = words[..] else { return None };
    let unit = unit.to_ascii_lowercase();
    let (_, seconds) = UNITS.iter().find(|(name, _)| unit.strip_suffix('s').unwrap_or(&unit) == *name)?;
    let number: u32 = number.parse().ok().filter(|_| ago.eq_ignore_ascii_case("ago"))?;
    Some(i64::from(number).saturating_mul(*seconds))
}

fn absolute(text: &str) -> Option<Timestamp> {
    let exact = text.parse::<jiff::Timestamp>().ok();
    let civil = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    exact.or_else(civil).map(|at| Timestamp(at.as_millisecond()))
}

/// `2026-11-22T22:36:40Z`.
#[must_use]
pub fn shown(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.unix_seconds()).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        assert_eq!(shown(Timestamp(1_790_000_000_999)), "2026-09-21T14:13:20Z");
    }

    #[test]
    fn moments_are_understood_or_explained() {
        let now = Timestamp(1_790_000_000_000); // 2026-09-21T14:13:20Z
        let day = 24 * 3_600 * 1000;
        for (text, expected) in [
            ("2 days ago", Some(now.0 - 2 * day)),
            (" 1 Week ago ", Some(now.0 - 7 * day)),
            ("90 minutes ago", Some(now.0 - 90 * 60 * 1000)),
            ("yesterday", Some(now.0 - day)),
            ("2026-09-20", Some(1_789_862_400_000)),
            ("2026-09-20T08:30", Some(1_789_893_000_000)),
            ("2026-09-20T08:30:00+02:00", Some(1_789_885_800_000)),
            ("2027-01-01", None),
            ("tomorrow", None),
            ("-1 days ago", None),
            ("2 days", None),
            ("2 fortnights ago", None),
            ("", None),
        ] {
            assert_eq!(parse_moment(text, now).ok(), expected.map(Timestamp), "{text:?}");
        }
        let error = parse_moment("soon", now).unwrap_err().to_string();
        assert!(error.contains("“soon” is no moment") && error.contains("2 days ago"), "{error}");
        assert!(parse_moment("2027-01-01", now).unwrap_err().to_string().contains("has not come yet"));
    }
}
