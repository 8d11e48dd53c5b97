//! The line before each message of an mbox file: `From ada@example.org Thu Jan  1 00:00:00 2026` (RFC 4155, appendix A).
//!
//! There are as many forms of it as programs; what counts is a day, a time and a year.

use message::date;
use store::Timestamp;

/// The line before a message of an mbox file; a longer one is text.
const LINE_BYTES_MAX: usize = 1000;

/// When the message came; `None`: the line is none before a message.
pub(super) fn date(line: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(line.strip_prefix(b"From ")?).ok().filter(|text| text.len() <= LINE_BYTES_MAX)?;
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let at = words.iter().rposition(|word| is_time(word))?;
    let (month, day, time) = (words.get(at.checked_sub(2)?)?, words.get(at - 1)?, words.get(at)?);
    let rest = words.get(at + 1..)?;
    let year = rest.iter().find(|word| word.len() == 4 && word.bytes().all(|octet| octet.is_ascii_digit()))?;
    let is_zone = |word: &&&str| word.starts_with(['+', '-']) && word.len() == 5;
    let zone = rest.iter().find(is_zone).copied().unwrap_or("+0000");
    let read = date::parse(format!("{day} {month} {year} {time} {zone}").as_bytes())?;
    Some(Timestamp::from_unix_seconds(read.unix_seconds))
}

/// `12:34:56` or `12:34`.
fn is_time(word: &str) -> bool {
    let parts: Vec<&str> = word.split(':').collect();
    (2..=3).contains(&parts.len())
        && parts.iter().all(|part| (1..=2).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_many_programs() {
        let check = |line: &str, seconds: Option<i64>| {
            assert_eq!(date(line.as_bytes()), seconds.map(Timestamp::from_unix_seconds), "{line}");
        };
        check("From ada@example.org Thu Jan  1 00:00:00 2026\n", Some(1_767_225_600));
        check("From MAILER-DAEMON Thu Jan 01 01:00:00 2026 +0100\r\n", Some(1_767_225_600));
        check("From - Thu Jan 01 00:00:00 2026", Some(1_767_225_600));
        check("From 1234@xxx Thu Jan 01 00:00:00 +0000 2026", Some(1_767_225_600));
        check("From ada Thu Jan 1 00:00 2026 remote from host", Some(1_767_225_600));
        check("From \"a b\"@example.org Thu Jan  1 00:00:00 2026", Some(1_767_225_600));
        for text in ["From now on at 12:00 we meet", "From ada", "From ", ">From a Thu Jan  1 00:00:00 2026", "from x"]
        {
            check(text, None);
        }
        let line = |length: usize| {
            let rest = " Thu Jan  1 00:00:00 2026";
            format!("From {}{rest}", "a".repeat(length - rest.len()))
        };
        check(&line(LINE_BYTES_MAX), Some(1_767_225_600));
        check(&line(LINE_BYTES_MAX + 1), None);
    }
}
