//! Test mail, and how it went.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::{Act, TestMailCard};
use store::AccountId;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/test-mail", |caller, _| json(list(caller)?)),
    Endpoint::post("/api/v1/test-mail", |caller, fields| json(send(caller, fields)?)),
    Endpoint::get("/api/v1/admin/test-mail", |caller, _| json(list_all(caller)?)),
    Endpoint::post("/api/v1/admin/test-mail", |caller, fields| json(send_for(caller, fields)?)),
];

/// The tests of the account.
pub(crate) fn list(caller: &Caller) -> Result<Vec<TestMailCard>, Problem> {
    Ok(caller.console()?.tests(caller.site.auth(), caller.site.queue())?)
}

/// The tests of all accounts.
pub(crate) fn list_all(caller: &Caller) -> Result<Vec<TestMailCard>, Problem> {
    Ok(caller.administration()?.tests(caller.site.queue())?)
}

/// Sends one from the account's own address. Not by an application password: a program sends its mail over SMTP.
pub(crate) fn send(caller: &Caller, fields: &Fields) -> Result<Option<TestMailCard>, Problem> {
    caller.may(Act::Decide)?;
    let own = caller.own()?;
    let token = sent(caller, own.account, &own.address, fields)?;
    Ok(list(caller)?.into_iter().find(|card| card.token == token))
}

/// Sends one from the address of an account.
pub(crate) fn send_for(caller: &Caller, fields: &Fields) -> Result<Option<TestMailCard>, Problem> {
    let info = caller.administration()?.find(fields.text("account"))?;
    let token = sent(caller, info.id, &info.address, fields)?;
    Ok(list_all(caller)?.into_iter().find(|card| card.token == token))
}

/// `to`: nothing for the account itself.
fn sent(caller: &Caller, account: AccountId, from: &str, fields: &Fields) -> Result<String, Problem> {
    let to = fields.optional("to").unwrap_or(from);
    caller.site.send_test(account, (from, to)).map_err(|why| Problem::refused(tr!("No test is sent: {why}.", why)))
}
