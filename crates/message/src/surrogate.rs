//! The header of a surrogate: what a program gets that knows ASCII headers only (RFC 6858).
//!
//! Fields in ASCII stay byte for byte. Of the others, text becomes encoded-words, a parameter becomes RFC 2231, an
//! address becomes one that nobody can answer, with the true one in its display name, and what has no such form is left
//! out. The body is not touched: it may be signed, and programs have always taken it as it is.

use crate::address::{Address, parse_list};
use crate::header::{self, Field, fields};
use crate::transfer::to_base64;
use crate::{charset, encoded_word};

/// Octets of text in one encoded-word: with the charset and the name of the field it stays within a line
/// (RFC 2047 §2: 75 characters a word, 76 a line).
const WORD_BYTES_MAX: usize = 30;
/// A longer field name stands on a line of its own.
const NAME_BYTES_MAX: usize = 20;
/// RFC 6858 §2.1: stands for an address that ASCII cannot tell.
const INVALID_ADDRESS: &str = "invalid@internationalized-address.invalid";
/// A longer header has no surrogate: it is what nobody writes, and would have to be held whole.
pub const HEADER_BYTES_MAX: usize = 128 * 1024;
const ADDRESS_FIELDS: [&str; 12] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "resent-from",
    "resent-sender",
    "resent-reply-to",
    "resent-to",
    "resent-cc",
    "resent-bcc",
];
const TEXT_FIELDS: [&str; 6] =
    ["subject", "comments", "keywords", "content-description", "organization", "thread-topic"];
const PARAMETER_FIELDS: [&str; 2] = ["content-type", "content-disposition"];

/// The header of the surrogate with its empty line, where the message has one; `None` where the message needs no
/// surrogate, because its header is ASCII, or has none, because its header is too long or not UTF-8 (RFC 6532 §3.1): what old programs
/// wrote in a charset that nobody knows goes on as it came.
#[must_use]
pub fn header(message: &[u8]) -> Option<Vec<u8>> {
    let header = message.get(..header::end(message)).filter(|header| !header.is_ascii())?;
    if header.len() > HEADER_BYTES_MAX {
        return None;
    }
    str::from_utf8(header).ok()?;
    Some(in_ascii(header))
}

/// A message with a header in ASCII, whatever it was: what is not UTF-8 is read as Windows-1252. `None` if it is in ASCII already.
#[must_use]
pub fn message(message: &[u8]) -> Option<Vec<u8>> {
    let (header, body) = message.split_at_checked(header::end(message)).filter(|(header, _)| !header.is_ascii())?;
    Some([in_ascii(header).as_slice(), body].concat())
}

fn in_ascii(header: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(2 * header.len());
    let mut end = 0;
    for field in fields(header) {
        let octets = field.span.of(header);
        if octets.is_ascii() {
            made.extend_from_slice(octets)
        } else {
            made.extend(rewritten(&field).unwrap_or_default())
        }
        end = field.span.end;
    }
    made.extend(header.get(end..).unwrap_or_default().iter().filter(|octet| octet.is_ascii()));
    made
}

/// `None` for what has no form in ASCII (RFC 6858 §2.4: it is left out).
fn rewritten(field: &Field<'_>) -> Option<Vec<u8>> {
    let name = str::from_utf8(field.name).ok().filter(|name| name.is_ascii() && !name.is_empty())?;
    let is_one_of = |names: &[&str]| names.iter().any(|other| name.eq_ignore_ascii_case(other));
    let value = if is_one_of(&ADDRESS_FIELDS) {
        addresses(&parse_list(&field.unfolded()))?
    } else if is_one_of(&PARAMETER_FIELDS) {
        parameters(&field.unfolded())?
    } else if is_one_of(&TEXT_FIELDS) || name.get(..2).is_some_and(|x| x.eq_ignore_ascii_case("x-")) {
        encoded(&encoded_word::decode(&field.unfolded()))
    } else {
        return None;
    };
    let gap = if name.len() > NAME_BYTES_MAX { "\r\n " } else { " " };
    Some(format!("{name}:{gap}{value}\r\n").into_bytes())
}

/// RFC 2047 §2 encoded-words, one a line.
fn encoded(text: &str) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD_BYTES_MAX));
        words.push(format!("=?utf-8?B?{}?=", to_base64(word.as_bytes())));
        rest = after;
    }
    words.join("\r\n ")
}

/// RFC 5322 §3.4, one address a line; `None` if there is none at all.
fn addresses(list: &[Address]) -> Option<String> {
    let mut value = String::new();
    let mut separator = "";
    for address in list {
        if address.is_group_end() {
            value.push(';');
            separator = ",\r\n ";
            continue;
        }
        value.push_str(separator);
        if address.is_group_start() {
            value.push_str(&phrase(&text(address.mailbox.as_deref().unwrap_or_default())));
            value.push(':');
            separator = "\r\n ";
        } else {
            value.push_str(&mailbox(address));
            separator = ",\r\n ";
        }
    }
    (!list.is_empty()).then_some(value)
}

fn mailbox(address: &Address) -> String {
    let (local, host) =
        (text(address.mailbox.as_deref().unwrap_or_default()), text(address.host.as_deref().unwrap_or_default()));
    let name = address.name.as_deref().map(text);
    if !local.is_ascii() || !host.is_ascii() {
        let address = if host.is_empty() { local } else { format!("{local}@{host}") };
        let shown = name.map_or(address.clone(), |name| format!("{name} <{address}>"));
        return format!("{}\r\n <{INVALID_ADDRESS}>", phrase(&shown));
    }
    let local = if is_atoms(&local, ".") { local } else { quoted(&local) };
    let address = if host.is_empty() { local } else { format!("{local}@{}", printable(&host)) };
    name.map_or(format!("<{address}>"), |name| format!("{} <{address}>", phrase(&name)))
}

/// Words as sent, as text.
fn text(octets: &[u8]) -> String {
    encoded_word::decode(octets)
}

/// RFC 5322 §3.2.5.
fn phrase(text: &str) -> String {
    if !text.is_ascii() || text.chars().any(|c| c.is_control()) {
        encoded(text)
    } else if is_atoms(text, " ") {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// RFC 5322 §3.2.3: atoms, with one of `between` between them.
fn is_atoms(text: &str, between: &str) -> bool {
    let is_atom = |word: &str| {
        !word.is_empty() && word.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&c))
    };
    // What looks like an encoded-word would be read as one.
    !text.contains("=?") && text.split(between).all(is_atom)
}

/// RFC 5322 §3.2.4.
fn quoted(text: &str) -> String {
    format!("\"{}\"", printable(text).replace('\\', "\\\\").replace('"', "\\\""))
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

/// A value with parameters (RFC 2045 §5.1); those beyond ASCII in the form of RFC 2231 §4. `None` if the value itself is
/// beyond ASCII.
fn parameters(value: &[u8]) -> Option<String> {
    let mut pieces = split_outside_quotes(value).into_iter();
    let mut made = str::from_utf8(pieces.next()?).ok().filter(|value| value.is_ascii())?.trim().to_owned();
    for piece in pieces.map(<[u8]>::trim_ascii).filter(|piece| !piece.is_empty()) {
        let piece = charset::decode(b"", piece);
        let kept = if piece.is_ascii() { Some(piece.into_owned()) } else { extended_parameter(&piece) };
        if let Some(kept) = kept {
            made.push_str(";\r\n ");
            made.push_str(&kept);
        }
    }
    Some(made)
}

fn extended_parameter(piece: &str) -> Option<String> {
    let (name, value) = piece.split_once('=')?;
    let name = name.trim();
    let plain = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    let value = value.trim();
    let value = value.strip_prefix('"').map_or(value, |rest| rest.strip_suffix('"').unwrap_or(rest));
    let octet = |octet: u8| {
        if octet.is_ascii_alphanumeric() || b"-._".contains(&octet) {
            char::from(octet).to_string()
        } else {
            format!("%{octet:02X}")
        }
    };
    plain.then(|| format!("{name}*=utf-8''{}", value.bytes().map(octet).collect::<String>()))
}

fn split_outside_quotes(value: &[u8]) -> Vec<&[u8]> {
    let (mut pieces, mut start, mut in_quotes, mut escaped) = (Vec::new(), 0, false, false);
    for (at, octet) in value.iter().enumerate() {
        match octet {
            b'"' if !escaped => in_quotes = !in_quotes,
            b';' if !in_quotes => {
                pieces.push(value.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
        escaped = *octet == b'\\' && !escaped;
    }
    pieces.push(value.get(start..).unwrap_or_default());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_in_whatever_charset_becomes_ascii() {
        let check = |raw: &[u8], expected: Option<&str>| {
            assert_eq!(message(raw).as_deref(), expected.map(str::as_bytes), "{}", raw.escape_ascii());
        };
        check(b"Subject: x\r\n\r\n\xff", None);
        let expected = "Subject: =?utf-8?B?w6Q=?=\r\nTo: =?utf-8?B?w6Q=?= <a@b>\r\nDate: x\r\n\r\nb\u{e4}";
        check(b"Subject: \xe4\r\nTo: \xe4 <a@b>\r\nDate: x\r\nList-Y: \xe4\r\n\r\nb\xc3\xa4", Some(expected));
        check("Subject: ä\r\nTo: ä <a@b>\r\nDate: x\r\n\r\nbä".as_bytes(), Some(expected));
        check(b"\xe4\r\n\r\n", Some("\r\n"));
        check(b"\xe4", Some(""));
    }

    fn check(fields: &str, expected: &str) {
        let message = format!("{fields}\r\n\r\nGrüße\r\n");
        let made = header(message.as_bytes()).map(|made| String::from_utf8(made).unwrap());
        assert_eq!(made.as_deref(), Some(format!("{expected}\r\n\r\n").as_str()), "{fields}");
    }

    #[test]
    fn what_is_ascii_needs_none_and_stays() {
        assert_eq!(header("Subject: a\r\n\r\nGrüße\r\n".as_bytes()), None);
        assert_eq!(header(b""), None);
        check(
            "DKIM-Signature: v=1;\r\n\tb=x\r\nSubject: ü",
            "DKIM-Signature: v=1;\r\n\tb=x\r\nSubject: =?utf-8?B?w7w=?=",
        );
    }

    #[test]
    fn text_becomes_encoded_words() {
        check("Subject: Grüße aus Köln", "Subject: =?utf-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?=");
        check("subject: =?utf-8?Q?Gr=C3=BC?= ß", "subject: =?utf-8?B?R3LDvCDDnw==?=");
        let long = "Здравствуйте, дорогие друзья";
        let words =
            "=?utf-8?B?0JfQtNGA0LDQstGB0YLQstGD0LnRgtC1LCDQtNC+?=\r\n =?utf-8?B?0YDQvtCz0LjQtSDQtNGA0YPQt9GM0Y8=?=";
        check(&format!("X-A-Name-Of-Many-Letters: {long}"), &format!("X-A-Name-Of-Many-Letters:\r\n {words}"));
    }

    #[test]
    fn addresses_keep_what_ascii_can_tell() {
        check("From: Jürgen <j@example.org>", "From: =?utf-8?B?SsO8cmdlbg==?= <j@example.org>");
        check(
            "From: \"Dr. X\" <x@example.org>, ü <u.v@example.org>",
            "From: \"Dr. X\" <x@example.org>,\r\n =?utf-8?B?w7w=?= <u.v@example.org>",
        );
        check(
            "To: jürgen@example.org",
            "To: =?utf-8?B?asO8cmdlbkBleGFtcGxlLm9yZw==?=\r\n <invalid@internationalized-address.invalid>",
        );
        check(
            "Cc: A <a@bücher.example>",
            "Cc: =?utf-8?B?QSA8YUBiw7xjaGVyLmV4YW1wbGU+?=\r\n <invalid@internationalized-address.invalid>",
        );
        check("To: Gäste: \"a b\"@example.org;", "To: =?utf-8?B?R8Okc3Rl?=:\r\n <\"a b\"@example.org>;");
    }

    #[test]
    fn parameters_become_extended_and_the_rest_is_left_out() {
        check(
            "Content-Type: text/plain; charset=utf-8; name=\"a;ü.txt\"",
            "Content-Type: text/plain;\r\n charset=utf-8;\r\n name*=utf-8''a%3B%C3%BC.txt",
        );
        check("Received: by x for <ü@example.org>; Mon\r\nMessage-ID: <1@x>", "Message-ID: <1@x>");
        check("Content-Type: töxt/plain\r\nÜ: x\r\nDate: 1", "Date: 1");
    }

    #[test]
    fn what_is_no_utf8_stays_as_it_came() {
        assert_eq!(header(b"Subject: Gr\xfc\xdfe\r\n\r\n"), None);
    }
}
