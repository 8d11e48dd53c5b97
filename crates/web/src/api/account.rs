//! The owner's account.

use super::{Endpoint, json};
use crate::problem::Problem;
use crate::visit::{Owner, Proof};
use console::shown;
use serde::Serialize;

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint::get("/api/v1/account", |owner, _| json(account(owner)?))];

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
