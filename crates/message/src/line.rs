//! Lines of a message as it came: an LF ends one, with or without a CR before it.

use memchr::memchr;

/// The offset just after the line that `start` stands in. `start` must not be over the length.
pub(crate) fn line_end(bytes: &[u8], start: usize) -> usize {
    memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at + 1)
}

/// The length of the empty line at the start of `bytes`, if there is one.
pub(crate) fn blank_line_len(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

/// A line without its LF or CRLF.
pub(crate) fn without_line_end(line: &[u8]) -> &[u8] {
    match line {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\n'] => rest,
        _ => line,
    }
}
