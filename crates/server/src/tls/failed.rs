//! A handshake that fails because a program is too old, or does not want this certificate: its owner sees only that it does not
//! connect, so the log says why.

use std::io;
use std::net::IpAddr;

use rustls::{CipherSuite, Error, PeerIncompatible};
use session::STRANGERS;
use tracing::info;

use super::hello;

/// Of the ciphers that a client offers so many are told.
const OFFERED_MAX: usize = 8;

/// Says so in the log, if it failed for what the client can or wants; anything else is no TLS, or a connection that broke. To be called
/// on the thread on which the handshake failed, before it does anything else.
pub(crate) fn note_failed(protocol: &str, address: IpAddr, error: &io::Error) {
    let Some(why) = error.get_ref().and_then(|error| error.downcast_ref()).and_then(why) else { return };
    let address = address.to_canonical();
    // Only where it failed for the ciphers rustls has shown them: else they are those of somebody before.
    let offered = hello::take_suites().filter(|_| why == NO_CIPHER).map(|suites| names(&suites));
    info!(target: STRANGERS, protocol, %address, why, offered, "TLS failed");
}

const NO_CIPHER: &str = "no cipher in common";

fn why(error: &Error) -> Option<&'static str> {
    use rustls::AlertDescription as Alert;
    Some(match error {
        Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered | PeerIncompatible::Tls12NotOfferedOrEnabled) => {
            "neither TLS 1.2 nor 1.3 is offered"
        }
        // rustls looks at it before it looks at the version; what is older than TLS 1.2 has none.
        Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired) => {
            "no signature algorithms are offered, as by programs that know no TLS 1.2"
        }
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => NO_CIPHER,
        Error::PeerIncompatible(
            PeerIncompatible::NoKxGroupsInCommon
            | PeerIncompatible::NamedGroupsExtensionRequired
            | PeerIncompatible::KeyShareExtensionRequired,
        ) => "no key exchange in common",
        Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon) => "no signature algorithm in common",
        Error::PeerIncompatible(_) => "it lacks what TLS 1.2 needs",
        Error::AlertReceived(
            Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateExpired
            | Alert::CertificateUnknown,
        ) => "the client does not trust the certificate",
        Error::AlertReceived(Alert::ProtocolVersion | Alert::HandshakeFailure | Alert::InsufficientSecurity) => {
            "the client finds version or cipher not good enough"
        }
        _ => return None,
    })
}

fn names(suites: &[u16]) -> String {
    let named = |suite: &u16| CipherSuite::from(*suite).as_str().map_or_else(|| format!("{suite:#06x}"), str::to_owned);
    let mut names: Vec<String> = suites.iter().take(OFFERED_MAX).map(named).collect();
    if let more @ 1.. = suites.len().saturating_sub(OFFERED_MAX) {
        names.push(format!("and {more} more"));
    }
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_told_in_a_bounded_line() {
        assert_eq!(names(&[0x002f, 0x0035]), "TLS_RSA_WITH_AES_128_CBC_SHA TLS_RSA_WITH_AES_256_CBC_SHA");
        assert_eq!(names(&[0x1234]), "0x1234");
        let many = names(&[0xc02b; 64]);
        assert!(many.ends_with(" TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 and 56 more") && many.len() < 400, "{many}");
    }

    #[test]
    fn a_connection_that_broke_and_what_is_no_tls_are_no_lines() {
        for error in [
            Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
            Error::AlertReceived(rustls::AlertDescription::CloseNotify),
            Error::General("x".to_owned()),
        ] {
            assert_eq!(why(&error), None, "{error}");
        }
    }
}
