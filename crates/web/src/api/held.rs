//! What is held because a device removed far more than it ever did, and the owner's answer.

use super::devices::must_decide;
use super::{Endpoint, json};
use crate::form::Fields;
use crate::problem::Problem;
use crate::visit::Owner;
use console::{HeldAnswer, HeldAsk, HeldCard, HeldOutcome, HeldThen};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/held", |owner, fields| json(list(owner, fields)?)),
    Endpoint::post("/api/v1/held/{id}", |owner, fields| json(answer(owner, fields)?)),
];

/// What waits for an answer; `answered`: what has one, too.
pub(crate) fn list(owner: &Owner, fields: &Fields) -> Result<Vec<HeldCard>, Problem> {
    Ok(owner.console().holds(fields.is_on("answered"))?)
}

/// Keeps what is held, or lets it be removed. Not by an application password: it may be the one whose removals are held.
pub(crate) fn answer(owner: &Owner, fields: &Fields) -> Result<HeldOutcome, Problem> {
    must_decide(owner, None)?;
    let answer = match fields.text("answer") {
        "keep" => HeldAnswer::Keep,
        "allow" => HeldAnswer::Allow,
        _ => return Err(Problem::bad("The answer is “keep” or “allow”.")),
    };
    let then = match fields.text("then") {
        "" | "stays" => HeldThen::Stays,
        "keeps" => HeldThen::Keeps,
        "is_revoked" => HeldThen::IsRevoked,
        _ => return Err(Problem::bad("What then happens to the device is “stays”, “keeps” or “is_revoked”.")),
    };
    Ok(owner.console().answer_hold(HeldAsk { id: owner.number("id")?, answer, then })?)
}
