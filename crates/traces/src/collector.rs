//! The way to the collector: HTTP, with or without TLS, on a thread that does nothing else.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect};
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::PATIENCE;

/// An answer is hardly ever looked at.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

pub(crate) fn is_url(url: &str) -> bool {
    let is_one = |uri: Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    url.parse().is_ok_and(is_one)
}

pub(crate) struct Collector {
    url: String,
    runtime: Runtime,
    client: Client<HttpsConnector<connect::HttpConnector>, Full<Bytes>>,
    /// Whether it took what it got last.
    is_well: AtomicBool,
}

impl Collector {
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        if url.starts_with("https") {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut connector = connect::HttpConnector::new();
        connector.enforce_http(false);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        Ok(Self { url: url.to_owned(), runtime, client, is_well: AtomicBool::new(true) })
    }

    async fn ask(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let answer = self.client.request(Request::from_parts(head, Full::new(body))).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// One line when it begins to fail, one when it is well again.
    fn note(&self, why: Option<&str>) {
        let was_well = self.is_well.swap(why.is_none(), Ordering::Relaxed);
        match why {
            Some(why) if was_well => {
                warn!(url = self.url, why, "the collector of traces takes nothing; they are left out")
            }
            None if !was_well => info!(url = self.url, "the collector of traces takes them again"),
            Some(_) | None => {}
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    /// Blocks: its thread has nothing else to do.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.runtime.block_on(async { timeout(PATIENCE, self.ask(request)).await });
        match answer {
            Ok(Ok(answer)) if answer.status().is_success() => {
                self.note(None);
                Ok(answer)
            }
            Ok(Ok(answer)) => {
                self.note(Some(&answer.status().to_string()));
                Ok(answer)
            }
            Ok(Err(error)) => {
                self.note(Some(&with_causes(&*error)));
                Err(error)
            }
            Err(_) => {
                self.note(Some("it does not answer in time"));
                Err("it does not answer in time".into())
            }
        }
    }
}

/// The client itself says only that it could not.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        text = format!("{text}: {cause}");
        below = cause.source();
    }
    text
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}
