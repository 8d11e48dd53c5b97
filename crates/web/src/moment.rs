//! Moments as pages show them. `console` gives them as text in UTC (`2026-11-22T22:36:40Z`).
//!
//! Each stands in an element that says it for programs, too, and in which way it is written: the script of the pages writes it anew,
//! in the time zone of whoever reads (`assets/time.js`). Without that it is UTC, and says so.

use askama::filters::{Escaper, Html, HtmlSafe};
use console::words::moment::{self, date, short_date};
use jiff::Timestamp as Jiff;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fmt;
use store::Timestamp;

const DAY_SECONDS: i64 = 24 * 3600;
/// Between a day and a time in a sentence stands no more.
const BETWEEN_BYTES_MAX: usize = 24;

/// A moment, ready to stand in a page.
#[derive(Debug)]
pub(crate) struct Moment<'t> {
    /// What stands in it if it is no moment.
    text: &'t str,
    at: Option<Jiff>,
    form: Form,
}

/// How it is written; the script knows it by these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `22 November 2026, 22:36 UTC`.
    Full,
    /// `22 November 2026`.
    Day,
    /// `22 Nov 2026`, for a narrow column.
    ShortDay,
    /// Above each other, in a narrow column: the day, and `22:36 UTC`.
    Line,
    /// `22:36`, below its day.
    Time,
    /// `5 minutes ago`: so many seconds.
    Ago(i64),
}

/// From one moment to another.
#[derive(Debug)]
pub(crate) struct Span<'t>(Moment<'t>, Moment<'t>);

/// A text with moments in it.
#[derive(Debug)]
pub(crate) struct Within<'t>(&'t str);

/// `22 November 2026`. What is no moment stays as it is.
pub(crate) fn day(text: &str) -> Moment<'_> {
    Moment::of(text, Form::Day)
}

/// `22 Nov 2026`, for a narrow column.
pub(crate) fn short_day(text: &str) -> Moment<'_> {
    Moment::of(text, Form::ShortDay)
}

/// The day and the time of a line, above each other.
pub(crate) fn line(text: &str) -> Moment<'_> {
    Moment::of(text, Form::Line)
}

/// `22:36`, below its day.
pub(crate) fn time(text: &str) -> Moment<'_> {
    Moment::of(text, Form::Time)
}

/// `22:05 – 22:36`, below the day.
pub(crate) fn span<'t>(first: &'t str, last: &'t str) -> Span<'t> {
    Span(time(first), time(last))
}

/// A sentence of `console`, with its moments as everywhere else.
pub(crate) fn within(text: &str) -> Within<'_> {
    Within(text)
}

/// `22 November 2026, 22:36 UTC`.
pub(crate) fn full(text: &str) -> Moment<'_> {
    Moment::of(text, Form::Full)
}

/// `just now`, `5 minutes ago`, `3 days ago`; the day when it is longer ago than a month.
pub(crate) fn ago<'t>(text: &'t str, now: &Timestamp) -> Moment<'t> {
    let moment = day(text);
    let seconds = moment.at.map(|at| now.unix_seconds().saturating_sub(at.as_second()));
    match seconds.filter(|seconds| *seconds < 30 * DAY_SECONDS) {
        Some(seconds) => Moment { form: Form::Ago(seconds), ..moment },
        None => moment,
    }
}

/// The day in UTC, as a text: `22 November 2026`.
pub(crate) fn day_of(text: &str) -> String {
    day(text).words()
}

impl<'t> Moment<'t> {
    fn of(text: &'t str, form: Form) -> Self {
        Self { text, at: text.parse().ok(), form }
    }

    /// What a person reads.
    fn words(&self) -> String {
        let Some(at) = self.at else { return self.text.to_owned() };
        let at = at.to_zoned(TimeZone::UTC).datetime();
        let time = at.strftime("%H:%M").to_string();
        match self.form {
            Form::Full => tr!("{day}, {time} UTC", day = day_in(at), time),
            Form::Day => day_in(at),
            Form::ShortDay => short_date(at.day(), at.month(), at.year()),
            Form::Line => format!("{}<br>{time} UTC", short_date(at.day(), at.month(), at.year())),
            Form::Time => time,
            Form::Ago(seconds) => moment::ago(seconds),
        }
    }
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Day => "day",
            Self::ShortDay => "short-day",
            Self::Line => "line",
            Self::Time => "time",
            Self::Ago(_) => "ago",
        }
    }
}

fn day_in(at: DateTime) -> String {
    date(at.day(), at.month(), at.year())
}

impl fmt::Display for Moment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = self.at else { return Html.write_escaped_str(f, self.text) };
        write!(f, "<time datetime=\"{at}\" data-as=\"{}\"", self.form.name())?;
        if let Form::Ago(_) = self.form {
            write!(f, " title=\"{}\"", full(self.text).words())?;
        }
        write!(f, ">{}</time>", self.words())
    }
}

impl fmt::Display for Span<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(first, last) = self;
        match first.words() == last.words() {
            true => last.fmt(f),
            false => write!(f, "<span class=\"span\">{first} – {last}</span>"),
        }
    }
}

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut rest, mut from) = (self.0, 0);
        while let Some(at) =
            rest.get(from..).and_then(|text| text.find(|c: char| c.is_ascii_digit())).map(|at| from + at)
        {
            let (before, after) = rest.split_at(at);
            if let Some((moment, length)) = moment_at_start(after) {
                Html.write_escaped_str(&mut *f, before)?;
                full(&moment).fmt(f)?;
                (rest, from) = (after.get(length..).unwrap_or_default(), 0);
            } else {
                // No moment begins within a number.
                from = at + after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            }
        }
        Html.write_escaped_str(f, rest)
    }
}

/// A moment as sentences have it at the beginning of a text, and how long it is there: `2026-09-21 at 14:13 UTC`, in whatever language.
fn moment_at_start(text: &str) -> Option<(String, usize)> {
    let (day, rest) = (text.get(..10)?, text.get(10..)?);
    let between = rest.find(|c: char| c.is_ascii_digit()).filter(|length| *length <= BETWEEN_BYTES_MAX)?;
    if !rest.get(..between)?.chars().all(|c| c.is_alphabetic() || c == ' ') {
        return None;
    }
    let (time, end) = (rest.get(between..between + 5)?, " UTC");
    rest.get(between + 5..).filter(|rest| rest.starts_with(end))?;
    let moment = format!("{day}T{time}:00Z");
    moment.parse::<Jiff>().ok()?;
    Some((moment, 10 + between + 5 + end.len()))
}

/// What is no moment is escaped, and the rest are digits and words of ours.
impl HtmlSafe for Moment<'_> {}
impl HtmlSafe for Span<'_> {}
impl HtmlSafe for Within<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2026-11-22T22:36:40Z";

    #[test]
    fn moments_are_written_for_people() {
        let words = |moment: Moment<'_>| moment.words();
        assert_eq!([day(AT), short_day(AT), time(AT)].map(words), ["22 November 2026", "22 Nov 2026", "22:36"]);
        assert_eq!([full(AT), line(AT)].map(words), ["22 November 2026, 22:36 UTC", "22 Nov 2026<br>22:36 UTC"]);
        assert_eq!([day("soon"), ago("soon", &Timestamp(0))].map(words), ["soon", "soon"]);
        let at = AT.parse::<Jiff>().unwrap().as_millisecond();
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
            assert_eq!(ago(AT, &Timestamp(at + later * 1000)).words(), expected, "{later}");
        }
    }

    #[test]
    fn a_sentence_said_utc_where_all_else_was_of_the_readers_zone() {
        let there = |at: &str| full(at).to_string();
        let at = there("2026-09-21T14:13:00Z");
        for (text, expected) in [
            ("removed by PC on 2026-09-21 at 14:13 UTC; it can", format!("removed by PC on {at}; it can")),
            ("Es hat am 2026-09-21 um 14:13 UTC 3 von 40", format!("Es hat am {at} 3 von 40")),
            ("2026-09-21 14:13 UTCに“2”", format!("{at}に“2”")),
            ("12 2026-09-21 at 14:13 UTC", format!("12 {at}")),
            ("2026-09-21 at 14:13 UTC, 2026-09-21 at 14:13 UTC", format!("{at}, {at}")),
            ("a&b 2026-09-21", "a&#38;b 2026-09-21".to_owned()),
            ("2026-09-21 <b> 14:13 UTC", "2026-09-21 &#60;b&#62; 14:13 UTC".to_owned()),
            ("2026-09-31 at 14:13 UTC", "2026-09-31 at 14:13 UTC".to_owned()),
            ("2026-09-21 at 14:13 CET 1", "2026-09-21 at 14:13 CET 1".to_owned()),
            ("12026-09-21 at 14:13 UTC", "12026-09-21 at 14:13 UTC".to_owned()),
            ("", String::new()),
            ("2026", "2026".to_owned()),
        ] {
            assert_eq!(within(text).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn each_says_itself_for_programs_and_what_is_none_is_text() {
        let full = full(AT).to_string();
        let expected = "<time datetime=\"2026-11-22T22:36:40Z\" data-as=\"full\">22 November 2026, 22:36 UTC</time>";
        assert_eq!(full, expected);
        let now = Timestamp(AT.parse::<Jiff>().unwrap().as_millisecond() + 60_000);
        assert!(ago(AT, &now).to_string().contains(" title=\"22 November 2026, 22:36 UTC\">1 minute ago<"));
        assert_eq!(day("<b>").to_string(), "&#60;b&#62;");
        assert_eq!(span(AT, AT).to_string(), time(AT).to_string());
        let some = span("2026-11-22T21:05:00Z", AT).to_string();
        assert!(some.starts_with("<span class=\"span\"><time datetime=\"2026-11-22T21:05:00Z\""), "{some}");
        assert!(some.contains("21:05</time> – <time ") && some.ends_with("22:36</time></span>"), "{some}");
    }
}
