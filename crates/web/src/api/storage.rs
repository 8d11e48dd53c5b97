//! How full the mailbox is, and making room.

use super::devices::must_decide;
use super::{Endpoint, json};
use crate::form::Fields;
use crate::problem::Problem;
use crate::visit::Owner;
use console::{ClearAnswer, ClearAsk, UsageCard};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/storage", |owner, _| json(usage(owner)?)),
    Endpoint::get("/api/v1/storage/clear", |owner, fields| json(preview(owner, fields)?)),
    Endpoint::post("/api/v1/storage/clear", |owner, fields| json(clear(owner, fields)?)),
];

/// How full the mailbox is.
pub(crate) fn usage(owner: &Owner) -> Result<UsageCard, Problem> {
    Ok(owner.console().usage()?)
}

/// What would be cleared of what every POP device has.
pub(crate) fn preview(owner: &Owner, fields: &Fields) -> Result<ClearAnswer, Problem> {
    Ok(owner.console().clear(&ask(fields, true)?)?)
}

/// Clears it. Not with an application password: a device that was stolen must not empty the mailbox.
pub(crate) fn clear(owner: &Owner, fields: &Fields) -> Result<ClearAnswer, Problem> {
    must_decide(owner, None)?;
    Ok(owner.console().clear(&ask(fields, false)?)?)
}

fn ask(fields: &Fields, dry_run: bool) -> Result<ClearAsk, Problem> {
    Ok(ClearAsk { older_than_days: fields.number("older_than_days")?, dry_run })
}
