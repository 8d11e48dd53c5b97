//! The devices of an account.

use super::{Endpoint, json};
use crate::form::Fields;
use crate::problem::Problem;
use crate::visit::Owner;
use console::{DeviceCard, PopChoice};
use store::DeviceId;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/devices", |owner, fields| json(list(owner, fields)?)),
    Endpoint::get("/api/v1/devices/{id}", |owner, _| json(one(owner)?)),
    Endpoint::post("/api/v1/devices/{id}", |owner, fields| json(choose(owner, fields)?)),
];

/// All of them; `revoked`: also those that may not log in any more.
pub(crate) fn list(owner: &Owner, fields: &Fields) -> Result<Vec<DeviceCard>, Problem> {
    Ok(owner.console().devices(fields.is_on("revoked"))?)
}

/// One of them.
pub(crate) fn one(owner: &Owner) -> Result<DeviceCard, Problem> {
    Ok(owner.console().device_card(id(owner)?)?)
}

/// Changes the settings of one.
pub(crate) fn choose(owner: &Owner, fields: &Fields) -> Result<DeviceCard, Problem> {
    let saves_sent = fields.has("saves_sent").then(|| fields.is_on("saves_sent"));
    Ok(owner.console().choose(id(owner)?, &choice(fields)?, saves_sent)?)
}

/// The device that the path names.
fn id(owner: &Owner) -> Result<DeviceId, Problem> {
    owner.number("id").map(DeviceId)
}

/// Names of settings. A form of ours has the number of days in a field of its own, beside the name that needs it.
fn choice(fields: &Fields) -> Result<PopChoice, Problem> {
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
