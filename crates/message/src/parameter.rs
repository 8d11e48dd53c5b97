//! Parameters of `Content-Type` and `Content-Disposition` (RFC 2045 §5.1), and their RFC 2231 decoding.
//!
//! Reading is generous, because mail programs are not: values with spaces and no quotes are read to the semicolon,
//! a missing semicolon before the next `name=` is seen, comments are passed over.

use crate::charset;
use crate::encoded_word;
use crate::lex::Cursor;
use crate::limits::PARAMETERS_MAX;
use crate::percent;

/// One `name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// In lower case, with the `*0*` of RFC 2231 where it was sent so.
    pub name: String,
    /// Unquoted, otherwise as sent.
    pub value: Vec<u8>,
}

impl Parameter {
    /// A parameter from its two halves.
    #[must_use]
    pub fn new(name: &str, value: &[u8]) -> Self {
        Self { name: name.to_ascii_lowercase(), value: value.to_vec() }
    }
}

/// Reads all parameters from where a field's main value ended; at most [`PARAMETERS_MAX`].
pub(crate) fn read(cursor: &mut Cursor<'_>) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    while parameters.len() < PARAMETERS_MAX && cursor.peek().is_some() {
        cursor.skip_cfws();
        let name = cursor.token();
        cursor.skip_cfws();
        match cursor.peek() {
            Some(b'=') => {
                cursor.skip(1);
                let value = read_value(cursor);
                if !name.is_empty() && name.is_ascii() {
                    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                    parameters.push(Parameter { name, value });
                }
            }
            // A separator, or a byte that has no place here: the next parameter is behind it.
            Some(_) if name.is_empty() => cursor.skip(1),
            Some(_) | None => {}
        }
    }
    parameters
}

fn read_value(cursor: &mut Cursor<'_>) -> Vec<u8> {
    cursor.take_while(|byte| byte.is_ascii_whitespace());
    if cursor.peek() == Some(b'"') {
        return cursor.quoted();
    }
    let raw = cursor.rest();
    let end = raw.iter().position(|&byte| byte == b';').unwrap_or(raw.len());
    let end = next_name(&raw[..end]).unwrap_or(end);
    let value = cursor.take(end);
    let value = match value.windows(2).position(|pair| pair == b" (") {
        Some(comment) => &value[..comment],
        None => value,
    };
    value.trim_ascii().to_vec()
}

/// Where, after white space, another `name=` begins in an unquoted value: the semicolon before it was forgotten.
fn next_name(value: &[u8]) -> Option<usize> {
    let mut word_start = None;
    for (at, &byte) in value.iter().enumerate() {
        match byte {
            b' ' | b'\t' => word_start = Some(at + 1),
            b'=' => match word_start {
                Some(start) if start < at => return Some(start),
                _ => word_start = None,
            },
            _ if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*') => {}
            _ => word_start = None,
        }
    }
    None
}

/// The value of `name` (in lower case) as text: RFC 2231 continuations and charsets, else RFC 2047 words (which do not
/// belong into parameters, but are sent there), else the bytes as UTF-8 or Windows-1252.
#[must_use]
pub fn decoded(parameters: &[Parameter], name: &str) -> Option<String> {
    if let Some(text) = extended(parameters, name) {
        return Some(text);
    }
    let plain = parameters.iter().find(|parameter| parameter.name == name)?;
    Some(encoded_word::decode(&plain.value))
}

/// RFC 2231 §3 and §4: `name*`, or `name*0`, `name*1*`, … joined.
fn extended(parameters: &[Parameter], name: &str) -> Option<String> {
    let mut segments = Vec::new();
    for parameter in parameters {
        let Some(tail) = parameter.name.strip_prefix(name).and_then(|tail| tail.strip_prefix('*')) else { continue };
        let (number, is_encoded) = match tail.strip_suffix('*') {
            Some(number) => (number, true),
            None => (tail, tail.is_empty()),
        };
        let number = if number.is_empty() { 0 } else { number.parse::<u16>().ok()? };
        segments.push((number, is_encoded, parameter.value.as_slice()));
    }
    segments.sort_by_key(|&(number, _, _)| number);
    let (_, first_percent, first) = *segments.first()?;
    let (label, first) = if first_percent { split_charset(first) } else { (b"".as_slice(), first) };
    let mut bytes = Vec::new();
    for (index, &(number, is_encoded, value)) in segments.iter().enumerate() {
        if usize::from(number) != index {
            break;
        }
        let value = if index == 0 { first } else { value };
        match is_encoded {
            true => bytes.extend(percent::decode_generously(value)),
            false => bytes.extend_from_slice(value),
        }
    }
    Some(charset::decode(label, &bytes).into_owned())
}

/// `charset'language'text`.
fn split_charset(value: &[u8]) -> (&[u8], &[u8]) {
    let mut pieces = value.splitn(3, |&byte| byte == b'\'');
    match (pieces.next(), pieces.next(), pieces.next()) {
        (Some(label), Some(_language), Some(text)) => (label, text),
        _ => (b"", value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(input: &str) -> Vec<Parameter> {
        read(&mut Cursor::new(input.as_bytes()))
    }

    #[test]
    fn parameters_are_read_generously() {
        let check = |input: &str, expected: &[(&str, &str)]| {
            let expected: Vec<_> =
                expected.iter().map(|(name, value)| Parameter::new(name, value.as_bytes())).collect();
            assert_eq!(parse(input), expected, "{input}");
        };
        check("", &[]);
        check("; Charset=utf-8", &[("charset", "utf-8")]);
        check(";charset=\"us-ascii\" ; format = flowed;", &[("charset", "us-ascii"), ("format", "flowed")]);
        check("; charset=us-ascii (plain text)", &[("charset", "us-ascii")]);
        check("; name=two words.pdf; x=y", &[("name", "two words.pdf"), ("x", "y")]);
        check("; charset=utf-8 format=flowed", &[("charset", "utf-8"), ("format", "flowed")]);
        check("; boundary=----=_Next=1", &[("boundary", "----=_Next=1")]);
        check("; boundary=a=b", &[("boundary", "a=b")]);
        check(" charset=utf-8", &[("charset", "utf-8")]);
        check("; name=\"a;b\\\"c\"", &[("name", "a;b\"c")]);
        check("; =x; junk; a=", &[("a", "")]);
        check("; b=\"open", &[("b", "open")]);
        assert_eq!(parse(&"; a=b".repeat(PARAMETERS_MAX)).len(), PARAMETERS_MAX);
        assert_eq!(parse(&"; a=b".repeat(PARAMETERS_MAX + 1)).len(), PARAMETERS_MAX);
    }

    #[test]
    fn rfc_2231_values_are_decoded() {
        let check = |input: &str, expected: Option<&str>| {
            assert_eq!(decoded(&parse(input), "filename").as_deref(), expected, "{input}");
        };
        check("; filename=a.txt", Some("a.txt"));
        check("; filename*=UTF-8''na%C3%AFve.txt", Some("naïve.txt"));
        check("; filename*=iso-8859-1'en'na%EFve%2", Some("naïve%2"));
        check("; filename*0=\"long \"; filename*1=\"name\"", Some("long name"));
        check("; filename*1*=%C3%A9; filename*0*=utf-8''caf; filename*2=%41", Some("café%41"));
        check("; filename*0=a; filename*2=c", Some("a"));
        check("; filename=plain; filename*=utf-8''%C3%A9", Some("é"));
        check("; filename=\"=?utf-8?Q?caf=C3=A9?=\"", Some("café"));
        check("; name=x", None);
    }
}
