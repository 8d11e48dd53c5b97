//! Requests to the authority, over TLS only: one connection for each, bounded in time and size.

use std::error::Error as StdError;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dns::Dns;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// An answer takes no longer, from the look-up of the name on.
const REQUEST_PATIENCE: Duration = Duration::from_secs(30);
/// A chain of certificates has some kilobytes; nothing else is longer.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

type Failure = Box<dyn StdError + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Https {
    pub(crate) dns: Dns,
    pub(crate) tls: Arc<ClientConfig>,
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let https = self.clone();
        Box::pin(async move {
            let answered = timeout(REQUEST_PATIENCE, https.exchange(request)).await;
            answered.unwrap_or_else(|_| Err("the authority does not answer".into())).map_err(Error::Other)
        })
    }
}

impl Https {
    async fn exchange(&self, mut request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Failure> {
        let uri = request.uri().clone();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if uri.scheme_str() != Some("https") || host.is_empty() {
            return Err(format!("{uri} is no address of an authority: it must begin with https://").into());
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        request.headers_mut().insert(HOST, HeaderValue::from_str(authority)?);
        // RFC 9112 §3.2.1: only the path, to the server itself.
        *request.uri_mut() = uri.path_and_query().map_or("/", |path| path.as_str()).parse::<Uri>()?;
        let socket = self.connect(&host, uri.port_u16().unwrap_or(443)).await?;
        let name = ServerName::try_from(host)?;
        let stream = TlsConnector::from(self.tls.clone()).connect(name, socket).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driving = tokio::spawn(connection);
        let answer = sender.send_request(request).await;
        let read = match answer {
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map(|body| body.to_bytes());
                body.map(|body| BytesResponse::from(Response::from_parts(head, Full::new(body))))
            }
            Err(error) => Err(error.into()),
        };
        driving.abort();
        read
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Failure> {
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.dns.addresses(host).await.map_err(|error| error.to_string())?.records,
        };
        let mut failed: Failure = format!("{host} has no address").into();
        for address in addresses {
            match TcpStream::connect(SocketAddr::new(address, port)).await {
                Ok(socket) => return Ok(socket),
                Err(error) => failed = format!("no connection to {host} ({address}): {error}").into(),
            }
        }
        Err(failed)
    }
}
