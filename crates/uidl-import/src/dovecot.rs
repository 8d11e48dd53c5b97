//! Dovecot's `dovecot-uidlist` in a Maildir (version 3), and Courier's `courierimapuiddb`, which is its version 1.

use crate::{BadLine, Format, Kept, bad, file_base};

/// Reads the file. A UIDL that stands in it (`P`) counts before `format`.
///
/// # Errors
/// The first line that says nothing that is known.
pub fn dovecot(text: &str, format: &Format) -> Result<Vec<Kept>, BadLine> {
    let mut lines = text.lines().enumerate();
    let (at, header) = lines.next().unwrap_or_default();
    let (version, uid_validity) = read_header(header).ok_or_else(|| bad(at, header))?;
    let mut kept = Vec::new();
    for (at, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let entry = match version {
            Version::One => read_old(line, uid_validity, format),
            Version::Three => read_entry(line, uid_validity, format),
        };
        kept.push(entry.ok_or_else(|| bad(at, line))?);
    }
    Ok(kept)
}

#[derive(Clone, Copy)]
enum Version {
    One,
    Three,
}

/// `3 V1275660208 N25022 G3085...`, or `1 1275660208 25022`.
fn read_header(line: &str) -> Option<(Version, u32)> {
    let mut words = line.split(' ');
    match words.next()? {
        "3" => {
            let validity = words.find_map(|word| word.strip_prefix('V'))?;
            Some((Version::Three, validity.parse().ok()?))
        }
        "1" => Some((Version::One, words.next()?.parse().ok()?)),
        _ => None,
    }
}

/// `25006 W1394 P00001234 :1276528487.M364837P9451.host,S=1355:2,`
fn read_entry(line: &str, uid_validity: u32, format: &Format) -> Option<Kept> {
    let (facts, name) = line.split_once(" :")?;
    let mut words = facts.split(' ');
    let uid = words.next()?.parse().ok()?;
    let file = file_base(name).to_owned();
    let own = words.find_map(|word| word.strip_prefix('P')).map(str::to_owned);
    Some(Kept { uidl: own.unwrap_or_else(|| format.uidl(uid, uid_validity, &file)), file })
}

/// `25006 1276528487.M364837P9451.host`
fn read_old(line: &str, uid_validity: u32, format: &Format) -> Option<Kept> {
    let (uid, name) = line.split_once(' ')?;
    let file = file_base(name).to_owned();
    Some(Kept { uidl: format.uidl(uid.parse().ok()?, uid_validity, &file), file })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[(&str, &str)], usize>) {
        let kept = dovecot(text, &Format::dovecot());
        let found =
            kept.as_ref().map(|kept| kept.iter().map(|k| (k.file.as_str(), k.uidl.as_str())).collect::<Vec<_>>());
        assert_eq!(found.map_err(|error| error.number), expected.map(<[_]>::to_vec), "{text}");
    }

    #[test]
    fn entries_have_the_uidl_of_the_format_or_their_own() {
        check(
            "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n\
             25006 :1276528487.M364837P9451.host,S=1355,W=1394:2,\n\
             25017 W2481 :1276533073.M242911P3632.host:2,F\n\
             25018 PUID7-1272179246 W2 :1276533074.host\n",
            Ok(&[
                ("1276528487.M364837P9451.host,S=1355,W=1394", "000061ae4c0907b0"),
                ("1276533073.M242911P3632.host", "000061b94c0907b0"),
                ("1276533074.host", "UID7-1272179246"),
            ]),
        );
        check(
            "1 1275660208 3\n1 a.host:2,S\n2 b.host\n",
            Ok(&[("a.host", "000000014c0907b0"), ("b.host", "000000024c0907b0")]),
        );
        check("3 V1 N1\n", Ok(&[]));
    }

    #[test]
    fn what_is_not_understood_is_told_by_its_line() {
        check("", Err(1));
        check("2 V1\n", Err(1));
        check("3 N1\n", Err(1));
        check("3 V1 N1\n1 :a\nx :b\n", Err(3));
        check("3 V1 N1\n1 a\n", Err(2));
    }
}
