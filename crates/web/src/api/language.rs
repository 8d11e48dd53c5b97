//! The language that the owner reads.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::{Act, LanguageCard};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/language", |caller, _| json(show(caller)?)),
    Endpoint::post("/api/v1/language", |caller, fields| json(choose(caller, fields)?)),
];

pub(crate) fn show(caller: &Caller) -> Result<LanguageCard, Problem> {
    Ok(caller.console()?.language_card()?)
}

/// Not by an application password: it is what the owner reads everywhere.
pub(crate) fn choose(caller: &Caller, fields: &Fields) -> Result<LanguageCard, Problem> {
    caller.may(Act::Decide)?;
    Ok(caller.console()?.choose_language(fields.text("language"))?)
}
