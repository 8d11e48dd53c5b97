//! What a handler answers.

use crate::cookie::SetCookie;
use crate::guard::Wall;
use crate::path::{OwnPath, encoded};
use crate::pieces::Pieces;
use crate::problem::Problem;
use askama::Template;
use axum::body::{Body, Bytes};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LANGUAGE, CONTENT_TYPE, LOCATION, SET_COOKIE, VARY,
};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

/// What a handler gives.
pub(crate) type Outcome = Result<Answer, Problem>;

/// An answer that is not under way yet.
#[derive(Debug)]
pub(crate) struct Answer {
    response: Response<Content>,
    /// It is held back for so long: a wrong password costs time.
    pub(crate) delay_millis: u64,
}

#[derive(Debug)]
enum Content {
    Whole(Bytes),
    /// Read while it is sent.
    Pieces(Pieces),
}

/// Octets, and what lives as long as they do.
struct Keeping<H> {
    bytes: Bytes,
    _held: H,
}

impl<H> AsRef<[u8]> for Keeping<H> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Answer {
    /// A page.
    pub(crate) fn page(template: &impl Template) -> Outcome {
        let html = template.render().map_err(|error| Problem::fault(&format!("a page cannot be written: {error}")))?;
        Ok(Self::of("text/html; charset=utf-8", html.into()).spoken())
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
        Ok(Self::of("application/json", text.into()).spoken())
    }

    /// Bytes of a media type.
    pub(crate) fn of(media_type: &'static str, bytes: Bytes) -> Self {
        Self::with_content(media_type, Content::Whole(bytes))
    }

    /// A file to be taken away under a name (RFC 6266 §4): whatever its sender says that it is, no browser shows or runs it.
    pub(crate) fn file(name: &str, pieces: Pieces) -> Self {
        let mut answer = Self::with_content("application/octet-stream", Content::Pieces(pieces));
        let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let disposition = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", encoded(name));
        let disposition = HeaderValue::from_str(&disposition);
        answer.set(CONTENT_DISPOSITION, disposition.unwrap_or(HeaderValue::from_static("attachment")));
        answer
    }

    fn with_content(media_type: &'static str, content: Content) -> Self {
        let mut answer = Self { response: Response::new(content), delay_millis: 0 };
        answer.set(CONTENT_TYPE, HeaderValue::from_static(media_type));
        answer.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }

    /// Says which language it is in, and what that depends on (RFC 9110 §8.5, §12.5.5).
    fn spoken(mut self) -> Self {
        self.set(CONTENT_LANGUAGE, HeaderValue::from_static(wording::language().tag()));
        self.set(VARY, HeaderValue::from_static("Accept-Language"));
        self
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        *self.response.status_mut() = status;
        self
    }

    pub(crate) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.set(name, HeaderValue::from_static(value));
        self
    }

    /// The same behind another wall.
    pub(crate) fn behind(mut self, wall: Wall) -> Self {
        self.response.extensions_mut().insert(wall);
        self
    }

    /// The same, which gives back what it has of a limit when it was sent.
    pub(crate) fn keeping(mut self, held: impl Send + 'static) -> Self {
        self.response = self.response.map(|content| match content {
            Content::Whole(bytes) => Content::Whole(Bytes::from_owner(Keeping { bytes, _held: held })),
            Content::Pieces(pieces) => Content::Pieces(pieces),
        });
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

    pub(crate) fn into_response(self) -> Response<Body> {
        self.response.map(|content| match content {
            Content::Whole(bytes) => Body::from(bytes),
            Content::Pieces(pieces) => Body::new(pieces),
        })
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.response.headers_mut().insert(name, value);
    }
}

/// Whether a character may stand in the name of a file between quotes, as every browser reads it.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || " -._()+,".contains(c)
}
