//! Routes: a method, a path, and who may come that far.

use crate::answer::Outcome;
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use crate::visit::{Owner, Visit};
use axum::routing::MethodFilter;
use serde_json::Value;
use store::OnProgress;

/// A route. A POST comes to its handler only with the token of a form (or of a call) of whoever made it.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(crate) method: Verb,
    /// As axum writes it: `/devices/{id}`.
    pub(crate) path: &'static str,
    pub(crate) handler: Handler,
    /// An administrator may send much with it.
    pub(crate) is_long: bool,
}

/// The methods that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Looks; HEAD is answered, too.
    Get,
    /// Changes.
    Post,
}

/// Who may come that far. Each function blocks as long as it likes; the fields are those of the query (GET) or the body.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// Anybody.
    Anybody(fn(&Visit, &Fields) -> Outcome),
    /// Who is logged in; others are led to the page for that.
    Owner(fn(&Owner, &Fields) -> Outcome),
    /// A program or a page of who is logged in: answers with JSON, also when it refuses.
    Api(fn(&Caller, &Fields) -> Result<Value, Problem>),
    /// The same, of what may take long.
    Watched(fn(&Caller, &Fields, OnProgress<'_>) -> Result<Value, Problem>),
    /// Whoever knows the address, which is secret: without the token of a form, whatever the body is (RFC 8058 §3.2).
    Bearer(fn(&Visit) -> Outcome),
    /// A program that sets itself up, under any host name, with any method and without a token: changes nothing.
    Document(fn(&Visit) -> Outcome),
}

impl Route {
    pub(crate) const fn get(path: &'static str, handler: Handler) -> Self {
        Self { method: Verb::Get, path, handler, is_long: false }
    }

    pub(crate) const fn post(path: &'static str, handler: Handler) -> Self {
        Self { method: Verb::Post, path, handler, is_long: false }
    }

    /// What it is in the metrics; what each path takes alone would be hundreds of series.
    pub(crate) fn command(self) -> &'static str {
        match self.handler {
            Handler::Api(_) | Handler::Watched(_) => "call",
            Handler::Bearer(_) => "form",
            Handler::Document(_) => "document",
            Handler::Anybody(_) | Handler::Owner(_) => match self.method {
                Verb::Get if self.path.starts_with("/assets/") => "asset",
                Verb::Get => "page",
                Verb::Post => "form",
            },
        }
    }

    /// The same, with which an administrator may send much.
    pub(crate) const fn long(mut self) -> Self {
        self.is_long = true;
        self
    }
}

impl Verb {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }

    pub(crate) fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
        }
    }
}
