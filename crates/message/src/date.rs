//! Dates of mail: RFC 5322 (with the obsolete forms and what is sent instead), and IMAP's own. No clock is read.
//!
//! Reading an RFC 5322 date goes by what each word looks like, not by its place, because clients do not keep the
//! order: `Tue Aug  6 12:39:49 2002` is a date too.

use crate::lex::Cursor;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// A moment, and the zone in which it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub unix_seconds: i64,
    /// Minutes east of UTC.
    pub offset_minutes: i16,
}

impl DateTime {
    /// A moment in UTC.
    #[must_use]
    pub(crate) fn utc(unix_seconds: i64) -> Self {
        Self { unix_seconds, offset_minutes: 0 }
    }

    /// The calendar day that was written, "disregarding time and timezone" (RFC 9051 §6.4.4, SENTON).
    #[must_use]
    pub fn day(self) -> Day {
        Day(self.local_seconds().div_euclid(DAY_SECONDS))
    }

    fn local_seconds(self) -> i64 {
        self.unix_seconds.saturating_add(i64::from(self.offset_minutes) * 60)
    }
}

/// A calendar day: days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Day {
    /// The day with this date, if there is one; years 1 to 9999.
    fn from_civil(year: i64, month: i64, day: i64) -> Option<Self> {
        if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
            return None;
        }
        // Years that begin in March end with the leap day; 400 of them have 146,097 days.
        let shifted = year - i64::from(month <= 2);
        let era = shifted.div_euclid(400);
        let year_of_era = shifted.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Some(Self(era * 146_097 + day_of_era - 719_468))
    }

    /// Year, month (1 to 12) and day (1 to 31).
    #[must_use]
    pub fn civil(self) -> (i64, i64, i64) {
        let days = self.0.saturating_add(719_468);
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        (year_of_era + era * 400 + i64::from(month <= 2), month, day)
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// `Sun, 01 Feb 2026 10:00:00 +0000`: RFC 5322 §3.3, in UTC.
#[must_use]
pub fn format_rfc5322(unix_seconds: i64) -> String {
    let date = DateTime::utc(unix_seconds);
    let Day(days) = date.day();
    let (year, month, day) = Day(days).civil();
    // 1970-01-01 was a Thursday. Both indices are in range: a remainder of 7, a month.
    let weekday = WEEKDAYS[(days + 4).rem_euclid(7) as usize];
    let month = MONTHS[(month - 1) as usize];
    format!("{weekday}, {day:02} {month} {year:04} {} +0000", clock(date))
}

fn clock(date: DateTime) -> String {
    let seconds = date.local_seconds().rem_euclid(DAY_SECONDS);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Reads the value of a `Date` field. None where no day can be made out; a missing time is midnight, a missing or
/// unknown zone is UTC (RFC 5322 §4.3).
#[must_use]
pub fn parse(value: &[u8]) -> Option<DateTime> {
    let mut found = Found::default();
    for word in plain(value).split(|byte| matches!(byte, b' ' | b',')) {
        // `6-Aug-2002` is three words; a zone begins with its sign.
        if word.first().is_some_and(u8::is_ascii_digit) && word.contains(&b'-') {
            word.split(|&byte| byte == b'-').for_each(|word| found.read(word));
        } else {
            found.read(word);
        }
    }
    found.date_time()
}

/// The words of a date with one space between them, without comments and without white space around colons.
fn plain(value: &[u8]) -> Vec<u8> {
    let mut cursor = Cursor::new(value);
    let mut text: Vec<u8> = Vec::with_capacity(value.len());
    loop {
        cursor.skip_cfws();
        let word = cursor.take_while(|byte| !byte.is_ascii_whitespace() && byte != b'(');
        if word.is_empty() {
            return text;
        }
        if !text.is_empty() && !text.ends_with(b":") && !word.starts_with(b":") {
            text.push(b' ');
        }
        text.extend_from_slice(word);
    }
}

#[derive(Default)]
struct Found {
    day: Option<i64>,
    month: Option<i64>,
    year: Option<i64>,
    time: Option<i64>,
    zone: Option<i16>,
}

impl Found {
    fn read(&mut self, word: &[u8]) {
        if word.contains(&b':') {
            self.time = self.time.or_else(|| parse_clock(word));
        } else if let Some(number) = number(word, 1..=4) {
            if self.day.is_none() && word.len() <= 2 {
                self.day = Some(number);
            } else if self.year.is_none() {
                self.year = Some(full_year(number, word.len()));
            }
        } else if self.month.is_none() && month(word).is_some() {
            self.month = month(word);
        } else if self.time.is_some() && self.zone.is_none() {
            self.zone = numeric_zone(word).or_else(|| named_zone(word));
        }
    }

    fn date_time(&self) -> Option<DateTime> {
        let day = Day::from_civil(self.year?, self.month?, self.day?)?;
        Some(at(day, self.time.unwrap_or(0), self.zone.unwrap_or(0)))
    }
}

/// RFC 5322 §4.3: two digits 00 to 49 are 2000 to 2049, 50 to 99 and three digits count from 1900.
fn full_year(number: i64, digits: usize) -> i64 {
    match digits {
        1 | 2 if number < 50 => number + 2000,
        1..=3 => number + 1900,
        _ => number,
    }
}

fn at(Day(days): Day, seconds: i64, offset_minutes: i16) -> DateTime {
    DateTime { unix_seconds: days * DAY_SECONDS + seconds - i64::from(offset_minutes) * 60, offset_minutes }
}

fn number(digits: &[u8], len: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let valid = len.contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    valid.then(|| digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

/// A month by its first three letters, in any case.
fn month(word: &[u8]) -> Option<i64> {
    let start = word.get(..3)?;
    let index = MONTHS.iter().position(|month| month.as_bytes().eq_ignore_ascii_case(start))?;
    word.iter().all(u8::is_ascii_alphabetic).then_some(index as i64 + 1)
}

/// `hh:mm` or `hh:mm:ss` to seconds of the day; a leap second counts as the second before it.
fn parse_clock(word: &[u8]) -> Option<i64> {
    let mut pieces = word.splitn(3, |&byte| byte == b':');
    let hour = number(pieces.next()?, 1..=2).filter(|hour| *hour < 24)?;
    let minute = number(pieces.next()?, 1..=2).filter(|minute| *minute < 60)?;
    let second = match pieces.next() {
        Some(second) => number(second, 1..=2).filter(|second| *second <= 60)?.min(59),
        None => 0,
    };
    Some(hour * 3600 + minute * 60 + second)
}

fn numeric_zone(word: &[u8]) -> Option<i16> {
    let (sign, digits) = match word.split_first()? {
        (b'+', digits) => (1, digits),
        (b'-', digits) => (-1, digits),
        _ => return None,
    };
    let value = i16::try_from(number(digits, 4..=4)?).ok()?;
    (value % 100 < 60).then_some(sign * (value / 100 * 60 + value % 100))
}

/// RFC 5322 §4.3: obs-zone. Military letters and unknown names count as -0000, because nobody used them right.
fn named_zone(word: &[u8]) -> Option<i16> {
    const ZONES: [(&str, i16); 10] = [
        ("UT", 0),
        ("GMT", 0),
        ("EDT", -4),
        ("EST", -5),
        ("CDT", -5),
        ("CST", -6),
        ("MDT", -6),
        ("MST", -7),
        ("PDT", -7),
        ("PST", -8),
    ];
    let zone = ZONES.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
    zone.map(|(_, hours)| hours * 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc_5322_dates_are_read() {
        let check = |text: &str, expected: Option<(i64, i16)>| {
            let expected = expected.map(|(unix_seconds, offset_minutes)| DateTime { unix_seconds, offset_minutes });
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        };
        check("Sun, 01 Feb 2026 10:00:00 +0000", Some((1_769_940_000, 0)));
        check("1 Feb 2026 10:00 +0000", Some((1_769_940_000, 0)));
        check("Sun, 1 Feb 2026 11:30:00 +0130 (comment (x))", Some((1_769_940_000, 90)));
        check("Sun, 1 Feb 2026 10(comment):   00  :  00 -0000", Some((1_769_940_000, 0)));
        check("Sun,1 Feb 26 02:00:00 PST", Some((1_769_940_000, -480)));
        check("Sun (day), 1 Feb 126 10:00:00 GMT", Some((1_769_940_000, 0)));
        check("Sun Feb  1 10:00:00 2026", Some((1_769_940_000, 0)));
        check("Sun, 1-Feb-2026 10:00:00 Z", Some((1_769_940_000, 0)));
        check("Sunday, 1 February 2026 10:00:00 nowhere", Some((1_769_940_000, 0)));
        check("Thu, 01 Jan 1970 00:00:00 -0000", Some((0, 0)));
        check("Wed, 31 Dec 1969 23:59:59 +0000", Some((-1, 0)));
        check("31 Dec 2016 23:59:60 +0000", Some((1_483_228_799, 0)));
        check("29 Feb 2024", Some((1_709_164_800, 0)));
        check("29 Feb 2023", None);
        check("1 Feb 2026 24:00:00 +0000", Some((1_769_904_000, 0)));
        check("", None);
        check("yesterday", None);
        check("32 Jan 2026 00:00:00 +0000", None);
        check("1 Feb 0 00:00:00 +9999", Some((949_363_200, 0)));
    }

    #[test]
    fn dates_are_written() {
        assert_eq!(format_rfc5322(1_769_940_000), "Sun, 01 Feb 2026 10:00:00 +0000");
        assert_eq!(format_rfc5322(-1), "Wed, 31 Dec 1969 23:59:59 +0000");
        // No moment makes it fail.
        assert!(format_rfc5322(i64::MAX).ends_with("+0000"));
        assert!(format_rfc5322(i64::MIN).ends_with("+0000"));
    }

    #[test]
    fn the_day_is_the_one_that_was_written() {
        let date = parse(b"Sun, 1 Feb 2026 00:30:00 +0200").unwrap();
        assert_eq!(date.day(), Day(20_485));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(unix_seconds in -62_135_500_000_i64..253_402_200_000) {
            prop_assert_eq!(parse(format_rfc5322(unix_seconds).as_bytes()), Some(DateTime::utc(unix_seconds)));
        }
    }
}
