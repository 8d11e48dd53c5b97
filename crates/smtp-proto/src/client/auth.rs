//! AUTH PLAIN (RFC 4616) and LOGIN, the client's lines.

use super::config::Credentials;
use super::extensions::Extensions;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::VecDeque;

/// RFC 4954 §4: an initial response must fit into a command line.
const COMMAND_OCTETS_MAX: usize = 510;

/// The lines that are still to be said.
pub(super) struct Exchange {
    command: String,
    responses: VecDeque<String>,
}

impl Exchange {
    /// PLAIN if it is offered, else LOGIN.
    pub(super) fn choose(offered: &Extensions, credentials: &Credentials) -> Option<Self> {
        let Credentials { user, password } = credentials;
        if offered.auth_plain {
            let response = STANDARD.encode(format!("\0{user}\0{password}"));
            let command = format!("AUTH PLAIN {response}");
            return Some(if command.len() <= COMMAND_OCTETS_MAX {
                Self { command, responses: VecDeque::new() }
            } else {
                Self { command: "AUTH PLAIN".into(), responses: [response].into() }
            });
        }
        offered.auth_login.then(|| Self {
            command: "AUTH LOGIN".into(),
            responses: [STANDARD.encode(user), STANDARD.encode(password)].into(),
        })
    }

    pub(super) fn command(&self) -> &str {
        &self.command
    }

    /// The answer to the next challenge, `None` if the server asks for more than the mechanism has.
    pub(super) fn next_response(&mut self) -> Option<String> {
        self.responses.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(offered: Extensions, password: &str, expected: Option<(&str, &[&str])>) {
        let credentials = Credentials { user: "tim".into(), password: password.into() };
        let found = Exchange::choose(&offered, &credentials).map(|exchange| (exchange.command, exchange.responses));
        let owned = |(command, responses): (&str, &[&str])| {
            (command.to_owned(), responses.iter().map(ToString::to_string).collect())
        };
        assert_eq!(found, expected.map(owned));
    }

    #[test]
    fn plain_before_login() {
        let plain = Extensions { auth_plain: true, auth_login: true, ..Extensions::default() };
        let login = Extensions { auth_login: true, ..Extensions::default() };
        check(plain.clone(), "tanstaaftanstaaf", Some(("AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm", &[])));
        check(login, "tanstaaftanstaaf", Some(("AUTH LOGIN", &["dGlt", "dGFuc3RhYWZ0YW5zdGFhZg=="])));
        check(Extensions::default(), "x", None);
        let long = "x".repeat(400);
        let response = STANDARD.encode(format!("\0tim\0{long}"));
        check(plain, &long, Some(("AUTH PLAIN", &[&response])));
    }
}
