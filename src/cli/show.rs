//! Answers on the terminal: tables for people, JSON for programs.

use clap::Args;
use serde_json::Value;
use server::admin::Item;
pub(super) use server::admin::bytes;

use super::failure::Failure;
use super::{Outcome, say};

/// How answers look.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Format {
    /// Answer with one JSON object a line
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl Format {
    /// Shows an answer: as JSON, or as `text` has it.
    pub(super) fn show(self, items: &[Item], text: impl FnOnce(&[Item]) -> String) -> Outcome {
        if self.json {
            for item in items {
                say(&json_line(item)?);
            }
        } else {
            say(&text(items));
        }
        Ok(())
    }
}

/// An item as one line of JSON, without the name of its kind.
pub(super) fn json_line(item: &Item) -> Result<String, Failure> {
    let fault = |error: serde_json::Error| Failure::Fault(format!("an answer cannot be shown: {error}"));
    let value = match serde_json::to_value(item).map_err(fault)? {
        Value::Object(kinds) => kinds.into_iter().next().map_or(Value::Null, |(_, value)| value),
        other => other,
    };
    Ok(format!("{value}\n"))
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
    use server::admin::DomainItem;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["ä".to_owned(), "b".to_owned()], ["ccc".to_owned(), String::new()]];
        assert_eq!(table(["x", "y"], &rows, "none"), "x    y\nä    b\nccc\n");
        assert_eq!(table::<1>(["x"], &[], "There is nothing."), "There is nothing.\n");
    }

    #[test]
    fn json_has_no_wrapper() {
        let domain =
            DomainItem { domain: "example.org".to_owned(), shown: "example.org".to_owned(), postmasters: vec![] };
        let line = json_line(&Item::Domain(domain)).unwrap_or_default();
        // The order of the keys is the library's.
        let value: Value = serde_json::from_str(&line).unwrap_or_default();
        let expected = serde_json::json!({"domain": "example.org", "shown": "example.org", "postmasters": []});
        assert_eq!(value, expected);
    }
}
