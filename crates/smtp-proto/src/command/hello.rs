//! The name after HELO, EHLO and LHLO (RFC 5321 §4.1.1.1).
//!
//! It goes into the trace header and nothing trusts it, so any printable ASCII is taken:
//! phones send `localhost`, addresses without brackets and names with `_`.

use crate::SyntaxError;
use crate::path::DOMAIN_OCTETS_MAX;

pub(super) fn parse(rest: &str) -> Result<String, SyntaxError> {
    if rest.is_empty() {
        return Err(SyntaxError::MissingArgument);
    }
    if rest.contains(' ') {
        return Err(SyntaxError::UnexpectedArgument);
    }
    if rest.len() > DOMAIN_OCTETS_MAX || !rest.bytes().all(|c| c.is_ascii_graphic()) {
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
