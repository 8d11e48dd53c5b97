//! Where the owner has mail forwarded to.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::{Act, ForwardCard, ForwardLetters};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/forward", |caller, _| json(show(caller)?)),
    Endpoint::post("/api/v1/forward", |caller, fields| json(ask(caller, fields)?)),
    Endpoint::post("/api/v1/forward/confirm", |caller, fields| json(confirm(caller, fields)?)),
    Endpoint::post("/api/v1/forward/remove", |caller, _| json(remove(caller)?)),
];

pub(crate) fn show(caller: &Caller) -> Result<ForwardCard, Problem> {
    Ok(caller.console()?.forward(caller.site.auth())?)
}

/// Asks an address. Not by an application password: it is all mail to come.
pub(crate) fn ask(caller: &Caller, fields: &Fields) -> Result<ForwardCard, Problem> {
    let keeps_copy = match fields.text("keep") {
        "" | "copy" => true,
        "instead" => false,
        _ => return Err(Problem::bad(tr!("What is kept here is a “copy”, or, “instead”, nothing."))),
    };
    change(caller, |letters| {
        Ok(caller.console()?.ask_for_forward(caller.site.auth(), (fields.text("address"), keeps_copy), letters)?)
    })
}

pub(crate) fn confirm(caller: &Caller, fields: &Fields) -> Result<ForwardCard, Problem> {
    change(caller, |letters| Ok(caller.console()?.confirm_forward(caller.site.auth(), fields.text("code"), letters)?))
}

pub(crate) fn remove(caller: &Caller) -> Result<ForwardCard, Problem> {
    change(caller, |letters| Ok(caller.console()?.remove_forward(caller.site.auth(), letters)?))
}

fn change<T>(caller: &Caller, work: impl FnOnce(&ForwardLetters<'_>) -> Result<T, Problem>) -> Result<T, Problem> {
    caller.may(Act::Decide)?;
    let send = |to: &str, letter: &[u8]| caller.site.post(to, letter);
    work(&ForwardLetters { hostname: caller.site.hostname(), language: caller.site.language(), send: &send })
}
