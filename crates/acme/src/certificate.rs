//! What is in a certificate, and keys for it.

use instant_acme::CertificateIdentifier;
use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, Der};
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectAltName};

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The host names that it is made out to, in lower case.
    pub names: Vec<String>,
    /// From when on it is good, in seconds since 1970.
    pub not_before: i64,
    /// Until when, in seconds since 1970.
    pub not_after: i64,
    /// SHA-256 of its public key: what a TLSA record `3 1 1` holds (RFC 6698 §2.1).
    pub key_digest: [u8; 32],
    /// By what the authority knows it (RFC 9773 §4.1): the identifier of its key, and the number.
    pub(crate) identifier: Option<(Vec<u8>, Vec<u8>)>,
}

impl Facts {
    /// Of a certificate for `names`, good from and to (in seconds since 1970), with a key of this digest.
    #[must_use]
    pub fn new(names: Vec<String>, (not_before, not_after): (i64, i64), key_digest: [u8; 32]) -> Self {
        Self { names, not_before, not_after, key_digest, identifier: None }
    }

    /// Reads the first certificate of a chain in PEM form; `None` where there is none that can be read.
    #[must_use]
    pub fn of_chain(pem: &str) -> Option<Self> {
        Self::of_der(&CertificateDer::pem_slice_iter(pem.as_bytes()).next()?.ok()?)
    }

    /// Reads a certificate in DER form.
    #[must_use]
    pub fn of_der(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?.tbs_certificate;
        let names = match certificate.get::<SubjectAltName>().ok()? {
            Some((_, SubjectAltName(names))) => names.iter().filter_map(host_name).collect(),
            None => Vec::new(),
        };
        let seconds = |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).ok();
        let key = certificate.subject_public_key_info.to_der().ok()?;
        let issuer = certificate.get::<AuthorityKeyIdentifier>().ok().flatten();
        let issuer = issuer.and_then(|(_, issuer)| issuer.key_identifier);
        Some(Self {
            names,
            not_before: seconds(certificate.validity.not_before)?,
            not_after: seconds(certificate.validity.not_after)?,
            key_digest: Sha256::digest(&key).into(),
            identifier: issuer
                .map(|issuer| (issuer.as_bytes().to_vec(), certificate.serial_number.as_bytes().to_vec())),
        })
    }

    /// Whether it is made out to all of `names`.
    #[must_use]
    pub fn covers(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.names.contains(&name.to_ascii_lowercase()))
    }

    pub(crate) fn identifier(&self) -> Option<CertificateIdentifier<'static>> {
        let (issuer, number) = self.identifier.as_ref()?;
        Some(CertificateIdentifier::new(Der::from_slice(issuer), Der::from_slice(number)).into_owned())
    }
}

fn host_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    }
}

/// A new private key (ECDSA on P-256) as PKCS#8.
///
/// # Errors
/// The system gives no random numbers: a sentence.
pub fn new_key() -> Result<Vec<u8>, String> {
    KeyPair::generate().map(|key| key.serialize_der()).map_err(|error| format!("no key can be made: {error}"))
}

/// SHA-256 of the public half of a private key in PKCS#8 form, as in [`Facts::key_digest`]; `None`: it is no key.
#[must_use]
pub fn public_key_digest(pkcs8: &[u8]) -> Option<[u8; 32]> {
    let key = KeyPair::try_from(pkcs8).ok()?;
    Some(Sha256::digest(key.subject_public_key_info()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, date_time_ymd};

    #[test]
    fn a_certificate_says_whom_it_is_for_how_long_and_with_which_key() {
        let pkcs8 = new_key().unwrap();
        let key = KeyPair::try_from(&pkcs8[..]).unwrap();
        let mut params = CertificateParams::new(["Mail.example.org".into(), "192.0.2.1".into()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2026, 11, 28), date_time_ymd(2027, 2, 26));
        params.use_authority_key_identifier_extension = true;
        let certificate = params.self_signed(&key).unwrap();
        let facts = Facts::of_chain(&certificate.pem()).unwrap();
        assert_eq!(facts.names, ["mail.example.org"]);
        assert_eq!((facts.not_before, facts.not_after), (1_795_824_000, 1_795_824_000 + 90 * 86400));
        assert_eq!(Some(facts.key_digest), public_key_digest(&pkcs8));
        assert!(facts.covers(&["MAIL.example.org".to_owned()]) && !facts.covers(&["example.org".to_owned()]));
        assert_eq!(Facts::of_chain("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), None);
        assert_eq!(Facts::of_chain(""), None);
    }
}
