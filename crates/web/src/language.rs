//! Which language an answer is in: what the account has chosen, else what the browser asks for, else English.

use crate::api;
use crate::visit::Visit;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT_LANGUAGE, AUTHORIZATION};
use wording::Language;

/// The language of a visit.
pub(crate) fn of(visit: &Visit) -> Language {
    chosen(visit).unwrap_or_else(|| asked(&visit.headers))
}

/// What the browser asks for, or whatever calls.
pub(crate) fn asked(headers: &HeaderMap) -> Language {
    let fields = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    Language::accepted(&fields.collect::<Vec<_>>().join(","))
}

/// What the owner of the session has chosen. An endpoint of the API is asked by a program, which says itself what it wants.
fn chosen(visit: &Visit) -> Option<Language> {
    if visit.headers.contains_key(AUTHORIZATION) || visit.uri.path().starts_with(api::ROOT) {
        return None;
    }
    // A fault is told by the handler that needs the session.
    let session = visit.session().ok().flatten()?;
    let settings = visit.site.auth().store().account(session.account).settings().ok()?;
    Language::of_tag(settings.language?.as_str())
}
