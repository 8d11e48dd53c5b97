//! Dates of SEARCH and date-times of APPEND and INTERNALDATE (RFC 9051 §9: date, date-time).

use std::fmt;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_SECONDS: i64 = 86_400;

/// A day of the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The day, unless there is no such day; years up to 9999.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let valid = year <= 9999 && (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
        valid.then_some(Self { year, month, day })
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn days_since_epoch(self) -> i64 {
        // Years counted from March, so that the leap day is the last of its year.
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    /// The day that is `days` after 1970-01-01; days outside the years 0 to 9999 become the nearest inside.
    #[must_use]
    pub(crate) fn from_days_since_epoch(days: i64) -> Self {
        let shifted = days.clamp(-719_528, 2_932_896) + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        // The clamp above keeps the year within 0..=9999; month and day are within their ranges by construction.
        Self { year: year as u16, month: month as u8, day: day as u8 }
    }

    /// `1-Feb-1994`, the day with one or two digits.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = text.split(|&byte| byte == b'-');
        let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || year.len() != 4 || day.len() > 2 {
            return None;
        }
        let month = MONTHS.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(month))?;
        Self::new(number(year)?, month as u8 + 1, u8::try_from(number(day)?).ok()?)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // month is within 1..=12 by the constructors
        write!(f, "{}-{}-{:04}", self.day, MONTHS[usize::from(self.month) - 1], self.year)
    }
}

/// A moment with the offset it was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateTime {
    unix_seconds: i64,
    offset_minutes: i16,
}

impl DateTime {
    /// The moment `unix_seconds` after 1970-01-01T00:00:00Z, to be written in UTC.
    #[must_use]
    pub fn from_unix_seconds(unix_seconds: i64) -> Self {
        Self { unix_seconds, offset_minutes: 0 }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.unix_seconds
    }

    /// Minutes east of UTC.
    #[must_use]
    pub fn offset_minutes(self) -> i16 {
        self.offset_minutes
    }

    /// `17-Jul-1996 02:44:25 -0700` without its quotes; the day also as ` 7` or `7`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = text.trim_ascii().split(|&byte| byte == b' ');
        let (date, time, zone) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let seconds = Date::parse(date)?.days_since_epoch() * DAY_SECONDS + i64::from(parse_time(time)?);
        let offset_minutes = parse_zone(zone)?;
        Some(Self { unix_seconds: seconds - i64::from(offset_minutes) * 60, offset_minutes })
    }
}

impl DateTime {
    /// `1996-07-17T02:44:25.5-07:00` (RFC 3339 §5.6); parts of a second do not count.
    pub(crate) fn parse_internet(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(['T', 't'])?;
        let mut parts = date.split('-').map(|part| number(part.as_bytes()));
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        let date = Date::new(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)?;
        let (time, zone) = time.split_at_checked(time.find(['Z', 'z', '+', '-'])?)?;
        let offset_minutes = match zone {
            "Z" | "z" => 0,
            _ => parse_zone(zone.replacen(':', "", 1).as_bytes())?,
        };
        let time = parse_time(time.split_once('.').map_or(time, |(time, _)| time).as_bytes())?;
        let seconds = date.days_since_epoch() * DAY_SECONDS + i64::from(time);
        let is_over = parts.next().is_none();
        is_over.then_some(Self { unix_seconds: seconds - i64::from(offset_minutes) * 60, offset_minutes })
    }
}

impl DateTime {
    /// As in a date-time, without quotes: `17-Jul-1996 02:44:25 -0700`, the day with two digits or a space before one. Made
    /// without the formatting machinery: clients fetch the dates of a hundred thousand messages at once.
    pub(crate) fn text(self) -> [u8; 26] {
        let local = self.unix_seconds.saturating_add(i64::from(self.offset_minutes) * 60);
        let date = Date::from_days_since_epoch(local.div_euclid(DAY_SECONDS));
        let second = local.rem_euclid(DAY_SECONDS) as u32;
        let zone = u32::from(self.offset_minutes.unsigned_abs());
        let mut text = *b"00-Jan-0000 00:00:00 +0000";
        let mut put = |end: usize, digits: usize, mut number: u32| {
            for at in (end - digits..end).rev() {
                text[at] = b'0' + (number % 10) as u8;
                number /= 10;
            }
        };
        put(2, 2, date.day.into());
        put(11, 4, date.year.into());
        put(14, 2, second / 3600);
        put(17, 2, second / 60 % 60);
        put(20, 2, second % 60);
        put(24, 2, zone / 60);
        put(26, 2, zone % 60);
        // month is within 1..=12 by the constructors
        text[3..6].copy_from_slice(MONTHS[usize::from(date.month) - 1].as_bytes());
        if text[0] == b'0' {
            text[0] = b' ';
        }
        if self.offset_minutes < 0 {
            text[21] = b'-';
        }
        text
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().iter().try_for_each(|octet| fmt::Write::write_char(f, char::from(*octet)))
    }
}

fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

fn number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 4 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0')))
}

/// Seconds since midnight; a leap second counts as the one before it.
fn parse_time(text: &[u8]) -> Option<u32> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = text else { return None };
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(second.min(59)))
}

fn parse_zone(text: &[u8]) -> Option<i16> {
    let (sign, digits) = text.split_first()?;
    let [h1, h2, m1, m2] = digits else { return None };
    let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
    if minutes > 59 {
        return None;
    }
    let offset = i16::try_from(hours * 60 + minutes).ok()?;
    match sign {
        b'+' => Some(offset),
        b'-' => Some(-offset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates() {
        assert_eq!(Date::parse(b"1-Feb-1994"), Date::new(1994, 2, 1));
        assert_eq!(Date::parse(b"01-feb-1994"), Date::new(1994, 2, 1));
        assert_eq!(Date::parse(b"29-Feb-2000"), Date::new(2000, 2, 29));
        for bad in ["29-Feb-1900", "0-Jan-2000", "32-Jan-2000", "1-Foo-2000", "1-Jan-20", "1-Jan", "1-Jan-2000-1", "--"]
        {
            assert_eq!(Date::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Date::new(1970, 1, 1).unwrap().days_since_epoch(), 0);
        assert_eq!(Date::new(2026, 11, 22).unwrap().days_since_epoch(), 20_779);
    }

    #[test]
    fn date_times() {
        let moment = DateTime::parse(b"17-Jul-1996 02:44:25 -0700").unwrap();
        assert_eq!((moment.unix_seconds(), moment.offset_minutes()), (837_596_665, -420));
        assert_eq!(moment.to_string(), "17-Jul-1996 02:44:25 -0700");
        assert_eq!(DateTime::parse(b" 7-Jul-1996 02:44:25 +0530").unwrap().to_string(), " 7-Jul-1996 02:44:25 +0530");
        assert_eq!(DateTime::from_unix_seconds(-1).to_string(), "31-Dec-1969 23:59:59 +0000");
        for bad in ["17-Jul-1996 02:44:25", "17-Jul-1996 24:44:25 +0000", "17-Jul-1996 02:44 +0000", "x", ""] {
            assert_eq!(DateTime::parse(bad.as_bytes()), None, "{bad}");
        }
        for extreme in [i64::MIN, i64::MAX] {
            assert!(!DateTime::from_unix_seconds(extreme).to_string().is_empty());
        }
    }

    proptest! {
        #[test]
        fn days_and_dates_agree(days in -719_528_i64..=2_932_896) {
            let date = Date::from_days_since_epoch(days);
            prop_assert_eq!(date.days_since_epoch(), days);
            prop_assert_eq!(Date::new(date.year, date.month, date.day), Some(date));
        }

        #[test]
        fn a_date_time_survives_the_wire(unix_seconds in 0_i64..4_000_000_000, offset_minutes in -840_i16..840) {
            let moment = DateTime { unix_seconds, offset_minutes };
            prop_assert_eq!(DateTime::parse(moment.to_string().as_bytes()), Some(moment));
        }
    }
}
