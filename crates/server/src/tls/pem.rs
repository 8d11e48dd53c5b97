//! Certificates and keys from PEM files, with errors that say which file and what it lacks.

use std::path::Path;

use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::provider;
use crate::setup::{SetupError, reason};

/// Certificates in one file; more are a mistake.
const CHAIN_LEN_MAX: usize = 16;

/// Loads a chain and its key; both may be in the same file.
pub(super) fn load(certificate: &Path, key: &Path) -> Result<CertifiedKey, SetupError> {
    paired((chain(certificate)?, certificate), (private_key(key)?, key))
}

/// What an authority gave: a chain in PEM form for a key that is PKCS#8.
pub(super) fn obtained(chain: &str, pkcs8: Vec<u8>) -> Result<CertifiedKey, SetupError> {
    let unusable = |what: String| SetupError::new(format!("the certificate of the authority cannot be used: {what}"));
    let certificates =
        CertificateDer::pem_slice_iter(chain.as_bytes()).take(CHAIN_LEN_MAX).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| unusable(error.to_string()))?;
    let key = PrivateKeyDer::Pkcs8(pkcs8.into());
    CertifiedKey::from_der(certificates, key, &provider()).map_err(|error| unusable(error.to_string()))
}

/// The same from the text of a file that holds both.
pub(super) fn parse(text: &str, file: &Path) -> Result<CertifiedKey, SetupError> {
    let chain = CertificateDer::pem_slice_iter(text.as_bytes())
        .take(CHAIN_LEN_MAX)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable("certificate", file, error))?;
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| unreadable("private key", file, error))?;
    paired((chain, file), (key, file))
}

fn paired(
    (chain, certificate): (Vec<CertificateDer<'static>>, &Path),
    (private, key): (PrivateKeyDer<'static>, &Path),
) -> Result<CertifiedKey, SetupError> {
    CertifiedKey::from_der(chain, private, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => SetupError::new(format!(
            "the key in {} does not belong to the first certificate in {}; \
             give the pair that was issued together, the server's own certificate before its issuers",
            key.display(),
            certificate.display()
        )),
        error => SetupError::new(format!("the key in {} cannot be used: {error}", key.display())),
    })
}

/// The certificates in `path`, at least one.
pub(super) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(|found| found.take(CHAIN_LEN_MAX).collect::<Result<Vec<_>, _>>())
        .map_err(|error| unreadable("certificate", path, error))?;
    if chain.is_empty() {
        return Err(unreadable("certificate", path, PemError::NoItemsFound));
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, SetupError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable("private key", path, error))
}

fn unreadable(what: &str, path: &Path, error: PemError) -> SetupError {
    let path = path.display();
    SetupError::new(match error {
        PemError::Io(error) => format!(
            "cannot read the TLS {what} {path}: {}; check the path and that the server's user may read it",
            reason(&error)
        ),
        PemError::NoItemsFound => format!(
            "{path} contains no {what} in PEM form (\"-----BEGIN …-----\"); an encrypted key must be decrypted first"
        ),
        error => format!("{path} is no valid PEM file: {error}; export the {what} again"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::own;
    use std::fs;

    #[test]
    fn errors_name_the_file_and_what_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["localhost".to_owned()];
        for sub in ["one", "two"] {
            own::load_or_make(&dir.path().join(sub), &names, 1_800_000_000).unwrap();
        }
        let file = |name: &str| dir.path().join(name);
        fs::write(file("empty.pem"), "").unwrap();
        fs::write(file("broken.pem"), "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n").unwrap();
        let check = |certificate: &str, key: &str, expected: &[&str]| {
            let text = load(&file(certificate), &file(key)).err().map(|error| error.to_string()).unwrap_or_default();
            for part in expected {
                assert!(text.contains(part), "{text:?} lacks {part:?}");
            }
            assert_eq!(text.is_empty(), expected.is_empty(), "{text}");
        };
        check("one/server.pem", "one/server.pem", &[]);
        check("none.pem", "one/server.pem", &["none.pem", "no such file", "certificate"]);
        check("empty.pem", "one/server.pem", &["empty.pem", "contains no certificate"]);
        check("broken.pem", "one/server.pem", &["broken.pem", "valid PEM"]);
        check("one/server.pem", "one/ca.pem", &["ca.pem", "contains no private key"]);
        check("one/server.pem", "two/server.pem", &["two/server.pem", "does not belong", "one/server.pem"]);
    }
}
