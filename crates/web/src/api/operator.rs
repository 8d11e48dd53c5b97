//! What only the operator asks for, on the control socket: passwords, devices of others, checks, UIDLs of another server.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;

use console::{AddedDevice, BackupAsk, KeptUidl, UIDLS_MAX};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post("/api/v1/operator/accounts", |caller, fields| {
        let (address, name) = (fields.text("address").to_owned(), fields.text("name").to_owned());
        let (operations, password) = (caller.operations()?, password(fields));
        json(caller.in_turn(move || operations.add_account(&address, &name, password.as_deref()))??)
    }),
    Endpoint::get("/api/v1/operator/accounts/{id}", |caller, _| {
        json(caller.operations()?.details(caller.parameter("id"))?)
    }),
    Endpoint::post("/api/v1/operator/accounts/{id}/password", |caller, fields| {
        let (operations, id, password) = (caller.operations()?, caller.parameter("id").to_owned(), password(fields));
        json(caller.in_turn(move || operations.set_password(&id, password.as_deref()))??)
    }),
    Endpoint::post("/api/v1/operator/accounts/{id}/remove", |caller, _| {
        json(caller.operations()?.remove_account(caller.parameter("id"))?)
    }),
    Endpoint::post("/api/v1/operator/devices", |caller, fields| json(add_device(caller, fields)?)),
    Endpoint::parts("/api/v1/operator/check", |caller, fields, part| {
        let (account, bodies) = (fields.optional("account"), fields.is_on("bodies"));
        Ok(caller.operations()?.check(account, bodies, &mut |step| part.give(&step))?)
    }),
    Endpoint::posted_parts("/api/v1/operator/backup", |caller, fields, part| {
        let ask = BackupAsk {
            to: fields.text("to"),
            keep: fields.number("keep")?,
            key: fields.optional("key"),
            rate: fields.number("rate")?,
            reread: fields.is_on("reread"),
        };
        let (beside, now) = (caller.site.beside(), caller.now);
        Ok(caller.operations()?.back_up(ask, &beside, now, &mut |step| part.give(&step))?)
    }),
    Endpoint::parts("/api/v1/operator/messages", |caller, _, part| {
        caller.operations()?;
        Ok(caller.console()?.marks(&mut |mark| part.give(&mark))?)
    }),
    Endpoint::post("/api/v1/operator/uidls", |caller, fields| json(keep_uidls(caller, fields)?)),
];

/// The password that was given; without one it is generated.
fn password(fields: &Fields) -> Option<String> {
    fields.has("password").then(|| fields.raw("password").to_owned())
}

/// A device with an application password, for a program that the operator sets up.
fn add_device(caller: &Caller, fields: &Fields) -> Result<AddedDevice, Problem> {
    caller.operations()?;
    let (console, pop) = (caller.console()?, super::devices::choice(fields)?);
    let (id, password) = console.add_device(caller.site.auth(), fields.text("name"), &pop)?;
    Ok(AddedDevice { card: console.device_card(id)?, password })
}

/// `uidls`: on each line an EMAILID, a tab and the UIDL.
fn keep_uidls(caller: &Caller, fields: &Fields) -> Result<Vec<KeptUidl>, Problem> {
    caller.operations()?;
    let uidls = fields.raw("uidls").lines().map(|line| line.split_once('\t'));
    let uidls: Option<Vec<(&str, &str)>> = uidls.collect();
    let uidls = uidls.filter(|uidls| uidls.len() <= UIDLS_MAX);
    let uidls = uidls.ok_or_else(|| Problem::bad(format!("Send at most {UIDLS_MAX} lines of EMAILID, tab, UIDL.")))?;
    Ok(caller.console()?.keep_uidls(&uidls, fields.is_on("dry_run"))?)
}
