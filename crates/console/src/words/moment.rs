//! Moments in words, as pages show them and as people may type them.

use wording::{tr, trc, trn};

const MINUTE_SECONDS: i64 = 60;
const HOUR_SECONDS: i64 = 60 * MINUTE_SECONDS;
pub(crate) const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;
const WEEK_SECONDS: i64 = 7 * DAY_SECONDS;
const MONTH_SECONDS: i64 = 30 * DAY_SECONDS;

/// What a moment in the past is counted in, by its seconds.
pub(crate) const UNITS: [i64; 5] = [MINUTE_SECONDS, HOUR_SECONDS, DAY_SECONDS, WEEK_SECONDS, MONTH_SECONDS];

/// `just now`, `5 minutes ago`, `3 days ago`: so many seconds.
#[must_use]
pub fn ago(seconds: i64) -> String {
    let unit = match seconds {
        ..MINUTE_SECONDS => return just_now().to_owned(),
        MINUTE_SECONDS..HOUR_SECONDS => MINUTE_SECONDS,
        HOUR_SECONDS..DAY_SECONDS => HOUR_SECONDS,
        _ => DAY_SECONDS,
    };
    units_ago(seconds / unit, unit)
}

/// So many of one of [`UNITS`]: `2 weeks ago`.
pub(crate) fn units_ago(count: i64, unit: i64) -> String {
    match unit {
        MINUTE_SECONDS => trn!(count, "{n} minute ago", "{n} minutes ago"),
        HOUR_SECONDS => trn!(count, "{n} hour ago", "{n} hours ago"),
        DAY_SECONDS => trn!(count, "{n} day ago", "{n} days ago"),
        WEEK_SECONDS => trn!(count, "{n} week ago", "{n} weeks ago"),
        _ => trn!(count, "{n} month ago", "{n} months ago"),
    }
}

/// Moments to choose from, each of which [`parse_moment`](crate::parse_moment) understands.
#[must_use]
pub fn choices() -> [String; 5] {
    [(1, HOUR_SECONDS), (1, DAY_SECONDS), (2, DAY_SECONDS), (1, WEEK_SECONDS), (30, DAY_SECONDS)]
        .map(|(count, unit)| units_ago(count, unit))
}

pub(crate) fn just_now() -> &'static str {
    tr!("just now")
}

pub(crate) fn yesterday() -> &'static str {
    tr!("yesterday")
}

/// `22 November 2026`. The month: from 1 on.
#[must_use]
pub fn date(day: i8, month: i8, year: i16) -> String {
    of_words(day, month_name(month), year)
}

/// `22 Nov 2026`, for a narrow column.
#[must_use]
pub fn short_date(day: i8, month: i8, year: i16) -> String {
    of_words(day, short_month_name(month), year)
}

fn of_words(day: i8, month: &str, year: i16) -> String {
    tr!("{day} {month} {year}", day, month, year)
}

/// In a date. Where months have numbers its translation is one.
fn month_name(month: i8) -> &'static str {
    match month {
        1 => trc!("month", "January"),
        2 => trc!("month", "February"),
        3 => trc!("month", "March"),
        4 => trc!("month", "April"),
        5 => trc!("month", "May"),
        6 => trc!("month", "June"),
        7 => trc!("month", "July"),
        8 => trc!("month", "August"),
        9 => trc!("month", "September"),
        10 => trc!("month", "October"),
        11 => trc!("month", "November"),
        _ => trc!("month", "December"),
    }
}

/// The same, for a narrow column.
fn short_month_name(month: i8) -> &'static str {
    match month {
        1 => trc!("short month", "Jan"),
        2 => trc!("short month", "Feb"),
        3 => trc!("short month", "Mar"),
        4 => trc!("short month", "Apr"),
        5 => trc!("short month", "May"),
        6 => trc!("short month", "Jun"),
        7 => trc!("short month", "Jul"),
        8 => trc!("short month", "Aug"),
        9 => trc!("short month", "Sep"),
        10 => trc!("short month", "Oct"),
        11 => trc!("short month", "Nov"),
        _ => trc!("short month", "Dec"),
    }
}
