//! The server's side of an exchange: a state that consumes itself.

use crate::scram::{Binding, SALT_BYTES, ScramFirst, ScramProof, ScramSecond};
use crate::{Bearer, Credentials, login, plain};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The longest response, in octets of base64 (RFC 4954 §4: 12288 with CRLF).
pub(crate) const RESPONSE_OCTETS_MAX: usize = 12_286;

/// Some clients leave the padding out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A mechanism that is implemented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login.
    Login,
    /// RFC 7677.
    ScramSha256,
    /// RFC 7677, bound to the TLS session.
    ScramSha256Plus,
    /// RFC 7628.
    OAuthBearer,
    /// Google's, obsolete: <https://developers.google.com/gmail/imap/xoauth2-protocol>.
    XOAuth2,
}

impl Mechanism {
    /// All of them, the one to prefer first.
    pub const ALL: [Self; 6] =
        [Self::ScramSha256Plus, Self::ScramSha256, Self::Plain, Self::Login, Self::OAuthBearer, Self::XOAuth2];

    /// Reads a name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// The name as it is announced.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }
}

/// Why an exchange yields nothing. None of them says anything about the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The client sent `*`.
    Cancelled,
    /// The response is not base64.
    NotBase64,
    /// The response, the user name or the password is longer than its limit.
    TooLong,
    /// A part is missing or empty, is not UTF-8, or there is a NUL too many.
    Malformed,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Send this challenge (base64, may be empty) and give the client's line to the exchange.
    Challenge(String, Exchange),
    /// The client said who it is, and has to get the salt that goes with that name.
    Salt(SaltWanted),
    /// The client said who it is. Whether that is true is to be checked.
    Done(Credentials),
    /// The client said who it is, and proved it to whoever has the keys.
    Proof(ScramProof),
    /// The client has shown a token.
    Bearer(Bearer),
    /// It is over.
    Failed(Failure),
}

/// An exchange that waits for a response. `Debug` shows no secret: a password ends the exchange.
#[derive(Debug, PartialEq, Eq)]
pub struct Exchange(Expected);

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    PlainMessage,
    LoginUserName,
    LoginPassword { user_name: String },
    ScramFirst { plus: bool, binding: Option<Binding> },
    ScramSecond(ScramSecond),
    OAuthBearer,
    XOAuth2,
}

/// An exchange that waits for a salt.
#[derive(Debug, PartialEq, Eq)]
pub struct SaltWanted {
    first: ScramFirst,
    binding: Option<Binding>,
}

impl SaltWanted {
    /// Who the client says it is.
    #[must_use]
    pub fn user(&self) -> &str {
        self.first.user()
    }

    /// Goes on. `own_nonce`: random, printable ASCII, without a comma (RFC 5802 §5.1).
    #[must_use]
    pub fn answer(self, salt: &[u8; SALT_BYTES], own_nonce: &str) -> Progress {
        let (challenge, second) = self.first.challenge(salt, own_nonce, self.binding);
        Progress::Challenge(challenge, Exchange(Expected::ScramSecond(second)))
    }
}

impl Exchange {
    /// Begins. `initial` is the initial response as it came with the command: base64, or `=` for an empty one
    /// (RFC 4954 §4, RFC 5034 §4, RFC 4959 §3). `binding`: of the TLS session, where SCRAM-SHA-256-PLUS is announced.
    #[must_use]
    pub fn start(mechanism: Mechanism, initial: Option<&[u8]>, binding: Option<Binding>) -> Progress {
        let expected = match mechanism {
            Mechanism::Plain => Expected::PlainMessage,
            Mechanism::Login => Expected::LoginUserName,
            Mechanism::ScramSha256 => Expected::ScramFirst { plus: false, binding },
            Mechanism::ScramSha256Plus => Expected::ScramFirst { plus: true, binding },
            Mechanism::OAuthBearer => Expected::OAuthBearer,
            Mechanism::XOAuth2 => Expected::XOAuth2,
        };
        match initial {
            Some(b"=") => Self(expected).take(b""),
            Some(initial) => Self(expected).respond(initial),
            None => Self(expected).challenge(),
        }
    }

    /// Takes the client's line, without its line end.
    #[must_use]
    pub fn respond(self, line: &[u8]) -> Progress {
        if line == b"*" {
            return Progress::Failed(Failure::Cancelled);
        }
        if line.len() > RESPONSE_OCTETS_MAX {
            return Progress::Failed(Failure::TooLong);
        }
        match LENIENT.decode(line) {
            Ok(response) => self.take(&response),
            Err(_) => Progress::Failed(Failure::NotBase64),
        }
    }

    fn take(self, response: &[u8]) -> Progress {
        let credentials = match self.0 {
            Expected::PlainMessage => plain::parse(response),
            Expected::LoginUserName => {
                return match login::user_name(response) {
                    Ok(user_name) => Self(Expected::LoginPassword { user_name }).challenge(),
                    Err(failure) => Progress::Failed(failure),
                };
            }
            Expected::LoginPassword { user_name } => login::credentials(user_name, response),
            Expected::ScramFirst { plus, binding } => {
                return match ScramFirst::parse(response, plus, binding) {
                    Ok(first) => Progress::Salt(SaltWanted { first, binding }),
                    Err(failure) => Progress::Failed(failure),
                };
            }
            Expected::ScramSecond(second) => {
                return second.parse(response).map_or_else(Progress::Failed, Progress::Proof);
            }
            Expected::OAuthBearer => return Bearer::parse(response).map_or_else(Progress::Failed, Progress::Bearer),
            Expected::XOAuth2 => {
                return Bearer::parse_xoauth2(response).map_or_else(Progress::Failed, Progress::Bearer);
            }
        };
        match credentials {
            Ok(credentials) => Progress::Done(credentials),
            Err(failure) => Progress::Failed(failure),
        }
    }

    fn challenge(self) -> Progress {
        let challenge = match self.0 {
            Expected::PlainMessage
            | Expected::ScramFirst { .. }
            | Expected::ScramSecond(_)
            | Expected::OAuthBearer
            | Expected::XOAuth2 => "",
            Expected::LoginUserName => login::USER_NAME_CHALLENGE,
            Expected::LoginPassword { .. } => login::PASSWORD_CHALLENGE,
        };
        Progress::Challenge(challenge.to_owned(), self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client;
    use proptest::prelude::*;

    /// `lines[0]` is the initial response, `-` if there is none.
    fn check(mechanism: &str, lines: &[&str], expected: Result<(&[&str], &str, &str), Failure>) {
        let initial = Some(lines[0]).filter(|line| *line != "-").map(str::as_bytes);
        let mut progress = Exchange::start(Mechanism::from_name(mechanism).unwrap(), initial, None);
        let mut challenges = Vec::new();
        for line in &lines[1..] {
            let Progress::Challenge(challenge, exchange) = progress else { panic!("{progress:?}") };
            challenges.push(challenge);
            progress = exchange.respond(line.as_bytes());
        }
        match (progress, expected) {
            (Progress::Done(found), Ok((expected, user, password))) => {
                assert_eq!(challenges, expected);
                assert_eq!((found.authentication_id.as_str(), found.password.as_str()), (user, password));
            }
            (Progress::Failed(found), Err(expected)) => assert_eq!(found, expected, "{lines:?}"),
            (progress, _) => panic!("{lines:?}: {progress:?}"),
        }
    }

    #[test]
    fn exchanges() {
        let plain = "AHRpbQB0YW5zdGFhZnRhbnN0YWFm";
        check("plain", &[plain], Ok((&[], "tim", "tanstaaftanstaaf")));
        check("PLAIN", &["-", plain], Ok((&[""], "tim", "tanstaaftanstaaf")));
        check("Login", &["-", "dGlt", "cHc="], Ok((&["VXNlcm5hbWU6", "UGFzc3dvcmQ6"], "tim", "pw")));
        check("LOGIN", &["dGlt", "cHc"], Ok((&["UGFzc3dvcmQ6"], "tim", "pw")));
    }

    #[test]
    fn failures() {
        check("PLAIN", &["="], Err(Failure::Malformed));
        check("PLAIN", &["-", ""], Err(Failure::Malformed));
        check("PLAIN", &["-", "*"], Err(Failure::Cancelled));
        check("PLAIN", &["-", "="], Err(Failure::NotBase64));
        check("PLAIN", &["?"], Err(Failure::NotBase64));
        check("PLAIN", &["AHRpbQB0 YW5z"], Err(Failure::NotBase64));
        check("LOGIN", &["="], Err(Failure::Malformed));
        check("LOGIN", &["-", ""], Err(Failure::Malformed));
        check("LOGIN", &["-", "dGlt", ""], Err(Failure::Malformed));
        check("LOGIN", &["-", "dGlt", "*"], Err(Failure::Cancelled));
        check("LOGIN", &["-", "AAAA"], Err(Failure::Malformed));
        check("PLAIN", &[&"A".repeat(RESPONSE_OCTETS_MAX)], Err(Failure::Malformed));
        check("PLAIN", &[&"A".repeat(RESPONSE_OCTETS_MAX + 1)], Err(Failure::TooLong));
        assert_eq!(Mechanism::from_name("CRAM-MD5"), None);
    }

    #[test]
    fn the_user_name_outlives_no_secret() {
        let Progress::Challenge(_, exchange) = Exchange::start(Mechanism::Login, Some(b"dGlt"), None) else { panic!() };
        assert!(!format!("{:?}", exchange.respond(b"c2VjcmV0")).contains("secret"));
    }

    proptest! {
        #[test]
        fn what_the_client_says_the_server_reads(
            authorization_id in proptest::option::of("[a-zä]{1,20}"), user in "[a-zä@.]{1,40}", password in "[ -~ä]{1,40}",
        ) {
            let done = Exchange::start(Mechanism::Plain, Some(client::plain(authorization_id.as_deref(), &user, &password).as_bytes()), None);
            let Progress::Done(found) = done else { return Err(TestCaseError::fail(format!("{done:?}"))) };
            prop_assert_eq!(&found.authorization_id, &authorization_id);
            prop_assert_eq!(&found.authentication_id, &user);
            prop_assert_eq!(found.password.as_str(), password.as_str());

            let ascii = password.replace(|c: char| !c.is_ascii_graphic(), "x");
            for (mechanism, response) in [
                (Mechanism::OAuthBearer, client::oauthbearer(&user, &ascii)),
                (Mechanism::XOAuth2, client::xoauth2(&user, &ascii)),
            ] {
                let done = Exchange::start(mechanism, Some(response.as_bytes()), None);
                let Progress::Bearer(bearer) = done else { return Err(TestCaseError::fail(format!("{done:?}"))) };
                prop_assert_eq!((bearer.user.as_deref(), bearer.token.as_str()), (Some(user.as_str()), ascii.as_str()));
            }

            let [name_line, password_line] = client::login(&user, &password);
            let Progress::Challenge(_, exchange) = Exchange::start(Mechanism::Login, Some(name_line.as_bytes()), None) else {
                return Err(TestCaseError::fail(name_line));
            };
            let done = exchange.respond(password_line.as_bytes());
            prop_assert_eq!(done, Progress::Done(Credentials { authorization_id: None, ..found }));
        }

        #[test]
        fn no_line_makes_it_panic(
            lines in proptest::collection::vec("[A-Za-z0-9+/=*\0 ]{0,30}|[npy],,n=[a-c=]{0,3},r=[a-c]{0,3}|c=[a-zA-Z]{0,8},r=[a-c]{0,3}x,p=[A-Z=]{0,50}\
             |(n,(a=[a-c]{0,2})?,|user=[a-c]{0,2})\u{1}?auth=[bB]earer [a-c]{0,2}\u{1}{0,2}", 1..4),
            mechanism in 0..Mechanism::ALL.len(), binds: bool, encodes: bool,
        ) {
            let mut progress = Exchange::start(Mechanism::ALL[mechanism], None, binds.then_some([7; 32]));
            for line in lines {
                let line = if encodes { base64::prelude::BASE64_STANDARD.encode(line) } else { line };
                progress = match progress {
                    Progress::Challenge(_, exchange) => exchange.respond(line.as_bytes()),
                    Progress::Salt(wanted) => wanted.answer(&[1; SALT_BYTES], "x"),
                    Progress::Done(_) | Progress::Proof(_) | Progress::Bearer(_) | Progress::Failed(_) => break,
                };
            }
        }
    }
}
