//! Tokens for programs, and keyed hashes.

/// A token that is given away once.
const TOKEN_BYTES: usize = 32;

/// Random bytes from the system.
///
/// # Errors
/// It gives none.
pub fn fill(bytes: &mut [u8]) -> Result<(), store::Error> {
    getrandom::fill(bytes).map_err(|error| store::Error::Fault(format!("the system has no random numbers: {error}")))
}

/// A key for one purpose, made of the server's secret.
pub struct PurposeKey([u8; 32]);

impl PurposeKey {
    /// Made of the server's secret; `purpose` is a sentence of ours that names nothing else.
    #[must_use]
    pub fn new(purpose: &'static str, secret: &[u8; 32]) -> Self {
        Self(blake3::derive_key(purpose, secret))
    }

    pub(crate) fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// A keyed hash of parts, each with its length. Comparing two of them takes the same time for any.
    #[must_use]
    pub fn hash(&self, parts: &[&[u8]]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
        hasher.finalize()
    }
}

/// 256 random bits that somebody gets once (a cookie, a link). Whoever has them needs nothing else, so what is kept of
/// them is a keyed hash.
pub struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// Of random bytes.
    ///
    /// # Errors
    /// The system gives none.
    pub fn generate() -> Result<Self, store::Error> {
        let mut bytes = [0; TOKEN_BYTES];
        fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Another token, which whoever has this one can be given, and which does not lead back.
    #[must_use]
    pub fn derived(&self, key: &PurposeKey, what: &str) -> Self {
        Self(*key.hash(&[what.as_bytes(), &self.0]).as_bytes())
    }

    /// Reads what [`Self::text`] gave.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // Only one way to write it.
        let is_ours = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
        let hash = blake3::Hash::from_hex(text).ok().filter(|_| is_ours)?;
        Some(Self(*hash.as_bytes()))
    }

    /// 64 hexadecimal digits.
    #[must_use]
    pub fn text(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self, key: &PurposeKey) -> [u8; 32] {
        *key.hash(&[&self.0]).as_bytes()
    }
}
