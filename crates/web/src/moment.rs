//! Moments as pages show them. `console` gives them as text in UTC (`2026-11-22T22:36:40Z`).

use jiff::Timestamp as Jiff;
use jiff::tz::TimeZone;
use store::Timestamp;

const MINUTE_SECONDS: i64 = 60;
const HOUR_SECONDS: i64 = 60 * MINUTE_SECONDS;
const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;

/// `22 November 2026`. What is no moment stays as it is.
pub(crate) fn day(text: &str) -> String {
    formatted(text, "%-d %B %Y")
}

/// `22 Nov 2026`, for a narrow column.
pub(crate) fn short_day(text: &str) -> String {
    formatted(text, "%-d %b %Y")
}

/// `22:36`.
pub(crate) fn time(text: &str) -> String {
    formatted(text, "%H:%M")
}

/// `22 November 2026, 22:36 UTC`.
pub(crate) fn full(text: &str) -> String {
    formatted(text, "%-d %B %Y, %H:%M UTC")
}

/// `just now`, `5 minutes ago`, `3 days ago`; the day when it is longer ago than a month.
pub(crate) fn ago(text: &str, now: &Timestamp) -> String {
    let Ok(at) = text.parse::<Jiff>() else { return text.to_owned() };
    let seconds = now.unix_seconds().saturating_sub(at.as_second());
    let units = |count: i64, unit: &str| match count {
        1 => format!("1 {unit} ago"),
        count => format!("{count} {unit}s ago"),
    };
    match seconds {
        ..MINUTE_SECONDS => "just now".to_owned(),
        MINUTE_SECONDS..HOUR_SECONDS => units(seconds / MINUTE_SECONDS, "minute"),
        HOUR_SECONDS..DAY_SECONDS => units(seconds / HOUR_SECONDS, "hour"),
        _ if seconds < 30 * DAY_SECONDS => units(seconds / DAY_SECONDS, "day"),
        _ => day(text),
    }
}

fn formatted(text: &str, format: &str) -> String {
    let Ok(at) = text.parse::<Jiff>() else { return text.to_owned() };
    at.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_for_people() {
        let text = "2026-11-22T22:36:40Z";
        assert_eq!([day(text), short_day(text), time(text)], ["22 November 2026", "22 Nov 2026", "22:36"]);
        assert_eq!(full(text), "22 November 2026, 22:36 UTC");
        assert_eq!([day("soon"), ago("soon", &Timestamp(0))], ["soon", "soon"]);
        let at = text.parse::<Jiff>().unwrap().as_millisecond();
        for (later, expected) in [
            (-5, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (3_599, "59 minutes ago"),
            (7_200, "2 hours ago"),
            (DAY_SECONDS, "1 day ago"),
            (29 * DAY_SECONDS, "29 days ago"),
            (30 * DAY_SECONDS, "22 November 2026"),
        ] {
            assert_eq!(ago(text, &Timestamp(at + later * 1000)), expected, "{later}");
        }
    }
}
