//! `AUTH` (RFC 4954 §4).

use crate::{Secret, SyntaxError};

/// The beginning of an authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// The mechanism in upper case.
    pub mechanism: String,
    /// The initial response as it came: base64, or `=` for an empty one.
    pub initial_response: Option<Secret>,
}

pub(super) fn parse(rest: &str) -> Result<Auth, SyntaxError> {
    let (mechanism, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    if mechanism.is_empty() {
        return Err(SyntaxError::MissingArgument);
    }
    let initial = rest.trim_start_matches(' ');
    if initial.contains(' ') {
        return Err(SyntaxError::UnexpectedArgument);
    }
    let initial_response = (!initial.is_empty()).then(|| Secret::new(initial));
    Ok(Auth { mechanism: mechanism.to_ascii_uppercase(), initial_response })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rest: &str, expected: Result<(&str, Option<&str>), SyntaxError>) {
        let expected = expected.map(|(mechanism, initial)| Auth {
            mechanism: mechanism.into(),
            initial_response: initial.map(Secret::new),
        });
        assert_eq!(parse(rest), expected, "{rest}");
    }

    #[test]
    fn mechanism_and_initial_response() {
        check("plain", Ok(("PLAIN", None)));
        check("PLAIN =", Ok(("PLAIN", Some("="))));
        check("LOGIN  YWxpY2U=", Ok(("LOGIN", Some("YWxpY2U="))));
        check("", Err(SyntaxError::MissingArgument));
        check("PLAIN a b", Err(SyntaxError::UnexpectedArgument));
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert!(!format!("{:?}", parse("PLAIN c2VjcmV0")).contains("c2VjcmV0"));
    }
}
