//! For what watches over this server: `/metrics` (Prometheus), `/health` (it lives) and `/ready` (it takes mail).
//!
//! Whoever reads metrics shows a token, if one is configured. Whether the server is ready is told to everybody, in a few words.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use metrics::CONTENT_TYPE as METRICS_TYPE;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;
use web::{Body, Router};

use crate::observation::{Observatory, Observed};
use crate::private_file;
use crate::setup::SetupError;

/// So many read metrics at the same time, and so many ask whether it is ready; more are told to come again.
const LOOKS_MAX: usize = 4;
/// A store that has not answered by then does not.
const READY_SECS_MAX: u64 = 5;
/// A token is not to be guessed.
const TOKEN_CHARS_MIN: usize = 16;
const TEXT: &str = "text/plain; charset=utf-8";

/// What readers of metrics show. It is compared by its digest, so that the time tells nothing of it.
#[derive(Clone)]
pub(crate) struct Token(blake3::Hash);

impl Token {
    /// The first line of a file.
    ///
    /// # Errors
    /// It cannot be read, or is too short.
    pub(crate) fn read(file: &std::path::Path) -> Result<Self, SetupError> {
        let line = private_file::first_line(file, ("the token for metrics", "metrics.token_file"))?;
        if line.chars().count() < TOKEN_CHARS_MIN {
            let file = file.display();
            return Err(SetupError::new(format!(
                "the token in {file} is shorter than {TOKEN_CHARS_MIN} characters; `openssl rand -hex 32` makes one \
                 (metrics.token_file)"
            )));
        }
        Ok(Self(blake3::hash(line.as_bytes())))
    }

    /// What a standby shows.
    ///
    /// # Errors
    /// As [`Token::read`].
    pub(crate) fn of_standby(file: &std::path::Path) -> Result<Self, SetupError> {
        crate::standing::read_token(file).map(|token| Self(blake3::hash(token.as_bytes())))
    }

    /// RFC 6750 §2.1: `Authorization: Bearer …`.
    pub(crate) fn is_shown(&self, fields: &HeaderMap) -> bool {
        let shown = fields.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
        });
        shown.is_some_and(|token| blake3::hash(token.as_bytes()) == self.0)
    }
}

/// Who looks now. Whether the server is ready is asked by what decides whether mail comes here: that others read metrics slowly is
/// no answer to it.
#[derive(Clone)]
struct Looks {
    metrics: Arc<Semaphore>,
    ready: Arc<Semaphore>,
}

impl Default for Looks {
    fn default() -> Self {
        let [metrics, ready] = [(); 2].map(|()| Arc::new(Semaphore::new(LOOKS_MAX)));
        Self { metrics, ready }
    }
}

/// Answers whoever watches.
pub(crate) fn monitor(observatory: Observatory, token: Option<Token>) -> Router {
    let looks = Looks::default();
    Router::new().fallback(move |request: Request<Body>| {
        let (observatory, token, looks) = (observatory.clone(), token.clone(), looks.clone());
        // A body is not looked at.
        let (head, _) = request.into_parts();
        async move { answer(&head, observatory, token, &looks).await }
    })
}

async fn answer(head: &Parts, observatory: Observatory, token: Option<Token>, looks: &Looks) -> Response<Body> {
    let path = head.uri.path();
    if !matches!(path, "/metrics" | "/health" | "/ready") {
        return text(StatusCode::NOT_FOUND, "/metrics, /health or /ready\n");
    }
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET\n");
    }
    if path == "/health" {
        return text(StatusCode::OK, "ok\n");
    }
    let is_metrics = path == "/metrics";
    if is_metrics && token.is_some_and(|token| !token.is_shown(&head.headers)) {
        let mut refused = text(StatusCode::UNAUTHORIZED, "show the token of metrics.token_file\n");
        refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return refused;
    }
    let looks = if is_metrics { &looks.metrics } else { &looks.ready };
    let Ok(look) = looks.clone().try_acquire_owned() else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "too many look at the same time\n");
    };
    if is_metrics { metrics(observatory, look).await } else { ready(observatory, look).await }
}

async fn metrics(observatory: Observatory, look: OwnedSemaphorePermit) -> Response<Body> {
    let told = spawn_blocking(move || {
        // Held by the thread that looks: whoever asked may be gone before it has ended.
        let _look = look;
        observatory.get().map(Observed::exposition).map(|told| told.text())
    });
    let told = told.await;
    match told {
        Ok(Some(Ok(told))) => respond(StatusCode::OK, METRICS_TYPE, told),
        Ok(None) => text(StatusCode::SERVICE_UNAVAILABLE, "it begins\n"),
        Ok(Some(Err(_))) | Err(_) => {
            warn!("the metrics could not be read");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be read\n")
        }
    }
}

async fn ready(observatory: Observatory, look: OwnedSemaphorePermit) -> Response<Body> {
    let lacks = spawn_blocking(move || {
        let _look = look;
        observatory.get().map_or(Some("it begins"), Observed::lacks)
    });
    let lacks = match timeout(Duration::from_secs(READY_SECS_MAX), lacks).await {
        Ok(Ok(lacks)) => lacks,
        Ok(Err(_)) | Err(_) => Some("the store does not answer"),
    };
    match lacks {
        None => text(StatusCode::OK, "ready\n"),
        Some(lacks) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("not ready: {lacks}\n")),
    }
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    respond(status, TEXT, text.to_owned())
}

fn respond(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let answer = Response::builder().status(status).header(CONTENT_TYPE, kind).header(CACHE_CONTROL, "no-store");
    let answer = if status == StatusCode::SERVICE_UNAVAILABLE { answer.header(RETRY_AFTER, 5) } else { answer };
    answer.body(Body::from(text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Builder;
    use tower::ServiceExt;

    fn ask(router: &Router, request: hyper::http::request::Builder) -> (StatusCode, String) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let status = answer.status();
            let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        })
    }

    #[test]
    fn a_server_that_begins_lives_and_is_not_ready() {
        let router = monitor(Observatory::default(), None);
        assert_eq!(ask(&router, Request::get("/health")), (StatusCode::OK, "ok\n".to_owned()));
        let begins = |text: &str| (StatusCode::SERVICE_UNAVAILABLE, text.to_owned());
        assert_eq!(ask(&router, Request::get("/ready")), begins("not ready: it begins\n"));
        assert_eq!(ask(&router, Request::get("/metrics")), begins("it begins\n"));
        assert_eq!(ask(&router, Request::get("/")).0, StatusCode::NOT_FOUND);
        assert_eq!(ask(&router, Request::post("/ready")).0, StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn metrics_are_told_to_who_shows_the_token() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("token");
        let read = |line: &str| {
            std::fs::write(&file, line).unwrap();
            Token::read(&file)
        };
        let short = read("123456789012345\n").err().unwrap().to_string();
        assert!(short.contains("shorter than 16 characters"), "{short}");
        let router = monitor(Observatory::default(), Some(read("1234567890123456\n").unwrap()));
        let status = |value: &str| ask(&router, Request::get("/metrics").header(AUTHORIZATION, value)).0;
        assert_eq!(ask(&router, Request::get("/metrics")).0, StatusCode::UNAUTHORIZED);
        assert_eq!(status("Bearer 1234567890123457"), StatusCode::UNAUTHORIZED);
        assert_eq!(status("Basic 1234567890123456"), StatusCode::UNAUTHORIZED);
        assert_eq!(status("bearer 1234567890123456"), StatusCode::SERVICE_UNAVAILABLE, "it begins");
        assert_eq!(ask(&router, Request::get("/health")).0, StatusCode::OK, "that needs none");
    }

    #[test]
    fn one_look_too_many_is_told_to_come_again() {
        let (observatory, looks) = (Observatory::default(), Looks::default());
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let asked = |path: &str| {
            let (head, ()) = Request::get(path).body(()).unwrap().into_parts();
            runtime.block_on(async {
                let answer = answer(&head, observatory.clone(), None, &looks).await;
                let again = answer.headers().get(RETRY_AFTER).is_some_and(|after| after == "5");
                let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
                (again, String::from_utf8(body.to_vec()).unwrap())
            })
        };
        let too_many = (true, "too many look at the same time\n".to_owned());
        for (path, own) in [("/metrics", &looks.metrics), ("/ready", &looks.ready)] {
            let held = own.clone().try_acquire_many_owned(LOOKS_MAX as u32 - 1).unwrap();
            assert_ne!(asked(path), too_many, "{path}");
            let last = own.clone().try_acquire_owned().unwrap();
            assert_eq!(asked(path), too_many, "{path}");
            drop((held, last));
        }
    }

    #[test]
    fn slow_readers_of_metrics_made_a_server_not_ready() {
        let (observatory, looks) = (Observatory::default(), Looks::default());
        let _slow = looks.metrics.clone().try_acquire_many_owned(LOOKS_MAX as u32).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (head, ()) = Request::get("/ready").body(()).unwrap().into_parts();
        let told = runtime.block_on(async {
            let answer = answer(&head, observatory, None, &looks).await;
            http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes()
        });
        assert_eq!(told, "not ready: it begins\n");
    }
}
