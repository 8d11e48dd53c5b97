//! What the authority is to find at our own ports while an order is open.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What a client offers by ALPN that is the authority and nobody else (RFC 8737 §4).
pub const TLS_ALPN: &[u8] = b"acme-tls/1";

/// The answers to the open challenges. Cheap to clone; all clones are the same. Bounded by [`crate::NAMES_MAX`]: they are there for
/// as long as an order is open.
#[derive(Clone, Default)]
pub struct Challenges(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    /// By the name that is proven.
    certificates: HashMap<String, Arc<CertifiedKey>>,
    /// By token.
    texts: HashMap<String, String>,
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenges").finish_non_exhaustive()
    }
}

impl Challenges {
    /// The certificate to show to who offers [`TLS_ALPN`] and asks for `name` (RFC 8737 §3).
    #[must_use]
    pub fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.certificates.get(&name.to_ascii_lowercase()).cloned()
    }

    /// What is at `/.well-known/acme-challenge/<token>` (RFC 8555 §8.3).
    #[must_use]
    pub fn text(&self, token: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).texts.get(token).cloned()
    }

    pub(crate) fn answer_by_tls(&self, name: &str, digest: &[u8]) -> Result<(), String> {
        let certificate = Arc::new(proof(name, digest)?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).certificates.insert(name.to_owned(), certificate);
        Ok(())
    }

    pub(crate) fn answer_by_http(&self, token: &str, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).texts.insert(token.to_owned(), text.to_owned());
    }

    pub(crate) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Open::default();
    }
}

/// RFC 8737 §3: made out to the one name, with the digest in a critical extension, signed by itself.
fn proof(name: &str, digest: &[u8]) -> Result<CertifiedKey, String> {
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(|error| error.to_string())?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // Not `from_der`, which reads the certificate, and knows no such extension.
    let signing = aws_lc_rs::default_provider().key_provider.load_private_key(private);
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signing.map_err(|error| error.to_string())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_answered_is_gone_with_the_order() {
        let challenges = Challenges::default();
        challenges.answer_by_tls("mail.example.org", &[7; 32]).unwrap();
        challenges.answer_by_http("token", "token.thumb");
        assert!(
            challenges.certificate("Mail.Example.org").is_some() && challenges.certificate("example.org").is_none()
        );
        assert_eq!(challenges.clone().text("token").as_deref(), Some("token.thumb"));
        challenges.clear();
        assert!(challenges.certificate("mail.example.org").is_none() && challenges.text("token").is_none());
    }
}
