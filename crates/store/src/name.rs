//! Which name a new mailbox may have. Names that are there already stay as they are, whatever they are: they can be used,
//! deleted and renamed.
//!
//! A name must be one that programs can keep as a directory: those that copy a mailbox into files (mbsync, OfflineIMAP) stop
//! for all mailboxes at one that cannot, and two that differ only in how their characters are composed are one directory on
//! some systems and two on others. `docs/decisions/0021-names-of-mailboxes.md` says more.

use crate::error::Error;
use crate::state::same_name;
use icu_normalizer::ComposingNormalizerBorrowed;
use wording::tr;

/// A mailbox name is at most this long, all levels together.
pub(crate) const MAILBOX_NAME_BYTES_MAX: usize = 1000;
/// A mailbox name has at most this many levels.
pub(crate) const LEVELS_MAX: usize = 32;
/// A level of a name is at most this long: the name of a file (POSIX NAME_MAX), also as programs write it that know IMAP4rev1
/// only, in modified UTF-7 (RFC 3501 §5.1.3).
const LEVEL_BYTES_MAX: usize = 255;

/// A name that a new mailbox may have; its first level INBOX in capitals.
pub(crate) fn checked(name: &str) -> Result<String, Error> {
    let refuse = |why| Err(Error::InvalidName(why));
    // RFC 9051 §6.3.4: a trailing separator says that names will be made below it; it is not part of the name.
    let name = name.strip_suffix('/').unwrap_or(name);
    if name.is_empty() {
        return refuse(tr!("a mailbox name cannot be empty"));
    }
    if name.len() > MAILBOX_NAME_BYTES_MAX {
        return refuse(tr!("the mailbox name is too long"));
    }
    if name.chars().any(|c| is_control(c) || matches!(c, '*' | '%')) {
        return refuse(tr!("a mailbox name cannot hold control characters, * or %"));
    }
    let (first, rest) = name.split_once('/').map_or((name, None), |(first, rest)| (first, Some(rest)));
    if name.split('/').any(str::is_empty) || name.split('/').count() > LEVELS_MAX {
        return refuse(tr!("a mailbox name has 1 to 32 levels, none of them empty"));
    }
    if name.split('/').any(is_dots) {
        return refuse(tr!("no level of a mailbox name can be . or .., which are no names of directories"));
    }
    if name.split('/').any(is_too_long) {
        return refuse(tr!("a level of the mailbox name is too long for the name of a directory (255 octets)"));
    }
    Ok(match rest {
        _ if !same_name(first, "INBOX") => name.to_owned(),
        None => "INBOX".to_owned(),
        Some(rest) => format!("INBOX/{rest}"),
    })
}

/// Whether two names are the same text, however their characters are composed (RFC 9051 §5.1: Net-Unicode, which is NFC).
pub(crate) fn are_alike(a: &str, b: &str) -> bool {
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    same_name(a, b) || (!(a.is_ascii() && b.is_ascii()) && nfc.normalize(a) == nfc.normalize(b))
}

/// For a mailbox that is made again and has a name that a new one may not have: one that it may.
pub(crate) fn mended(name: &str) -> String {
    let level = |level: &str| {
        let mut level: String = level.chars().map(|c| if is_control(c) { '_' } else { c }).collect();
        if is_dots(&level) {
            level = "_".repeat(level.len());
        }
        while is_too_long(&level) {
            level.pop();
        }
        level
    };
    name.split('/').map(level).collect::<Vec<_>>().join("/")
}

/// RFC 5198 §2 has the line and paragraph separators among them.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn is_dots(level: &str) -> bool {
    matches!(level, "." | "..")
}

fn is_too_long(level: &str) -> bool {
    level.len().max(modified_utf7_bytes(level)) > LEVEL_BYTES_MAX
}

/// RFC 3501 §5.1.3: `&` is two octets, a run of what is not printable ASCII is base64 of its UTF-16 within `&` and `-`.
fn modified_utf7_bytes(level: &str) -> usize {
    let run = |units: usize| if units == 0 { 0 } else { (units * 16).div_ceil(6) + 2 };
    let (mut bytes, mut units) = (0, 0);
    for c in level.chars() {
        if matches!(c, ' '..='~') {
            bytes += run(std::mem::take(&mut units)) + if c == '&' { 2 } else { 1 };
        } else {
            units += c.len_utf16();
        }
    }
    bytes + run(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for (name, expected) in [
            ("Work", Some("Work")),
            ("inbox", Some("INBOX")),
            ("iNbox/a", Some("INBOX/a")),
            ("Work/2026/", Some("Work/2026")),
            ("Post/Gelöscht", Some("Post/Gelöscht")),
            ("...", Some("...")),
            (".a/b.", Some(".a/b.")),
            ("", None),
            ("/", None),
            ("/a", None),
            ("a//b", None),
            ("a\r\nb", None),
            ("a\u{85}", None),
            ("a*", None),
            (".", None),
            ("a/./b", None),
            ("Projects/../x", None),
            ("a/..", None),
        ] {
            assert_eq!(checked(name).ok().as_deref(), expected, "{name:?}");
        }
        let long = |bytes: usize| vec!["x".repeat(200); bytes / 201 + 1].join("/").get(..bytes).unwrap().to_owned();
        assert!(checked(&long(MAILBOX_NAME_BYTES_MAX)).is_ok());
        assert!(checked(&long(MAILBOX_NAME_BYTES_MAX + 1)).is_err());
        assert!(checked(&vec!["x"; LEVELS_MAX].join("/")).is_ok());
        assert!(checked(&vec!["x"; LEVELS_MAX + 1].join("/")).is_err());
    }

    #[test]
    fn a_level_is_no_longer_than_the_name_of_a_file() {
        let check = |level: String, fits: bool| {
            assert_eq!(checked(&format!("a/{level}")).is_ok(), fits, "{} {}", level.len(), modified_utf7_bytes(&level));
        };
        check("x".repeat(255), true);
        check("x".repeat(256), false);
        check("日".repeat(85), true);
        check("日".repeat(86), false);
        check("&".repeat(127), true);
        check("&".repeat(128), false);
        // `&APw-x`: six octets for three.
        assert_eq!(modified_utf7_bytes("üx"), 6);
        assert_eq!(modified_utf7_bytes("日本語"), "&ZeVnLIqe-".len());
        check("üx".repeat(42), true);
        check("üx".repeat(43), false);
    }

    #[test]
    fn names_are_alike_however_they_are_composed() {
        for (a, b, expected) in [
            ("Entw\u{fc}rfe", "Entwu\u{308}rfe", true),
            ("\u{e9}/x", "e\u{301}/x", true),
            ("\u{212b}", "\u{c5}", true),
            ("\u{212a}", "K", true),
            ("\u{e9}", "e", false),
            ("a", "A", false),
            ("inbox/\u{e9}", "INBOX/\u{e9}", true),
            ("\u{fb01}", "fi", false),
        ] {
            assert_eq!(are_alike(a, b), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_mended_name_may_be_used() {
        let check = |name: &str, expected: &str| assert_eq!(mended(name), expected);
        check("Work/2026", "Work/2026");
        check("Projects/../x", "Projects/__/x");
        check(".", "_");
        check("a\u{7}/b", "a_/b");
        let long = "ü".repeat(300);
        assert!(checked(&mended(&long)).is_ok());
    }
}
