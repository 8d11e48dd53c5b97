//! What an administrator changes about accounts.

use super::admin::{Done, administration, password_url};
use super::{Endpoint, json};
use crate::form::Fields;
use crate::problem::Problem;
use crate::visit::Owner;
use console::AccountLine;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post("/api/v1/admin/accounts", |owner, fields| json(add(owner, fields)?)),
    Endpoint::get("/api/v1/admin/accounts/{id}", |owner, _| json(account(owner)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/login", |owner, fields| json(set_login(owner, fields)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/quota", |owner, fields| json(set_quota(owner, fields)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/admin", |owner, fields| json(set_admin(owner, fields)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/link", |owner, _| json(make_link(owner)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/second-factor-off", |owner, _| json(second_factor_off(owner)?)),
];

/// The account that the path names.
pub(crate) fn account(owner: &Owner) -> Result<AccountLine, Problem> {
    administration(owner)?.account(owner.number("id")?).map_err(|error| match error {
        console::Error::Refused(_) => Problem::not_found(),
        console::Error::Store(error) => error.into(),
    })
}

/// An account that nobody knows the password of, and a link to choose it.
pub(crate) fn add(owner: &Owner, fields: &Fields) -> Result<Done, Problem> {
    administration(owner)?;
    let directory = owner.site.auth().directory();
    let address = fields.address("address", "domain");
    let password = auth::generate_password()?;
    directory.add_account(&address, &password, fields.text("name"), owner.now)?;
    let link = directory.password_link(&address, owner.now)?;
    let text = format!("{address} was added. With this link its owner chooses the password, once, within 7 days:");
    Ok(Done::linking(text, password_url(owner, &link.token)))
}

pub(crate) fn set_login(owner: &Owner, fields: &Fields) -> Result<Done, Problem> {
    let account = account(owner)?;
    let disabled = fields.is_on("disabled");
    let done = if disabled { "cannot log in any more; mail goes on to arrive" } else { "can log in again" };
    not_oneself(owner, &account, disabled)?;
    owner.site.auth().directory().set_disabled(&account.address, disabled)?;
    Ok(Done::new(format!("{} {done}.", account.address)))
}

pub(crate) fn set_admin(owner: &Owner, fields: &Fields) -> Result<Done, Problem> {
    let account = account(owner)?;
    let admin = fields.is_on("admin");
    let done = if admin { "is an administrator now" } else { "is no administrator any more" };
    not_oneself(owner, &account, !admin)?;
    owner.site.auth().directory().set_admin(&account.address, admin)?;
    Ok(Done::new(format!("{} {done}.", account.address)))
}

pub(crate) fn set_quota(owner: &Owner, fields: &Fields) -> Result<Done, Problem> {
    let account = account(owner)?;
    let quota_bytes = fields.number::<u32>("quota_mib")?.map(|mib| u64::from(mib) << 20);
    Ok(Done::new(administration(owner)?.set_quota(account.number, quota_bytes)?.usage))
}

pub(crate) fn make_link(owner: &Owner) -> Result<Done, Problem> {
    let account = account(owner)?;
    let link = owner.site.auth().directory().password_link(&account.address, owner.now)?;
    let text = "With this link the owner chooses a new password, once, within 7 days. It is shown only now:";
    Ok(Done::linking(text, password_url(owner, &link.token)))
}

pub(crate) fn second_factor_off(owner: &Owner) -> Result<Done, Problem> {
    let account = account(owner)?;
    if owner.site.auth().web().reset_second_factor(store::AccountId(account.number))? {
        Ok(Done::new(format!("{} logs in with the password alone again.", account.address)))
    } else {
        Err(Problem::refused("There was no second factor."))
    }
}

/// Nobody shuts themselves out by a slip; another administrator or the command line can.
fn not_oneself(owner: &Owner, account: &AccountLine, takes: bool) -> Result<(), Problem> {
    if takes && account.number == owner.account.0 {
        return Err(Problem::refused("You cannot take that from yourself; another administrator can."));
    }
    Ok(())
}
