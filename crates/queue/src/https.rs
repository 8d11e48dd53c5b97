//! HTTPS with hosts that strangers name: policies are fetched from them (MTA-STS), and reports handed to them (RFC 8460 §3). The
//! certificate is always checked, nothing is followed to another place, and no request is longer than a minute.
//!
//! Not here: what is made of an answer.

use crate::smarthost::{Roots, SmarthostError};
use dns::Dns;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// RFC 8461 §3.3 suggests a minute.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);
/// So many addresses of a host are tried.
const ADDRESSES_MAX: usize = 4;

/// How such hosts are asked. Cheap to clone.
#[derive(Clone)]
pub struct Https {
    config: Arc<ClientConfig>,
    /// 443 but in tests.
    port: u16,
}

/// Why something was not handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotPosted {
    /// It would be no other the next time.
    Never(String),
    /// It may be another time.
    Later(String),
}

impl Https {
    /// Trusts certificates of `roots`. `port`: 443 but in tests; with 443 nothing is handed to addresses of private networks.
    ///
    /// # Errors
    /// Certificates that cannot be read.
    pub fn new(roots: &Roots, port: u16) -> Result<Self, SmarthostError> {
        Self::with(Arc::new(roots.load()?), port)
    }

    /// The same with certificates at hand.
    pub(crate) fn with(roots: Arc<RootCertStore>, port: u16) -> Result<Self, SmarthostError> {
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| SmarthostError::Roots(format!("TLS: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), port })
    }

    /// Asks a host for what is at `path`. No address of this machine itself is asked.
    pub(crate) async fn get(&self, dns: &Dns, host: &str, path: &str) -> Result<Response<Incoming>, String> {
        let is_fit = |address: &IpAddr| !address.is_loopback();
        self.request(dns, host, is_fit, request(Method::GET, (host, path))?.body(Full::default())).await
    }

    /// Hands something to a host, within a minute. RFC 8460 §3 says `POST`, and no more of it; any answer from 200 to 299 means that it
    /// is taken. Who names the host may be anybody: addresses of private networks are handed nothing.
    ///
    /// # Errors
    /// [`NotPosted`].
    pub async fn post(
        &self,
        dns: &Dns,
        (host, path): (&str, &str),
        media_type: &str,
        body: Vec<u8>,
    ) -> Result<(), NotPosted> {
        let posting = async {
            let request = request(Method::POST, (host, path)).map_err(NotPosted::Never)?;
            let request = request.header(CONTENT_TYPE, media_type).body(Full::new(Bytes::from(body)));
            // What comes of a connection says nothing of the next one.
            let response = self.request(dns, host, is_public, request).await.map_err(NotPosted::Later)?;
            let status = response.status();
            let is_for_now = status.is_server_error()
                || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
            match status {
                status if status.is_success() => Ok(()),
                status if is_for_now => Err(NotPosted::Later(format!("HTTP: {status}"))),
                status => Err(NotPosted::Never(format!("HTTP: {status}"))),
            }
        };
        let took_too_long = |_| Err(NotPosted::Later("it took too long".to_owned()));
        tokio::time::timeout(TIMEOUT, posting).await.unwrap_or_else(took_too_long)
    }

    async fn request(
        &self,
        dns: &Dns,
        host: &str,
        is_fit: impl Fn(&IpAddr) -> bool,
        request: Result<Request<Full<Bytes>>, hyper::http::Error>,
    ) -> Result<Response<Incoming>, String> {
        let request = request.map_err(|error| error.to_string())?;
        let socket = self.connect(dns, host, is_fit).await?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("{host} is no name of a host"))?;
        let tls = TlsConnector::from(Arc::clone(&self.config)).connect(name, socket).await;
        let tls = tls.map_err(|error| format!("TLS: {error}"))?;
        let told = |error: hyper::Error| format!("HTTP: {error}");
        let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await.map_err(told)?;
        // It ends with the answer, or when nobody waits for that any more; also where the host does not read what it is told last.
        tokio::spawn(tokio::time::timeout(TIMEOUT, connection));
        sender.send_request(request).await.map_err(told)
    }

    async fn connect(&self, dns: &Dns, host: &str, is_fit: impl Fn(&IpAddr) -> bool) -> Result<TcpStream, String> {
        let found = dns.addresses(host).await.map_err(|error| error.to_string())?;
        let is_test = self.port != 443;
        let addresses = found.records.into_iter().filter(|address| is_test || is_fit(&address.to_canonical()));
        let mut failure = format!("{host} has no address that may be asked");
        for address in addresses.take(ADDRESSES_MAX) {
            match TcpStream::connect(SocketAddr::new(address, self.port)).await {
                Ok(socket) => return Ok(socket),
                Err(error) => failure = format!("{address}: {error}"),
            }
        }
        Err(failure)
    }
}

fn request(method: Method, (host, path): (&str, &str)) -> Result<hyper::http::request::Builder, String> {
    let uri = path.parse::<hyper::Uri>().map_err(|error| error.to_string())?;
    let request = Request::builder().method(method).uri(uri);
    Ok(request.header(HOST, host).header(USER_AGENT, "Pillarbox").header(CONNECTION, "close"))
}

/// Whether an address is one of the Internet's (RFC 6890), so that a stranger who names a host reaches nothing by us that is behind
/// the same wall.
fn is_public(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            let is_shared = a == 100 && b & 0xc0 == 64;
            let is_special = matches!((a, b, c), (0, ..) | (192, 0, 0) | (198, 18..=19, _) | (240..=255, ..));
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || is_shared
                || is_special)
        }
        // RFC 4291 §2.4: global unicast; but for 6to4 (RFC 3056), which leads to any IPv4 address.
        IpAddr::V6(address) => address.segments()[0] & 0xe000 == 0x2000 && address.segments()[0] != 0x2002,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_a_host_reaches_nothing_behind_our_wall() {
        let check = |addresses: &[&str], expected| {
            for address in addresses {
                assert_eq!(is_public(&address.parse().unwrap()), expected, "{address}");
            }
        };
        check(&["8.8.8.8", "192.0.1.1", "100.63.0.1", "172.32.0.1", "2001:4860::1"], true);
        check(
            &["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"],
            false,
        );
        check(&["192.0.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255"], false);
        check(&["::1", "::", "fe80::1", "fc00::1", "ff02::1", "64:ff9b::a00:1", "2002:a00:1::1"], false);
    }
}
