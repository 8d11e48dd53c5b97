//! What `pillarbox export` writes down beside messages, which no other file says: tables in CSV (RFC 4180).
//!
//! [`MAILBOXES`] says which mailbox a file or a directory is, [`MESSAGES`] what is known of each message in a directory. A table with
//! other columns is somebody else's and says nothing.

use super::clean::Facts;
use crate::flags::of_words;
use csv::ReaderBuilder;
use message::date;
use std::collections::HashMap;
use store::Timestamp;

/// In the directory that was exported: `place` (a file or a directory, with `/` between levels), `mailbox`, `subscribed`.
pub const MAILBOXES: &str = "mailboxes.csv";
/// In each directory with messages: `file`, `date` (RFC 5322 §3.3), `flags` (with a space between them), `uidl`.
pub const MESSAGES: &str = "messages.csv";
/// The columns of [`MAILBOXES`].
pub const MAILBOX_COLUMNS: [&str; 3] = ["place", "mailbox", "subscribed"];
/// The columns of [`MESSAGES`].
pub const MESSAGE_COLUMNS: [&str; 4] = ["file", "date", "flags", "uidl"];

/// A mailbox of the account that was exported.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) place: String,
    pub(super) levels: Vec<String>,
    pub(super) is_subscribed: bool,
}

/// A message of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) facts: Facts,
    /// Empty: it has none but what every message has.
    pub(super) uidl: String,
}

/// The mailboxes of a table, in their order.
pub(super) fn mailboxes(text: &str) -> Vec<Noted> {
    let noted = |[place, mailbox, subscribed]: [String; 3]| Noted {
        place,
        levels: mailbox.split('/').map(str::to_owned).collect(),
        is_subscribed: subscribed == "yes",
    };
    rows(text, MAILBOX_COLUMNS).into_iter().map(noted).collect()
}

/// The messages of a table, by the names of their files.
pub(super) fn messages(text: &str) -> HashMap<String, Line> {
    let line = |[file, date, flags, uidl]: [String; 4]| {
        let flags = of_words(flags.split_ascii_whitespace().map(str::as_bytes));
        let date = date::parse(date.as_bytes()).map(|read| Timestamp::from_unix_seconds(read.unix_seconds));
        (file, Line { facts: Facts { flags, date, is_removed: false }, uidl })
    };
    rows(text, MESSAGE_COLUMNS).into_iter().map(line).collect()
}

/// The rows of a table with these columns; of another one none.
fn rows<const N: usize>(text: &str, columns: [&str; N]) -> Vec<[String; N]> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    if !reader.headers().is_ok_and(|found| found.iter().eq(columns)) {
        return Vec::new();
    }
    let row = |record: csv::StringRecord| <[String; N]>::try_from(record.iter().map(str::to_owned).collect::<Vec<_>>());
    reader.records().filter_map(|record| row(record.ok()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_say_what_no_file_says() {
        let table = "place,mailbox,subscribed\nWork,\"Work, a/Old:\",yes\nx,y\nZ,Z,no\n";
        let noted = |place: &str, levels: &[&str], is_subscribed| Noted {
            place: place.to_owned(),
            levels: levels.iter().map(|level| (*level).to_owned()).collect(),
            is_subscribed,
        };
        assert_eq!(mailboxes(table), [noted("Work", &["Work, a", "Old:"], true), noted("Z", &["Z"], false)]);
        assert_eq!(mailboxes("name,colour\nx,y\n"), []);
        let table = "file,date,flags,uidl\n1.eml,\"Thu, 01 Jan 2026 00:00:00 +0000\",\\Seen Work,x1\n2.eml,,,\n";
        let found = messages(table);
        let facts = &found["1.eml"].facts;
        assert_eq!(facts.flags, of_words([&b"\\Seen"[..], b"Work"]));
        assert_eq!(facts.date, Some(Timestamp::from_unix_seconds(1_767_225_600)));
        assert_eq!((found["1.eml"].uidl.as_str(), &found["2.eml"]), ("x1", &Line::default()));
    }
}
