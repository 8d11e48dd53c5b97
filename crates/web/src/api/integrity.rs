//! Whether the mail of all accounts is safe.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::IntegrityReport;

pub(super) const ENDPOINTS: &[Endpoint] =
    &[Endpoint::get("/api/v1/admin/integrity", |caller, fields| json(report(caller, fields)?))];

pub(crate) fn report(caller: &Caller, fields: &Fields) -> Result<IntegrityReport, Problem> {
    Ok(caller.administration()?.report(fields.number("after")?)?)
}
