//! All accounts, and what an administrator does with one.

use super::settled;
use crate::answer::{Answer, Outcome};
use crate::api::accounts;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::path::encoded;
use crate::problem::Problem;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::{AccountLine, AccountsPage, BULK_LINES_MAX, BulkAnswer, Done, words};
use directory::DomainInfo;
use store::Timestamp;
use wording::tr;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/admin", Handler::Owner(list)),
    Route::post("/admin/accounts", Handler::Owner(add)),
    Route::get("/admin/accounts/import", Handler::Owner(|owner, _| ask_for_list(owner, "", None))),
    Route::post("/admin/accounts/import", Handler::Owner(import)).long(),
    Route::get("/admin/accounts/{id}", Handler::Owner(one)),
    Route::post("/admin/accounts/{id}/login", Handler::Owner(set_login)),
    Route::post("/admin/accounts/{id}/quota", Handler::Owner(set_quota)),
    Route::post("/admin/accounts/{id}/admin", Handler::Owner(set_admin)),
    Route::post("/admin/accounts/{id}/domains", Handler::Owner(set_domains)),
    Route::post("/admin/accounts/{id}/rename", Handler::Owner(rename)),
    Route::post("/admin/accounts/{id}/remove", Handler::Owner(remove)),
    Route::post("/admin/accounts/{id}/keep", Handler::Owner(keep)),
    Route::post("/admin/accounts/{id}/link", Handler::Owner(make_link)),
    Route::post("/admin/accounts/{id}/second-factor-off", Handler::Owner(second_factor_off)),
];

#[derive(Template)]
#[template(path = "admin_accounts.html")]
struct ListPage {
    frame: Frame,
    page: AccountsPage,
    search: String,
    /// Whether this is not the first page.
    is_later: bool,
    now: Timestamp,
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
    /// Whether they may change something of it.
    may_change: bool,
    /// Its owner has asked for help, until then.
    helped_until: Option<String>,
    /// The quota as the form has it.
    quota_mib: String,
    quota_messages: String,
    /// So many days it keeps its mail after it was ended.
    removal_days: u16,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "admin_import.html")]
struct ImportPage {
    frame: Frame,
    /// The list as it was sent.
    csv: String,
    answer: Option<BulkAnswer>,
    lines_max: usize,
}

fn list(owner: &Owner, fields: &Fields) -> Outcome {
    let page = accounts::page(owner, fields)?;
    let (search, is_later, now) = (fields.text("search").to_owned(), fields.has("after"), owner.now);
    let administration = owner.domain_administration()?;
    let (domains, rejecting) = (administration.domains()?, administration.rejecting_domains(owner.now)?);
    let frame = Frame::of(owner, "admin");
    Answer::page(&ListPage { frame, page, search, is_later, now, domains, rejecting })
}

fn add(owner: &Owner, fields: &Fields) -> Outcome {
    settled(owner, accounts::add(owner, fields), "/admin")
}

/// The page with what became of a list is an answer, not a place to go to: to send the list again changes nothing.
fn import(owner: &Owner, fields: &Fields) -> Outcome {
    match accounts::import(owner, fields) {
        Ok(answer) if !answer.dry_run => {
            owner.did(&answer.text);
            ask_for_list(owner, "", Some(answer))
        }
        Ok(answer) => ask_for_list(owner, fields.raw("csv"), Some(answer)),
        Err(problem) => settled(owner, Err(problem), "/admin/accounts/import"),
    }
}

fn ask_for_list(owner: &Owner, csv: &str, answer: Option<BulkAnswer>) -> Outcome {
    owner.domain_administration()?;
    let (frame, csv) = (Frame::of(owner, "admin"), csv.to_owned());
    Answer::page(&ImportPage { frame, csv, answer, lines_max: BULK_LINES_MAX })
}

/// How much is in the mailboxes of an account.
fn room(account: &AccountLine) -> String {
    let used = words::bytes(account.used_bytes);
    account.quota_bytes.map_or(used.clone(), |quota| tr!("{used} of {quota}", used, quota = words::bytes(quota)))
}

/// The path of the first page.
fn first(search: &str) -> String {
    if search.is_empty() { "/admin".to_owned() } else { format!("/admin?search={}", encoded(search)) }
}

/// The path of the page after this one.
fn next(search: &str, after: &str) -> String {
    format!("/admin?search={}&after={}", encoded(search), encoded(after))
}

fn one(owner: &Owner, _: &Fields) -> Outcome {
    let account = accounts::account(owner)?;
    let administration = owner.domain_administration()?;
    let may_change = administration.find_to_change(&account.number.to_string()).is_ok();
    let helped_until = administration.helped_until(&administration.find(&account.number.to_string())?)?;
    let (is_self, now) = (account.number == owner.own()?.account.0, owner.now);
    let quota_mib = account.quota_bytes.map(|bytes| (bytes >> 20).to_string()).unwrap_or_default();
    let quota_messages = account.quota_messages.map(|messages| messages.to_string()).unwrap_or_default();
    let removal_days = owner.site.auth().directory().removal_days();
    let frame = Frame::of(owner, "admin");
    Answer::page(&AccountPage {
        frame,
        account,
        is_self,
        may_change,
        helped_until,
        quota_mib,
        quota_messages,
        removal_days,
        now,
    })
}

fn set_login(owner: &Owner, fields: &Fields) -> Outcome {
    change(owner, accounts::set_login(owner, fields))
}

fn set_admin(owner: &Owner, fields: &Fields) -> Outcome {
    change(owner, accounts::set_admin(owner, fields))
}

fn set_domains(owner: &Owner, fields: &Fields) -> Outcome {
    change(owner, accounts::set_domains(owner, fields))
}

fn set_quota(owner: &Owner, fields: &Fields) -> Outcome {
    change(owner, accounts::set_quota(owner, fields))
}

fn rename(owner: &Owner, fields: &Fields) -> Outcome {
    change(owner, accounts::rename(owner, fields))
}

fn remove(owner: &Owner, fields: &Fields) -> Outcome {
    match accounts::remove(owner, fields) {
        // It is gone, and so is its page.
        Ok(done) if done.account.is_none() => settled(owner, Ok(done), "/admin"),
        outcome => change(owner, outcome),
    }
}

fn keep(owner: &Owner, _: &Fields) -> Outcome {
    change(owner, accounts::keep(owner))
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
