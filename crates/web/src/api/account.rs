//! The owner's account.

use super::{Endpoint, json};
use crate::caller::{Caller, Proof};
use crate::problem::Problem;
use console::shown;
use serde::Serialize;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/account", |caller, _| json(account(caller)?)),
    Endpoint::post("/api/v1/account/sessions/{id}/end", |caller, _| json(Ended { ended: u32::from(end_one(caller)?) })),
    Endpoint::post("/api/v1/account/sessions/end", |caller, _| json(Ended { ended: end_others(caller)? })),
];

/// How many sessions were ended.
#[derive(Serialize)]
struct Ended {
    ended: u32,
}

/// The owner's account.
#[derive(Serialize)]
struct AccountData {
    user: String,
    second_factor: bool,
    recovery_codes_left: usize,
    sessions: Vec<SessionLine>,
}

/// A session on the pages.
#[derive(Serialize)]
pub(crate) struct SessionLine {
    pub(crate) id: String,
    pub(crate) created_at: String,
    pub(crate) last_used_at: String,
    pub(crate) address: String,
    pub(crate) program: Option<String>,
    /// It is the one that asks.
    pub(crate) current: bool,
}

fn account(caller: &Caller) -> Result<AccountData, Problem> {
    let left = caller.site.auth().web().recovery_codes_left(caller.own()?.account)?;
    Ok(AccountData {
        user: caller.own()?.address.clone(),
        second_factor: left.is_some(),
        recovery_codes_left: left.unwrap_or(0),
        sessions: sessions(caller)?,
    })
}

/// The sessions of the account, the one that was used last first.
pub(crate) fn sessions(caller: &Caller) -> Result<Vec<SessionLine>, Problem> {
    let own = match &caller.proof {
        Proof::Session(session) => Some(&session.id),
        Proof::Password | Proof::Operator => None,
    };
    let sessions = caller.site.auth().web().sessions(caller.own()?.account, caller.now)?;
    let line = |session: auth::WebSessionInfo| SessionLine {
        current: own == Some(&session.id),
        created_at: shown(session.created_at),
        last_used_at: shown(session.last_used_at),
        id: session.id,
        address: session.address,
        program: session.program,
    };
    Ok(sessions.into_iter().map(line).collect())
}

/// Ends all sessions of the owner but the one that asks. How many there were.
pub(crate) fn end_others(caller: &Caller) -> Result<u32, Problem> {
    let (web, own) = (caller.site.auth().web(), &caller.session()?.id);
    let mut ended = 0;
    for other in web.sessions(caller.own()?.account, caller.now)?.iter().filter(|other| other.id != *own) {
        ended += u32::from(web.end(caller.own()?.account, &other.id)?);
    }
    Ok(ended)
}

/// Ends the session that the path names. Whether there was one.
pub(crate) fn end_one(caller: &Caller) -> Result<bool, Problem> {
    caller.session()?;
    Ok(caller.site.auth().web().end(caller.own()?.account, caller.parameter("id"))?)
}
