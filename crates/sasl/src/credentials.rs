//! What a finished exchange yields.

use crate::Failure;
use std::fmt;

/// The longest authentication or authorization identity, in octets (RFC 4616 §2 allows 255 characters).
pub const IDENTITY_OCTETS_MAX: usize = 255;
/// The longest password, in octets.
pub const PASSWORD_OCTETS_MAX: usize = 1024;

/// A password. `Debug` hides it; the memory is overwritten when it is dropped, as well as safe code can.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Wraps a password.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    /// The password itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        let mut octets = std::mem::take(&mut self.0).into_bytes();
        octets.fill(0);
        // Keeps the compiler from dropping the write above.
        std::hint::black_box(&octets);
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

/// Who a client says it is, and its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Whom the client wants to act as, if it says so (RFC 4616 §2). A server that knows no such thing must refuse
    /// whatever is not the authentication identity.
    pub authorization_id: Option<String>,
    /// The user name: not empty, no control characters, at most [`IDENTITY_OCTETS_MAX`] octets.
    pub authentication_id: String,
    /// The password: not empty, at most [`PASSWORD_OCTETS_MAX`] octets.
    pub password: Password,
}

/// A user name. Control characters are kept out of logs and look-ups (RFC 4013 §2.3 prohibits them).
pub(crate) fn identity(octets: &[u8]) -> Result<String, Failure> {
    let identity = text(octets, IDENTITY_OCTETS_MAX)?;
    if identity.chars().any(char::is_control) { Err(Failure::Malformed) } else { Ok(identity.to_owned()) }
}

pub(crate) fn password(octets: &[u8]) -> Result<Password, Failure> {
    text(octets, PASSWORD_OCTETS_MAX).map(Password::new)
}

pub(crate) fn text(octets: &[u8], octets_max: usize) -> Result<&str, Failure> {
    if octets.is_empty() || octets.contains(&0) {
        return Err(Failure::Malformed);
    }
    if octets.len() > octets_max {
        return Err(Failure::TooLong);
    }
    str::from_utf8(octets).map_err(|_| Failure::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_hidden() {
        let credentials = Credentials {
            authorization_id: None,
            authentication_id: "tim".into(),
            password: Password::new("tanstaaf"),
        };
        let shown = format!("{credentials:?}");
        assert!(shown.contains("tim") && !shown.contains("tanstaaf"), "{shown}");
    }

    #[test]
    fn lengths_are_held() {
        assert!(identity(&[b'a'; IDENTITY_OCTETS_MAX]).is_ok());
        assert_eq!(identity(&[b'a'; IDENTITY_OCTETS_MAX + 1]), Err(Failure::TooLong));
        assert!(password(&[b'a'; PASSWORD_OCTETS_MAX]).is_ok());
        assert_eq!(password(&[b'a'; PASSWORD_OCTETS_MAX + 1]), Err(Failure::TooLong));
    }
}
