//! Mail that was refused.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::{RefusedPage, Wanted, parse_moment, words_of};

/// Lines, unless it is said how many.
const LINES: usize = 100;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/refused", |caller, fields| json(own(caller, fields)?)),
    Endpoint::get("/api/v1/admin/refused", |caller, fields| json(of_nobody(caller, fields)?)),
];

/// What was for the account, or sent by it.
pub(crate) fn own(caller: &Caller, fields: &Fields) -> Result<RefusedPage, Problem> {
    Ok(caller.console()?.refused(caller.site.auth(), &wanted(caller, fields)?)?)
}

/// What was for addresses that lead nowhere.
pub(crate) fn of_nobody(caller: &Caller, fields: &Fields) -> Result<RefusedPage, Problem> {
    Ok(caller.domain_administration()?.refused(&wanted(caller, fields)?)?)
}

fn wanted(caller: &Caller, fields: &Fields) -> Result<Wanted, Problem> {
    Ok(Wanted {
        words: words_of(fields.text("search")),
        since: fields.optional("since").map(|since| parse_moment(since, caller.now)).transpose()?,
        until: None,
        limit: fields.number("limit")?.unwrap_or(LINES),
    })
}
