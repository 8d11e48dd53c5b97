//! Whether the mail of all accounts is safe.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::{Done, IntegrityReport, SurveyPage};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/admin/integrity", |caller, fields| json(report(caller, fields)?)),
    Endpoint::get("/api/v1/admin/integrity/last", |caller, fields| json(last(caller, fields)?)),
    Endpoint::post("/api/v1/admin/integrity/look", |caller, _| json(look(caller)?)),
];

/// What the last look at all accounts found, or has found so far.
pub(crate) fn last(caller: &Caller, fields: &Fields) -> Result<SurveyPage, Problem> {
    Ok(caller.administration()?.survey(&caller.site.survey(false), fields.number("after")?)?)
}

/// Begins to look again.
pub(crate) fn look(caller: &Caller) -> Result<Done, Problem> {
    caller.administration()?;
    caller.site.survey(true);
    Ok(Done::new(tr!(
        "All accounts are looked at, one after the other. With many that takes a while; this page says how far it is."
    )))
}

fn report(caller: &Caller, fields: &Fields) -> Result<IntegrityReport, Problem> {
    Ok(caller.administration()?.report(fields.number("after")?)?)
}
