//! Line ends: mail has CRLF and nothing else (RFC 5322 §2.1, RFC 5321 §2.3.8).
//!
//! What a server accepts and what it writes itself gets them before it is stored; what is stored is never changed again.

use std::borrow::Cow;

use memchr::{memchr_iter, memchr2_iter};

/// Whether every CR is followed by an LF and every LF comes after a CR.
#[must_use]
pub(crate) fn is_canonical(bytes: &[u8]) -> bool {
    first_bare(bytes).is_none()
}

/// The bytes with each bare LF made a CRLF; borrowed where there is none. A bare CR is an octet like others.
#[must_use]
pub fn with_crlf(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut made = Vec::new();
    let mut copied = 0;
    for at in bare_lfs(bytes) {
        if made.is_empty() {
            made.reserve(bytes.len() + bytes.len() / 32);
        }
        made.extend_from_slice(&bytes[copied..at]);
        made.extend_from_slice(b"\r\n");
        copied = at + 1;
    }
    if copied == 0 {
        return Cow::Borrowed(bytes);
    }
    made.extend_from_slice(&bytes[copied..]);
    Cow::Owned(made)
}

/// How many octets a message has as lines that end with CRLF, as POP3 sends them (RFC 1939 §11): a bare LF counts as two,
/// and a last line without an end gets one.
#[must_use]
pub fn crlf_size(message: &[u8]) -> u64 {
    let last = if message.is_empty() || message.ends_with(b"\n") { 0 } else { 2 };
    (message.len() + bare_lfs(message).count()) as u64 + last
}

fn bare_lfs(bytes: &[u8]) -> impl Iterator<Item = usize> {
    memchr_iter(b'\n', bytes).filter(|&at| is_bare(bytes, at))
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

    #[test]
    fn a_bare_lf_becomes_crlf_and_a_bare_cr_stays() {
        let check = |input: &[u8], expected: &[u8], size: u64| {
            assert_eq!(with_crlf(input).as_ref(), expected);
            assert_eq!(matches!(with_crlf(input), Cow::Borrowed(_)), input == expected);
            assert_eq!(crlf_size(input), size, "{input:?}");
        };
        check(b"", b"", 0);
        check(b"a\r\nb\r\n", b"a\r\nb\r\n", 6);
        check(b"a\nb\n", b"a\r\nb\r\n", 6);
        check(b"\n\n", b"\r\n\r\n", 4);
        check(b"a\r\n\nb", b"a\r\n\r\nb", 8);
        check(b"a\rb\r", b"a\rb\r", 6);
        check(b"a\r\r\n\n", b"a\r\r\n\r\n", 6);
        check(b"\xfc\n\r", b"\xfc\r\n\r", 6);
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
