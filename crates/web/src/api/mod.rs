//! The JSON API, `/api/v1/…`, and what the pages show: each function here asks `console` and gives data, which a page puts
//! into its template and an endpoint into JSON. The command line calls the same endpoints over the control socket
//! (`operate`). `docs/api.md` describes the endpoints; a test holds it to [`endpoints`].
//!
//! Who calls shows it with the cookie of a session, and `X-CSRF-Token` beside it for a POST, or with `Authorization: Basic`:
//! the user name and an application password. The main password is not taken here: it opens a session on the page for
//! that, where a code may be asked for, too.

pub(crate) mod account;
pub(crate) mod accounts;
pub(crate) mod addresses;
pub(crate) mod audit;
pub(crate) mod certificate;
pub(crate) mod devices;
pub(crate) mod doctor;
pub(crate) mod forward;
pub(crate) mod held;
pub(crate) mod help;
pub(crate) mod history;
mod importing;
pub(crate) mod integrity;
pub(crate) mod junk_filter;
pub(crate) mod language;
pub(crate) mod lists;
mod login;
mod operator;
pub(crate) mod people;
pub(crate) mod queue;
pub(crate) mod refused;
pub(crate) mod reports;
pub(crate) mod scheduled;
pub(crate) mod sending;
pub(crate) mod sessions;
pub(crate) mod setup;
pub(crate) mod shares;
pub(crate) mod status;
pub(crate) mod storage;
pub(crate) mod test_mail;

use crate::caller::Caller;
use crate::form::Fields;
use crate::operate::Parts;
use crate::problem::Problem;
use crate::route::{Handler, Route, Verb};
use serde::Serialize;
use serde_json::Value;
use store::OnProgress;

pub(crate) use login::caller;

/// Where all of it is.
pub(crate) const ROOT: &str = "/api/";
/// What is not reached over HTTP.
const OPERATOR: &str = "/api/v1/operator/";

/// An endpoint.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint {
    pub(crate) method: Verb,
    pub(crate) path: &'static str,
    pub(crate) answering: Answering,
    /// An administrator may send much with it.
    pub(crate) is_long: bool,
}

/// How an endpoint answers.
#[derive(Clone, Copy)]
pub(crate) enum Answering {
    /// At once.
    Whole(fn(&Caller, &Fields) -> Result<Value, Problem>),
    /// At once over HTTP; on the control socket it tells before how far it is: `{"progress": {"done": 500, "total": 2000}}`.
    Watched(Watched),
    /// Part by part, while it works; on the control socket only.
    Parts(fn(&Caller, &Fields, &mut Part<'_>) -> Result<(), Problem>),
}

/// Does what may take long.
type Watched = fn(&Caller, &Fields, OnProgress<'_>) -> Result<Value, Problem>;

/// Takes the parts of an answer.
pub(crate) struct Part<'a>(pub(crate) Parts<'a>);

impl Endpoint {
    const fn get(path: &'static str, answer: fn(&Caller, &Fields) -> Result<Value, Problem>) -> Self {
        Self { method: Verb::Get, path, answering: Answering::Whole(answer), is_long: false }
    }

    const fn post(path: &'static str, answer: fn(&Caller, &Fields) -> Result<Value, Problem>) -> Self {
        Self { method: Verb::Post, path, answering: Answering::Whole(answer), is_long: false }
    }

    const fn watched(path: &'static str, answer: Watched) -> Self {
        Self { method: Verb::Post, path, answering: Answering::Watched(answer), is_long: false }
    }

    const fn parts(path: &'static str, answer: fn(&Caller, &Fields, &mut Part<'_>) -> Result<(), Problem>) -> Self {
        Self { method: Verb::Get, path, answering: Answering::Parts(answer), is_long: false }
    }

    /// The same of what changes something.
    const fn posted_parts(
        path: &'static str,
        answer: fn(&Caller, &Fields, &mut Part<'_>) -> Result<(), Problem>,
    ) -> Self {
        Self { method: Verb::Post, path, answering: Answering::Parts(answer), is_long: false }
    }

    /// The same, with which an administrator may send much.
    const fn long(mut self) -> Self {
        self.is_long = true;
        self
    }

    /// Its path with what stands in it.
    pub(crate) fn path_of(&self, parameters: &[(String, String)]) -> String {
        let fill = |path: String, (name, value): &(String, String)| path.replace(&format!("{{{name}}}"), value);
        parameters.iter().fold(self.path.to_owned(), fill)
    }

    /// Its name in docs/api.md.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method.name(), self.path)
    }
}

impl Part<'_> {
    /// Gives the next part.
    pub(crate) fn give(&mut self, part: &impl Serialize) -> Result<(), console::Error> {
        let value = serde_json::to_value(part).map_err(|_| console::Error::Unheard)?;
        (self.0)(value).map_err(|_| console::Error::Unheard)
    }
}

/// All of them, one list per file.
const ENDPOINTS: &[&[Endpoint]] = &[
    login::ENDPOINTS,
    account::ENDPOINTS,
    devices::ENDPOINTS,
    held::ENDPOINTS,
    help::ENDPOINTS,
    forward::ENDPOINTS,
    shares::ENDPOINTS,
    junk_filter::ENDPOINTS,
    language::ENDPOINTS,
    scheduled::ENDPOINTS,
    sending::ENDPOINTS,
    history::ENDPOINTS,
    setup::ENDPOINTS,
    storage::ENDPOINTS,
    accounts::ENDPOINTS,
    addresses::ENDPOINTS,
    audit::ENDPOINTS,
    lists::ENDPOINTS,
    certificate::ENDPOINTS,
    doctor::ENDPOINTS,
    status::ENDPOINTS,
    sessions::ENDPOINTS,
    people::ENDPOINTS,
    queue::ENDPOINTS,
    refused::ENDPOINTS,
    reports::ENDPOINTS,
    test_mail::ENDPOINTS,
    integrity::ENDPOINTS,
    operator::ENDPOINTS,
    importing::ENDPOINTS,
];

/// All endpoints, those of the operator among them.
pub(crate) fn endpoints() -> impl Iterator<Item = Endpoint> {
    ENDPOINTS.iter().flat_map(|endpoints| endpoints.iter().copied())
}

/// The endpoint of a name.
pub(crate) fn named(name: &str) -> Option<Endpoint> {
    endpoints().find(|endpoint| endpoint.name() == name)
}

/// What is reached over HTTP: never what only the operator asks for.
pub(crate) fn routes() -> impl Iterator<Item = Route> {
    endpoints().filter(|endpoint| !endpoint.path.starts_with(OPERATOR)).filter_map(|endpoint| {
        let handler = match endpoint.answering {
            Answering::Whole(answer) => Handler::Api(answer),
            Answering::Watched(answer) => Handler::Watched(answer),
            Answering::Parts(_) => return None,
        };
        Some(Route { method: endpoint.method, path: endpoint.path, handler, is_long: endpoint.is_long })
    })
}

/// Data as JSON.
pub(crate) fn json(data: impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(data).map_err(|error| Problem::fault(&format!("no JSON: {error}")))
}
