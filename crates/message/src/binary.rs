//! Binary content (RFC 3516): a NUL may stand in the body of a part that says `binary`, and no literal of IMAP may have it.
//!
//! Such parts get base64 on their way in, before anything of the message is counted: what their program reads of them is the
//! same, octet for octet, and every protocol can carry them. Parts without a NUL stay as they are ("only when it is absolutely
//! necessary", RFC 3516 §6).

use crate::content::{HasNul, check};
use crate::header::fields;
use crate::span::Span;
use crate::structure::{Content, Part, Structure};
use crate::transfer::to_base64;
use memchr::memchr;

const FIELD: &[u8] = b"Content-Transfer-Encoding";
/// RFC 2045 §6.8: a line has at most 76 characters, which is so many octets.
const LINE_OCTETS: usize = 57;

/// The content with base64 in place of the parts that have a NUL and may; none where it has no NUL.
///
/// # Errors
/// [`HasNul`]: one is where none may be: in a header, outside of parts, in a part that says something else.
pub fn without_nul(content: &[u8]) -> Result<Option<Vec<u8>>, HasNul> {
    if check(content).is_ok() {
        return Ok(None);
    }
    let structure = Structure::parse(content);
    let mut made = Vec::with_capacity(content.len().div_ceil(3).saturating_mul(4));
    let mut from = 0;
    for part in structure.root.walk().filter(|part| is_binary(part)) {
        if memchr(0, part.body.of(content)).is_none() {
            continue;
        }
        made.extend_from_slice(Span { start: from, end: part.header.start }.of(content));
        put_header(&mut made, part.header.of(content));
        put_body(&mut made, part.body.of(content));
        from = part.body.end;
        if from == content.len() {
            made.extend_from_slice(b"\r\n");
        }
    }
    made.extend_from_slice(content.get(from..).unwrap_or_default());
    check(&made).map(|()| Some(made))
}

fn is_binary(part: &Part) -> bool {
    part.content == Content::Leaf && part.encoding == "binary" && !part.header.is_empty()
}

/// The first field that names the encoding names another, those that come later go.
fn put_header(made: &mut Vec<u8>, header: &[u8]) {
    let mut named = false;
    let mut from = 0;
    for field in fields(header).filter(|field| field.name.eq_ignore_ascii_case(FIELD)) {
        made.extend_from_slice(Span { start: from, end: field.span.start }.of(header));
        if !std::mem::replace(&mut named, true) {
            made.extend_from_slice(FIELD);
            made.extend_from_slice(b": base64\r\n");
        }
        from = field.span.end;
    }
    made.extend_from_slice(header.get(from..).unwrap_or_default());
}

/// Without a line end after the last line: a delimiter brings it along.
fn put_body(made: &mut Vec<u8>, body: &[u8]) {
    let mut line_end: &[u8] = b"";
    for line in body.chunks(LINE_OCTETS) {
        made.extend_from_slice(line_end);
        made.extend_from_slice(to_base64(line).as_bytes());
        line_end = b"\r\n";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::section;
    use proptest::prelude::*;

    fn made(content: &[u8]) -> Option<String> {
        without_nul(content).unwrap().map(|made| String::from_utf8(made).unwrap())
    }

    #[test]
    fn a_part_that_is_binary_gets_base64_where_it_has_a_nul() {
        let message = "A: b\nContent-Transfer-Encoding: Binary\nC: d\ncontent-transfer-encoding: 8bit\n\n\0a\r\n";
        let expected = "A: b\nContent-Transfer-Encoding: base64\r\nC: d\n\nAGENCg==\r\n";
        assert_eq!(made(message.as_bytes()).as_deref(), Some(expected));
        let parts = |second: &str, body: &str| {
            format!(
                "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n--b\r\n\
                 Content-Transfer-Encoding: binary\r\n\r\nno nul\r\n--b\r\n\
                 Content-Transfer-Encoding: {second}\r\n\r\n{body}\r\n--b--\r\n"
            )
        };
        assert_eq!(made(parts("binary", "\0\0").as_bytes()), Some(parts("base64", "AAA=")));
        let forwarded = |part: &str| format!("Content-Type: message/rfc822\r\n\r\n{part}");
        let (before, after) = (forwarded(&parts("binary", "\0\0")), forwarded(&parts("base64", "AAA=")));
        assert_eq!(made(before.as_bytes()), Some(after));
        assert_eq!(made(b"Content-Transfer-Encoding: binary\r\n\r\n\x01"), None);
    }

    #[test]
    fn a_nul_elsewhere_is_refused() {
        let check = |content: &[u8]| assert_eq!(without_nul(content), Err(HasNul), "{}", content.escape_ascii());
        check(b"A: b\r\n\r\n\0");
        check(b"Content-Transfer-Encoding: 8bit\r\n\r\n\0");
        check(b"A: \0\r\nContent-Transfer-Encoding: binary\r\n\r\n\0");
        check(
            b"Content-Transfer-Encoding: binary\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\0\r\n--b\r\n\r\n",
        );
        // It cannot be opened, so what stands for its parts has no header that could say it.
        check(b"Content-Transfer-Encoding: binary\r\nContent-Type: multipart/mixed\r\n\r\n\0");
    }

    proptest! {
        #[test]
        fn what_is_read_of_a_part_stays_the_same(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let message = [b"A: b\r\nContent-Transfer-Encoding: binary\r\n\r\n".as_slice(), &body].concat();
            let made = without_nul(&message).unwrap().unwrap_or(message);
            prop_assert_eq!(check(&made), Ok(()));
            let structure = Structure::parse(&made);
            let read = section::binary(&structure, &made, &[1]).unwrap().unwrap();
            prop_assert_eq!(read.as_ref(), &body[..]);
            prop_assert_eq!(without_nul(&made), Ok(None));
        }
    }
}
