//! Random tokens, and tokens that are derived from them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use store::Error;

/// 256 bits: 43 characters for a visitor, 64 hexadecimal digits for a session ([`auth::WebLogin`]).
const TOKEN_BYTES: usize = 32;
const VISITOR_CHARS: usize = 43;
const SESSION_CHARS: usize = 64;

/// A key that lives as long as the process.
pub(crate) struct Key([u8; TOKEN_BYTES]);

/// A token that nobody can guess.
pub(crate) fn random() -> Result<String, Error> {
    let mut bytes = [0; TOKEN_BYTES];
    fill(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether it could be one of ours: what a client sends is not kept unless it is.
pub(crate) fn is_token(text: &str) -> bool {
    let is_long_enough = text.len() == VISITOR_CHARS || text.len() == SESSION_CHARS;
    is_long_enough && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|error| Error::Fault(format!("the system gives no random numbers: {error}")))
}

impl Key {
    pub(crate) fn new() -> Result<Self, Error> {
        let mut key = [0; TOKEN_BYTES];
        fill(&mut key)?;
        Ok(Self(key))
    }

    /// What a form of somebody who is not logged in has to carry beside the cookie that holds `token`.
    pub(crate) fn csrf(&self, token: &str) -> String {
        let hash = blake3::keyed_hash(&self.0, format!("csrf {token}").as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(hash.as_bytes())
    }

    /// Whether `found` is what [`Key::csrf`] gives for `token`, in constant time.
    pub(crate) fn is_csrf(&self, token: &str, found: &str) -> bool {
        let hash = |text: &str| blake3::keyed_hash(&self.0, text.as_bytes());
        hash(&self.csrf(token)) == hash(found)
    }
}
