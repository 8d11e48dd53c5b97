//! What others report to us: mail in the names of our domains, TLS with our hosts, complaints.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::ReportsPage;

/// Days, unless it is said how many.
const DAYS: u32 = 30;

pub(super) const ENDPOINTS: &[Endpoint] =
    &[Endpoint::get("/api/v1/admin/reports", |caller, fields| json(page(caller, fields)?))];

pub(crate) fn page(caller: &Caller, fields: &Fields) -> Result<ReportsPage, Problem> {
    let days = fields.number("days")?.unwrap_or(DAYS);
    Ok(caller.domain_administration()?.reports(days, caller.now)?)
}
