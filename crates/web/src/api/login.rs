//! Who calls the API.

use super::{Endpoint, json};
use crate::caller::{Caller, Proof};
use crate::form::Fields;
use crate::problem::{Kind, Problem};
use crate::visit::{Owner, Visit};
use auth::{Attempt, LoginError};
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde_json::Value;
use store::Protocol;

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint::get("/api/v1/session", session)];

/// Who is logged in.
#[derive(Serialize)]
struct SessionData<'a> {
    user: &'a str,
    device_id: u32,
    /// For `X-CSRF-Token`.
    csrf_token: Option<&'a str>,
}

fn session(caller: &Caller, _: &Fields) -> Result<Value, Problem> {
    let csrf_token = match &caller.proof {
        Proof::Session(session) => Some(session.csrf.as_str()),
        Proof::Password | Proof::Operator => None,
    };
    let own = caller.own()?;
    json(SessionData { user: &own.address, device_id: own.device.0, csrf_token })
}

/// Who made a call.
///
/// # Errors
/// Nobody who is known.
pub(crate) fn caller(visit: Visit) -> Result<Owner, Problem> {
    match visit.header(AUTHORIZATION.as_str()).map(basic) {
        Some(Some((user, password))) => by_password(visit, &user, &password),
        Some(None) => Err(Problem::new(Kind::LogIn, tr!("The only scheme that is known here is Basic (RFC 7617)."))),
        None => match visit.session()? {
            Some(session) => Ok(Owner::of(visit, session)),
            None => Err(Problem::new(Kind::LogIn, tr!("Log in first, or send an application password with the call."))),
        },
    }
}

fn by_password(visit: Visit, user: &str, password: &str) -> Result<Owner, Problem> {
    if !visit.is_secure() && !visit.peer.address.is_loopback() {
        return Err(Problem::new(Kind::Forbidden, tr!("A password is taken under TLS only.")));
    }
    let attempt = Attempt {
        user,
        password,
        protocol: Protocol::Web,
        address: visit.address(),
        fingerprint: Some("API"),
        tls: visit.peer.tls.as_deref(),
        now: visit.now,
        turn: visit.turn(),
    };
    let wrong = tr!(
        "The user name or the password is wrong. The API takes an application password; the page “Devices” makes one."
    );
    let outcome = visit.site.auth().log_in(&attempt);
    if let Err(error) = &outcome
        && *error != LoginError::OutOfTurn
    {
        login::log::failed(visit.site.auth(), Protocol::Web, (attempt.address, user), login::log::why(error));
    }
    match outcome {
        Ok(login) if !login.main_password => Ok(Owner::program(visit, &login)),
        Ok(_) => Err(Problem::new(Kind::LogIn, wrong)),
        Err(LoginError::Rejected { delay_millis }) => Err(Problem::new(Kind::LogIn, wrong).after_millis(delay_millis)),
        Err(LoginError::Throttled { delay_millis }) => {
            Err(Problem::new(Kind::TooOften, tr!("Too many wrong passwords; try again later."))
                .after_millis(delay_millis))
        }
        Err(LoginError::Busy { delay_millis }) => Err(Problem::busy().after_millis(delay_millis)),
        Err(LoginError::OutOfTurn) => Err(Problem::out_of_turn()),
        Err(LoginError::Fault(error)) => Err(error.into()),
    }
}

/// RFC 7617 §2: user and password in base64, with a colon between.
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, rest) = value.split_once(' ')?;
    let text = BASE64_STANDARD.decode(rest.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let text = String::from_utf8(text).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}
