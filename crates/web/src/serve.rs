//! From a request to its answer: the body within its limits, a thread that may block, the route's handler.

use crate::answer::{Answer, Outcome};
use crate::caller::Caller;
use crate::form::Fields;
use crate::frame::Frame;
use crate::guard::{check_form, check_host, csrf_of, harden, is_framed};
use crate::path::{OwnPath, encoded};
use crate::peer::Peer;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::site::Site;
use crate::visit::{self, Visit};
use crate::{Router, api, asset, audit, language, pages};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, any, on};
use metrics::Stopwatch;
use serde_json::Value;
use session::{Full, Job, Lost, Owner, Whom};
use std::sync::Arc;
use std::time::Duration;
use store::Protocol;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

/// A body may have so many octets ...
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// ... and one that an administrator sends to where that is long.
pub(crate) const LONG_BODY_BYTES_MAX: usize = 1024 * 1024;
/// And take so long.
const BODY_MILLIS: u64 = 30_000;

impl Site {
    /// Answers every request. Each needs a [`Peer`] as extension.
    pub fn router(&self) -> Router {
        let mut router = Router::new();
        for route in routes() {
            router = router.route(route.path, method(self, route));
        }
        let missing = self.clone();
        router
            .fallback(move |request: Request| {
                serve(missing.clone(), Route::get("", Handler::Anybody(|_, _| Err(Problem::not_found()))), request)
            })
            .layer(from_fn(with_words))
            .layer(from_fn_with_state(self.clone(), harden))
    }
}

/// All routes.
pub(crate) fn routes() -> Vec<Route> {
    let assets = [Route::get("/assets/{name}", Handler::Anybody(asset::serve))];
    let pages = pages::routes();
    assets.into_iter().chain(pages).chain(api::routes()).collect()
}

/// The method and the path of every route; parameters stand in braces.
#[cfg(any(test, feature = "testing"))]
#[must_use]
pub fn all_routes() -> Vec<(&'static str, &'static str)> {
    routes().iter().map(|route| (route.method.name(), route.path)).collect()
}

fn method(site: &Site, route: Route) -> MethodRouter {
    let site = site.clone();
    let serve = move |request: Request| serve(site.clone(), route, request);
    match route.handler {
        Handler::Document(_) => any(serve),
        Handler::Anybody(_) | Handler::Bearer(_) | Handler::Owner(_) | Handler::Api(_) | Handler::Watched(_) => {
            on(route.method.filter(), serve)
        }
    }
}

/// axum answers a method that a path does not know with an empty 405 and `Allow`; a person wants to read something.
async fn with_words(request: Request, next: Next) -> Response {
    let (is_api, language) = (is_api(request.uri().path()), language::asked(request.headers()));
    let response = next.run(request).await;
    if response.status() != StatusCode::METHOD_NOT_ALLOWED || response.headers().contains_key(CONTENT_TYPE) {
        return response;
    }
    let answer = wording::speaking(language, || {
        let what = tr!("This address does not do what was asked of it with that method.");
        said(&Problem::new(Kind::Method, what), is_api)
    });
    let mut spoken = answer.into_response();
    // axum adds `Allow` after this, unless it is there already.
    if let Some(allowed) = response.headers().get(ALLOW) {
        spoken.headers_mut().insert(ALLOW, allowed.clone());
    }
    spoken
}

fn is_api(path: &str) -> bool {
    path.starts_with(api::ROOT)
}

async fn serve(site: Site, route: Route, request: Request) -> Response {
    let handler = route.handler;
    let (mut parts, body) = request.into_parts();
    let parameters = match RawPathParams::from_request_parts(&mut parts, &()).await {
        Ok(found) => found.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        Err(_) => Vec::new(),
    };
    let peer = parts.extensions.get::<Peer>().cloned();
    let is_api = is_api(parts.uri.path());
    let answer = match peer {
        Some(peer) => {
            let now = site.now();
            let visit = Visit {
                site,
                now,
                method: parts.method,
                uri: parts.uri,
                parameters,
                headers: parts.headers,
                peer,
                body: Bytes::new(),
                turn: None,
            };
            match read(body, bytes_max(route, &visit).await).await {
                Ok(body) => {
                    let (stopwatch, commands) = (Stopwatch::start(), visit.site.commands().clone());
                    let answer = handled(handler, Visit { body, ..visit }, is_api).await;
                    commands.answered(Protocol::Web.name(), route.command(), stopwatch);
                    answer
                }
                Err(unread) => wording::speaking(language::asked(&visit.headers), || said(&unread.problem(), is_api)),
            }
        }
        None => said(&Problem::fault("a request without its peer"), is_api),
    };
    if answer.delay_millis > 0 {
        sleep(Duration::from_millis(answer.delay_millis)).await;
    }
    answer.into_response()
}

/// In a thread that may block, for the connection that this one works for.
fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let whom = Whom::at_work();
    spawn_blocking(move || {
        let _at_work = whom.map(Whom::work);
        work()
    })
}

async fn handled(handler: Handler, visit: Visit, is_api: bool) -> Answer {
    let again = visit.clone();
    match blocking(move || answer(handler, visit)).await {
        Ok(Some(answer)) => answer,
        Ok(None) => in_turn(handler, again).await,
        Err(error) => wording::speaking(language::asked(&again.headers), || {
            said(&Problem::fault(&format!("a handler failed: {error}")), is_api)
        }),
    }
}

/// How many octets the body may have. Who it comes from is asked before it is read: a stranger sends no more than to other places.
async fn bytes_max(route: Route, visit: &Visit) -> usize {
    if !route.is_long {
        return BODY_BYTES_MAX;
    }
    let visit = visit.clone();
    match blocking(move || visit.session()).await {
        Ok(Ok(Some(session))) if session.is_admin || !session.administers.is_empty() => LONG_BODY_BYTES_MAX,
        Ok(_) | Err(_) => BODY_BYTES_MAX,
    }
}

/// A password has to be verified: the request stands in line without a thread, and is answered from the beginning.
async fn in_turn(handler: Handler, visit: Visit) -> Answer {
    let (is_api, site, owner) = (is_api(visit.uri.path()), visit.site.clone(), Owner::stranger(visit.address()));
    let language = language::asked(&visit.headers);
    let work = move |turn| answer(handler, Visit { turn: Some(Arc::new(turn)), ..visit });
    let job = match Job::in_turn(site.jobs(), owner, work) {
        Ok(job) => job,
        Err(Full) => return wording::speaking(language, || said(&Problem::busy(), is_api)),
    };
    match job.await {
        Ok(Some(answer)) => answer,
        Ok(None) | Err(Lost) => {
            wording::speaking(language, || said(&Problem::fault("a handler failed in turn"), is_api))
        }
    }
}

/// Why a body was not read.
enum Unread {
    /// It has more octets than it may, or did not come whole.
    TooLong(usize),
    /// It took too long.
    Slow,
}

impl Unread {
    fn problem(&self) -> Problem {
        match self {
            Self::TooLong(bytes_max) => Problem::new(
                Kind::TooLong,
                tr!("A form or a call may have {bytes_max} octets at most, and must come whole.", bytes_max),
            ),
            Self::Slow => Problem::new(Kind::Slow, tr!("The request did not come to its end in time.")),
        }
    }
}

async fn read(body: Body, bytes_max: usize) -> Result<Bytes, Unread> {
    match timeout(Duration::from_millis(BODY_MILLIS), to_bytes(body, bytes_max)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Unread::TooLong(bytes_max)),
        Err(_) => Err(Unread::Slow),
    }
}

fn said(problem: &Problem, is_api: bool) -> Answer {
    if is_api { problem.json() } else { problem.page(Frame::default()) }
}

/// What a handler makes of a request, in the language of whoever asks. `None`: it has to verify a password, and it is not its turn.
fn answer(handler: Handler, visit: Visit) -> Option<Answer> {
    #[cfg(test)]
    if visit.header("accept-language") == Some(crate::testing::PSEUDO) {
        return wording::pseudo(|| answered(handler, visit));
    }
    wording::speaking(language::of(&visit), || answered(handler, visit))
}

fn answered(handler: Handler, visit: Visit) -> Option<Answer> {
    let is_api = is_api(visit.uri.path());
    if let Handler::Document(document) = handler {
        return told(document(&visit), is_api, Frame::default);
    }
    if let Err(problem) = check_host(&visit) {
        return Some(said(&problem, is_api));
    }
    match handler {
        Handler::Document(_) => Some(said(&Problem::not_found(), is_api)),
        Handler::Anybody(handler) => told(anybody(handler, &visit), is_api, || Frame::for_anybody(&visit, "")),
        Handler::Bearer(handler) => told(handler(&visit), is_api, || Frame::for_anybody(&visit, "")),
        Handler::Owner(handler) => match visit.session() {
            Ok(Some(session)) => {
                let owner = visit::Owner::of(visit, session);
                told(owned(handler, &owner), is_api, || Frame::of(&owner, ""))
            }
            // In a frame there is no page to log in on.
            Ok(None) if is_framed(visit.uri.path()) && visit.header("sec-fetch-dest") == Some("iframe") => {
                told(Err(store::Error::LoginEnded.into()), is_api, Frame::default)
            }
            Ok(None) => Some(log_in_first(&visit)),
            Err(problem) => told(Err(problem), is_api, Frame::default),
        },
        Handler::Api(handler) => told(called(visit, handler), true, Frame::default),
        Handler::Watched(handler) => {
            let unwatched = |caller: &Caller, fields: &Fields| handler(caller, fields, &mut |_| {});
            told(called(visit, unwatched), true, Frame::default)
        }
    }
}

/// A call of the API.
fn called(visit: Visit, handler: impl Fn(&Caller, &Fields) -> Result<Value, Problem>) -> Outcome {
    let caller = api::caller(visit)?;
    let fields = fields(&caller.visit, true)?;
    if caller.visit.method == Method::POST {
        check_form(&caller.visit, Some(&caller.proof), csrf_of(&caller.visit, &Fields::default()))?;
    }
    let answer = handler(&caller, &fields)?;
    if caller.visit.method == Method::POST && audit::is_administration(caller.visit.uri.path()) {
        audit::note(&caller, caller.visit.uri.path(), &answer);
    }
    if caller.visit.method == Method::POST && audit::is_of_a_list(caller.visit.uri.path()) {
        let done = answer.get("text").and_then(Value::as_str).unwrap_or_default();
        api::lists::note(&caller, fields.text("list"), done);
    }
    Answer::json(&answer)
}

/// An outcome as an answer; a page of a problem stands in `frame`.
fn told(outcome: Outcome, is_api: bool, frame: impl FnOnce() -> Frame) -> Option<Answer> {
    match outcome {
        Ok(answer) => Some(answer),
        Err(problem) if problem.kind == Kind::OutOfTurn => None,
        Err(problem) if is_api => Some(problem.json()),
        Err(problem) => Some(problem.page(frame())),
    }
}

fn anybody(handler: fn(&Visit, &Fields) -> Outcome, visit: &Visit) -> Outcome {
    let fields = fields(visit, false)?;
    if visit.method == Method::POST {
        check_form(visit, None, csrf_of(visit, &fields))?;
    }
    handler(visit, &fields)
}

fn owned(handler: fn(&visit::Owner, &Fields) -> Outcome, owner: &visit::Owner) -> Outcome {
    let fields = fields(&owner.visit, false)?;
    if owner.visit.method == Method::POST {
        check_form(&owner.visit, Some(&owner.proof), csrf_of(&owner.visit, &fields))?;
    }
    handler(owner, &fields)
}

/// Where they wanted to go is where they come to after that; a form cannot be repeated there.
fn log_in_first(visit: &Visit) -> Answer {
    let wanted = visit.uri.path_and_query().map_or("/", |wanted| wanted.as_str());
    if visit.method == Method::POST || wanted == "/" {
        return Answer::see_other(&OwnPath::new("/login"));
    }
    Answer::see_other(&OwnPath::new(format!("/login?next={}", encoded(wanted))))
}

fn fields(visit: &Visit, is_api: bool) -> Result<Fields, Problem> {
    if visit.method != Method::POST {
        return Fields::urlencoded(visit.uri.query().unwrap_or_default().as_bytes());
    }
    let media_type = visit.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match (is_api, media_type.as_str()) {
        // A page of another site cannot send this without asking first (Fetch §3.3.5), and it is never allowed to.
        (true, "application/json") => Fields::json(&visit.body),
        (false, "application/x-www-form-urlencoded") => Fields::urlencoded(&visit.body),
        (true, _) => Err(Problem::new(Kind::MediaType, tr!("Send application/json."))),
        (false, _) => {
            Err(Problem::new(Kind::MediaType, tr!("Send application/x-www-form-urlencoded, as a page of ours does.")))
        }
    }
}
