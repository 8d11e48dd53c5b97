//! The name after HELO, EHLO and LHLO (RFC 5321 §4.1.1.1).
//!
//! It goes into the trace header, where `message::trace` makes it harmless, and nothing trusts it. So anything is taken that
//! is no control character: phones send `localhost`, addresses without brackets and names with `_`, Windows the name of the
//! machine, in whatever charset, with spaces.

use crate::SyntaxError;
use crate::path::DOMAIN_OCTETS_MAX;

/// Whether a line is one of these commands: their argument alone need not be UTF-8.
pub(super) fn is_hello(line: &[u8]) -> bool {
    let verb = line.split(|octet| *octet == b' ').next().unwrap_or_default();
    ["EHLO", "HELO", "LHLO"].iter().any(|hello| verb.eq_ignore_ascii_case(hello.as_bytes()))
}

pub(super) fn parse(rest: &str) -> Result<String, SyntaxError> {
    if rest.is_empty() {
        return Err(SyntaxError::MissingArgument);
    }
    if rest.chars().count() > DOMAIN_OCTETS_MAX {
        return Err(SyntaxError::BadName);
    }
    Ok(rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_bounded() {
        assert!(parse(&"a".repeat(255)).is_ok());
        assert_eq!(parse(&"a".repeat(256)), Err(SyntaxError::BadName));
    }
}
