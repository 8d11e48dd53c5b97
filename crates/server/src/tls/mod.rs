//! TLS as server: rustls with aws-lc, TLS 1.2 and 1.3, and a certificate that can be replaced while running.
//!
//! Invariant: a reload that fails leaves the certificate in use as it was.

mod failed;
mod hello;
mod own;
mod pem;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use acme::{Challenges, Facts, TLS_ALPN};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use crate::setup::SetupError;

pub(crate) use failed::note_failed;
pub(crate) use hello::take as take_hello;

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// PEM files that somebody else keeps fresh.
    Files {
        /// The chain, the server's own certificate first.
        certificate: PathBuf,
        /// Its private key: PKCS#8, PKCS#1 or SEC1.
        key: PathBuf,
    },
    /// Signed by an own authority that is made in `directory` at the first start.
    Own {
        /// Where `ca.pem` (for people to import), `ca.key` and `server.pem` are.
        directory: PathBuf,
        /// Host names and IP addresses that the certificate is to be valid for.
        names: Vec<String>,
    },
}

/// The certificate in use.
pub struct Certificates {
    source: CertificateSource,
    current: RwLock<Arc<CertifiedKey>>,
    /// From an authority, instead of the one of the source.
    obtained: RwLock<Option<Arc<CertifiedKey>>>,
    challenges: Challenges,
}

impl Certificates {
    /// Loads the certificate, and makes it first where it is an own one that is missing, lacks a name or is about to
    /// expire. `unix_seconds` is the current time.
    ///
    /// # Errors
    /// A file that cannot be read or written, or does not contain what it should; a key that does not fit.
    pub fn load(source: CertificateSource, unix_seconds: i64) -> Result<Arc<Self>, SetupError> {
        let current = RwLock::new(Arc::new(certified(&source, unix_seconds)?));
        Ok(Arc::new(Self { source, current, obtained: RwLock::default(), challenges: Challenges::default() }))
    }

    /// Handshakes from now on use a certificate that an authority gave: its chain in PEM form, and its key as PKCS#8.
    ///
    /// # Errors
    /// They cannot be used, or do not belong together; the certificate in use stays.
    pub(crate) fn use_obtained(&self, chain: &str, pkcs8: Vec<u8>) -> Result<(), SetupError> {
        let obtained = Arc::new(pem::obtained(chain, pkcs8)?);
        *self.obtained.write().unwrap_or_else(PoisonError::into_inner) = Some(obtained);
        Ok(())
    }

    /// What a certificate authority is to find while an order is open.
    pub(crate) fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// Loads again; handshakes from now on use what was found. To be called on SIGHUP, and once a day so that an own
    /// certificate never expires.
    ///
    /// # Errors
    /// As [`Certificates::load`]; the certificate in use stays.
    pub(crate) fn reload(&self, unix_seconds: i64) -> Result<(), SetupError> {
        let fresh = Arc::new(certified(&self.source, unix_seconds)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The file with the authority to import into mail programs, where the certificate is an own one.
    #[must_use]
    pub fn authority_file(&self) -> Option<PathBuf> {
        match &self.source {
            CertificateSource::Files { .. } => None,
            CertificateSource::Own { directory, .. } => Some(own::authority_file(directory)),
        }
    }

    /// When the certificate in use ends, in seconds since 1970.
    pub(crate) fn ends_at(&self) -> Option<i64> {
        Facts::of_der(self.current().cert.first()?).map(|facts| facts.not_after)
    }

    fn current(&self) -> Arc<CertifiedKey> {
        let obtained = self.obtained.read().unwrap_or_else(PoisonError::into_inner).clone();
        obtained.unwrap_or_else(|| self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hello::note(&client_hello);
        // RFC 8737 §3: who offers this and nothing else is an authority that looks whether a name leads here.
        if client_hello.alpn().is_some_and(|mut offered| offered.next() == Some(TLS_ALPN) && offered.next().is_none()) {
            return self.challenges.certificate(client_hello.server_name()?);
        }
        Some(self.current())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("source", &self.source).finish_non_exhaustive()
    }
}

/// The configuration that all listeners share.
///
/// # Errors
/// When the system has no randomness for ticket keys.
pub(crate) fn server_config(certificates: Arc<Certificates>) -> Result<Arc<ServerConfig>, SetupError> {
    let failed = |error: rustls::Error| SetupError::new(format!("TLS cannot be set up: {error}"));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(failed)?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    // A phone that comes back resumes without a signature, and the server keeps nothing for it (RFC 8446 §2.2).
    config.ticketer = Ticketer::new().map_err(failed)?;
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certified(source: &CertificateSource, unix_seconds: i64) -> Result<CertifiedKey, SetupError> {
    match source {
        CertificateSource::Files { certificate, key } => pem::load(certificate, key),
        CertificateSource::Own { directory, names } => own::load_or_make(directory, names, unix_seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const NOW: i64 = 1_800_000_000;

    fn own_source(directory: PathBuf) -> CertificateSource {
        CertificateSource::Own { directory, names: vec!["localhost".to_owned()] }
    }

    #[test]
    fn a_reload_takes_the_new_certificate_or_keeps_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        Certificates::load(own_source(file("one")), NOW).unwrap();
        Certificates::load(own_source(file("two")), NOW).unwrap();
        let source = CertificateSource::Files { certificate: file("server.pem"), key: file("server.pem") };
        fs::copy(file("one/server.pem"), file("server.pem")).unwrap();
        let certificates = Certificates::load(source, NOW).unwrap();
        let first = certificates.current().cert.clone();

        fs::write(file("server.pem"), "no certificate").unwrap();
        assert!(certificates.reload(NOW).is_err());
        assert_eq!(certificates.current().cert, first);

        fs::copy(file("two/server.pem"), file("server.pem")).unwrap();
        certificates.reload(NOW).unwrap();
        assert_ne!(certificates.current().cert, first);
        assert_eq!(certificates.authority_file(), None);
    }
}
