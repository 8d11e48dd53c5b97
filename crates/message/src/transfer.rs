//! Content-Transfer-Encodings (RFC 2045 §6), decoded tolerantly.
//!
//! Base64: everything that is not of the alphabet is passed over, padding may stand anywhere, bits that make no whole
//! byte at the end are dropped. Quoted-printable: an `=` that begins no code stays, white space before a line end goes
//! (RFC 2045 §6.7 rule 3).

use std::borrow::Cow;

use memchr::{memchr, memrchr};

use crate::lex::hex_digit;
use crate::line::{line_end, without_line_end};

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

/// Of a line that does not end, so much is kept back: where it is more, white space at its end stays.
const QUOTED_LINE_BYTES_MAX: usize = 8 * 1024;

/// Decodes what comes in pieces: the same as [`Encoding::decode`] of all of them together.
#[derive(Clone, Debug)]
pub struct Decoder(State);

#[derive(Clone, Debug)]
enum State {
    Identity,
    Base64(Group),
    /// The line that has begun.
    QuotedPrintable(Vec<u8>),
}

impl Decoder {
    /// At the beginning of a body.
    #[must_use]
    pub fn new(encoding: Encoding) -> Self {
        Self(match encoding {
            Encoding::Identity => State::Identity,
            Encoding::Base64 => State::Base64(Group::default()),
            Encoding::QuotedPrintable => State::QuotedPrintable(Vec::new()),
        })
    }

    /// Decodes the next piece.
    pub fn feed(&mut self, piece: &[u8], decoded: &mut Vec<u8>) {
        match &mut self.0 {
            State::Identity => decoded.extend_from_slice(piece),
            State::Base64(group) => group.feed(piece, decoded),
            State::QuotedPrintable(line) => feed_quoted(line, piece, decoded),
        }
    }

    /// Decodes what was kept back; the body is over.
    pub fn finish(&mut self, decoded: &mut Vec<u8>) {
        match &mut self.0 {
            State::Identity => {}
            State::Base64(group) => group.flush(decoded),
            State::QuotedPrintable(line) => decoded.append(&mut quoted_printable(&std::mem::take(line))),
        }
    }
}

/// Decodes base64.
#[must_use]
pub fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3 + 3);
    let mut group = Group::default();
    group.feed(bytes, &mut decoded);
    group.flush(&mut decoded);
    decoded
}

/// Digits of base64 that are not three bytes yet.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    bits: u32,
    count: u32,
}

impl Group {
    fn feed(&mut self, bytes: &[u8], decoded: &mut Vec<u8>) {
        let Self { mut bits, mut count } = *self;
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
                Self { bits, count }.flush(decoded);
                (bits, count) = (0, 0);
            }
        }
        *self = Self { bits, count };
    }

    /// The whole bytes of an unfinished group.
    fn flush(&mut self, decoded: &mut Vec<u8>) {
        let Self { bits, count } = std::mem::take(self);
        match count {
            2 => decoded.push((bits >> 4) as u8),
            3 => decoded.extend_from_slice(&[(bits >> 10) as u8, (bits >> 2) as u8]),
            _ => {}
        }
    }
}

fn feed_quoted(line: &mut Vec<u8>, piece: &[u8], decoded: &mut Vec<u8>) {
    let (lines, rest) = piece.split_at(memrchr(b'\n', piece).map_or(0, |at| at + 1));
    if !lines.is_empty() {
        line.extend_from_slice(lines);
        decoded.append(&mut quoted_printable(line));
        line.clear();
    }
    line.extend_from_slice(rest);
    if line.len() <= QUOTED_LINE_BYTES_MAX {
        return;
    }
    let text = line.trim_ascii_end();
    // A code, or the `=` that makes a line go on, may have begun.
    let begun = memrchr(b'=', &text[text.len().saturating_sub(2)..]);
    let ready = begun.map_or(text.len(), |at| text.len().saturating_sub(2) + at);
    let ready = if line.len() - ready > QUOTED_LINE_BYTES_MAX { line.len() } else { ready };
    push_codes(&line[..ready], decoded);
    line.drain(..ready);
}

/// The octets in base64 (RFC 2045 §6.8), on one line.
#[must_use]
pub fn to_base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for group in octets.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        for place in 0..4 {
            let digit = ALPHABET.get((bits >> (18 - 6 * place)) as usize & 63).copied().unwrap_or(b'=');
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
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
pub(crate) fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_decode_to_the_same(text in "[aF=4 \t\r\n]{0,40}", cuts in prop::collection::vec(0_usize..40, 0..5)) {
            for encoding in [Encoding::Identity, Encoding::Base64, Encoding::QuotedPrintable] {
                let (mut decoder, mut decoded, mut rest) = (Decoder::new(encoding), Vec::new(), text.as_bytes());
                for cut in &cuts {
                    let (piece, after) = rest.split_at(*cut.min(&rest.len()));
                    decoder.feed(piece, &mut decoded);
                    rest = after;
                }
                decoder.feed(rest, &mut decoded);
                decoder.finish(&mut decoded);
                let whole = encoding.decode(text.as_bytes());
                prop_assert_eq!(&decoded[..], whole.as_ref());
            }
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_kept() {
        let mut decoder = Decoder::new(Encoding::QuotedPrintable);
        let mut decoded = Vec::new();
        let text = "caf=C3=A9 ".repeat(10_000);
        for piece in text.as_bytes().chunks(777) {
            decoder.feed(piece, &mut decoded);
            let State::QuotedPrintable(line) = &decoder.0 else { panic!() };
            assert!(line.len() <= QUOTED_LINE_BYTES_MAX);
        }
        decoder.finish(&mut decoded);
        assert_eq!(decoded, quoted_printable(text.as_bytes()));
        decoder.feed(&[b' '; 3 * QUOTED_LINE_BYTES_MAX], &mut decoded);
        let State::QuotedPrintable(line) = &decoder.0 else { panic!() };
        assert!(line.len() <= QUOTED_LINE_BYTES_MAX);
    }

    #[test]
    fn base64_of_every_length() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (octets, expected) in cases {
            assert_eq!(to_base64(octets.as_bytes()), expected);
        }
    }

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
