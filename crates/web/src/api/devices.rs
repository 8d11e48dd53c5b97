//! The devices of an account, what their owner chooses for them, and what they took.

use super::{Endpoint, json};
use crate::form::Fields;
use crate::problem::{Kind, Problem};
use crate::visit::{Owner, Proof};
use console::{Defaults, DeviceCard, Offer, PopChoice, PopChoices, SwitchGuide, UndoAnswer, switch_guide};
use store::DeviceId;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/devices", |owner, fields| json(list(owner, fields)?)),
    Endpoint::get("/api/v1/devices/{id}", |owner, _| json(one(owner)?)),
    Endpoint::post("/api/v1/devices/{id}", |owner, fields| json(choose(owner, fields)?)),
    Endpoint::get("/api/v1/devices/{id}/choices", |owner, _| json(choices(owner)?)),
    Endpoint::get("/api/v1/devices/{id}/imap", |owner, _| json(imap(owner)?)),
    Endpoint::post("/api/v1/devices/{id}/seen", |owner, _| json(seen(owner)?)),
    Endpoint::post("/api/v1/devices/{id}/one-program", |owner, _| json(one_program(owner)?)),
    Endpoint::post("/api/v1/devices/{id}/revoke", |owner, _| json(revoke(owner)?)),
    Endpoint::get("/api/v1/defaults", |owner, _| json(defaults(owner)?)),
    Endpoint::post("/api/v1/defaults", |owner, fields| json(choose_defaults(owner, fields)?)),
    Endpoint::get("/api/v1/defaults/choices", |owner, _| json(default_choices(owner)?)),
    Endpoint::get("/api/v1/offers", |owner, _| json(offers(owner)?)),
    Endpoint::post("/api/v1/offers/{id}", |owner, fields| json(answer_offer(owner, fields)?)),
];

/// All of them; `revoked`: also those that may not log in any more.
pub(crate) fn list(owner: &Owner, fields: &Fields) -> Result<Vec<DeviceCard>, Problem> {
    Ok(owner.console().devices(fields.is_on("revoked"))?)
}

/// One of them.
pub(crate) fn one(owner: &Owner) -> Result<DeviceCard, Problem> {
    Ok(owner.console().device_card(id(owner)?)?)
}

/// What can be chosen for one.
pub(crate) fn choices(owner: &Owner) -> Result<PopChoices, Problem> {
    Ok(owner.console().choices(Some(id(owner)?))?)
}

/// Changes the settings of one.
pub(crate) fn choose(owner: &Owner, fields: &Fields) -> Result<DeviceCard, Problem> {
    let id = id(owner)?;
    must_decide(owner, Some(id))?;
    let (console, choice) = (owner.console(), choice(fields)?);
    if fields.has("brake") {
        // Nobody who is held may let go of it.
        must_decide(owner, None)?;
        let brake = fields.is_on("brake");
        if brake != console.device_card(id)?.brake {
            console.set_brake(id, brake)?;
        }
    }
    let saves_sent = fields.has("saves_sent").then(|| fields.is_on("saves_sent"));
    Ok(console.choose(id, &choice, saves_sent)?)
}

/// How its program is switched to IMAP.
pub(crate) fn imap(owner: &Owner) -> Result<SwitchGuide, Problem> {
    let device = one(owner)?;
    let program = [device.program.as_deref().unwrap_or_default(), &device.name].join(" ");
    Ok(switch_guide(&program, owner.site.hostname(), &owner.address))
}

/// Its owner knows what it does.
pub(crate) fn seen(owner: &Owner) -> Result<DeviceCard, Problem> {
    let id = id(owner)?;
    must_decide(owner, Some(id))?;
    Ok(owner.console().introduce(id)?)
}

/// Its owner says that one program logs in as it.
pub(crate) fn one_program(owner: &Owner) -> Result<DeviceCard, Problem> {
    let id = id(owner)?;
    must_decide(owner, Some(id))?;
    Ok(owner.console().is_one_program(id)?)
}

/// Takes its right to log in.
pub(crate) fn revoke(owner: &Owner) -> Result<DeviceCard, Problem> {
    let id = id(owner)?;
    must_decide(owner, Some(id))?;
    owner.console().revoke(id)?;
    Ok(owner.console().device_card(id)?)
}

/// What new devices begin with.
pub(crate) fn defaults(owner: &Owner) -> Result<Defaults, Problem> {
    Ok(owner.console().defaults()?)
}

/// What can be chosen for new devices.
pub(crate) fn default_choices(owner: &Owner) -> Result<PopChoices, Problem> {
    Ok(owner.console().choices(None)?)
}

/// Changes what new devices begin with.
pub(crate) fn choose_defaults(owner: &Owner, fields: &Fields) -> Result<Defaults, Problem> {
    must_decide(owner, None)?;
    Ok(owner.console().choose_defaults(&choice(fields)?)?)
}

/// What devices took that the others may want back.
pub(crate) fn offers(owner: &Owner) -> Result<Vec<Offer>, Problem> {
    Ok(owner.console().offers()?)
}

/// Takes an offer (`put_back`) or declines it (`decline`).
pub(crate) fn answer_offer(owner: &Owner, fields: &Fields) -> Result<UndoAnswer, Problem> {
    let (id, console) = (id(owner)?, owner.console());
    match fields.text("answer") {
        "put_back" => Ok(console.put_back(id, false)?),
        "decline" => {
            console.decline_offer(id)?;
            Ok(UndoAnswer::default())
        }
        _ => Err(Problem::bad("The answer is “put_back” or “decline”.")),
    }
}

/// A program with an application password decides for its own device only: one that is lost must not lock out the others.
pub(super) fn must_decide(owner: &Owner, device: Option<DeviceId>) -> Result<(), Problem> {
    match owner.proof {
        Proof::Session(_) => Ok(()),
        Proof::Password if device == Some(owner.device) => Ok(()),
        Proof::Password => {
            let detail = "An application password decides for its own device only. Log in on the page for the others.";
            Err(Problem::new(Kind::Forbidden, detail))
        }
    }
}

/// The device that the path names.
fn id(owner: &Owner) -> Result<DeviceId, Problem> {
    owner.number("id").map(DeviceId)
}

/// Names of settings. A form of ours has the number of days in a field of its own, beside the name that needs it.
pub(super) fn choice(fields: &Fields) -> Result<PopChoice, Problem> {
    let named = |name: &str| -> Result<Option<String>, Problem> {
        let days = fields.number::<u32>(&format!("{name}_days"))?;
        let with_days = |value: &str| match (value, days) {
            ("expunge-after-days" | "last-days", Some(days)) => format!("{value}({days})"),
            _ => value.to_owned(),
        };
        Ok(fields.optional(name).map(with_days))
    };
    Ok(PopChoice { policy: named("policy")?, window: named("window")?, scope: named("scope")? })
}
