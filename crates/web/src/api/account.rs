//! The owner's account.

use super::{Endpoint, json};
use crate::problem::{Kind, Problem};
use crate::visit::{Owner, Proof};
use auth::WebSession;
use console::shown;
use serde::Serialize;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/account", |owner, _| json(account(owner)?)),
    Endpoint::post("/api/v1/account/sessions/{id}/end", |owner, _| json(Ended { ended: u32::from(end_one(owner)?) })),
    Endpoint::post("/api/v1/account/sessions/end", |owner, _| json(Ended { ended: end_others(owner)? })),
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

fn account(owner: &Owner) -> Result<AccountData, Problem> {
    let left = owner.site.auth().web().recovery_codes_left(owner.account)?;
    Ok(AccountData {
        user: owner.address.clone(),
        second_factor: left.is_some(),
        recovery_codes_left: left.unwrap_or(0),
        sessions: sessions(owner)?,
    })
}

/// The sessions of the account, the one that was used last first.
pub(crate) fn sessions(owner: &Owner) -> Result<Vec<SessionLine>, Problem> {
    let own = match &owner.proof {
        Proof::Session(session) => Some(&session.id),
        Proof::Password => None,
    };
    let sessions = owner.site.auth().web().sessions(owner.account, owner.now)?;
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
pub(crate) fn end_others(owner: &Owner) -> Result<u32, Problem> {
    let (web, own) = (owner.site.auth().web(), &session(owner)?.id);
    let mut ended = 0;
    for other in web.sessions(owner.account, owner.now)?.iter().filter(|other| other.id != *own) {
        ended += u32::from(web.end(owner.account, &other.id)?);
    }
    Ok(ended)
}

/// Ends the session that the path names. Whether there was one.
pub(crate) fn end_one(owner: &Owner) -> Result<bool, Problem> {
    session(owner)?;
    Ok(owner.site.auth().web().end(owner.account, owner.parameter("id"))?)
}

/// The session that asks; an application password is none, and decides about none.
pub(crate) fn session(owner: &Owner) -> Result<&WebSession, Problem> {
    match &owner.proof {
        Proof::Session(session) => Ok(session),
        Proof::Password => Err(Problem::new(Kind::Forbidden, "This needs a session: log in on the pages.")),
    }
}
