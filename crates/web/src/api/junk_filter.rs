//! Whether the server puts mail of the owner into Junk.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::{Act, JunkFilterCard};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/junk-filter", |caller, _| json(show(caller)?)),
    Endpoint::post("/api/v1/junk-filter", |caller, fields| json(switch(caller, fields)?)),
];

pub(crate) fn show(caller: &Caller) -> Result<JunkFilterCard, Problem> {
    Ok(caller.console()?.junk_filter(caller.site.auth())?)
}

/// Not by an application password: it is what all devices find where.
pub(crate) fn switch(caller: &Caller, fields: &Fields) -> Result<JunkFilterCard, Problem> {
    caller.may(Act::Decide)?;
    let is_on = match fields.text("switch") {
        "on" => true,
        "off" => false,
        _ => return Err(Problem::bad(tr!("The filter is switched “on” or “off”."))),
    };
    Ok(caller.console()?.set_junk_filter(caller.site.auth(), is_on)?)
}
