//! What a handler answers.

use crate::cookie::SetCookie;
use crate::path::OwnPath;
use crate::problem::Problem;
use askama::Template;
use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, SET_COOKIE};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

/// What a handler gives.
pub(crate) type Outcome = Result<Answer, Problem>;

/// An answer that is not under way yet.
#[derive(Debug)]
pub(crate) struct Answer {
    response: Response<Bytes>,
    /// It is held back for so long: a wrong password costs time.
    pub(crate) delay_millis: u64,
}

impl Answer {
    /// A page.
    pub(crate) fn page(template: &impl Template) -> Outcome {
        let html = template.render().map_err(|error| Problem::fault(&format!("a page cannot be written: {error}")))?;
        Ok(Self::of("text/html; charset=utf-8", html.into()))
    }

    /// Go there and look (RFC 9110 §15.4.4): after every POST, so that a reload repeats nothing.
    pub(crate) fn see_other(path: &OwnPath) -> Self {
        let mut answer = Self::of("text/plain; charset=utf-8", Bytes::new()).with_status(StatusCode::SEE_OTHER);
        answer.set(LOCATION, path.header());
        answer
    }

    /// Data.
    pub(crate) fn json(value: &impl Serialize) -> Outcome {
        let text = serde_json::to_vec(value).map_err(|error| Problem::fault(&format!("no JSON: {error}")))?;
        Ok(Self::of("application/json", text.into()))
    }

    /// Bytes of a media type.
    pub(crate) fn of(media_type: &'static str, bytes: Bytes) -> Self {
        let mut answer = Self { response: Response::new(bytes), delay_millis: 0 };
        answer.set(CONTENT_TYPE, HeaderValue::from_static(media_type));
        answer.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        *self.response.status_mut() = status;
        self
    }

    pub(crate) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.set(name, HeaderValue::from_static(value));
        self
    }

    pub(crate) fn with_cookie(mut self, cookie: &SetCookie) -> Self {
        self.response.headers_mut().append(SET_COOKIE, cookie.header());
        self
    }

    pub(crate) fn after_millis(mut self, delay_millis: u64) -> Self {
        self.delay_millis = delay_millis;
        self
    }

    pub(crate) fn into_response(self) -> Response<Bytes> {
        self.response
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.response.headers_mut().insert(name, value);
    }
}
