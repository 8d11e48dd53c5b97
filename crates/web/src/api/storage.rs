//! How full the mailbox is, and making room.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::{Act, ClearAnswer, ClearAsk, UsageCard};
use store::OnProgress;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/storage", |caller, _| json(usage(caller)?)),
    Endpoint::get("/api/v1/storage/clear", |caller, fields| json(preview(caller, fields)?)),
    Endpoint::watched("/api/v1/storage/clear", |caller, fields, watch| json(clear(caller, fields, watch)?)),
];

/// How full the mailbox is.
pub(crate) fn usage(caller: &Caller) -> Result<UsageCard, Problem> {
    Ok(caller.console()?.usage()?)
}

/// What would be cleared of what every POP device has.
pub(crate) fn preview(caller: &Caller, fields: &Fields) -> Result<ClearAnswer, Problem> {
    Ok(caller.console()?.clear(&ask(fields, true)?, &mut |_| {})?)
}

/// Clears it. Not with an application password: a device that was stolen must not empty the mailbox.
pub(crate) fn clear(caller: &Caller, fields: &Fields, watch: OnProgress<'_>) -> Result<ClearAnswer, Problem> {
    caller.may(Act::Decide)?;
    Ok(caller.console()?.clear(&ask(fields, false)?, watch)?)
}

fn ask(fields: &Fields, dry_run: bool) -> Result<ClearAsk, Problem> {
    Ok(ClearAsk { older_than_days: fields.number("older_than_days")?, dry_run })
}
