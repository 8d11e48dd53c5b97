//! What programs look for by themselves.

use crate::answer::{Answer, Outcome};
use crate::path::OwnPath;
use crate::route::{Handler, Route};
use crate::visit::Visit;
use axum::body::Bytes;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/robots.txt", Handler::Document(robots)),
    Route::get("/.well-known/change-password", Handler::Document(change_password)),
];

/// RFC 9309: there is nothing here for search engines.
fn robots(_: &Visit) -> Outcome {
    Ok(Answer::of("text/plain; charset=utf-8", Bytes::from_static(b"User-agent: *\nDisallow: /\n")))
}

/// W3C "A Well-Known URL for Changing Passwords": keepers of passwords lead people there.
fn change_password(_: &Visit) -> Outcome {
    Ok(Answer::see_other(&OwnPath::new("/account")))
}
