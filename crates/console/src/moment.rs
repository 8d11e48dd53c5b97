//! Moments as people write and read them.

use crate::error::Error;
use crate::words::moment as words;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use store::Timestamp;
use wording::{Language, aside, speaking, tr};

/// So long a text may be a moment, bytes.
const TEXT_BYTES_MAX: usize = 100;
/// A date has three.
const NUMBERS_MAX: usize = 4;

/// A moment: `2 days ago`, `yesterday` (24 hours ago), a date or a date and time in UTC, or RFC 3339. Also as the pages say it, in the
/// language of this thread or another one: `vor 2 Tagen`, `22. November 2026`, `2日前`; and `22.11.2026` or `2026/11/22`.
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
    if text.len() > TEXT_BYTES_MAX {
        return Err(unknown());
    }
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

/// Seconds: as English has it, or as the language of whoever asks, or any other, says it on the pages.
fn ago(text: &str) -> Option<i64> {
    let (text, numbers) = (bare(text), numbers(text));
    let said = || {
        let fixed = [(words::yesterday(), words::DAY_SECONDS), (words::just_now(), 0)];
        let fixed = fixed.into_iter().find(|(said, _)| bare(said) == text).map(|(_, seconds)| seconds);
        let &[number] = numbers.as_slice() else { return fixed };
        // Whoever types "1 days ago" is understood.
        let is_meant = |unit: &i64| {
            [number, 1, 2].iter().any(|form| {
                let said = words::units_ago(*form, *unit);
                bare(&said).replacen(&form.to_string(), &number.to_string(), 1) == text
            })
        };
        words::UNITS.into_iter().find(is_meant).map(|unit| number.saturating_mul(unit))
    };
    in_each_language(said)
}

fn absolute(text: &str) -> Option<Timestamp> {
    let exact = text.parse::<jiff::Timestamp>().ok();
    let civil = || text.parse::<DateTime>().ok().or_else(|| written(text))?.to_zoned(TimeZone::UTC).ok();
    exact.or_else(|| Some(civil()?.timestamp())).map(|at| Timestamp(at.as_millisecond()))
}

/// A day, or a day and a time in UTC: as the pages write it in some language, `22.11.2026` or `2026/11/22`.
fn written(text: &str) -> Option<DateTime> {
    let text = plain(text);
    let text = text.strip_suffix("utc").unwrap_or(&text).trim();
    let timed = text.rsplit_once(char::is_whitespace);
    let timed = timed.and_then(|(day, time)| Some((day, Time::strptime("%H:%M", time).ok()?)));
    let (day, time) = timed.unwrap_or((text, Time::midnight()));
    let day = day.trim_end_matches([',', ' ']);
    let day = of_digits(day).or_else(|| in_each_language(|| of_words(day)))?;
    Some(day.to_datetime(time))
}

fn of_digits(text: &str) -> Option<Date> {
    let parts = |separator: char| {
        let parts: Vec<i16> = text.split(separator).map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
        <[i16; 3]>::try_from(parts).ok()
    };
    match (parts('.'), parts('/')) {
        (Some([day, month, year]), _) | (None, Some([year, month, day])) => date(year, month, day),
        (None, None) => None,
    }
}

/// Years of four digits: what `5/6/07` means is not the same everywhere.
fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok().filter(|_| year >= 1000)
}

/// A day as the language of this thread says it.
fn of_words(text: &str) -> Option<Date> {
    let numbers = numbers(text);
    let year = numbers.iter().find_map(|number| i16::try_from(*number).ok().filter(|year| *year >= 1000))?;
    let days = numbers.iter().filter_map(|number| i16::try_from(*number).ok().filter(|day| *day <= 31));
    let text = bare(text);
    days.flat_map(|day| (1..=12).filter_map(move |month| date(year, month, day))).find(|at| {
        let said = [words::date, words::short_date].map(|said| said(at.day(), at.month(), at.year()));
        said.iter().any(|said| bare(said) == text)
    })
}

/// What `reads` makes of a text in the language of this thread, else in another.
fn in_each_language<T>(reads: impl Fn() -> Option<T>) -> Option<T> {
    aside(|| reads().or_else(|| Language::ALL.into_iter().find_map(|language| speaking(language, &reads))))
}

/// In small letters, and those that Japanese writes wide as others write them.
fn plain(text: &str) -> String {
    let narrow = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c if c.is_whitespace() => ' ',
        c => c,
    };
    text.chars().map(narrow).flat_map(char::to_lowercase).collect()
}

/// What two ways to write the same have in common.
fn bare(text: &str) -> String {
    let mut bare = String::new();
    let text = plain(text);
    let mut chars = text.chars().filter(|c| !matches!(c, ' ' | '.' | ',')).peekable();
    while let Some(c) = chars.next() {
        let is_padding = c == '0'
            && !bare.ends_with(|before: char| before.is_ascii_digit())
            && chars.peek().is_some_and(char::is_ascii_digit);
        match c {
            _ if is_padding => {}
            // Months are counted with any of these.
            'ヶ' | 'ケ' | 'ヵ' | 'カ' => bare.push('か'),
            c => bare.push(c),
        }
    }
    // Browsers write the short month of English so.
    if bare.contains("september") { bare } else { bare.replace("sept", "sep") }
}

/// Runs of digits.
fn numbers(text: &str) -> Vec<i64> {
    let text = plain(text);
    let runs = text.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty());
    runs.filter_map(|run| run.parse::<u32>().ok().map(i64::from)).take(NUMBERS_MAX).collect()
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
        let long = format!("{}2 days ago", "0".repeat(TEXT_BYTES_MAX));
        assert!(parse_moment(&long, now).is_err());
        let error = parse_moment("soon", now).unwrap_err().to_string();
        assert!(error.contains("“soon” is no moment") && error.contains("2 days ago"), "{error}");
        assert!(parse_moment("2027-01-01", now).unwrap_err().to_string().contains("has not come yet"));
    }
    #[test]
    fn moments_are_understood_as_each_language_says_them() {
        let now = Timestamp(1_790_000_000_000); // 2026-09-21T14:13:20Z
        let (day, midnight) = (24 * 3_600 * 1000, 1_789_862_400_000); // 2026-09-20
        for (text, expected) in [
            ("vor 2 Tagen", Some(now.0 - 2 * day)),
            ("Vor 1 Tag", Some(now.0 - day)),
            ("vor 90 Minuten", Some(now.0 - 90 * 60 * 1000)),
            ("vor 3 Wochen", Some(now.0 - 21 * day)),
            ("vor 1 Monat", Some(now.0 - 30 * day)),
            ("gestern", Some(now.0 - day)),
            ("gerade eben", Some(now.0)),
            ("20.9.2026", Some(midnight)),
            ("20.09.2026 08:30", Some(midnight + 510 * 60_000)),
            ("20. September 2026", Some(midnight)),
            ("20. Sept. 2026, 08:30 UTC", Some(midnight + 510 * 60_000)),
            ("20 Sep 2026", Some(midnight)),
            ("20 Sept 2026", Some(midnight)),
            ("20 September 2026, 08:30 UTC", Some(midnight + 510 * 60_000)),
            ("2日前", Some(now.0 - 2 * day)),
            ("２ 日前", Some(now.0 - 2 * day)),
            ("3週間前", Some(now.0 - 21 * day)),
            ("1ヶ月前", Some(now.0 - 30 * day)),
            ("昨日", Some(now.0 - day)),
            ("2026年9月20日", Some(midnight)),
            ("2026年09月20日 08:30 UTC", Some(midnight + 510 * 60_000)),
            ("2026/09/20", Some(midnight)),
            ("20.9.26", None),
            ("9/20/2026", None),
            ("31.2.2026", None),
            ("20. Brumaire 2026", None),
            ("vor 2 Äonen", None),
            ("2026年13月1日", None),
            ("20.9.2026 25:00", None),
        ] {
            for language in Language::ALL {
                let read = speaking(language, || parse_moment(text, now).ok());
                assert_eq!(read, expected.map(Timestamp), "{text:?} in {language:?}");
            }
        }
    }

    #[test]
    fn what_an_error_proposes_is_understood() {
        let now = Timestamp(1_800_000_000_000);
        for language in Language::ALL {
            speaking(language, || {
                for text in ["soon", "2099-01-01"] {
                    let error = parse_moment(text, now).unwrap_err().to_string();
                    let quoted = error.split(['“', '„', '「']).skip(1);
                    let quoted: Vec<&str> = quoted.filter_map(|rest| rest.split(['”', '“', '」']).next()).collect();
                    let proposed: Vec<&&str> = quoted.iter().filter(|quoted| **quoted != text).collect();
                    assert!(proposed.len() >= 4, "{error}");
                    for proposed in proposed.iter().filter(|proposed| proposed.contains(|c: char| c.is_ascii_digit())) {
                        assert!(parse_moment(proposed, now).is_ok(), "{proposed} of {error}");
                    }
                }
            });
        }
    }
}
