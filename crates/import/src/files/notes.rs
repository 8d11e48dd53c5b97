//! What `pillarbox export` writes down beside messages, which no other file says: tables in CSV (RFC 4180).
//!
//! [`MAILBOXES`] says which mailbox a file or a directory is, [`MESSAGES`] what is known of each message in a directory. A table with
//! other columns is somebody else's and says nothing.

use super::clean::{Facts, KEYWORDS_MAX};
use super::found::FOLDERS_MAX;
use crate::flags::of_words;
use crate::source::SourceError;
use csv_core::ReadRecordResult;
use message::date;
use std::collections::{HashMap, HashSet};
use store::Timestamp;

/// In the directory that was exported: `place` (a file or a directory, with `/` between levels), `mailbox`, `subscribed`.
pub const MAILBOXES: &str = "mailboxes.csv";
/// In each directory with messages: `file`, `date` (RFC 5322 §3.3), `flags` (with a space between them), `uidl`.
pub const MESSAGES: &str = "messages.csv";
/// The columns of [`MAILBOXES`].
pub const MAILBOX_COLUMNS: [&str; 3] = ["place", "mailbox", "subscribed"];
/// The columns of [`MESSAGES`].
pub const MESSAGE_COLUMNS: [&str; 4] = ["file", "date", "flags", "uidl"];

/// Rows of [`MESSAGES`]; a table with more is not taken.
const ROWS_MAX: usize = if cfg!(test) { 30 } else { 1_000_000 };
/// A row has so many octets: a thousand keywords of a hundred octets, and more.
const ROW_BYTES_MAX: usize = 256 * 1024;
/// A row of another table may have more; that one says nothing.
const FIELDS_MAX: usize = 8;

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
///
/// # Errors
/// It has more of them than a place may have folders.
pub(super) fn mailboxes(text: &str) -> Result<Vec<Noted>, SourceError> {
    let mut noted = Vec::new();
    rows(text, (MAILBOXES, MAILBOX_COLUMNS, FOLDERS_MAX), |[place, mailbox, subscribed]| {
        let levels = mailbox.split('/').map(str::to_owned).collect();
        noted.push(Noted { place: place.to_owned(), levels, is_subscribed: subscribed == "yes" });
    })?;
    Ok(noted)
}

/// What a table says of these files, by their names.
///
/// # Errors
/// It has more rows than a place may have files.
pub(super) fn messages(text: &str, files: &HashSet<&str>) -> Result<HashMap<String, Line>, SourceError> {
    let mut lines = HashMap::new();
    rows(text, (MESSAGES, MESSAGE_COLUMNS, ROWS_MAX), |[file, date, flags, uidl]| {
        if !files.contains(file) {
            return;
        }
        let mut flags = of_words(flags.split_ascii_whitespace().map(str::as_bytes));
        flags.keywords.sort_unstable();
        flags.keywords.dedup();
        flags.keywords.truncate(KEYWORDS_MAX);
        let date = date::parse(date.as_bytes()).map(|read| Timestamp::from_unix_seconds(read.unix_seconds));
        lines.insert(file.to_owned(), Line { facts: Facts { flags, date, is_removed: false }, uidl: uidl.to_owned() });
    })?;
    Ok(lines)
}

/// Whether a spreadsheet may take a field that begins so for a formula; in a table such a field has a `'` before it.
#[must_use]
pub fn may_be_formula(field: &str) -> bool {
    field.starts_with(['=', '+', '-', '@', '\'', '\t', '\r'])
}

/// Gives the rows of a table with these columns, one by one; of another table none.
fn rows<const N: usize>(
    text: &str,
    (name, columns, rows_max): (&str, [&str; N], usize),
    mut give: impl FnMut([&str; N]),
) -> Result<(), SourceError> {
    let (mut reader, mut rest) = (csv_core::Reader::new(), text.as_bytes());
    let (mut octets, mut ends) = (vec![0; ROW_BYTES_MAX], [0; FIELDS_MAX]);
    let (mut bytes, mut fields, mut row) = (0, 0, 0);
    loop {
        let (result, read, more_bytes, more_fields) =
            reader.read_record(rest, &mut octets[bytes..], &mut ends[fields..]);
        rest = &rest[read..];
        (bytes, fields) = (bytes + more_bytes, fields + more_fields);
        match result {
            // What is left ends the last row.
            ReadRecordResult::InputEmpty => continue,
            ReadRecordResult::End => return Ok(()),
            // The first row has the names of columns.
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull if row == 0 => return Ok(()),
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                return Err(SourceError::Refused(format!("{name} is damaged: row {row} is too long")));
            }
            ReadRecordResult::Record => {}
        }
        let begins = std::iter::once(0).chain(ends);
        let found = begins.zip(ends).take(fields).map(|(begin, end)| {
            let field = std::str::from_utf8(&octets[begin..end]).unwrap_or_default();
            field.strip_prefix('\'').filter(|rest| may_be_formula(rest)).unwrap_or(field)
        });
        match <[&str; N]>::try_from(found.collect::<Vec<_>>()) {
            Ok(found) if row == 0 && found == columns => {}
            _ if row == 0 => return Ok(()),
            _ if row > rows_max => {
                return Err(SourceError::Refused(format!("{name} has more than {rows_max} rows")));
            }
            Ok(found) => give(found),
            Err(_) => {}
        }
        (bytes, fields, row) = (0, 0, row + 1);
    }
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
        assert_eq!(mailboxes(table).unwrap(), [noted("Work", &["Work, a", "Old:"], true), noted("Z", &["Z"], false)]);
        assert_eq!(mailboxes("name,colour\nx,y\n").unwrap(), []);
        let table =
            "file,date,flags,uidl\n1.eml,\"Thu, 01 Jan 2026 00:00:00 +0000\",\\Seen Work Work,x1\n2.eml,,,\n3.eml,,,\n";
        let found = messages(table, &HashSet::from(["1.eml", "2.eml"])).unwrap();
        assert_eq!(found.len(), 2);
        let facts = &found["1.eml"].facts;
        assert_eq!(facts.flags, of_words([&b"\\Seen"[..], b"Work"]));
        assert_eq!(facts.date, Some(Timestamp::from_unix_seconds(1_767_225_600)));
        assert_eq!((found["1.eml"].uidl.as_str(), &found["2.eml"]), ("x1", &Line::default()));
    }

    #[test]
    fn tables_have_a_limit_of_rows_and_fields_however_short_they_are() {
        let of_mailboxes = |rows: usize, row: &str| {
            mailboxes(&format!("place,mailbox,subscribed\n{}", row.repeat(rows))).map(|found| found.len())
        };
        assert_eq!(of_mailboxes(FOLDERS_MAX, ",,\n"), Ok(FOLDERS_MAX));
        for row in [",,\n", "x\n"] {
            let why = of_mailboxes(FOLDERS_MAX + 1, row).unwrap_err().to_string();
            assert_eq!(why, format!("mailboxes.csv has more than {FOLDERS_MAX} rows"));
        }
        let of_messages = |rows: usize, row: &str| {
            let text = format!("file,date,flags,uidl\n{}", row.repeat(rows));
            messages(&text, &HashSet::from(["1.eml"])).map(|found| found.len())
        };
        assert_eq!(of_messages(ROWS_MAX, ",,,\n"), Ok(0));
        assert!(of_messages(ROWS_MAX + 1, ",,,\n").unwrap_err().to_string().contains("more than 30 rows"));
        assert!(of_messages(1, &",".repeat(100)).unwrap_err().to_string().contains("row 1 is too long"));
        let row =
            |keywords: usize| format!("1.eml,,{},", (0..keywords).map(|at| format!("k{at} ")).collect::<String>());
        assert_eq!(of_messages(1, &row(10_000)), Ok(1));
        assert!(of_messages(1, &row(100_000)).is_err());
        let text = format!("file,date,flags,uidl\n{}", row(10_000));
        let found = messages(&text, &HashSet::from(["1.eml"])).unwrap();
        assert_eq!(found["1.eml"].facts.flags.keywords.len(), KEYWORDS_MAX);
        assert_eq!(mailboxes(&",".repeat(100)), Ok(Vec::new()), "somebody else's");
    }

    #[test]
    fn what_a_spreadsheet_would_take_for_a_formula_has_a_mark() {
        for (written, read) in
            [("'=1+1", "=1+1"), ("''", "'"), ("''x", "'x"), ("'x", "'x"), ("x'=", "x'="), ("'@", "@")]
        {
            let noted = mailboxes(&format!("place,mailbox,subscribed\nx,{written},no")).unwrap();
            assert_eq!(noted[0].levels.join("/"), read);
        }
        assert!(["=", "+1", "-1", "@a", "'", "\t", "\r"].into_iter().all(may_be_formula));
        assert!(!["", "a=", "Work", "\\Seen"].into_iter().any(may_be_formula));
    }
}
