//! Who vouches for NATS.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// `authority`: a PEM file with those who vouch for it; `None`: those of the system.
pub(crate) fn client(authority: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match authority {
        Some(file) => {
            let cannot = |error: &dyn std::fmt::Display| {
                format!("cannot read the authority of NATS in {}: {error}", file.display())
            };
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| cannot(&error))? {
                roots.add(certificate.map_err(|error| cannot(&error))?).map_err(|error| cannot(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS to NATS: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
