//! Content-Transfer-Encodings (RFC 2045 §6), decoded tolerantly.
//!
//! Base64: everything that is not of the alphabet is passed over, padding may stand anywhere, bits that make no whole
//! byte at the end are dropped. Quoted-printable: an `=` that begins no code stays, white space before a line end goes
//! (RFC 2045 §6.7 rule 3).

use std::borrow::Cow;

use memchr::memchr;

use crate::header::{line_end, without_line_end};
use crate::parameter::hex_digit;

/// An encoding that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `7bit`, `8bit`, `binary`.
    Identity,
    /// `base64`.
    Base64,
    /// `quoted-printable`.
    QuotedPrintable,
}

/// The encoding of a part is none that we know: `[UNKNOWN-CTE]` (RFC 3516 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCte;

impl std::fmt::Display for UnknownCte {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unknown Content-Transfer-Encoding")
    }
}

impl std::error::Error for UnknownCte {}

impl Encoding {
    /// The encoding with this name, in any case.
    ///
    /// # Errors
    /// [`UnknownCte`] for all but the five of RFC 2045.
    pub fn named(name: &str) -> Result<Self, UnknownCte> {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        if is("7bit") || is("8bit") || is("binary") {
            Ok(Self::Identity)
        } else if is("base64") {
            Ok(Self::Base64)
        } else if is("quoted-printable") {
            Ok(Self::QuotedPrintable)
        } else {
            Err(UnknownCte)
        }
    }

    /// The decoded bytes.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Identity => Cow::Borrowed(bytes),
            Self::Base64 => Cow::Owned(base64(bytes)),
            Self::QuotedPrintable => Cow::Owned(quoted_printable(bytes)),
        }
    }
}

/// Decodes base64.
#[must_use]
pub fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0);
    for &byte in bytes {
        let value = BASE64[usize::from(byte)];
        if value < 64 {
            bits = bits << 6 | u32::from(value);
            count += 1;
            if count == 4 {
                decoded.extend_from_slice(&bits.to_be_bytes()[1..]);
                (bits, count) = (0, 0);
            }
        } else if byte == b'=' {
            flush(bits, count, &mut decoded);
            (bits, count) = (0, 0);
        }
    }
    flush(bits, count, &mut decoded);
    decoded
}

/// The whole bytes of an unfinished group of `count` digits.
fn flush(bits: u32, count: u32, decoded: &mut Vec<u8>) {
    match count {
        2 => decoded.push((bits >> 4) as u8),
        3 => decoded.extend_from_slice(&[(bits >> 10) as u8, (bits >> 2) as u8]),
        _ => {}
    }
}

/// The value of a base64 digit.
pub(crate) fn base64_value(byte: u8) -> Option<u8> {
    Some(BASE64[usize::from(byte)]).filter(|&value| value < 64)
}

const BASE64: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [0xff; 256];
    let mut value = 0;
    while value < alphabet.len() {
        values[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// Decodes quoted-printable.
#[must_use]
pub fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = line_end(bytes, at);
        let line = &bytes[at..end];
        let text = without_line_end(line);
        let ending = &line[text.len()..];
        let text = text.trim_ascii_end();
        match text.strip_suffix(b"=") {
            Some(text) => push_codes(text, &mut decoded),
            None => {
                push_codes(text, &mut decoded);
                decoded.extend_from_slice(ending);
            }
        }
        at = end;
    }
    decoded
}

/// Decodes the `=XX` of one line; anything else stays.
pub(crate) fn push_codes(mut text: &[u8], decoded: &mut Vec<u8>) {
    while let Some(at) = memchr(b'=', text) {
        decoded.extend_from_slice(&text[..at]);
        let code = match text.get(at + 1..at + 3) {
            Some(&[high, low]) => hex_digit(high).zip(hex_digit(low)),
            _ => None,
        };
        if let Some((high, low)) = code {
            decoded.push(high << 4 | low);
            text = &text[at + 3..];
        } else {
            decoded.push(b'=');
            text = &text[at + 1..];
        }
    }
    decoded.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_tolerantly() {
        let check = |input: &str, expected: &[u8]| assert_eq!(base64(input.as_bytes()), expected, "{input}");
        check("", b"");
        check("aGVsbG8=", b"hello");
        check("aGVs\r\nbG8=\r\n", b"hello");
        check("aGVsbG8", b"hello");
        check("aGVsbA==IQ==", b"hell!");
        check("a!G*Vs bG8=", b"hello");
        check("a", b"");
        check("====", b"");
    }

    #[test]
    fn quoted_printable_is_decoded_tolerantly() {
        let check = |input: &str, expected: &[u8]| assert_eq!(quoted_printable(input.as_bytes()), expected, "{input}");
        check("", b"");
        check("caf=C3=a9", b"caf\xc3\xa9");
        check("a=\r\nb \t\r\nc=  \nd\n", b"ab\r\ncd\n");
        check("1=2=ZZ=", b"1=2=ZZ");
        check("=0D=0A", b"\r\n");
        check("a  ", b"a");
    }

    #[test]
    fn encodings_have_names() {
        let check = |name: &str, expected| assert_eq!(Encoding::named(name), expected, "{name}");
        check("BASE64", Ok(Encoding::Base64));
        check("8bit", Ok(Encoding::Identity));
        check("Quoted-Printable", Ok(Encoding::QuotedPrintable));
        check("x-uuencode", Err(UnknownCte));
        check("", Err(UnknownCte));
    }
}
