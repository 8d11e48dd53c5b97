//! What a certificate authority reads to see that a host name leads here (RFC 8555 §8.3).

use acme::Challenges;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Response};
use web::Body;

/// Where it looks.
const BELOW: &str = "/.well-known/acme-challenge/";

/// The answer to an open challenge; `None`: the request is something else.
pub(super) fn answer<B>(challenges: &Challenges, request: &Request<B>) -> Option<Response<Body>> {
    let token = request.uri().path().strip_prefix(BELOW).filter(|_| request.method() == Method::GET)?;
    let answer = Response::builder().header(CONTENT_TYPE, "application/octet-stream");
    answer.body(Body::from(challenges.text(token)?)).ok()
}
