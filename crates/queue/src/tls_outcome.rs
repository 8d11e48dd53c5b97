//! What TLS made of sessions with hosts of other domains, for whoever tells their owners (RFC 8460).

use rustls::{CertificateError, Error};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// Told of each session with a host of a domain, from the sender's threads: it must not wait for anything. Not of those that were
/// opened for reports and letters of the server itself (RFC 8460 §3), or each report on sessions would make the next.
pub type TlsListener = Arc<dyn Fn(TlsOutcome) + Send + Sync>;

/// One session, or why there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOutcome {
    /// Whose mail it is, in lower case.
    pub domain: String,
    /// What the domain says of its hosts.
    pub promise: Promise,
    /// The host; empty where it did not come that far.
    pub host: String,
    /// Its address, if it took the connection.
    pub address: Option<IpAddr>,
    /// `None`: mail could go over TLS as it was promised.
    pub failure: Option<TlsFailure>,
}

/// What a domain says of TLS at its hosts (RFC 8460 §4.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Promise {
    /// TLSA records, as they are written in zones.
    Tlsa(Vec<String>),
    /// A policy of MTA-STS.
    Sts {
        /// Line by line; empty where it could not be had.
        lines: Vec<String>,
        /// The hosts that it names.
        mx: Vec<String>,
    },
    /// Nothing.
    Nothing,
}

/// What was wrong (RFC 8460 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsFailure {
    /// The host offers no STARTTLS, or refuses it.
    NotSupported,
    /// The certificate is made out to somebody else.
    HostMismatch,
    /// The certificate's time is over, or to come.
    Expired,
    /// Nobody who is trusted vouches for the certificate.
    NotTrusted,
    /// Anything else: the handshake broke, no published certificate fits, or the policy does not name the host.
    Invalid,
    /// The policy of MTA-STS could not be fetched.
    PolicyUnreachable,
    /// It was fetched, and is none.
    PolicyInvalid,
}

impl TlsFailure {
    /// The name that it has in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotSupported => "starttls-not-supported",
            Self::HostMismatch => "certificate-host-mismatch",
            Self::Expired => "certificate-expired",
            Self::NotTrusted => "certificate-not-trusted",
            Self::Invalid => "validation-failure",
            Self::PolicyUnreachable => "sts-policy-fetch-error",
            Self::PolicyInvalid => "sts-policy-invalid",
        }
    }

    /// What a handshake failed of.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            ) => Self::Expired,
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => Self::HostMismatch,
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => Self::NotTrusted,
            _ => Self::Invalid,
        }
    }
}
