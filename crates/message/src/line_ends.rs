//! Line ends: mail is kept with CRLF and nothing else (RFC 5322 §2.1, RFC 5321 §2.3.8).
//!
//! Bare CR and bare LF each count as one line end. This is for what a server accepts, before it is stored; what is
//! stored is never changed again.

use std::borrow::Cow;

use memchr::memchr2_iter;

/// Whether every CR is followed by an LF and every LF comes after a CR.
#[must_use]
pub fn is_canonical(bytes: &[u8]) -> bool {
    first_bare(bytes).is_none()
}

/// The bytes with each bare CR and bare LF made a CRLF; borrowed where there is none.
#[must_use]
pub fn canonical(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = first_bare(bytes) else { return Cow::Borrowed(bytes) };
    let mut made = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    let mut copied = 0;
    for at in memchr2_iter(b'\r', b'\n', &bytes[first..]).map(|at| first + at) {
        if is_bare(bytes, at) {
            made.extend_from_slice(&bytes[copied..at]);
            made.extend_from_slice(b"\r\n");
            copied = at + 1;
        }
    }
    made.extend_from_slice(&bytes[copied..]);
    Cow::Owned(made)
}

fn first_bare(bytes: &[u8]) -> Option<usize> {
    memchr2_iter(b'\r', b'\n', bytes).find(|&at| is_bare(bytes, at))
}

/// Whether the CR or LF at `at` stands alone.
fn is_bare(bytes: &[u8], at: usize) -> bool {
    if bytes[at] == b'\r' { bytes.get(at + 1) != Some(&b'\n') } else { at == 0 || bytes[at - 1] != b'\r' }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bare_line_ends_become_crlf() {
        let check = |input: &[u8], expected: &[u8]| {
            assert_eq!(canonical(input).as_ref(), expected);
            assert_eq!(is_canonical(input), input == expected);
        };
        check(b"", b"");
        check(b"a\r\nb\r\n", b"a\r\nb\r\n");
        check(b"a\nb", b"a\r\nb");
        check(b"a\rb", b"a\r\nb");
        check(b"a\r", b"a\r\n");
        check(b"\n\r", b"\r\n\r\n");
        check(b"\r\r\n\n", b"\r\n\r\n\r\n");
    }

    proptest! {
        #[test]
        fn canonical_is_canonical(input in "[a\r\n]{0,40}") {
            let made = canonical(input.as_bytes());
            prop_assert!(is_canonical(&made));
            prop_assert_eq!(canonical(&made).into_owned(), made.into_owned());
        }
    }
}
