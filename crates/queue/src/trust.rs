//! What a TLS handshake with another server needs: whom it is trusted to be.

use crate::tls_outcome::TlsFailure;
use dns::Tlsa;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256, Sha512};
use smtp_proto::TlsPolicy;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What a TLS handshake needs.
#[derive(Clone)]
pub(crate) struct Trust {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
    /// What was wrong with a certificate that was taken all the same.
    objection: Option<Objection>,
    /// Whoever has such a certificate is who it says.
    is_proof: bool,
}

type Objection = Arc<Mutex<Option<TlsFailure>>>;

/// How a connection is protected.
#[derive(Clone)]
pub(crate) enum Tls {
    /// Not at all.
    Never,
    /// If it is offered (RFC 7435); the certificate is whatever it is.
    Opportunistic(Trust),
    /// By STARTTLS, or nothing is sent.
    Required(Trust),
    /// From the first octet.
    Implicit(Trust),
}

impl Tls {
    pub(crate) fn policy(&self) -> TlsPolicy {
        match self {
            Self::Never => TlsPolicy::Never,
            Self::Opportunistic(_) => TlsPolicy::Opportunistic,
            Self::Required(_) => TlsPolicy::Required,
            Self::Implicit(_) => TlsPolicy::Implicit,
        }
    }

    pub(crate) fn trust(&self) -> Option<&Trust> {
        match self {
            Self::Never => None,
            Self::Opportunistic(trust) | Self::Required(trust) | Self::Implicit(trust) => Some(trust),
        }
    }

    /// Whether whoever is talked to so has proven who it is.
    pub(crate) fn is_proof(&self) -> bool {
        match self {
            Self::Never | Self::Opportunistic(_) => false,
            Self::Required(trust) | Self::Implicit(trust) => trust.is_proof,
        }
    }
}

impl Trust {
    /// What `config` trusts, to be `name`.
    pub(crate) fn new(config: ClientConfig, name: ServerName<'static>) -> Self {
        Self { config: Arc::new(config), name, objection: None, is_proof: true }
    }

    /// Any certificate will do: against those who only listen. `None`: `host` is neither a name nor an address.
    pub(crate) fn in_anybody(host: &str) -> Option<Self> {
        // One for all, since each takes more memory than the rest of a connection.
        static ANY: OnceLock<Option<Arc<ClientConfig>>> = OnceLock::new();
        let name = server_name(host)?;
        let any = || Published { tlsa: Vec::new(), host: name.clone(), provider: provider() };
        let config = ANY.get_or_init(|| Some(Self::with(host, any())?.config)).clone()?;
        Some(Self { config, name, objection: None, is_proof: false })
    }

    /// A certificate that matches what its owner publishes; with nothing that is usable, any (RFC 7672 §2.2).
    pub(crate) fn in_published(host: &str, tlsa: &[Tlsa]) -> Option<Self> {
        let tlsa: Vec<Tlsa> = tlsa.iter().filter(|tlsa| is_usable(tlsa)).cloned().collect();
        let is_proof = !tlsa.is_empty();
        Some(Self { is_proof, ..Self::with(host, Published { tlsa, host: server_name(host)?, provider: provider() })? })
    }

    /// A certificate that one of `roots` vouches for (RFC 8461 §4.2).
    pub(crate) fn in_roots(host: &str, roots: &Arc<RootCertStore>) -> Option<Self> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .ok()?
            .with_root_certificates(Arc::clone(roots))
            .with_no_client_auth();
        Some(Self::new(config, server_name(host)?))
    }

    /// Any certificate will do, and [`Self::objection`] says what would be wrong with it if `roots` had to vouch for it.
    pub(crate) fn in_anybody_but_noting(host: &str, roots: &Arc<RootCertStore>) -> Option<Self> {
        let strict = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), provider()).build().ok()?;
        let objection = Objection::default();
        let trust = Self::with(host, Noting { strict, objection: Arc::clone(&objection) })?;
        Some(Self { objection: Some(objection), is_proof: false, ..trust })
    }

    /// Whether whoever has such a certificate is who it says.
    pub(crate) fn is_proof(&self) -> bool {
        self.is_proof
    }

    /// What is wrong with the certificate of the last handshake.
    pub(crate) fn objection(&self) -> Option<TlsFailure> {
        *self.objection.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(host: &str, verifier: impl ServerCertVerifier + 'static) -> Option<Self> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Some(Self::new(config, server_name(host)?))
    }
}

/// Takes every certificate, and notes what is wrong with it.
#[derive(Debug)]
struct Noting {
    strict: Arc<WebPkiServerVerifier>,
    objection: Objection,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = self.strict.verify_server_cert(end_entity, intermediates, name, stapled, now);
        let objection = found.err().map(|error| TlsFailure::of(&error));
        *self.objection.lock().unwrap_or_else(PoisonError::into_inner) = objection;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}

/// Checks a certificate against TLSA records (RFC 6698, RFC 7672 §3); without any it takes all, of whatever host. Handshakes are signed by the
/// key of the certificate in either case.
#[derive(Debug)]
struct Published {
    tlsa: Vec<Tlsa>,
    host: ServerName<'static>,
    provider: Arc<CryptoProvider>,
}

impl Published {
    /// RFC 7672 §3.1.2: the certificate of whoever signs is in the chain, and the chain is checked as always, names included.
    fn is_signed_by_published(&self, chain: &[&CertificateDer<'_>], now: UnixTime) -> bool {
        let anchors = self.tlsa.iter().filter(|tlsa| tlsa.usage == 2);
        let signers: Vec<_> =
            anchors.filter_map(|tlsa| chain.iter().skip(1).find(|certificate| matches(tlsa, certificate))).collect();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(signers.into_iter().map(|certificate| (**certificate).clone().into_owned()));
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone()).build();
        let (Ok(verifier), Some((leaf, rest))) = (verifier, chain.split_first()) else { return false };
        let rest: Vec<CertificateDer<'_>> = rest.iter().map(|certificate| (**certificate).clone()).collect();
        verifier.verify_server_cert(leaf, &rest, &self.host, &[], now).is_ok()
    }
}

impl ServerCertVerifier for Published {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // RFC 7672 §3.1.1: neither names nor dates count where the certificate itself is published.
        let is_it = self.tlsa.iter().any(|tlsa| tlsa.usage == 3 && matches(tlsa, end_entity));
        let chain: Vec<&CertificateDer<'_>> = std::iter::once(end_entity).chain(intermediates).collect();
        if self.tlsa.is_empty() || is_it || self.is_signed_by_published(&chain, now) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// RFC 7672 §3.1: mail knows no other usages.
fn is_usable(tlsa: &Tlsa) -> bool {
    let length = match tlsa.matching {
        0 => !tlsa.data.is_empty(),
        1 => tlsa.data.len() == 32,
        2 => tlsa.data.len() == 64,
        _ => false,
    };
    matches!(tlsa.usage, 2 | 3) && tlsa.selector <= 1 && length
}

/// RFC 6698 §2.1.
fn matches(tlsa: &Tlsa, certificate: &CertificateDer<'_>) -> bool {
    let chosen = match tlsa.selector {
        0 => certificate.to_vec(),
        _ => match ParsedCertificate::try_from(certificate) {
            Ok(certificate) => certificate.subject_public_key_info().to_vec(),
            Err(_) => return false,
        },
    };
    match tlsa.matching {
        0 => chosen == tlsa.data,
        1 => Sha256::digest(&chosen).as_slice() == tlsa.data,
        2 => Sha512::digest(&chosen).as_slice() == tlsa.data,
        _ => false,
    }
}

/// Of a name, of an address, or of one in brackets.
fn server_name(host: &str) -> Option<ServerName<'static>> {
    let address = host.trim_start_matches('[').trim_end_matches(']').trim_start_matches("IPv6:").parse::<IpAddr>();
    match address {
        Ok(address) => Some(ServerName::from(address)),
        Err(_) => ServerName::try_from(host.to_owned()).ok(),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use std::slice::from_ref;

    struct Chain {
        leaf: CertificateDer<'static>,
        signer: CertificateDer<'static>,
    }

    fn chain() -> Chain {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let signer = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let leaf = CertificateParams::new(vec!["mx.example".into()]).unwrap();
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        Chain { leaf: leaf.der().clone(), signer: signer.der().clone() }
    }

    fn record(usage: u8, selector: u8, matching: u8, certificate: &CertificateDer<'_>) -> Tlsa {
        let chosen = match selector {
            0 => certificate.to_vec(),
            _ => ParsedCertificate::try_from(certificate).unwrap().subject_public_key_info().to_vec(),
        };
        let data = match matching {
            0 => chosen,
            1 => Sha256::digest(&chosen).to_vec(),
            _ => Sha512::digest(&chosen).to_vec(),
        };
        Tlsa { usage, selector, matching, data }
    }

    fn takes(tlsa: &[Tlsa], host: &str, chain: &Chain) -> bool {
        let tlsa = tlsa.iter().filter(|tlsa| is_usable(tlsa)).cloned().collect();
        let verifier = Published { tlsa, host: server_name(host).unwrap(), provider: provider() };
        let rest = [chain.signer.clone()];
        verifier.verify_server_cert(&chain.leaf, &rest, &verifier.host, &[], UnixTime::now()).is_ok()
    }

    #[test]
    fn a_published_certificate_is_taken_in_each_form_and_another_one_is_not() {
        let (chain, other) = (chain(), chain());
        for (selector, matching) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
            let right = record(3, selector, matching, &chain.leaf);
            assert!(takes(from_ref(&right), "any.example", &chain), "{selector} {matching}");
            assert!(!takes(from_ref(&right), "mx.example", &other), "{selector} {matching}");
            assert!(takes(&[record(3, 1, 1, &other.leaf), right], "mx.example", &chain), "one of two is enough");
        }
    }

    #[test]
    fn a_published_signer_vouches_for_the_name_it_signed_and_no_other() {
        let chain = chain();
        let signer = record(2, 0, 1, &chain.signer);
        assert!(takes(from_ref(&signer), "mx.example", &chain));
        assert!(!takes(&[signer], "other.example", &chain));
        assert!(!takes(&[record(2, 0, 1, &chain.leaf)], "mx.example", &chain), "the certificate is not its own signer");
    }

    #[test]
    fn records_that_mail_does_not_know_ask_for_no_certain_certificate() {
        let (chain, other) = (chain(), chain());
        let unusable = [record(1, 1, 1, &other.leaf), Tlsa { matching: 9, ..record(3, 1, 1, &other.leaf) }];
        assert!(takes(&unusable, "mx.example", &chain));
        let short = Tlsa { data: vec![1; 31], ..record(3, 1, 1, &other.leaf) };
        assert!(takes(&[short], "mx.example", &chain));
    }
}
