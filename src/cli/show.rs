//! Answers on the terminal: tables for people, JSON for programs.

use std::fmt::Display;

use clap::Args;
pub(super) use console::words::bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use web::Call;

use super::failure::Failure;
use super::place::Place;
use super::{Outcome, say};

/// How answers look.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Format {
    /// Answer with one JSON object a line
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl Format {
    /// Calls, and shows each part of the answer as it comes: as a line of JSON, or as `text` has it. How many there were.
    pub(super) fn each<T: Serialize + DeserializeOwned>(
        self,
        place: &Place,
        call: &Call,
        text: impl Fn(&T) -> String,
    ) -> Result<usize, Failure> {
        let mut count = 0;
        let mut show = |part: T| {
            count += 1;
            self.show(&part, &text)
        };
        place.call(call, &mut show)?;
        Ok(count)
    }

    /// Calls, and shows the answer: as a line of JSON for each part, or as `text` has all of them.
    pub(super) fn list<T: Serialize + DeserializeOwned>(
        self,
        place: &Place,
        call: &Call,
        text: impl FnOnce(&[T]) -> String,
    ) -> Outcome {
        if self.json {
            return self.each(place, call, |_: &Value| String::new()).map(drop);
        }
        say(&text(&place.all(call)?));
        Ok(())
    }

    /// Calls, and says that it was done.
    pub(super) fn done(self, place: &Place, call: &Call, text: &str) -> Outcome {
        self.list(place, call, |_: &[Value]| text.to_owned())
    }

    /// Shows one thing: as a line of JSON, or as `text` has it.
    pub(super) fn show<T: Serialize>(self, part: &T, text: impl FnOnce(&T) -> String) -> Outcome {
        if self.json {
            let fault = |error: serde_json::Error| Failure::Fault(format!("an answer cannot be shown: {error}"));
            say(&format!("{}\n", serde_json::to_value(part).map_err(fault)?));
        } else {
            say(&text(part));
        }
        Ok(())
    }
}

/// So many of something: `1 account`, `2 accounts`.
pub(super) fn counted<N: Display + PartialEq + From<u8>>(count: N, one: &str, many: &str) -> String {
    let noun = if count == N::from(1) { one } else { many };
    format!("{count} {noun}")
}

/// Columns under headings; what is told instead when there are no rows.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]], none: &str) -> String {
    if rows.is_empty() {
        return format!("{none}\n");
    }
    let headings = headings.map(str::to_owned);
    let lines = || std::iter::once(&headings).chain(rows);
    let mut widths = [0; N];
    for line in lines() {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in lines() {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Nothing as a dash.
pub(super) fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_something_is_no_plural() {
        let of = |count: usize| counted(count, "account", "accounts");
        assert_eq!([0, 1, 2].map(of), ["0 accounts", "1 account", "2 accounts"]);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["ä".to_owned(), "b".to_owned()], ["ccc".to_owned(), String::new()]];
        assert_eq!(table(["x", "y"], &rows, "none"), "x    y\nä    b\nccc\n");
        assert_eq!(table::<1>(["x"], &[], "There is nothing."), "There is nothing.\n");
    }
}
