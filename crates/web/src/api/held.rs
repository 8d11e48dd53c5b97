//! What is held because a device removed far more than it ever did, and the owner's answer.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::{Act, HeldAnswer, HeldAsk, HeldCard, HeldOutcome, HeldThen};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/held", |caller, fields| json(list(caller, fields)?)),
    Endpoint::post("/api/v1/held/{id}", |caller, fields| json(answer(caller, fields)?)),
];

/// What waits for an answer; `answered`: what has one, too.
pub(crate) fn list(caller: &Caller, fields: &Fields) -> Result<Vec<HeldCard>, Problem> {
    Ok(caller.console()?.holds(fields.is_on("answered"))?)
}

/// Keeps what is held, or lets it be removed. Not by an application password: it may be the one whose removals are held.
pub(crate) fn answer(caller: &Caller, fields: &Fields) -> Result<HeldOutcome, Problem> {
    caller.may(Act::Decide)?;
    let answer = match fields.text("answer") {
        "keep" => HeldAnswer::Keep,
        "allow" => HeldAnswer::Allow,
        _ => return Err(Problem::bad(tr!("The answer is “keep” or “allow”."))),
    };
    let then = match fields.text("then") {
        "" | "stays" => HeldThen::Stays,
        "keeps" => HeldThen::Keeps,
        "is_revoked" => HeldThen::IsRevoked,
        _ => return Err(Problem::bad(tr!("What then happens to the device is “stays”, “keeps” or “is_revoked”."))),
    };
    Ok(caller.console()?.answer_hold(HeldAsk { id: caller.number("id")?, answer, then })?)
}
