//! All accounts, and what an administrator does with one.

use super::settled;
use crate::answer::{Answer, Outcome};
use crate::api::admin::{administration, password_url};
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::problem::Problem;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use auth::DomainInfo;
use console::AccountLine;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/admin", Handler::Owner(list)),
    Route::post("/admin/accounts", Handler::Owner(add)),
    Route::get("/admin/accounts/{id}", Handler::Owner(one)),
    Route::post("/admin/accounts/{id}/login", Handler::Owner(set_login)),
    Route::post("/admin/accounts/{id}/quota", Handler::Owner(set_quota)),
    Route::post("/admin/accounts/{id}/admin", Handler::Owner(set_admin)),
    Route::post("/admin/accounts/{id}/link", Handler::Owner(make_link)),
    Route::post("/admin/accounts/{id}/second-factor-off", Handler::Owner(second_factor_off)),
];

#[derive(Template)]
#[template(path = "admin_accounts.html")]
struct AccountsPage {
    frame: Frame,
    accounts: Vec<AccountLine>,
    domains: Vec<DomainInfo>,
}

#[derive(Template)]
#[template(path = "admin_account.html")]
struct AccountPage {
    frame: Frame,
    account: AccountLine,
    is_self: bool,
    /// The quota as the form has it.
    quota_mib: String,
}

fn list(owner: &Owner, _: &Fields) -> Outcome {
    let accounts = administration(owner)?.accounts()?;
    let domains = owner.site.auth().directory().domains()?;
    Answer::page(&AccountsPage { frame: Frame::of(owner, "admin"), accounts, domains })
}

/// An account that nobody knows the password of, and a link to choose it.
fn add(owner: &Owner, fields: &Fields) -> Outcome {
    administration(owner)?;
    let directory = owner.site.auth().directory();
    let address = fields.address("address", "domain");
    let added = || -> Result<String, Problem> {
        let password = auth::generate_password()?;
        directory.add_account(&address, &password, fields.text("name"), owner.now)?;
        let link = directory.password_link(&address, owner.now)?;
        let url = password_url(owner, &link.token);
        Ok(format!("{address} was added. With this link its owner chooses the password, once, within 7 days: {url}"))
    };
    settled(owner, added(), "/admin")
}

fn one(owner: &Owner, _: &Fields) -> Outcome {
    let account = account(owner)?;
    let is_self = account.number == owner.account.0;
    let quota_mib = account.quota_bytes.map(|bytes| (bytes >> 20).to_string()).unwrap_or_default();
    Answer::page(&AccountPage { frame: Frame::of(owner, "admin"), account, is_self, quota_mib })
}

fn set_login(owner: &Owner, fields: &Fields) -> Outcome {
    let account = account(owner)?;
    let disabled = fields.is_on("disabled");
    let done = if disabled { "cannot log in any more; mail goes on to arrive" } else { "can log in again" };
    change(owner, &account, || {
        not_oneself(owner, &account, disabled)?;
        owner.site.auth().directory().set_disabled(&account.address, disabled)?;
        Ok(format!("{} {done}.", account.address))
    })
}

fn set_admin(owner: &Owner, fields: &Fields) -> Outcome {
    let account = account(owner)?;
    let admin = fields.is_on("admin");
    let done = if admin { "is an administrator now" } else { "is no administrator any more" };
    change(owner, &account, || {
        not_oneself(owner, &account, !admin)?;
        owner.site.auth().directory().set_admin(&account.address, admin)?;
        Ok(format!("{} {done}.", account.address))
    })
}

fn set_quota(owner: &Owner, fields: &Fields) -> Outcome {
    let account = account(owner)?;
    let quota_bytes = fields.number::<u32>("quota_mib")?.map(|mib| u64::from(mib) << 20);
    change(owner, &account, || Ok(administration(owner)?.set_quota(account.number, quota_bytes)?.usage))
}

fn make_link(owner: &Owner, _: &Fields) -> Outcome {
    let account = account(owner)?;
    change(owner, &account, || {
        let link = owner.site.auth().directory().password_link(&account.address, owner.now)?;
        let url = password_url(owner, &link.token);
        Ok(format!("With this link the owner chooses a new password, once, within 7 days. It is shown only now: {url}"))
    })
}

fn second_factor_off(owner: &Owner, _: &Fields) -> Outcome {
    let account = account(owner)?;
    change(owner, &account, || {
        if owner.site.auth().web().reset_second_factor(store::AccountId(account.number))? {
            Ok(format!("{} logs in with the password alone again.", account.address))
        } else {
            Err(Problem::refused("There was no second factor."))
        }
    })
}

/// Nobody shuts themselves out by a slip; another administrator or the command line can.
fn not_oneself(owner: &Owner, account: &AccountLine, takes: bool) -> Result<(), Problem> {
    if takes && account.number == owner.account.0 {
        return Err(Problem::refused("You cannot take that from yourself; another administrator can."));
    }
    Ok(())
}

fn account(owner: &Owner) -> Result<AccountLine, Problem> {
    administration(owner)?.account(owner.number("id")?).map_err(|error| match error {
        console::Error::Refused(_) => Problem::not_found(),
        console::Error::Store(error) => error.into(),
    })
}

fn change(owner: &Owner, account: &AccountLine, work: impl FnOnce() -> Result<String, Problem>) -> Outcome {
    settled(owner, work(), &format!("/admin/accounts/{}", account.number))
}
