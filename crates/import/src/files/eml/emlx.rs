//! Apple Mail's files: a line with the number of octets, the message, and a property list with its flags.

use crate::flags::of_words;
use store::Flags;

/// What Apple Mail keeps in the bits of `flags`.
const FLAGS: [(u64, &[u8]); 6] = [
    (1, b"\\Seen"),
    (1 << 1, b"\\Deleted"),
    (1 << 2, b"\\Answered"),
    (1 << 4, b"\\Flagged"),
    (1 << 6, b"\\Draft"),
    (1 << 8, b"$Forwarded"),
];

/// The message in a file, and its flags; `None`: it is no such file.
pub(super) fn parts(file: &[u8]) -> Option<(&[u8], Flags)> {
    let end = file.iter().position(|octet| *octet == b'\n')?;
    let count: usize = std::str::from_utf8(file[..end].trim_ascii()).ok()?.parse().ok()?;
    let rest = &file[end + 1..];
    let (message, list) = rest.split_at_checked(count)?;
    let bits = bits(&String::from_utf8_lossy(list)).unwrap_or_default();
    let words = FLAGS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, word)| *word);
    Some((message, of_words(words)))
}

/// `<key>flags</key><integer>8590195713</integer>`.
fn bits(list: &str) -> Option<u64> {
    let (_, rest) = list.split_once("<key>flags</key>")?;
    rest.trim_start().strip_prefix("<integer>")?.split_once('<')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stands_before_its_flags() {
        let list = "<?xml?><plist><dict><key>flags</key>\n\t<integer>8590195733</integer></dict></plist>";
        let file = format!("12   \nA: b\n\ntext\n\n{list}");
        let (message, flags) = parts(file.as_bytes()).unwrap();
        assert_eq!(message, b"A: b\n\ntext\n\n");
        assert_eq!(flags, of_words([&b"\\Seen"[..], b"\\Answered", b"\\Flagged"]));
        assert_eq!(parts(b"3\nabc").unwrap(), (&b"abc"[..], Flags::default()));
        for file in [&b"4\nabc"[..], b"x\nabc", b"3", b"", b"-1\nabc", b"99999999999999999999999\nabc"] {
            assert_eq!(parts(file), None);
        }
    }
}
