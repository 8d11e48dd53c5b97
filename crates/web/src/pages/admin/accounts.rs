//! All accounts, and what an administrator does with one.

use super::settled;
use crate::answer::{Answer, Outcome};
use crate::api::accounts;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::problem::Problem;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::{AccountLine, Done};
use directory::DomainInfo;

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
    /// Domains that refused our mail in the last week.
    rejecting: usize,
}

#[derive(Template)]
#[template(path = "admin_account.html")]
struct AccountPage {
    frame: Frame,
    account: AccountLine,
    is_self: bool,
    /// The quota as the form has it.
    quota_mib: String,
    quota_messages: String,
}

fn list(owner: &Owner, _: &Fields) -> Outcome {
    let accounts = owner.administration()?.accounts()?;
    let domains = owner.site.auth().directory().domains()?;
    let rejecting = owner.administration()?.rejecting_domains(owner.now)?;
    Answer::page(&AccountsPage { frame: Frame::of(owner, "admin"), accounts, domains, rejecting })
}

fn add(owner: &Owner, fields: &Fields) -> Outcome {
    settled(owner, accounts::add(owner, fields), "/admin")
}

fn one(owner: &Owner, _: &Fields) -> Outcome {
    let account = accounts::account(owner)?;
    let is_self = account.number == owner.own()?.account.0;
    let quota_mib = account.quota_bytes.map(|bytes| (bytes >> 20).to_string()).unwrap_or_default();
    let quota_messages = account.quota_messages.map(|messages| messages.to_string()).unwrap_or_default();
    Answer::page(&AccountPage { frame: Frame::of(owner, "admin"), account, is_self, quota_mib, quota_messages })
}

fn set_login(owner: &Owner, fields: &Fields) -> Outcome {
    change(owner, accounts::set_login(owner, fields))
}

fn set_admin(owner: &Owner, fields: &Fields) -> Outcome {
    change(owner, accounts::set_admin(owner, fields))
}

fn set_quota(owner: &Owner, fields: &Fields) -> Outcome {
    change(owner, accounts::set_quota(owner, fields))
}

fn make_link(owner: &Owner, _: &Fields) -> Outcome {
    change(owner, accounts::make_link(owner))
}

fn second_factor_off(owner: &Owner, _: &Fields) -> Outcome {
    change(owner, accounts::second_factor_off(owner))
}

fn change(owner: &Owner, outcome: Result<Done, Problem>) -> Outcome {
    settled(owner, outcome, &format!("/admin/accounts/{}", owner.number::<u32>("id")?))
}
