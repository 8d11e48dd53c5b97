//! LOGIN (RFC 9051 §6.2.3) and AUTHENTICATE (§6.2.2) with its initial response (SASL-IR, RFC 4959).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use line_proto::Secret;

use crate::atom::is_astring_char;
use crate::cursor::{Cursor, Parse};
use crate::malformed::Reason;

/// A user and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// As sent, UTF-8.
    pub user: String,
    /// As sent; not shown by `Debug`.
    pub password: Secret,
}

/// The beginning of a SASL exchange.
/// Each challenge after it: [`Receiver::expect_auth_line`](crate::Receiver::expect_auth_line).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticate {
    /// In capitals.
    pub mechanism: String,
    /// The initial response, base64 removed; empty for `=`.
    pub initial: Option<Secret>,
}

impl Login {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let user = cursor.astring_utf8("a user name")?;
        cursor.space()?;
        let password = Secret::new(cursor.astring("a password")?);
        Ok(Self { user, password })
    }
}

impl Authenticate {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let mechanism = cursor.keyword("a mechanism")?;
        let initial = if cursor.more() { Some(initial_response(cursor)?) } else { None };
        Ok(Self { mechanism, initial })
    }
}

/// RFC 4959 §3: `=` is a response that is empty.
fn initial_response(cursor: &mut Cursor<'_>) -> Parse<Secret> {
    let text = cursor.take_while(is_astring_char);
    let bytes = if text == b"=" { Vec::new() } else { STANDARD.decode(text).map_err(|_| Reason::Base64)? };
    Ok(Secret::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::tests::{check, parse_one, refuse_one};

    fn login(user: &str, password: &str) -> Command {
        Command::Login(Login { user: user.into(), password: Secret::new(password) })
    }

    fn authenticate(mechanism: &str, initial: Option<&[u8]>) -> Command {
        let initial = initial.map(|bytes| Secret::new(bytes.to_vec()));
        Command::Authenticate(Authenticate { mechanism: mechanism.into(), initial })
    }

    #[test]
    fn logins() {
        check("LOGIN alice secret", login("alice", "secret"));
        check("login \"al ice\" \"se\\\"c\\\\ret\"  ", login("al ice", "se\"c\\ret"));
        check("LOGIN {5}\r\nalice {3+}\r\na b", login("alice", "a b"));
        check("LOGIN alice pass]word", login("alice", "pass]word"));
        check("LOGIN alice \"pässword\"", login("alice", "pässword"));
        refuse_one("LOGIN alice", Reason::Expected("a space"));
        refuse_one("LOGIN alice a b", Reason::Trailing);
        refuse_one("LOGIN {1}\r\n\0 x", Reason::Nul);
    }

    #[test]
    fn authentications() {
        check("AUTHENTICATE plain", authenticate("PLAIN", None));
        check("AUTHENTICATE PLAIN AGEAYg==", authenticate("PLAIN", Some(b"\0a\0b")));
        check("AUTHENTICATE EXTERNAL =", authenticate("EXTERNAL", Some(b"")));
        check("AUTHENTICATE PLAIN ", authenticate("PLAIN", None));
        refuse_one("AUTHENTICATE PLAIN AGE", Reason::Base64);
    }

    #[test]
    fn passwords_are_not_shown() {
        for wire in ["LOGIN alice swordfish", "AUTHENTICATE PLAIN c3dvcmRmaXNo"] {
            let shown = format!("{:?}", parse_one(wire));
            assert!(!shown.contains("swordfish") && !shown.contains("115, 119"), "{shown}");
        }
    }
}
