//! How a program logs in: all that tells it from another one with the same password (`store::pop_program`).
//!
//! Only what a program does in the same way each time: not how it cuts its lines, nor what it tried before in vain.

use session::Tls;
use std::fmt;

/// How the login was sent.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Method {
    /// USER and PASS.
    #[default]
    Pass,
    /// AUTH; `at_once`: with an initial response (RFC 5034 §4).
    Auth { mechanism: &'static str, at_once: bool },
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("PASS"),
            Self::Auth { mechanism, at_once: false } => write!(f, "AUTH {mechanism}"),
            Self::Auth { mechanism, at_once: true } => write!(f, "AUTH {mechanism} at once"),
        }
    }
}

/// What a program did before its login.
#[derive(Default)]
pub(crate) struct Habit {
    /// It asked for capabilities, since TLS began.
    pub(crate) capa: bool,
    /// It began TLS with STLS.
    pub(crate) stls: bool,
}

impl Habit {
    /// The fingerprint of a login: words for people, and after `#` what the client offered under TLS and the user name as
    /// it was written.
    pub(crate) fn fingerprint(&self, method: Method, tls: Option<&Tls>, user: &str) -> String {
        let capa = if self.capa { "after CAPA" } else { "without CAPA" };
        let transport = match (tls, self.stls) {
            (None, _) => "in the clear",
            (Some(_), false) => "under TLS",
            (Some(_), true) => "under STLS",
        };
        format!("{method} {capa} {transport} #{:016x} {user}", tls.map_or(0, |tls| tls.hello))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_does_is_told_in_words() {
        let tls = Tls { version: "TLSv1.3".into(), cipher: "x".into(), hello: 0xabc, ..Tls::default() };
        let check = |capa, stls, method: Method, tls, expected: &str| {
            assert_eq!(Habit { capa, stls }.fingerprint(method, tls, "alice"), expected);
        };
        check(false, false, Method::Pass, None, "PASS without CAPA in the clear #0000000000000000 alice");
        let plain = |at_once| Method::Auth { mechanism: "PLAIN", at_once };
        check(true, false, plain(false), Some(&tls), "AUTH PLAIN after CAPA under TLS #0000000000000abc alice");
        check(true, true, plain(true), Some(&tls), "AUTH PLAIN at once after CAPA under STLS #0000000000000abc alice");
    }
}
