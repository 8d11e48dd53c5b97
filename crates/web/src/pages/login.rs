//! Log in and log out.

use crate::answer::{Answer, Outcome};
use crate::browser;
use crate::cookie::Cookie;
use crate::form::Fields;
use crate::frame::Frame;
use crate::path::OwnPath;
use crate::problem::Problem;
use crate::route::{Handler, Route};
use crate::token;
use crate::visit::{Owner, Visit};
use askama::Template;
use auth::{LoginError, WebAttempt};
use axum::http::StatusCode;
use axum::http::header::{HeaderName, USER_AGENT};
use store::Protocol;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/login", Handler::Anybody(show)),
    Route::post("/login", Handler::Anybody(log_in)),
    Route::post("/logout", Handler::Owner(log_out)),
];

/// Why it did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failed {
    /// The name, the password or the code is wrong; which of them is not said.
    Wrong,
    /// Too often.
    TooOften,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    frame: Frame,
    user: &'a str,
    next: &'a str,
    failed: Option<Failed>,
}

fn show(visit: &Visit, fields: &Fields) -> Outcome {
    let next = next(fields);
    if visit.session()?.is_some() {
        return Ok(Answer::see_other(&next));
    }
    page(visit, &next, ("", None))
}

fn log_in(visit: &Visit, fields: &Fields) -> Outcome {
    let (user, next) = (fields.text("user"), next(fields));
    let program = visit.header(USER_AGENT.as_str()).and_then(browser::name);
    let attempt = WebAttempt {
        user,
        password: fields.raw("password"),
        code: fields.text("code"),
        address: visit.address(),
        program: program.as_deref(),
        now: visit.now,
        turn: visit.turn(),
    };
    let auth = visit.site.auth();
    let outcome = auth.web().log_in(&attempt);
    match &outcome {
        Err(LoginError::OutOfTurn) => return Err(Problem::out_of_turn()),
        Ok(login) => login::log::succeeded_on_pages(auth, attempt.address, &login.session),
        Err(error) => login::log::failed(auth, Protocol::Web, (attempt.address, user), login::log::why(error)),
    }
    match outcome {
        Ok(login) => {
            let answer = Answer::see_other(&next).with_cookie(&Cookie::Session.set(visit.is_secure(), &login.token));
            Ok(answer.with_cookie(&Cookie::Visitor.remove(visit.is_secure())))
        }
        Err(LoginError::Rejected { delay_millis }) => {
            Ok(page(visit, &next, (user, Some(Failed::Wrong)))?.after_millis(delay_millis))
        }
        Err(LoginError::Throttled { delay_millis }) => {
            Ok(page(visit, &next, (user, Some(Failed::TooOften)))?.after_millis(delay_millis))
        }
        Err(LoginError::Busy { delay_millis }) => Err(Problem::busy().after_millis(delay_millis)),
        Err(LoginError::OutOfTurn) => Err(Problem::out_of_turn()),
        Err(LoginError::Fault(error)) => Err(error.into()),
    }
}

fn log_out(owner: &Owner, _: &Fields) -> Outcome {
    if let Some(token) = owner.visit.cookie(Cookie::Session) {
        owner.site.auth().web().log_out(token)?;
    }
    let answer =
        Answer::see_other(&OwnPath::new("/login")).with_cookie(&Cookie::Session.remove(owner.visit.is_secure()));
    Ok(answer.with(HeaderName::from_static("clear-site-data"), "\"cache\""))
}

/// The form, with a token for whoever looks at it.
fn page(visit: &Visit, next: &OwnPath, (user, failed): (&str, Option<Failed>)) -> Outcome {
    let known = visit.cookie(Cookie::Visitor).map(str::to_owned);
    let token = known.map_or_else(token::random, Ok)?;
    let frame = Frame::for_visitor(visit, &token, "login");
    let answer = Answer::page(&LoginPage { frame, user, next: next.as_str(), failed })?;
    let status = match failed {
        None => StatusCode::OK,
        Some(Failed::Wrong) => StatusCode::UNPROCESSABLE_ENTITY,
        Some(Failed::TooOften) => StatusCode::TOO_MANY_REQUESTS,
    };
    Ok(answer.with_status(status).with_cookie(&Cookie::Visitor.set(visit.is_secure(), &token)))
}

/// Where to go after that.
fn next(fields: &Fields) -> OwnPath {
    OwnPath::parse(fields.text("next")).unwrap_or_else(OwnPath::home)
}
