//! HTTP/1.1 connections (RFC 9112): hyper reads requests and writes answers, the router of crate `web` makes them.
//!
//! A client has a time for its TLS handshake, for the head of a request (which is also how long an idle connection
//! lasts) and for taking what we send; how long a body may be, and take, is the router's affair.
//!
//! Invariant: at a stop, the request that is being answered is answered, and nothing is read after it.

mod challenge;
mod monitor;
mod redirect;
mod stall;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use acme::{Challenges, TLS_ALPN};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use session::SessionId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::debug;
use web::{Peer, Router};

use crate::clock::Clock;
use crate::service::Service;
use crate::tls::note_failed;
pub(crate) use monitor::{Token, monitor};
pub(crate) use redirect::to_pages;
use stall::StallGuard;

/// The head of a request: request line and fields.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// So long a standby may take nothing.
const STANDBY_STALL_MILLIS: u64 = 600_000;
/// Its fields.
const FIELDS_MAX: usize = 64;

/// What all connections of a listener for pages have in common.
pub struct Pages {
    /// Answers requests.
    pub router: Router,
    /// What a certificate authority may look for here.
    pub challenges: Challenges,
    /// For TLS from the first byte; without it there is none.
    pub tls: Option<Arc<ServerConfig>>,
    /// The server's clock.
    pub clock: Clock,
    /// How long a client may take.
    pub timeouts: HttpTimeouts,
}

/// How long a client may take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpTimeouts {
    /// For the TLS handshake.
    pub handshake_millis: u64,
    /// For the head of a request, from the end of the one before.
    pub head_millis: u64,
    /// For taking any part of what we send.
    pub write_stall_millis: u64,
}

impl HttpTimeouts {
    /// A standby fetches large messages before it takes more of an answer.
    pub(crate) fn of(service: Service) -> Self {
        let usual = Self::default();
        let stall = if service == Service::Standby { STANDBY_STALL_MILLIS } else { usual.write_stall_millis };
        Self { write_stall_millis: stall, ..usual }
    }
}

impl Default for HttpTimeouts {
    fn default() -> Self {
        Self { handshake_millis: 30_000, head_millis: 60_000, write_stall_millis: 60_000 }
    }
}

/// The configuration of a TLS listener, for HTTP/1.1 (RFC 7301: a client that speaks only something else is told so) and for a
/// certificate authority, whose handshake fails unless an order is open.
#[must_use]
pub(crate) fn with_http(tls: &ServerConfig) -> Arc<ServerConfig> {
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![b"http/1.1".to_vec(), TLS_ALPN.to_vec()];
    Arc::new(tls)
}

/// Serves one connection until it is over, or until `stop` becomes true (or its sender is dropped) and the answer that
/// is being made is out.
pub(crate) async fn serve_pages(
    socket: TcpStream,
    address: SocketAddr,
    pages: Arc<Pages>,
    stop: watch::Receiver<bool>,
) {
    let timeouts = pages.timeouts;
    let socket = StallGuard::new(socket, Duration::from_millis(timeouts.write_stall_millis));
    let Some(tls) = pages.tls.clone() else { return answer(socket, (address, None), &pages, stop).await };
    let shaken = timeout(Duration::from_millis(timeouts.handshake_millis), TlsAcceptor::from(tls).accept(socket)).await;
    match shaken {
        // RFC 8737 §3: it has seen the certificate, and nothing is spoken.
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(TLS_ALPN) => {
            debug!(peer = %address, "an authority has looked for a host name");
        }
        Ok(Ok(stream)) => {
            let version = stream.get_ref().1.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
            let version = version.replace("TLSv1_", "TLSv1.");
            answer(stream, (address, Some(version)), &pages, stop).await;
        }
        Ok(Err(error)) => {
            note_failed("web", address.ip(), &error);
            debug!(peer = %address, %error, "no TLS session");
        }
        Err(_) => debug!(peer = %address, "TLS handshake takes too long"),
    }
}

/// `client`: where it is, and under which version of TLS.
async fn answer<S>(stream: S, client: (SocketAddr, Option<String>), pages: &Pages, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (address, tls) = client;
    let peer = Peer { address: address.ip().to_canonical(), tls };
    let (router, challenges) = (pages.router.clone(), pages.challenges.clone());
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let (router, proof) = (router.clone(), challenge::answer(&challenges, &request));
        async move {
            match proof {
                Some(proof) => Ok(proof),
                None => router.oneshot(request).await,
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(pages.timeouts.head_millis))
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(FIELDS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut stopping = pin!(async move {
        let _gone = stop.wait_for(|stop| *stop).await;
    });
    let (mut stopped, session) = (false, SessionId::begun(pages.clock.now()));
    let ended = poll_fn(|context| {
        let _at_work = session.work();
        if !stopped && stopping.as_mut().poll(context).is_ready() {
            stopped = true;
            connection.as_mut().graceful_shutdown();
        }
        match connection.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(ended),
            Poll::Pending => Poll::Pending,
        }
    });
    if let Err(error) = ended.await {
        debug!(peer = %address, %error, "connection broke");
    }
}

#[cfg(test)]
mod tests;
