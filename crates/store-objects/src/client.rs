//! HTTP to a bucket: connections that are used again, TLS with the one provider there is, and a time for everything.

use crate::s3_options::S3Options;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, connect};
use hyper_util::rt::TokioExecutor;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A connection is there within this time.
const CONNECT: Duration = Duration::from_secs(5);
/// An answer begins within this time ...
const ANSWER: Duration = Duration::from_secs(30);
/// ... and one more second for each so many octets that are sent.
const BYTES_PER_SECOND_MIN: usize = 256 * 1024;
/// Something more of an answer comes within this time.
const STALL: Duration = Duration::from_secs(15);
/// A connection that is not used is kept for so long: servers close them after a minute, as a rule.
const IDLE: Duration = Duration::from_secs(30);

/// The client of one bucket.
#[derive(Clone)]
pub(crate) struct Client(legacy::Client<HttpsConnector<connect::HttpConnector>, HttpRequestBody>);

impl Client {
    pub(crate) fn new(options: &S3Options) -> Result<Self, String> {
        let mut connector = connect::HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(options)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self(client))
    }

    async fn request(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let sending = Duration::from_secs((request.body().content_length() / BYTES_PER_SECOND_MIN) as u64);
        let answer = timeout(ANSWER + sending, self.0.request(request)).await.map_err(|_| too_late("an answer"))?;
        let (head, mut body) = answer.map_err(broken)?.into_parts();
        let mut octets = BytesMut::new();
        while let Some(frame) = timeout(STALL, body.frame()).await.map_err(|_| too_late("the rest of an answer"))? {
            let frame = frame.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))?;
            if let Ok(data) = frame.into_data() {
                octets.extend_from_slice(&data);
            }
        }
        let body = Full::new(Bytes::from(octets)).map_err(|never| match never {});
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl HttpConnector for Client {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for Client {
    fn call<'s, 'a>(
        &'s self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>
    where
        's: 'a,
        Self: 'a,
    {
        Box::pin(self.request(request))
    }
}

fn too_late(what: &str) -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, io::Error::new(io::ErrorKind::TimedOut, format!("{what} takes too long")))
}

/// With what lies below: the client itself says only that it could not.
fn broken(error: legacy::Error) -> HttpError {
    let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Interrupted };
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        text = format!("{text}: {cause}");
        below = cause.source();
    }
    HttpError::new(kind, io::Error::other(text))
}

fn tls(options: &S3Options) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &options.authority {
        Some(file) => {
            let cannot = |error: &dyn fmt::Display| format!("its authority in {}: {error}", file.display());
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| cannot(&error))? {
                roots.add(certificate.map_err(|error| cannot(&error))?).map_err(|error| cannot(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(|error| format!("TLS: {error}"))?.with_root_certificates(roots).with_no_client_auth())
}
