//! Percent encoding of octets (RFC 3986 §2.1).

use crate::lex::hex_digit;

/// The octets that a text stands for, no more than it has; `None`: a `%` without two hexadecimal digits behind it.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    read(text, |octet, is_escape| {
        octets.push(octet);
        is_escape || octet != b'%'
    })
    .then_some(octets)
}

/// The same, where what is no escape stands for itself.
pub(crate) fn decode_generously(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    read(text, |octet, _| {
        octets.push(octet);
        true
    });
    octets
}

/// Gives each octet, and whether it was written as an escape, until it is told not to go on; whether that never happened.
fn read(text: &[u8], mut give: impl FnMut(u8, bool) -> bool) -> bool {
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let escape = match tail {
            [high, low, after @ ..] if *first == b'%' => hex_digit(*high).zip(hex_digit(*low)).map(|it| (it, after)),
            _ => None,
        };
        let goes_on = match escape {
            Some(((high, low), after)) => {
                rest = after;
                give(high << 4 | low, true)
            }
            None => {
                rest = tail;
                give(*first, false)
            }
        };
        if !goes_on {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_octets_and_what_is_none_is_refused_or_stands_for_itself() {
        let check = |text: &str, strict: Option<&[u8]>, generous: &[u8]| {
            assert_eq!(decode(text.as_bytes()).as_deref(), strict, "{text}");
            assert_eq!(decode_generously(text.as_bytes()), generous, "{text}");
        };
        check("", Some(b""), b"");
        check("a%21b%2fc", Some(b"a!b/c"), b"a!b/c");
        check("%FF%00%25", Some(b"\xff\x00%"), b"\xff\x00%");
        check("%2541", Some(b"%41"), b"%41");
        check("50%", None, b"50%");
        check("%4", None, b"%4");
        check("%zz%41", None, b"%zzA");
        check("%%41", None, b"%A");
        check("%+1", None, b"%+1");
    }
}
