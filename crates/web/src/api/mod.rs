//! The JSON API, `/api/v1/…`, and what the pages show: each function here asks `console` and gives data, which a page puts
//! into its template and an endpoint into JSON. `docs/api.md` describes the endpoints; a test holds it to [`endpoints`].
//!
//! Who calls shows it with the cookie of a session, and `X-CSRF-Token` beside it for a POST, or with `Authorization: Basic`:
//! the user name and an application password. The main password is not taken here: it opens a session on the page for
//! that, where a code may be asked for, too.

pub(crate) mod account;
pub(crate) mod accounts;
pub(crate) mod addresses;
pub(crate) mod admin;
mod caller;
pub(crate) mod devices;
pub(crate) mod held;
pub(crate) mod history;
pub(crate) mod invitations;
pub(crate) mod setup;
pub(crate) mod storage;

use crate::form::Fields;
use crate::problem::Problem;
use crate::route::{Handler, Route, Verb};
use crate::visit::Owner;
use serde::Serialize;
use serde_json::Value;

pub(crate) use caller::caller;

/// Where all of it is.
pub(crate) const ROOT: &str = "/api/";

/// An endpoint.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint {
    pub(crate) method: Verb,
    pub(crate) path: &'static str,
    pub(crate) answer: fn(&Owner, &Fields) -> Result<Value, Problem>,
}

impl Endpoint {
    pub(crate) const fn get(path: &'static str, answer: fn(&Owner, &Fields) -> Result<Value, Problem>) -> Self {
        Self { method: Verb::Get, path, answer }
    }

    pub(crate) const fn post(path: &'static str, answer: fn(&Owner, &Fields) -> Result<Value, Problem>) -> Self {
        Self { method: Verb::Post, path, answer }
    }

    pub(crate) fn route(self) -> Route {
        Route { method: self.method, path: self.path, handler: Handler::Api(self.answer) }
    }
}

/// All of them, one list per file.
const ENDPOINTS: &[&[Endpoint]] = &[
    caller::ENDPOINTS,
    account::ENDPOINTS,
    devices::ENDPOINTS,
    held::ENDPOINTS,
    history::ENDPOINTS,
    setup::ENDPOINTS,
    storage::ENDPOINTS,
    admin::ENDPOINTS,
    accounts::ENDPOINTS,
    addresses::ENDPOINTS,
    invitations::ENDPOINTS,
];

pub(crate) fn endpoints() -> impl Iterator<Item = Endpoint> {
    ENDPOINTS.iter().flat_map(|endpoints| endpoints.iter().copied())
}

/// Data as JSON.
pub(crate) fn json(data: impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(data).map_err(|error| Problem::fault(&format!("no JSON: {error}")))
}
