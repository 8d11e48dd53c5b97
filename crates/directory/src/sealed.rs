//! Secrets that must be had again, and therefore are kept: encrypted, so that a copy of the database without the server's
//! secret gives none of them away.

use crate::secret::PurposeKey;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

impl PurposeKey {
    /// Encrypts a secret (AES-256-GCM, a random nonce before it). `of`: whose it is; it opens for nobody else.
    pub(crate) fn seal(&self, secret: &[u8], of: &str) -> Result<Vec<u8>, store::Error> {
        let mut sealed = secret.to_vec();
        let nonce = self
            .cipher()
            .and_then(|cipher| cipher.seal_in_place_append_tag(Aad::from(of.as_bytes()), &mut sealed).ok())
            .ok_or_else(|| store::Error::Fault("a secret could not be encrypted".to_owned()))?;
        Ok([&nonce.as_ref()[..], &sealed].concat())
    }

    /// Opens what [`Self::seal`] made; `None` where it was made with another key, for somebody else, or is damaged.
    pub(crate) fn open(&self, sealed: &[u8], of: &str) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut secret = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.cipher()?.open_in_place(nonce, Aad::from(of.as_bytes()), &mut secret).ok()?.len();
        secret.truncate(length);
        Some(secret)
    }

    fn cipher(&self) -> Option<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, self.octets()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_with_its_key_and_for_its_owner_only() {
        let key = |secret: u8| PurposeKey::new("a test", &[secret; 32]);
        let sealed = key(7).seal(b"secret", "example.org").unwrap();
        assert_eq!(key(7).open(&sealed, "example.org").unwrap(), b"secret");
        assert_ne!(key(7).seal(b"secret", "example.org").unwrap(), sealed, "a nonce was used twice");
        assert_eq!(key(8).open(&sealed, "example.org"), None);
        assert_eq!(key(7).open(&sealed, "example.net"), None);
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(key(7).open(&damaged, "example.org"), None, "{at}");
            assert_eq!(key(7).open(&sealed[..at], "example.org"), None, "{at}");
        }
    }
}
