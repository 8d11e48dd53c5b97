//! What keeps mail from coming and going, as the server sees it.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::problem::Problem;
use console::{Done, Examination};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/admin/doctor", |caller, _| json(last(caller)?)),
    Endpoint::post("/api/v1/admin/doctor/look", |caller, _| json(look(caller)?)),
];

/// What was found the last time.
pub(crate) fn last(caller: &Caller) -> Result<Examination, Problem> {
    caller.administration()?;
    Ok(caller.site.examine(false))
}

/// Begins to look again.
pub(crate) fn look(caller: &Caller) -> Result<Done, Problem> {
    caller.administration()?;
    caller.site.examine(true);
    Ok(Done::new(tr!("It is looked at. That takes some seconds, and more where others do not answer.")))
}
