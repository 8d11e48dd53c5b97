//! Who is connected now.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::{Done, SessionsAsk, SessionsPage};
use session::Roster;

/// Lines, unless it is said how many.
const LINES: usize = 100;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/admin/sessions", |caller, fields| json(page(caller, fields)?)),
    Endpoint::post("/api/v1/admin/sessions/{id}/end", |caller, _| json(end(caller)?)),
];

/// A page of the sessions of this server.
pub(crate) fn page(caller: &Caller, fields: &Fields) -> Result<SessionsPage, Problem> {
    let administration = caller.domain_administration()?;
    let ask = SessionsAsk {
        account: fields.optional("account"),
        protocol: fields.optional("protocol"),
        address: fields.optional("address"),
        before: fields.optional("before"),
        limit: fields.number("limit")?.unwrap_or(LINES),
    };
    let page = administration.sessions(roster(caller)?, &ask)?;
    Ok(SessionsPage { node: caller.site.node().map(str::to_owned), ..page })
}

/// Ends one.
pub(crate) fn end(caller: &Caller) -> Result<Done, Problem> {
    Ok(caller.domain_administration()?.end_session(roster(caller)?, caller.parameter("id"))?)
}

fn roster(caller: &Caller) -> Result<&dyn Roster, Problem> {
    caller.site.roster().ok_or_else(|| Problem::refused(tr!("No server runs on this data directory.")))
}
