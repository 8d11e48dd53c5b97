//! Courier's `courierpop3dsizelist` in a Maildir, all its versions.

use crate::{BadLine, Kept, bad, file_base};
use std::fmt::Write;

/// Reads the file.
///
/// # Errors
/// The first line that says nothing that is known.
pub fn courier(text: &str) -> Result<Vec<Kept>, BadLine> {
    let is_header = |line: &str| line.starts_with('/');
    let lines = text.lines().enumerate().filter(|(at, line)| !line.is_empty() && (*at > 0 || !is_header(line)));
    lines.map(|(at, line)| read(line).ok_or_else(|| bad(at, line))).collect()
}

/// `name size uid:uidvalidity`, `name size uid`, or `name size`: the last two are older.
fn read(line: &str) -> Option<Kept> {
    let mut words = line.split(' ');
    let (name, size, number) = (words.next()?, words.next()?, words.next());
    if words.next().is_some() || size.parse::<u64>().is_err() {
        return None;
    }
    let file = file_base(name).to_owned();
    let (uid, uid_validity) = match number.map(|number| number.split_once(':').unwrap_or((number, "0"))) {
        Some((uid, validity)) => (uid.parse::<u64>().ok()?, validity.parse::<u64>().ok()?),
        None => (0, 0),
    };
    let uidl = match (uid, uid_validity) {
        (0, _) => of_name(&file),
        (uid, 0) => format!("UID{uid}"),
        (uid, validity) => format!("UID{uid}-{validity}"),
    };
    Some(Kept { file, uidl })
}

/// A message from before Courier counted: its file's name, with what a UIDL must not have, and quotes, as `+XX`.
fn of_name(file: &str) -> String {
    let mut uidl = String::with_capacity(file.len());
    for octet in file.bytes() {
        match octet {
            b'\'' | b'"' | b'+' | ..=0x20 | 0x7f.. => {
                // A String takes every write.
                let _ = write!(uidl, "+{octet:02X}");
            }
            _ => uidl.push(char::from(octet)),
        }
    }
    uidl
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[(&str, &str)], usize>) {
        let kept = courier(text);
        let found =
            kept.as_ref().map(|kept| kept.iter().map(|k| (k.file.as_str(), k.uidl.as_str())).collect::<Vec<_>>());
        assert_eq!(found.map_err(|error| error.number), expected.map(<[_]>::to_vec), "{text}");
    }

    #[test]
    fn every_version_is_read() {
        check(
            "/2 1034 1170000000\n1170000001.M1.host 1200 7:1170000000\nb+c.host:2,S 5 0:0\n",
            Ok(&[("1170000001.M1.host", "UID7-1170000000"), ("b+c.host", "b+2Bc.host")]),
        );
        check("/1 1034 1170000000\na 1200 7\n", Ok(&[("a", "UID7")]));
        check("a 1200\nb'ü 7\n", Ok(&[("a", "a"), ("b'ü", "b+27+C3+BC")]));
        check("", Ok(&[]));
    }

    #[test]
    fn what_is_not_understood_is_told_by_its_line() {
        check("/2 1 1\na\n", Err(2));
        check("a 1\nb x\n", Err(2));
        check("a 1 2 3\n", Err(1));
        check("a 1 2:x\n", Err(1));
        check("a 1\n/2 1 1 1\n", Err(2));
    }
}
