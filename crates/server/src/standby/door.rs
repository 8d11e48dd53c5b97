//! The server's door for its standby: HTTP within TLS, and nothing for whoever does not show the token.
//!
//! | request | answer |
//! |---|---|
//! | `GET /heads` | the heads of all keyspaces |
//! | `GET /news?epoch=N&position=N&wait=MILLIS` | what was committed since; 410: it is not known any more |
//! | `POST /compare?keyspace=N` | what differs from the ranges in the body: pieces, each with its length before it (4 octets) |
//! | `GET /object?keyspace=N&name=NAME` | a large message; 404: there is none |
//! | `GET /beside` | the files beside the store, as JSON |
//! | `POST /superseded` | this server stops, and does not start again |

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as HttpBody, Bytes, Frame};
use hyper::header::{CACHE_CONTROL, CONNECTION};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use rustix::process::{Signal, getpid, kill_process};
use standby::{Error, Lineage, Place, Source};
use store::{AccountId, Timestamp};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tracing::{error, warn};
use web::{Body, Router};

use super::beside;
use crate::clock::Clock;
use crate::http::Token;
use crate::standing::supersede;

/// So many requests are answered at the same time, of all standbys.
const REQUESTS_MAX: usize = 8;
/// What a standby says that it has of a keyspace: 300 octets for each 256 KiB.
const RANGES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Whoever asks for news waits at most so long.
const WAIT_MILLIS_MAX: u64 = 10_000;
/// Pieces on their way: a standby that takes none has none read for it.
const PIECES_MAX: usize = 4;

/// What stands behind the door.
struct Door {
    source: Arc<Source>,
    token: Token,
    directory: PathBuf,
    clock: Clock,
    requests: Arc<Semaphore>,
}

/// Answers standbys of `source`, whose data directory is `directory`.
pub(crate) fn door(source: Arc<Source>, token: Token, directory: PathBuf, clock: Clock) -> Router {
    let requests = Arc::new(Semaphore::new(REQUESTS_MAX));
    let door = Arc::new(Door { source, token, directory, clock, requests });
    Router::new().fallback(move |request: Request<Body>| {
        let door = door.clone();
        let (head, body) = request.into_parts();
        async move { door.answer(head, body).await }
    })
}

impl Door {
    async fn answer(self: Arc<Self>, head: Parts, body: Body) -> Response<Body> {
        if !self.token.is_shown(&head.headers) {
            // Nothing tells a stranger what this is.
            let mut refused = respond(StatusCode::UNAUTHORIZED, Body::empty());
            refused.headers_mut().insert(CONNECTION, hyper::header::HeaderValue::from_static("close"));
            return refused;
        }
        let Ok(permit) = self.requests.clone().acquire_owned().await else {
            return respond(StatusCode::SERVICE_UNAVAILABLE, Body::empty());
        };
        let asked = Asked(head.uri.query().unwrap_or_default().to_owned());
        match (&head.method, head.uri.path()) {
            (&Method::GET, "/heads") => blocking(permit, move || self.source.heads().map(Some)).await,
            (&Method::GET, "/news") => self.news(permit, &asked).await,
            (&Method::POST, "/compare") => self.compare(permit, &asked, body).await,
            (&Method::GET, "/object") => {
                let Some((account, name)) = asked.account().zip(asked.value("name").map(str::to_owned)) else {
                    return respond(StatusCode::BAD_REQUEST, Body::empty());
                };
                blocking(permit, move || self.source.object(account, &name)).await
            }
            (&Method::GET, "/beside") => {
                let read = move || {
                    let files = beside(&self.directory).map_err(|error| Error::Fault(error.to_string()))?;
                    serde_json::to_vec(&files).map(Some).map_err(|error| Error::Fault(error.to_string()))
                };
                blocking(permit, read).await
            }
            (&Method::POST, "/superseded") => self.superseded(&asked),
            _ => respond(StatusCode::NOT_FOUND, Body::empty()),
        }
    }

    async fn news(self: Arc<Self>, permit: OwnedSemaphorePermit, asked: &Asked) -> Response<Body> {
        let place = asked.number("epoch").zip(asked.number("position"));
        let Some((epoch, position)) = place else { return respond(StatusCode::BAD_REQUEST, Body::empty()) };
        let wait = Duration::from_millis(asked.number("wait").unwrap_or_default().min(WAIT_MILLIS_MAX));
        let news = spawn_blocking(move || {
            let _permit = permit;
            self.source.news(Place { epoch, position }, wait, || self.clock.now().unix_millis)
        });
        match news.await {
            Ok(Some(news)) => respond(StatusCode::OK, Body::from(news)),
            Ok(None) => respond(StatusCode::GONE, Body::empty()),
            Err(_) => respond(StatusCode::INTERNAL_SERVER_ERROR, Body::empty()),
        }
    }

    async fn compare(self: Arc<Self>, permit: OwnedSemaphorePermit, asked: &Asked, body: Body) -> Response<Body> {
        let ranges = Limited::new(body, RANGES_BYTES_MAX).collect().await;
        let (Some(account), Ok(ranges)) = (asked.account(), ranges) else {
            return respond(StatusCode::BAD_REQUEST, Body::empty());
        };
        let (pieces, sent) = channel(PIECES_MAX);
        drop(spawn_blocking(move || {
            let _permit = permit;
            let compared = self.source.compare(account, &ranges.to_bytes(), &mut |piece| {
                let length = u32::try_from(piece.len()).map_err(|error| Error::Fault(error.to_string()))?;
                let piece = Bytes::from([&length.to_be_bytes(), piece].concat());
                pieces.blocking_send(Ok(piece)).map_err(|_| Error::Fault("the standby has gone".to_owned()))
            });
            if let Err(error) = compared {
                warn!(keyspace = %account, %error, "a standby does not get all that it asked for");
                // An answer without its end is none.
                drop(pieces.blocking_send(Err(io::Error::other(error.to_string()))));
            }
        }));
        respond(StatusCode::OK, Body::new(Pieces(sent)))
    }

    /// Sessions end as at every stop: what they are told in their last seconds, the standby does not have.
    fn superseded(&self, asked: &Asked) -> Response<Body> {
        let lineage = asked.value("lineage").and_then(|hex| blake3::Hash::from_hex(hex).ok());
        if !lineage.is_some_and(|hash| self.source.is_of(Lineage(*hash.as_bytes()))) {
            return respond(StatusCode::CONFLICT, Body::from("this is not the server that was followed"));
        }
        let now = Timestamp(self.clock.now().unix_millis);
        if let Err(error) = supersede(&self.directory, now) {
            error!(%error, "a standby was promoted, and that could not be noted: do not start this server again");
            return respond(StatusCode::INTERNAL_SERVER_ERROR, Body::empty());
        }
        error!("a standby of this server was promoted: this one stops, and does not start again");
        match kill_process(getpid(), Signal::TERM) {
            Ok(()) => respond(StatusCode::OK, Body::empty()),
            Err(_) => respond(StatusCode::INTERNAL_SERVER_ERROR, Body::empty()),
        }
    }
}

/// The part of an address behind `?`.
struct Asked(String);

impl Asked {
    fn value(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.value(name)?.parse().ok()
    }

    fn account(&self) -> Option<AccountId> {
        self.number("keyspace").and_then(|number| u32::try_from(number).ok()).map(AccountId)
    }
}

async fn blocking(
    permit: OwnedSemaphorePermit,
    work: impl FnOnce() -> Result<Option<Vec<u8>>, Error> + Send + 'static,
) -> Response<Body> {
    let done = spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    match done.await {
        Ok(Ok(Some(answer))) => respond(StatusCode::OK, Body::from(answer)),
        Ok(Ok(None)) => respond(StatusCode::NOT_FOUND, Body::empty()),
        Ok(Err(Error::Refused(what))) => respond(StatusCode::CONFLICT, Body::from(what)),
        Ok(Err(Error::Fault(what))) => {
            warn!(what, "a standby does not get what it asked for");
            respond(StatusCode::INTERNAL_SERVER_ERROR, Body::empty())
        }
        Err(_) => respond(StatusCode::INTERNAL_SERVER_ERROR, Body::empty()),
    }
}

fn respond(status: StatusCode, body: Body) -> Response<Body> {
    Response::builder().status(status).header(CACHE_CONTROL, "no-store").body(body).unwrap_or_default()
}

/// A body whose pieces a thread reads.
struct Pieces(Receiver<io::Result<Bytes>>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
