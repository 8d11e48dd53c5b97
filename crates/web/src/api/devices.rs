//! The devices of an account, what their owner chooses for them, and what they took.

use super::{Endpoint, json};
use crate::caller::{Caller, Proof};
use crate::form::Fields;
use crate::problem::Problem;
use crate::setup::{OfferedService, Protocol, Security};
use console::{
    Act, Defaults, DeviceCard, NewToken, Offer, PopChoice, PopChoices, SwitchGuide, SwitchServers, UndoAnswer,
    connected_devices, switch_guide,
};
use store::DeviceId;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/devices", |caller, fields| json(list(caller, fields)?)),
    Endpoint::get("/api/v1/devices/{id}", |caller, _| json(one(caller)?)),
    Endpoint::post("/api/v1/devices/{id}", |caller, fields| json(choose(caller, fields)?)),
    Endpoint::get("/api/v1/devices/{id}/choices", |caller, _| json(choices(caller)?)),
    Endpoint::get("/api/v1/devices/{id}/imap", |caller, _| json(imap(caller)?)),
    Endpoint::post("/api/v1/devices/{id}/seen", |caller, _| json(seen(caller)?)),
    Endpoint::post("/api/v1/devices/{id}/one-program", |caller, _| json(one_program(caller)?)),
    Endpoint::post("/api/v1/devices/{id}/token", |caller, fields| json(make_token(caller, fields)?)),
    Endpoint::post("/api/v1/devices/{id}/revoke", |caller, _| json(revoke(caller)?)),
    Endpoint::get("/api/v1/defaults", |caller, _| json(defaults(caller)?)),
    Endpoint::post("/api/v1/defaults", |caller, fields| json(choose_defaults(caller, fields)?)),
    Endpoint::get("/api/v1/defaults/choices", |caller, _| json(default_choices(caller)?)),
    Endpoint::get("/api/v1/offers", |caller, _| json(offers(caller)?)),
    Endpoint::post("/api/v1/offers/{id}", |caller, fields| json(answer_offer(caller, fields)?)),
];

/// All of them; `revoked`: also those that may not log in any more.
pub(crate) fn list(caller: &Caller, fields: &Fields) -> Result<Vec<DeviceCard>, Problem> {
    let mut devices = caller.console()?.devices(fields.is_on("revoked"))?;
    if let Some(roster) = caller.site.roster() {
        let connected = connected_devices(roster, caller.own()?.account);
        devices.iter_mut().for_each(|device| device.connected = connected.get(&device.id).copied().unwrap_or_default());
    }
    Ok(devices)
}

/// One of them.
pub(crate) fn one(caller: &Caller) -> Result<DeviceCard, Problem> {
    Ok(caller.console()?.device_card(id(caller)?)?)
}

/// What can be chosen for one.
pub(crate) fn choices(caller: &Caller) -> Result<PopChoices, Problem> {
    Ok(caller.console()?.choices(Some(id(caller)?))?)
}

/// Changes the settings of one.
pub(crate) fn choose(caller: &Caller, fields: &Fields) -> Result<DeviceCard, Problem> {
    let id = id(caller)?;
    caller.may(Act::DecideFor(id))?;
    let (console, choice) = (caller.console()?, choice(fields)?);
    if let Some(brake) = fields.switch("brake") {
        // Nobody who is held may let go of it.
        caller.may(Act::Decide)?;
        if brake != console.device_card(id)?.brake {
            console.set_brake(id, brake)?;
        }
    }
    Ok(console.choose(id, &choice, fields.switch("saves_sent"))?)
}

/// How its program is switched to IMAP.
pub(crate) fn imap(caller: &Caller) -> Result<SwitchGuide, Problem> {
    let device = one(caller)?;
    let program = [device.program.as_deref().unwrap_or_default(), &device.name].join(" ");
    let offered = caller.site.offered();
    let way = |protocol| match offered.best(protocol) {
        Some(OfferedService { security: Security::Tls, port, .. }) => tr!("port {port}, SSL/TLS", port),
        Some(OfferedService { security: Security::StartTls, port, .. }) => tr!("port {port}, STARTTLS", port),
        None => tr!("which this server does not offer").to_owned(),
    };
    let (imap, send) = (way(Protocol::Imap), way(Protocol::Submission));
    let servers = SwitchServers { host: caller.site.hostname(), imap, send };
    Ok(switch_guide(&program, &servers, &caller.own()?.address))
}

/// Its owner knows what it does.
pub(crate) fn seen(caller: &Caller) -> Result<DeviceCard, Problem> {
    let id = id(caller)?;
    caller.may(Act::DecideFor(id))?;
    Ok(caller.console()?.introduce(id)?)
}

/// Its owner says that one program logs in as it.
pub(crate) fn one_program(caller: &Caller) -> Result<DeviceCard, Problem> {
    let id = id(caller)?;
    caller.may(Act::DecideFor(id))?;
    Ok(caller.console()?.is_one_program(id)?)
}

/// Gives it a token, which is shown now and never again.
pub(crate) fn make_token(caller: &Caller, fields: &Fields) -> Result<NewToken, Problem> {
    // No application password: one that got into wrong hands must not make others of its kind.
    caller.may(Act::Decide)?;
    Ok(caller.console()?.make_token(caller.site.auth(), id(caller)?, fields.number("days")?)?)
}

/// Takes its right to log in.
pub(crate) fn revoke(caller: &Caller) -> Result<DeviceCard, Problem> {
    let id = id(caller)?;
    caller.may(Act::DecideFor(id))?;
    caller.console()?.revoke(id)?;
    Ok(caller.console()?.device_card(id)?)
}

/// What new devices begin with.
pub(crate) fn defaults(caller: &Caller) -> Result<Defaults, Problem> {
    Ok(caller.console()?.defaults()?)
}

/// What can be chosen for new devices.
pub(crate) fn default_choices(caller: &Caller) -> Result<PopChoices, Problem> {
    Ok(caller.console()?.choices(None)?)
}

/// Changes what new devices begin with.
pub(crate) fn choose_defaults(caller: &Caller, fields: &Fields) -> Result<Defaults, Problem> {
    caller.may(Act::Decide)?;
    Ok(caller.console()?.choose_defaults(&choice(fields)?, fields.switch("brake"))?)
}

/// What devices took that the others may want back.
pub(crate) fn offers(caller: &Caller) -> Result<Vec<Offer>, Problem> {
    Ok(caller.console()?.offers()?)
}

/// Takes an offer (`put_back`) or declines it (`decline`).
pub(crate) fn answer_offer(caller: &Caller, fields: &Fields) -> Result<UndoAnswer, Problem> {
    let (id, console) = (id(caller)?, caller.console()?);
    match fields.text("answer") {
        "put_back" => Ok(console.put_back(id, fields.is_on("dry_run"))?),
        "decline" => {
            console.decline_offer(id)?;
            Ok(UndoAnswer::default())
        }
        _ => Err(Problem::bad(tr!("The answer is “put_back” or “decline”."))),
    }
}

/// The device that the path names: by its number, or, for the operator, by its name.
fn id(caller: &Caller) -> Result<DeviceId, Problem> {
    match caller.proof {
        Proof::Operator => Ok(caller.console()?.find_device(caller.parameter("id"))?),
        Proof::Session(_) | Proof::Password => caller.number("id").map(DeviceId),
    }
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
