//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): who logs in proves that they know the password, and hears in
//! return that the server does; neither says it. What the server keeps for that are [`ScramKeys`].
//!
//! The channel that PLUS binds to is the TLS session by its exporter (RFC 9266).

use crate::Failure;
use crate::credentials::{identity, text};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA256, derive};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::num::NonZeroU32;

/// Octets of a salt, and of SHA-256.
pub const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// What a client adds to a nonce is at most so long.
const NONCE_OCTETS_MAX: usize = 255;
/// A message is at most so long: two names, each octet of them escaped at most, a nonce and a proof. All of it is hashed with
/// each of the keys that an account has, and there may be thousands.
const MESSAGE_OCTETS_MAX: usize = 2560;
/// How often the password is hashed. RFC 7677 §4 wants 4096 at least; a phone does these in some milliseconds.
pub const ITERATIONS: u32 = 10_000;

/// The channel that a client binds its proof to: what the exporter of the TLS session says (RFC 9266 §2).
pub type Binding = [u8; HASH_BYTES];

/// What is kept of a password (RFC 5802 §3). It proves nothing to the server itself; who has it can pretend to be the server,
/// and can try passwords on it.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    salt: [u8; SALT_BYTES],
    iterations: u32,
    stored: [u8; HASH_BYTES],
    server: [u8; HASH_BYTES],
}

impl ScramKeys {
    /// How long [`Self::to_bytes`] is.
    pub const BYTES: usize = SALT_BYTES + 4 + 2 * HASH_BYTES;

    /// Those of a password; [`ITERATIONS`] hashes. `None` for one that no client may send (RFC 4013 §2.3).
    #[must_use]
    pub fn of(password: &str, salt: [u8; SALT_BYTES]) -> Option<Self> {
        Self::with_iterations(password, salt, ITERATIONS)
    }

    /// Whether there can be any of a password ([`Self::of`]); microseconds.
    #[must_use]
    pub fn can_be_of(password: &str) -> bool {
        stringprep::saslprep(password).is_ok()
    }

    fn with_iterations(password: &str, salt: [u8; SALT_BYTES], iterations: u32) -> Option<Self> {
        // RFC 5802 §2.2, RFC 4013: what a program does with a password before it hashes it.
        let prepared = stringprep::saslprep(password).ok()?;
        let mut salted = [0; HASH_BYTES];
        derive(PBKDF2_HMAC_SHA256, NonZeroU32::new(iterations)?, &salt, prepared.as_bytes(), &mut salted);
        let client = hmac(&salted, b"Client Key");
        Some(Self { salt, iterations, stored: hash(&client), server: hmac(&salted, b"Server Key") })
    }

    /// Whether they go with the challenge that somebody with this salt gets.
    #[must_use]
    pub fn fit(&self, salt: &[u8; SALT_BYTES]) -> bool {
        self.salt == *salt && self.iterations == ITERATIONS
    }

    /// As they are kept.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.salt[..], &self.iterations.to_be_bytes(), &self.stored, &self.server].concat()
    }

    /// Reads what [`Self::to_bytes`] gave.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (salt, rest) = bytes.split_first_chunk()?;
        let (iterations, rest) = rest.split_first_chunk()?;
        let (stored, rest) = rest.split_first_chunk()?;
        let server = rest.try_into().ok()?;
        Some(Self { salt: *salt, iterations: u32::from_be_bytes(*iterations), stored: *stored, server })
    }
}

/// Hides the keys.
impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys(hidden)")
    }
}

/// The client has said who it is, and waits for the salt that goes with that name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ScramFirst {
    authorization_id: Option<String>,
    user: String,
    /// RFC 5802 §7: up to and with the second comma.
    gs2_header: String,
    binds: bool,
    client_nonce: String,
    client_first_bare: String,
}

/// The client has its salt, and is to prove that it knows the password.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ScramSecond {
    first: ScramFirst,
    nonce: String,
    server_first: String,
    binding: Option<Binding>,
}

/// Who somebody says they are, and what proves it to whoever has the keys.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramProof {
    /// As in [`Credentials`](crate::Credentials).
    pub authorization_id: Option<String>,
    /// As in [`Credentials`](crate::Credentials).
    pub authentication_id: String,
    auth_message: String,
    proof: [u8; HASH_BYTES],
}

impl ScramProof {
    /// What no other proof has: the nonces are in it.
    #[must_use]
    pub fn once(&self) -> &str {
        &self.auth_message
    }

    /// Whether it was made with the password that the keys are of: then what proves to the client that the server has them, in
    /// base64, to be sent before the end of the exchange (RFC 5802 §5).
    #[must_use]
    pub fn verify(&self, keys: &ScramKeys) -> Option<String> {
        let signature = hmac(&keys.stored, self.auth_message.as_bytes());
        let client: [u8; HASH_BYTES] = std::array::from_fn(|at| self.proof[at] ^ signature[at]);
        verify_slices_are_equal(&hash(&client), &keys.stored).ok()?;
        let verifier = STANDARD.encode(hmac(&keys.server, self.auth_message.as_bytes()));
        Some(STANDARD.encode(format!("v={verifier}")))
    }
}

/// Hides the proof.
impl fmt::Debug for ScramProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramProof").field("authentication_id", &self.authentication_id).finish_non_exhaustive()
    }
}

impl ScramFirst {
    /// RFC 5802 §7: client-first-message. `plus`: the mechanism is the one that binds; `binding`: what there is to bind to.
    pub(crate) fn parse(message: &[u8], plus: bool, binding: Option<Binding>) -> Result<Self, Failure> {
        let message = text(message, MESSAGE_OCTETS_MAX)?;
        let mut parts = message.splitn(3, ',');
        let (Some(flag), Some(authorization), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Failure::Malformed);
        };
        let binds = match flag {
            "p=tls-exporter" => true,
            "n" => false,
            // RFC 5802 §6: the client believes that the server cannot bind, and it can: somebody has taken PLUS away.
            "y" if binding.is_none() => false,
            _ => return Err(Failure::Malformed),
        };
        if binds != plus || (binds && binding.is_none()) {
            return Err(Failure::Malformed);
        }
        let authorization_id = match authorization.strip_prefix("a=") {
            Some(name) => Some(sasl_name(name)?),
            None if authorization.is_empty() => None,
            None => return Err(Failure::Malformed),
        };
        // RFC 5802 §5.1: `m=` is an extension that must be understood; there is none. Others may follow.
        let mut attributes = bare.split(',');
        let user = sasl_name(value(attributes.next(), "n=")?)?;
        let client_nonce = nonce(value(attributes.next(), "r=")?)?.to_owned();
        Ok(Self {
            authorization_id,
            user,
            gs2_header: format!("{flag},{authorization},"),
            binds,
            client_nonce,
            client_first_bare: bare.to_owned(),
        })
    }

    /// Who the client says it is.
    #[must_use]
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// The challenge, and what waits for its answer. `own_nonce`: random, printable, without a comma.
    pub(crate) fn challenge(
        self,
        salt: &[u8; SALT_BYTES],
        own_nonce: &str,
        binding: Option<Binding>,
    ) -> (String, ScramSecond) {
        let nonce = format!("{}{own_nonce}", self.client_nonce);
        let server_first = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(salt));
        let challenge = STANDARD.encode(&server_first);
        (challenge, ScramSecond { first: self, nonce, server_first, binding })
    }
}

impl ScramSecond {
    /// RFC 5802 §7: client-final-message.
    pub(crate) fn parse(self, message: &[u8]) -> Result<ScramProof, Failure> {
        let message = text(message, MESSAGE_OCTETS_MAX)?;
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(Failure::Malformed)?;
        let mut attributes = without_proof.split(',');
        let header = decoded(value(attributes.next(), "c=")?)?;
        let nonce = value(attributes.next(), "r=")?;
        let Self { first, nonce: expected, server_first, binding } = self;
        let mut bound = first.gs2_header.into_bytes();
        bound.extend(binding.filter(|_| first.binds).iter().flatten());
        if header != bound || nonce != expected {
            return Err(Failure::Malformed);
        }
        Ok(ScramProof {
            authorization_id: first.authorization_id,
            authentication_id: first.user,
            auth_message: format!("{},{server_first},{without_proof}", first.client_first_bare),
            proof: decoded(proof)?.try_into().map_err(|_| Failure::Malformed)?,
        })
    }
}

fn value<'a>(attribute: Option<&'a str>, name: &str) -> Result<&'a str, Failure> {
    attribute.and_then(|attribute| attribute.strip_prefix(name)).ok_or(Failure::Malformed)
}

/// RFC 5802 §5.1: `=2C` is a comma and `=3D` is `=`.
pub(crate) fn sasl_name(name: &str) -> Result<String, Failure> {
    let without = name.replace("=2C", "").replace("=3D", "");
    if without.contains('=') {
        return Err(Failure::Malformed);
    }
    identity(name.replace("=2C", ",").replace("=3D", "=").as_bytes())
}

/// RFC 5802 §7: printable = %x21-2B / %x2D-7E.
fn nonce(nonce: &str) -> Result<&str, Failure> {
    text(nonce.as_bytes(), NONCE_OCTETS_MAX)?;
    if nonce.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(nonce) } else { Err(Failure::Malformed) }
}

fn decoded(base64: &str) -> Result<Vec<u8>, Failure> {
    STANDARD.decode(base64).map_err(|_| Failure::NotBase64)
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; HASH_BYTES] {
    fixed(sign(&Key::new(HMAC_SHA256, key), message).as_ref())
}

fn hash(message: &[u8]) -> [u8; HASH_BYTES] {
    fixed(digest(&SHA256, message).as_ref())
}

/// SHA-256 has so many octets.
fn fixed(octets: &[u8]) -> [u8; HASH_BYTES] {
    let mut fixed = [0; HASH_BYTES];
    fixed.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    fixed
}

/// The client's side, for tests of whoever speaks a protocol that carries it.
pub mod client {
    use super::{Binding, ITERATIONS, hash, hmac};
    use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA256, derive};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use std::num::NonZeroU32;

    /// The first response, in base64, of somebody who binds to a channel, or not.
    #[must_use]
    pub fn first(user: &str, nonce: &str, binding: Option<Binding>) -> String {
        STANDARD.encode(format!("{},,n={user},r={nonce}", flag(binding)))
    }

    /// The second response, in base64, to the challenge; and what the server must say then. `None` where the challenge is none.
    #[must_use]
    pub fn second(
        (user, password): (&str, &str),
        nonce: &str,
        binding: Option<Binding>,
        challenge: &str,
    ) -> Option<(String, String)> {
        let server_first = String::from_utf8(STANDARD.decode(challenge).ok()?).ok()?;
        let mut attributes = server_first.split(',');
        let full_nonce = attributes.next()?.strip_prefix("r=").filter(|full| full.starts_with(nonce))?;
        let salt = STANDARD.decode(attributes.next()?.strip_prefix("s=")?).ok()?;
        let iterations: u32 = attributes.next()?.strip_prefix("i=")?.parse().ok().filter(|i| *i == ITERATIONS)?;
        let mut salted = [0; 32];
        derive(PBKDF2_HMAC_SHA256, NonZeroU32::new(iterations)?, &salt, password.as_bytes(), &mut salted);
        let key = hmac(&salted, b"Client Key");
        let mut bound = format!("{},,", flag(binding)).into_bytes();
        bound.extend(binding.iter().flatten());
        let without_proof = format!("c={},r={full_nonce}", STANDARD.encode(bound));
        let auth_message = format!("n={user},r={nonce},{server_first},{without_proof}");
        let signature = hmac(&hash(&key), auth_message.as_bytes());
        let proof: [u8; 32] = std::array::from_fn(|at| key[at] ^ signature[at]);
        let verifier = STANDARD.encode(hmac(&hmac(&salted, b"Server Key"), auth_message.as_bytes()));
        let response = format!("{without_proof},p={}", STANDARD.encode(proof));
        Some((STANDARD.encode(response), STANDARD.encode(format!("v={verifier}"))))
    }

    fn flag(binding: Option<Binding>) -> &'static str {
        if binding.is_some() { "p=tls-exporter" } else { "n" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 §3.
    #[test]
    fn the_example_of_the_rfc() {
        let salt: [u8; SALT_BYTES] = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        let keys = ScramKeys::with_iterations("pencil", salt, 4096).unwrap();
        let first = ScramFirst::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", false, None).unwrap();
        assert_eq!(first.user(), "user");
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let second = ScramSecond {
            first,
            nonce: nonce.to_owned(),
            server_first: format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
            binding: None,
        };
        let message = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let proof = second.parse(message.as_bytes()).unwrap();
        let verifier = STANDARD.encode("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert_eq!(proof.verify(&keys), Some(verifier));
        assert_eq!(proof.verify(&ScramKeys::with_iterations("pencil2", salt, 4096).unwrap()), None);
        assert_eq!(ScramKeys::from_bytes(&keys.to_bytes()), Some(keys.clone()));
        assert_eq!(keys.to_bytes().len(), ScramKeys::BYTES);
        assert_eq!(ScramKeys::from_bytes(&keys.to_bytes()[1..]), None);
        assert!(!keys.fit(&salt), "other iterations");
    }

    fn first(message: &str, plus: bool, binding: Option<Binding>) -> Result<String, Failure> {
        ScramFirst::parse(message.as_bytes(), plus, binding).map(|first| first.user)
    }

    #[test]
    fn first_messages() {
        let bound = Some([7; 32]);
        let check = |message, plus, binding, expected: Option<&str>| {
            let expected = expected.map(str::to_owned).ok_or(Failure::Malformed);
            assert_eq!(first(message, plus, binding), expected, "{message} {plus} {binding:?}");
        };
        check("n,,n=alice,r=x", false, None, Some("alice"));
        check("n,,n=alice,r=x", false, bound, Some("alice"));
        check("n,a=bob,n=alice,r=x,ext=1", false, None, Some("alice"));
        check("n,,n=a=2Cb=3Dc,r=x", false, None, Some("a,b=c"));
        check("n,,n=a=3D2C,r=x", false, None, Some("a=2C"));
        check("p=tls-exporter,,n=alice,r=x", true, bound, Some("alice"));
        check("y,,n=alice,r=x", false, None, Some("alice"));
        // Somebody between has taken PLUS out of what is announced.
        check("y,,n=alice,r=x", false, bound, None);
        check("p=tls-exporter,,n=alice,r=x", false, bound, None);
        check("p=tls-exporter,,n=alice,r=x", true, None, None);
        check("p=tls-unique,,n=alice,r=x", true, bound, None);
        check("n,,n=alice,r=x", true, bound, None);
        for bad in ["", "n,,", "n,,n=,r=x", "n,,n=alice", "n,,r=x,n=alice", "n,,m=1,n=alice,r=x", "n,b,n=alice,r=x"] {
            check(bad, false, None, None);
        }
        for bad in ["n,,n=a=b,r=x", "n,,n=a=,r=x", "n,,n=alice,r=", "n,,n=alice,r=ä", "n,,n=a\u{7},r=x"] {
            check(bad, false, None, None);
        }
    }

    #[test]
    fn a_proof_holds_for_its_channel_its_nonce_and_its_name() {
        let (salt, binding) = ([3; SALT_BYTES], [9; 32]);
        let keys = ScramKeys::of("correct horse", salt).unwrap();
        let said = |password: &str, binds: Option<Binding>, there: Option<Binding>| {
            let message = STANDARD.decode(client::first("alice", "abc", binds)).unwrap();
            let first = ScramFirst::parse(&message, binds.is_some(), there)?;
            let (challenge, second) = first.challenge(&salt, "def", there);
            let (response, verifier) = client::second(("alice", password), "abc", binds, &challenge).unwrap();
            let proof = second.parse(&STANDARD.decode(response).unwrap())?;
            assert!(!format!("{proof:?}").contains("p="));
            Ok(proof.verify(&keys).map(|said| said == verifier))
        };
        assert_eq!(said("correct horse", None, None), Ok(Some(true)));
        assert_eq!(said("correct horse", None, Some(binding)), Ok(Some(true)));
        assert_eq!(said("correct horse", Some(binding), Some(binding)), Ok(Some(true)));
        assert_eq!(said("Correct horse", None, None), Ok(None));
        assert_eq!(said("correct horse", Some([8; 32]), Some(binding)), Err(Failure::Malformed), "another channel");
    }

    #[test]
    fn last_messages() {
        let second = || {
            let first = ScramFirst::parse(b"n,,n=alice,r=abc", false, None).unwrap();
            first.challenge(&[3; SALT_BYTES], "def", None).1
        };
        let proof = STANDARD.encode([1; 32]);
        assert!(second().parse(format!("c=biws,r=abcdef,p={proof}").as_bytes()).is_ok());
        assert!(second().parse(format!("c=biws,r=abcdef,ext=1,p={proof}").as_bytes()).is_ok());
        for bad in [
            String::new(),
            format!("c=biws,r=abcde,p={proof}"),
            format!("c=eSws,r=abcdef,p={proof}"),
            format!("c=biws,p={proof}"),
            "c=biws,r=abcdef".to_owned(),
            "c=biws,r=abcdef,p=AAAA".to_owned(),
        ] {
            assert_eq!(second().parse(bad.as_bytes()).unwrap_err(), Failure::Malformed, "{bad}");
        }
        assert_eq!(second().parse(b"c=?,r=abcdef,p=AAAA").unwrap_err(), Failure::NotBase64);
    }

    #[test]
    fn a_proof_hashed_what_a_stranger_had_made_long() {
        let long = "x".repeat(MESSAGE_OCTETS_MAX);
        assert_eq!(first(&format!("n,,n=alice,r=abc,ext={long}"), false, None), Err(Failure::TooLong));
        let first = ScramFirst::parse(b"n,,n=alice,r=abc", false, None).unwrap();
        let second = first.challenge(&[3; SALT_BYTES], "def", None).1;
        let message = format!("c=biws,r=abcdef,ext={long},p={}", STANDARD.encode([1; 32]));
        assert_eq!(second.parse(message.as_bytes()).unwrap_err(), Failure::TooLong);
        // The longest name is no such thing.
        let name = "=2C".repeat(255);
        assert!(
            ScramFirst::parse(format!("n,a={name},n={name},r={}", "x".repeat(255)).as_bytes(), false, None).is_ok()
        );
    }

    #[test]
    fn passwords_are_prepared_as_programs_do() {
        let salt = [3; SALT_BYTES];
        // RFC 4013 §3: a soft hyphen is nothing, and a letter in two code points is one.
        assert_eq!(ScramKeys::of("I\u{ad}X", salt), ScramKeys::of("IX", salt));
        assert_eq!(ScramKeys::of("e\u{301}te", salt), ScramKeys::of("\u{e9}te", salt));
        assert_eq!(ScramKeys::of("a\u{7}b", salt), None);
        assert!(!ScramKeys::can_be_of("a\u{7}b") && ScramKeys::can_be_of("I\u{ad}X"));
    }
}
