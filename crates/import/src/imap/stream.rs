//! The connection: plain or TLS.

use super::server::Server;
use crate::source::SourceError;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So long a server may take to accept a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(30);
/// So many addresses of a name are tried.
const ADDRESSES_MAX: usize = 8;
/// So long it may say nothing, or take nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// Both directions of a connection.
pub(super) trait Stream: Read + Write {
    /// Whatever is read and written until further notice fails after this moment: an octet a minute is no silence.
    fn until(&mut self, deadline: Instant);
}

/// A socket that is not waited for longer than somebody says.
pub(super) struct Timed {
    socket: TcpStream,
    deadline: Instant,
    silence: Duration,
}

impl Timed {
    /// For as long as a silence at first.
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, deadline: Instant::now() + SILENCE, silence: SILENCE }
    }

    /// How long may be waited now.
    fn left(&self) -> io::Result<Duration> {
        match self.deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::Error::new(io::ErrorKind::TimedOut, "a command took longer than it may")),
            left => Ok(left.min(self.silence)),
        }
    }

    /// What a wait that was too long is told as.
    fn timed(&self, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => match self.left() {
                Err(late) => late,
                Ok(_) => io::Error::new(io::ErrorKind::TimedOut, "it was silent for too long"),
            },
            _ => error,
        }
    }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(into).map_err(|error| self.timed(error))
    }
}

impl Write for Timed {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(octets).map_err(|error| self.timed(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Stream for Timed {
    fn until(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }
}

impl Stream for StreamOwned<ClientConnection, Timed> {
    fn until(&mut self, deadline: Instant) {
        self.sock.until(deadline);
    }
}

/// Connects, without TLS yet.
pub(super) fn connect(server: &Server) -> Result<TcpStream, SourceError> {
    let broken = |error: io::Error| {
        SourceError::Broken(format!("{}, port {}, cannot be reached: {error}", server.host, server.port))
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    let addresses = (server.host.as_str(), server.port).to_socket_addrs().map_err(broken)?;
    for address in addresses.take(ADDRESSES_MAX) {
        match TcpStream::connect_timeout(&address, CONNECT_PATIENCE) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(broken)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(broken(last))
}

/// TLS on a connection. The handshake comes with the first octets.
pub(super) fn secure(server: &Server, stream: TcpStream) -> Result<Box<dyn Stream>, SourceError> {
    let refused = |what: String| SourceError::Refused(format!("no TLS with {}: {what}", server.host));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(error.to_string()))?;
    let config = match &server.authorities {
        Some(None) => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
        Some(Some(file)) => builder.with_root_certificates(of_file(file).map_err(refused)?),
        None => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            builder.with_root_certificates(roots)
        }
    };
    let name = ServerName::try_from(server.host.clone()).map_err(|error| refused(error.to_string()))?;
    let connection = ClientConnection::new(Arc::new(config.with_no_client_auth()), name);
    let connection = connection.map_err(|error| refused(error.to_string()))?;
    Ok(Box::new(StreamOwned::new(connection, Timed::new(stream))))
}

fn of_file(file: &str) -> Result<RootCertStore, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("{file} has no certificates in PEM: {error}");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))? {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        roots.add(certificate).map_err(|error| unreadable(&error))?;
    }
    Ok(roots)
}

/// What a failed read or write means: a certificate that is not trusted does not get better.
pub(super) fn broken(host: &str, error: &io::Error) -> SourceError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(why)) => SourceError::Refused(format!(
            "the certificate of {host} is not to be trusted ({why}); use the name that the certificate has, say with --authority \
             whom you trust, or take any certificate with --any-certificate"
        )),
        Some(_) | None => SourceError::Broken(format!("the connection with {host} broke: {error}")),
    }
}

/// Takes any certificate: somebody said so.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
