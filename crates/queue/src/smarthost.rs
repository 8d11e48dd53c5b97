//! The server that outside mail is handed to, and whom it is trusted to be.
//!
//! Its certificate is checked against the roots of the operating system (rustls-native-certs, which obeys
//! `SSL_CERT_FILE`), or against a file of the operator's choice. There is no switch that skips the check.

use crate::trust::{Tls, Trust};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use smtp_proto::Credentials;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// How a smarthost is reached.
#[derive(Clone, Debug)]
pub struct Smarthost {
    /// A host name or an address; the certificate must be made out to it.
    pub host: String,
    /// 587 for STARTTLS, 465 for implicit TLS.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// Who signs the smarthost's certificate.
    pub roots: Roots,
    /// Who this server is there, if it asks.
    pub credentials: Option<Credentials>,
    /// This server's own name: for EHLO, and in bounces.
    pub hello: String,
    /// So many connections at most at the same time; 1 at least.
    pub connections_max: usize,
}

/// How a connection to the smarthost is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// STARTTLS, without which nothing is sent (RFC 3207).
    StartTls,
    /// TLS from the first octet (RFC 8314 §3.3).
    Tls,
    /// None: the smarthost must be on this machine.
    Loopback,
    /// None, over a network: messages and password can be read by others. Only on an operator's explicit word.
    Cleartext,
}

/// Who may sign the smarthost's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Whom the operating system trusts.
    System,
    /// Those in a PEM file, and nobody else.
    File(PathBuf),
}

/// Why a smarthost cannot be used as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmarthostError {
    /// The host is neither a name nor an address.
    Host(String),
    /// The certificates: where, what is wrong, what to do.
    Roots(String),
    /// A thread could not be started: why.
    Thread(String),
}

impl fmt::Display for SmarthostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "the smarthost {host:?} is neither a host name nor an address"),
            Self::Roots(what) => f.write_str(what),
            Self::Thread(what) => write!(f, "the queue's thread could not be started: {what}"),
        }
    }
}

impl std::error::Error for SmarthostError {}

impl Smarthost {
    /// How connections to it are protected.
    pub(crate) fn tls(&self) -> Result<Tls, SmarthostError> {
        let protect: fn(Trust) -> Tls = match self.security {
            Security::Loopback | Security::Cleartext => return Ok(Tls::Never),
            Security::StartTls => Tls::Required,
            Security::Tls => Tls::Implicit,
        };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|InvalidDnsNameError| SmarthostError::Host(self.host.clone()))?;
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| SmarthostError::Roots(format!("TLS: {error}")))?
            .with_root_certificates(self.roots.load()?)
            .with_no_client_auth();
        Ok(protect(Trust::new(config, name)))
    }
}

impl Roots {
    pub(crate) fn load(&self) -> Result<RootCertStore, SmarthostError> {
        let mut store = RootCertStore::empty();
        match self {
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                store.add_parsable_certificates(found.certs);
                if store.is_empty() {
                    let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
                    return Err(SmarthostError::Roots(format!(
                        "this system has no trusted certificates ({}): install them (package ca-certificates) or name a \
                         file with the smarthost's own",
                        errors.join("; ")
                    )));
                }
            }
            Self::File(path) => {
                let wrong = |what: &dyn fmt::Display| {
                    SmarthostError::Roots(format!("{}: {what}; it must hold PEM certificates", path.display()))
                };
                let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))?;
                for certificate in certificates {
                    let certificate = certificate.map_err(|error| wrong(&error))?;
                    store.add(certificate).map_err(|error| wrong(&error))?;
                }
                if store.is_empty() {
                    return Err(wrong(&"no certificate in it"));
                }
            }
        }
        Ok(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn trust(host: &str, roots: Roots) -> Result<bool, SmarthostError> {
        let smarthost = Smarthost {
            host: host.into(),
            port: 1,
            security: Security::Tls,
            roots,
            credentials: None,
            hello: "pc".into(),
            connections_max: 1,
        };
        smarthost.tls().map(|tls| tls.trust().is_some())
    }

    #[test]
    fn a_file_must_hold_certificates() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let roots = Roots::File(file.path().to_owned());
        let error = trust("relay.example", roots.clone()).unwrap_err().to_string();
        assert!(error.contains(&*file.path().to_string_lossy()) && error.contains("no certificate"), "{error}");
        let own = rcgen::generate_simple_self_signed(vec!["relay.example".into()]).unwrap();
        file.write_all(own.cert.pem().as_bytes()).unwrap();
        assert_eq!(trust("relay.example", roots.clone()), Ok(true));
        assert_eq!(trust("not a name", roots), Err(SmarthostError::Host("not a name".into())));
        assert!(matches!(trust("relay.example", Roots::File("/nowhere".into())), Err(SmarthostError::Roots(_))));
    }
}
