//! Mailboxes that accounts share.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::{Act, ShareCard, ShareCards};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/shares", |caller, _| json(show(caller)?)),
    Endpoint::post("/api/v1/shares", |caller, fields| json(share(caller, fields)?)),
];

pub(crate) fn show(caller: &Caller) -> Result<ShareCards, Problem> {
    Ok(caller.console()?.shares(caller.site.auth())?)
}

pub(crate) fn share(caller: &Caller, fields: &Fields) -> Result<ShareCard, Problem> {
    caller.may(Act::Decide)?;
    let (mailbox, with) = (fields.text("mailbox"), fields.text("with"));
    Ok(caller.console()?.share(caller.site.auth(), mailbox, with, fields.text("rights"))?)
}
