//! `KEYWORD=value` after a path (RFC 5321 §4.1.2, `esmtp-param`).

use crate::SyntaxError;

/// One parameter as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parameter<'a> {
    keyword: &'a str,
    value: Option<&'a str>,
}

/// Splits at spaces.
pub(crate) fn parameters(text: &str) -> impl Iterator<Item = Parameter<'_>> {
    text.split(' ').filter(|word| !word.is_empty()).map(|word| match word.split_once('=') {
        Some((keyword, value)) => Parameter { keyword, value: Some(value) },
        None => Parameter { keyword: word, value: None },
    })
}

impl<'a> Parameter<'a> {
    /// The keyword in upper case.
    pub(crate) fn keyword(&self) -> String {
        self.keyword.to_ascii_uppercase()
    }

    pub(crate) fn value(&self) -> Result<&'a str, SyntaxError> {
        self.value.filter(|value| !value.is_empty()).ok_or_else(|| self.malformed())
    }

    pub(crate) fn no_value(&self) -> Result<(), SyntaxError> {
        if self.value.is_none() { Ok(()) } else { Err(self.malformed()) }
    }

    /// RFC 5321 §4.1.1.11: 555 for what was never announced, 501 for what is malformed.
    pub(crate) fn unknown(&self) -> SyntaxError {
        let is_keyword =
            !self.keyword.is_empty() && self.keyword.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
        if is_keyword { SyntaxError::UnknownParameter(self.keyword()) } else { self.malformed() }
    }

    pub(crate) fn malformed(&self) -> SyntaxError {
        SyntaxError::MalformedParameter(self.keyword())
    }

    /// Puts `value` into `slot`, once.
    pub(crate) fn set<T>(&self, slot: &mut Option<T>, value: T) -> Result<(), SyntaxError> {
        if slot.replace(value).is_some() { Err(self.malformed()) } else { Ok(()) }
    }
}

/// A decimal number; one too large for the type is as good as the largest. RFC 1870 §3: up to 20 digits.
pub(crate) fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || digits.len() > 20 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// RFC 3461 §4: `+` and two hexadecimal digits stand for an octet.
pub(crate) fn decode_xtext(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet == b'+' {
            let digits = [rest.next()?, rest.next()?];
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            octets.push(u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            octets.push(octet);
        }
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_is_decoded() {
        let check = |text, expected: Option<&str>| assert_eq!(decode_xtext(text).as_deref(), expected, "{text}");
        check("e+3Dmc2@example.com", Some("e=mc2@example.com"));
        check("<>", Some("<>"));
        check("a+", None);
        check("a+4", None);
        check("a++1", None);
        check("+FF", None);
    }

    #[test]
    fn numbers_saturate() {
        let check = |text, expected| assert_eq!(number(text), expected, "{text}");
        check("0", Some(0));
        check("18446744073709551615", Some(u64::MAX));
        check("99999999999999999999", Some(u64::MAX));
        check("100000000000000000000", None);
        check("", None);
        check("+1", None);
        check("1k", None);
    }
}
