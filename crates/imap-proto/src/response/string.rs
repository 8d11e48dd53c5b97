//! How strings are written (RFC 9051 §4.3): quoted where that is safe, literals otherwise.

use crate::mailbox::Dialect;
use memchr::memchr2;

/// Longer strings are literals: some clients read quoted strings into small buffers.
const QUOTED_BYTES_MAX: usize = 4096;

/// RFC 9051 §9: string.
pub(super) fn string(out: &mut Vec<u8>, dialect: Dialect, value: &[u8]) {
    match quoting(dialect, value) {
        Quoting::Plain => {
            out.reserve(value.len() + 2);
            out.push(b'"');
            out.extend_from_slice(value);
            out.push(b'"');
        }
        Quoting::Escaped => quoted(out, value),
        Quoting::Not => literal(out, value),
    }
}

/// RFC 9051 §9: nstring.
pub(super) fn nstring(out: &mut Vec<u8>, dialect: Dialect, value: Option<&[u8]>) {
    match value {
        Some(value) => string(out, dialect, value),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// `{n}`, CRLF and the octets, whatever they are.
pub(super) fn literal(out: &mut Vec<u8>, value: &[u8]) {
    literal_header(out, value.len() as u64);
    out.extend_from_slice(value);
}

pub(super) fn literal_header(out: &mut Vec<u8>, bytes: u64) {
    out.push(b'{');
    decimal(out, bytes);
    out.extend_from_slice(b"}\r\n");
}

/// A number, without the formatting machinery: a SEARCH may have a million of them.
pub(super) fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let start = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

/// `~{n}` and CRLF (RFC 9051 §4.3: literal8).
pub(super) fn literal8_header(out: &mut Vec<u8>, bytes: u64) {
    out.push(b'~');
    literal_header(out, bytes);
}

/// Words in parentheses.
pub(super) fn parenthesised<W: AsRef<str>>(out: &mut Vec<u8>, words: impl IntoIterator<Item = W>) {
    out.push(b'(');
    for (at, word) in words.into_iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word.as_ref().as_bytes());
    }
    out.push(b')');
}

/// How a string may be quoted.
enum Quoting {
    /// As it is.
    Plain,
    /// With backslashes.
    Escaped,
    Not,
}

/// RFC 3501 §9 has 7-bit characters only in quoted strings; RFC 9051 §9 and RFC 6855 §3 add UTF-8.
fn quoting(dialect: Dialect, value: &[u8]) -> Quoting {
    let utf8 = dialect == Dialect::Utf8;
    let is_allowed = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte) || (utf8 && byte >= 0x80);
    let is_special = |byte: u8| byte == b'"' || byte == b'\\';
    // All of them are looked at, which takes less time than to stop at the first.
    let look = |(all, any), &byte: &u8| (all & is_allowed(byte), any | is_special(byte));
    let (all_allowed, any_special) = match value.len() {
        0..=QUOTED_BYTES_MAX => value.iter().fold((true, false), look),
        _ => (false, false),
    };
    match any_special {
        _ if !all_allowed || (utf8 && std::str::from_utf8(value).is_err()) => Quoting::Not,
        true => Quoting::Escaped,
        false => Quoting::Plain,
    }
}

fn quoted(out: &mut Vec<u8>, value: &[u8]) {
    out.reserve(value.len() + 2);
    out.push(b'"');
    let mut rest = value;
    while let Some(at) = memchr2(b'"', b'\\', rest) {
        let (plain, special) = rest.split_at(at);
        let (special, after) = special.split_at(1);
        out.extend_from_slice(plain);
        out.push(b'\\');
        out.extend_from_slice(special);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::command::Command;
    use crate::limits::Limits;
    use crate::receiver::{Event, Receiver};

    fn check(dialect: Dialect, value: &[u8], expected: &[u8]) {
        let mut out = Vec::new();
        string(&mut out, dialect, value);
        assert_eq!(out, expected);
    }

    #[test]
    fn quoted_or_literal() {
        check(Dialect::Rev1, b"", b"\"\"");
        check(Dialect::Rev1, b"a\"b\\c", b"\"a\\\"b\\\\c\"");
        check(Dialect::Rev1, b"a\r\nb", b"{4}\r\na\r\nb");
        check(Dialect::Rev1, "é".as_bytes(), b"{2}\r\n\xc3\xa9");
        check(Dialect::Utf8, "é".as_bytes(), b"\"\xc3\xa9\"");
        check(Dialect::Utf8, b"\xe9", b"{1}\r\n\xe9");
        check(Dialect::Rev1, b"\x01", b"{1}\r\n\x01");
        let long = vec![b'x'; 4097];
        check(Dialect::Rev1, &long, &[b"{4097}\r\n", long.as_slice()].concat());
    }

    proptest! {
        #[test]
        fn decimals_are_as_formatted(number: u64, small in 0_u64..200) {
            let mut out = b"x".to_vec();
            decimal(&mut out, number);
            decimal(&mut out, small);
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("x{number}{small}"));
        }

        #[test]
        fn what_is_written_is_read(value in prop::collection::vec(1_u8.., 0..40), utf8: bool) {
            let mut wire = b"a LOGIN u ".to_vec();
            string(&mut wire, if utf8 { Dialect::Utf8 } else { Dialect::Rev1 }, &value);
            wire.extend_from_slice(b"\r\n");
            let mut receiver = Receiver::new(Limits::before_login());
            receiver.push(&wire);
            let event = match receiver.poll() {
                Event::Literal(_) => receiver.poll(),
                event => event,
            };
            let Event::Command(tagged) = event else { panic!("{event:?}") };
            let Command::Login(login) = tagged.command else { panic!("not LOGIN") };
            prop_assert_eq!(login.password.as_bytes(), value.as_slice());
        }
    }
}
