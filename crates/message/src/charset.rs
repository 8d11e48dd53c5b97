//! Charsets of mail to text.
//!
//! Labels are those of the WHATWG Encoding Standard and UTF-7 (RFC 2152). Text without a charset, with `us-ascii` or
//! with one that nobody knows is UTF-8 if it can be, else Windows-1252. Nothing fails: what has no meaning becomes
//! U+FFFD.

use std::borrow::Cow;

use encoding_rs::{Encoding, REPLACEMENT, WINDOWS_1252};

use crate::transfer::base64_value;

/// The text of `bytes` in the charset called `label` (empty: not known).
#[must_use]
pub fn decode<'a>(label: &[u8], bytes: &'a [u8]) -> Cow<'a, str> {
    let label = label.trim_ascii();
    if label.is_empty() || label.eq_ignore_ascii_case(b"us-ascii") {
        return guess(bytes);
    }
    if [b"utf-7".as_slice(), b"unicode-1-1-utf-7"].iter().any(|name| label.eq_ignore_ascii_case(name)) {
        return Cow::Owned(decode_utf7(bytes));
    }
    match Encoding::for_label(label) {
        // Labels that browsers refuse for safety.
        Some(encoding) if encoding == REPLACEMENT => guess(bytes),
        Some(encoding) => encoding.decode_with_bom_removal(bytes).0,
        None => guess(bytes),
    }
}

fn guess(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// RFC 2152: `+` begins base64 of UTF-16, which ends before the first byte that is none (a `-` is swallowed).
fn decode_utf7(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(plus) = memchr::memchr(b'+', rest) {
        text.push_str(&String::from_utf8_lossy(&rest[..plus]));
        rest = &rest[plus + 1..];
        let len = rest.iter().position(|&byte| base64_value(byte).is_none()).unwrap_or(rest.len());
        let (shifted, after) = rest.split_at(len);
        if shifted.is_empty() && after.first() == Some(&b'-') {
            text.push('+');
        }
        push_utf16(shifted, &mut text);
        rest = after.strip_prefix(b"-").unwrap_or(after);
    }
    text.push_str(&String::from_utf8_lossy(rest));
    text
}

fn push_utf16(base64: &[u8], text: &mut String) {
    let (mut bits, mut count) = (0_u32, 0);
    let mut units = Vec::with_capacity(base64.len() / 2);
    for value in base64.iter().copied().filter_map(base64_value) {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push((bits >> count) as u16);
            bits &= (1 << count) - 1;
        }
    }
    text.extend(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets_become_text() {
        let check = |label: &str, bytes: &[u8], expected: &str| {
            assert_eq!(decode(label.as_bytes(), bytes), expected, "{label}");
        };
        check("", b"caf\xc3\xa9", "café");
        check("us-ascii", b"caf\xe9", "café");
        check("X-UNKNOWN", b"caf\xe9", "café");
        check("UTF-8", b"caf\xc3\xa9\xff", "café\u{fffd}");
        check(" iso-8859-1 ", b"caf\xe9", "café");
        check("iso-8859-15", b"\xa4", "€");
        check("koi8-r", b"\xc1", "а");
        check("iso-2022-jp", b"\x1b$B$\"\x1b(B", "あ");
        check("gb2312", b"\xc4\xe3", "你");
        check("hz-gb-2312", b"abc", "abc");
        check("utf-7", b"Hi +AOk- +- +ZeVnLA!+", "Hi é + 日本!");
    }
}
