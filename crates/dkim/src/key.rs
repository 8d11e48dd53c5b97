//! A key of a domain, and the record that publishes it.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_auth::common::crypto::{DkimKey, Ed25519Key, RsaKey, Sha256};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fmt;

/// How a key signs. Both are used side by side: everybody reads RSA, and not everybody reads Ed25519 yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `rsa-sha256` with 2,048 bits (RFC 8301 §3.2).
    Rsa2048,
    /// `ed25519-sha256` (RFC 8463).
    Ed25519,
}

/// A private key. There is no way to print it.
pub struct PrivateKey {
    algorithm: Algorithm,
    pkcs8: Vec<u8>,
}

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError(String);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a DKIM key cannot be used: {}", self.0)
    }
}

impl std::error::Error for KeyError {}

impl KeyError {
    pub(crate) fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl Algorithm {
    /// Every one, in the order in which they sign.
    pub const ALL: [Self; 2] = [Self::Rsa2048, Self::Ed25519];

    /// As a selector and a person call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rsa2048 => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl PrivateKey {
    /// A new key. One for RSA takes a tenth of a second and more.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let pkcs8 = match algorithm {
            Algorithm::Rsa2048 => {
                let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(KeyError::new)?;
                key.as_der().map_err(KeyError::new)?.as_ref().to_vec()
            }
            Algorithm::Ed25519 => {
                Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(KeyError::new)?.as_ref().to_vec()
            }
        };
        Ok(Self { algorithm, pkcs8 })
    }

    /// What [`Self::pkcs8`] gave.
    #[must_use]
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: Vec<u8>) -> Self {
        Self { algorithm, pkcs8 }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key in the form in which it is kept, secretly (RFC 5958).
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The text of the TXT record that publishes it (RFC 6376 §3.6.1, RFC 8463 §4).
    ///
    /// # Errors
    /// It is no key of its algorithm.
    pub fn record(&self) -> Result<String, KeyError> {
        let public = match self.algorithm {
            Algorithm::Rsa2048 => {
                let key = RsaKeyPair::from_pkcs8(&self.pkcs8).map_err(KeyError::new)?;
                key.public_key().as_der().map_err(KeyError::new)?.as_ref().to_vec()
            }
            // RFC 8463 §4: the 32 octets themselves.
            Algorithm::Ed25519 => {
                Ed25519KeyPair::from_pkcs8(&self.pkcs8).map_err(KeyError::new)?.public_key().as_ref().to_vec()
            }
        };
        Ok(format!("v=DKIM1; k={}; p={}", self.algorithm.name(), STANDARD.encode(public)))
    }

    pub(crate) fn signing(&self) -> Result<DkimKey, KeyError> {
        Ok(match self.algorithm {
            Algorithm::Rsa2048 => {
                let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(&self.pkcs8[..]));
                RsaKey::<Sha256>::from_key_der(der).map_err(KeyError::new)?.into()
            }
            Algorithm::Ed25519 => Ed25519Key::from_pkcs8_der(&self.pkcs8).map_err(KeyError::new)?.into(),
        })
    }
}
