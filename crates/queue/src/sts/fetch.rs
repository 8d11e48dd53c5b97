//! Gets a policy over HTTPS (RFC 8461 §3.3): from the one host that may have it, whose certificate is checked, without following
//! to another place, and no more of it than a policy may be long.

use dns::Dns;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// RFC 8461 §3.3 suggests 64 KiB and a minute.
const POLICY_BYTES_MAX: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(60);
/// So many addresses of the host are tried.
const ADDRESSES_MAX: usize = 4;

/// Where policies are asked for.
pub(super) struct Https {
    pub(super) config: Arc<ClientConfig>,
    /// 443 but in tests.
    pub(super) port: u16,
    /// Addresses of this machine itself are asked too.
    pub(super) asks_here: bool,
}

/// The octets of the policy of `domain`; else what went wrong.
pub(super) async fn fetch(dns: &Dns, https: &Https, domain: &str) -> Result<Bytes, String> {
    tokio::time::timeout(TIMEOUT, fetch_in_time(dns, https, domain)).await.unwrap_or(Err("it took too long".to_owned()))
}

async fn fetch_in_time(dns: &Dns, https: &Https, domain: &str) -> Result<Bytes, String> {
    let host = format!("mta-sts.{domain}");
    let found = dns.addresses(&host).await.map_err(|error| error.to_string())?;
    let mut addresses =
        found.records.into_iter().filter(|address| https.asks_here || !address.is_loopback()).peekable();
    if addresses.peek().is_none() {
        return Err(format!("{host} has no address"));
    }
    let mut failure = String::new();
    for address in addresses.take(ADDRESSES_MAX) {
        match TcpStream::connect(SocketAddr::new(address, https.port)).await {
            Ok(socket) => return ask(socket, https, host).await,
            Err(error) => failure = format!("{address}: {error}"),
        }
    }
    Err(failure)
}

async fn ask(socket: TcpStream, https: &Https, host: String) -> Result<Bytes, String> {
    let name = ServerName::try_from(host.clone()).map_err(|_| format!("{host} is no name of a host"))?;
    let tls = TlsConnector::from(Arc::clone(&https.config)).connect(name, socket).await;
    let tls = tls.map_err(|error| format!("TLS: {error}"))?;
    let told = |error: hyper::Error| format!("HTTP: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await.map_err(told)?;
    // It ends with the answer, or when nobody waits for that any more.
    tokio::spawn(connection);
    let request = Request::get("/.well-known/mta-sts.txt")
        .header(HOST, host)
        .header(USER_AGENT, "Pillarbox")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(told)?;
    // RFC 8461 §3.3: redirects are not followed.
    if response.status() != StatusCode::OK {
        return Err(format!("HTTP: {}", response.status()));
    }
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    // RFC 8461 §3.3: whoever may put pictures on a server is not its owner.
    if !media_type.eq_ignore_ascii_case("text/plain") {
        return Err(format!("HTTP: {media_type:?} instead of text/plain"));
    }
    let body = Limited::new(response.into_body(), POLICY_BYTES_MAX).collect().await;
    body.map(|body| body.to_bytes()).map_err(|error| format!("HTTP: {error}"))
}
