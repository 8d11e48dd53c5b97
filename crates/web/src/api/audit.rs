//! What administrators and operators did.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::AuditPage;

/// Lines, unless it is said how many.
const LINES: usize = 100;

pub(super) const ENDPOINTS: &[Endpoint] =
    &[Endpoint::get("/api/v1/admin/audit", |caller, fields| json(page(caller, fields)?))];

/// A page of what was done.
pub(crate) fn page(caller: &Caller, fields: &Fields) -> Result<AuditPage, Problem> {
    let (before, limit) = (fields.number("before")?, fields.number("limit")?.unwrap_or(LINES));
    Ok(caller.domain_administration()?.audit(fields.text("kind"), fields.text("search"), before, limit)?)
}
