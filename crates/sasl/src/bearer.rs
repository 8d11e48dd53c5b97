//! OAUTHBEARER (RFC 7628) and XOAUTH2, which Google had before it and many programs still speak: a token is shown, and no
//! password is said.
//!
//! Both are one message of the client's. Where its token opens nothing it is told so in JSON, answers with a line that says
//! nothing, and then the exchange fails.

use crate::credentials::{Password, identity, text};
use crate::scram::sasl_name;
use crate::server::{Failure, RESPONSE_OCTETS_MAX};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest token, in octets.
pub const TOKEN_OCTETS_MAX: usize = 4096;
/// RFC 7628 §3.1: `kvsep`, in XOAUTH2 as well.
const SEPARATOR: char = '\u{1}';

/// A token, and whose it is said to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Whom the client wants to act as; `None`: whomever the token is for (RFC 7628 §3.1).
    pub user: Option<String>,
    /// The token (RFC 6750 §2.1): not empty, printable ASCII, at most [`TOKEN_OCTETS_MAX`] octets.
    pub token: Password,
    refusal: &'static str,
}

impl Bearer {
    /// What the client is told, in base64, before the exchange fails because its token opens nothing.
    #[must_use]
    pub fn refusal(&self) -> String {
        STANDARD.encode(self.refusal)
    }

    /// RFC 7628 §3.1: `gs2-header kvsep *kvpair kvsep`; of the pairs only the token counts.
    pub(crate) fn parse(message: &[u8]) -> Result<Self, Failure> {
        let message = text(message, RESPONSE_OCTETS_MAX)?;
        let (header, pairs) = message.split_once(SEPARATOR).ok_or(Failure::Malformed)?;
        let mut parts = header.split(',');
        let (Some("n" | "y"), Some(authorization), Some(""), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Failure::Malformed);
        };
        let user = match authorization.strip_prefix("a=") {
            Some(name) => Some(sasl_name(name)?),
            None if authorization.is_empty() => None,
            None => return Err(Failure::Malformed),
        };
        let token = token(value(pairs, "auth")?)?;
        // RFC 7628 §3.2.2, RFC 6750 §3.1.
        Ok(Self { user, token, refusal: r#"{"status":"invalid_token"}"# })
    }

    /// `user=… ^A auth=Bearer … ^A ^A`, as Google has it.
    pub(crate) fn parse_xoauth2(message: &[u8]) -> Result<Self, Failure> {
        let pairs = text(message, RESPONSE_OCTETS_MAX)?;
        let (user, token) = (identity(value(pairs, "user")?.as_bytes())?, token(value(pairs, "auth")?)?);
        Ok(Self { user: Some(user), token, refusal: r#"{"status":"401","schemes":"bearer"}"# })
    }
}

/// Of the pair of that name, which must be there once.
fn value<'a>(pairs: &'a str, name: &str) -> Result<&'a str, Failure> {
    let pairs = pairs.strip_suffix(SEPARATOR).and_then(|pairs| pairs.strip_suffix(SEPARATOR));
    let pairs = pairs.ok_or(Failure::Malformed)?.split(SEPARATOR);
    let mut values = pairs.filter_map(|pair| pair.split_once('=')).filter(|(known, _)| *known == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Ok(value),
        (None, _) | (Some(_), Some(_)) => Err(Failure::Malformed),
    }
}

/// RFC 6750 §2.1: `Bearer`, in any case (RFC 9110 §11.1), and the token.
fn token(authorization: &str) -> Result<Password, Failure> {
    let (scheme, token) = authorization.split_once(' ').ok_or(Failure::Malformed)?;
    let token = token.trim_start_matches(' ');
    if token.len() > TOKEN_OCTETS_MAX {
        return Err(Failure::TooLong);
    }
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(Failure::Malformed);
    }
    Ok(Password::new(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expected<'a> = Result<(Option<&'a str>, &'a str), Failure>;

    fn check(parsed: Result<Bearer, Failure>, expected: Expected<'_>, message: &str) {
        let found = parsed.as_ref().map(|bearer| (bearer.user.as_deref(), bearer.token.as_str()));
        assert_eq!(found.map_err(|failure| *failure), expected, "{message:?}");
    }

    #[test]
    fn messages_of_oauthbearer_are_read() {
        fn check(message: &str, expected: Expected<'_>) {
            self::check(Bearer::parse(message.as_bytes()), expected, message);
        }
        // RFC 7628 §4.1
        let example =
            "n,a=user@example.com,\u{1}host=server.example.com\u{1}port=143\u{1}auth=Bearer vF9dft4qmT=\u{1}\u{1}";
        check(example, Ok((Some("user@example.com"), "vF9dft4qmT=")));
        check("n,,\u{1}auth=Bearer t\u{1}\u{1}", Ok((None, "t")));
        check("y,a=a=2Cb=3Dc,\u{1}auth=bearer  t.-_~+/=\u{1}\u{1}", Ok((Some("a,b=c"), "t.-_~+/=")));
        for malformed in [
            "",
            "\u{1}",
            "n,,",
            "n,,\u{1}\u{1}",
            "n,,\u{1}auth=Bearer t",
            "n,,\u{1}auth=Bearer t\u{1}",
            "n,,\u{1}auth=\u{1}\u{1}",
            "n,,\u{1}auth=Bearer \u{1}\u{1}",
            "n,,\u{1}auth=Basic t\u{1}\u{1}",
            "n,,\u{1}auth=Bearer t u\u{1}\u{1}",
            "n,,\u{1}auth=Bearer ä\u{1}\u{1}",
            "n,,\u{1}auth=Bearer t\u{1}auth=Bearer u\u{1}\u{1}",
            "p=tls-exporter,,\u{1}auth=Bearer t\u{1}\u{1}",
            "n,a=,\u{1}auth=Bearer t\u{1}\u{1}",
            "n,b=c,\u{1}auth=Bearer t\u{1}\u{1}",
            "n,a=a=b,\u{1}auth=Bearer t\u{1}\u{1}",
            "n,,x\u{1}auth=Bearer t\u{1}\u{1}",
        ] {
            check(malformed, Err(Failure::Malformed));
        }
        let token = |octets: usize| "t".repeat(octets);
        let long = |octets: usize| format!("n,,\u{1}auth=Bearer {}\u{1}\u{1}", token(octets));
        let longest = token(TOKEN_OCTETS_MAX);
        check(&long(TOKEN_OCTETS_MAX), Ok((None, longest.as_str())));
        check(&long(TOKEN_OCTETS_MAX + 1), Err(Failure::TooLong));
    }

    #[test]
    fn messages_of_xoauth2_are_read() {
        fn check(message: &str, expected: Expected<'_>) {
            self::check(Bearer::parse_xoauth2(message.as_bytes()), expected, message);
        }
        check("user=a@example.org\u{1}auth=Bearer t\u{1}\u{1}", Ok((Some("a@example.org"), "t")));
        for malformed in ["", "auth=Bearer t\u{1}\u{1}", "user=\u{1}auth=Bearer t\u{1}\u{1}", "user=a\u{1}\u{1}"] {
            check(malformed, Err(Failure::Malformed));
        }
    }

    #[test]
    fn the_token_is_hidden() {
        let bearer = Bearer::parse(b"n,a=tim,\x01auth=Bearer secret\x01\x01").unwrap();
        assert!(!format!("{bearer:?}").contains("secret"));
    }
}
