//! What an account has submitted for a time to come.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::problem::Problem;
use console::{Act, ScheduledCard};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/scheduled", |caller, _| json(show(caller)?)),
    Endpoint::post("/api/v1/scheduled/{id}/send", |caller, _| json(send(caller)?)),
    Endpoint::post("/api/v1/scheduled/{id}/cancel", |caller, _| json(cancel(caller)?)),
];

pub(crate) fn show(caller: &Caller) -> Result<ScheduledCard, Problem> {
    Ok(caller.console()?.scheduled(caller.site.queue())?)
}

/// Not by an application password: it vouches for whoever submitted it.
pub(crate) fn send(caller: &Caller) -> Result<ScheduledCard, Problem> {
    caller.may(Act::Decide)?;
    Ok(caller.console()?.send_now(caller.site.queue(), caller.number("id")?)?)
}

pub(crate) fn cancel(caller: &Caller) -> Result<ScheduledCard, Problem> {
    caller.may(Act::Decide)?;
    Ok(caller.console()?.cancel(caller.site.queue(), caller.number("id")?)?)
}
