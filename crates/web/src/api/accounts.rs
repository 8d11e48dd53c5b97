//! Accounts, and what an administrator changes about one. `{id}` is its number or its address.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::{AccountLine, AccountsAsk, AccountsPage, Act, BulkAnswer, BulkAsk, Done};
use directory::{AccountInfo, OldAddress, ToHash};
use store::Quota;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/admin/accounts", |caller, fields| json(page(caller, fields)?)),
    Endpoint::post("/api/v1/admin/accounts", |caller, fields| json(add(caller, fields)?)),
    Endpoint::post("/api/v1/admin/accounts/import", |caller, fields| json(import(caller, fields)?)).long(),
    Endpoint::get("/api/v1/admin/accounts/{id}", |caller, _| json(account(caller)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/login", |caller, fields| json(set_login(caller, fields)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/quota", |caller, fields| json(set_quota(caller, fields)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/admin", |caller, fields| json(set_admin(caller, fields)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/domains", |caller, fields| json(set_domains(caller, fields)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/rename", |caller, fields| json(rename(caller, fields)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/remove", |caller, fields| json(remove(caller, fields)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/keep", |caller, _| json(keep(caller)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/link", |caller, _| json(make_link(caller)?)),
    Endpoint::post("/api/v1/admin/accounts/{id}/second-factor-off", |caller, _| json(second_factor_off(caller)?)),
];

/// A page has so many accounts, unless it is said how many.
const PER_PAGE: usize = 50;
/// What is told of an account whose password found no place in the line of those that are to be hashed.
fn busy() -> directory::Error {
    directory::Error::refused(tr!(
        "too many passwords are being verified; give the list again, and what is missing is made"
    ))
}

/// A page of the accounts.
pub(crate) fn page(caller: &Caller, fields: &Fields) -> Result<AccountsPage, Problem> {
    let (search, after) = (fields.text("search"), fields.optional("after"));
    let limit = fields.number("limit")?.unwrap_or(PER_PAGE);
    Ok(caller.domain_administration()?.accounts(&AccountsAsk { search, after, limit })?)
}

/// Makes the accounts of a list.
pub(crate) fn import(caller: &Caller, fields: &Fields) -> Result<BulkAnswer, Problem> {
    let (first_line, dry_run) = (fields.number("first_line")?, fields.is_on("dry_run"));
    // One after the other.
    let in_turn = |password: ToHash| caller.in_turn(|| password.hash()).unwrap_or_else(|_problem| Err(busy()));
    let ask = BulkAsk { csv: fields.raw("csv"), first_line, dry_run };
    Ok(caller.domain_administration()?.import(&ask, &in_turn)?)
}

/// The account that the path names.
pub(crate) fn account(caller: &Caller) -> Result<AccountLine, Problem> {
    let administration = caller.domain_administration()?;
    Ok(administration.line(administration.find(caller.parameter("id"))?)?)
}

/// The same, to change something of it.
fn named(caller: &Caller) -> Result<AccountInfo, Problem> {
    Ok(caller.domain_administration()?.find_to_change(caller.parameter("id"))?)
}

/// An account that nobody knows the password of, and a link to choose it.
pub(crate) fn add(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let administration = caller.domain_administration()?;
    let directory = caller.site.auth().directory().clone();
    let (address, name, now) = (fields.address("address", "domain"), fields.text("name").to_owned(), caller.now);
    administration.may_hold(&address)?;
    administration.may_link(now)?;
    let (password, new) = (auth::generate_password()?, address.clone());
    caller.in_turn(move || directory.add_account(&new, &password, &name, now))??;
    let text = tr!("{address} was added. With this link its owner chooses the password, once, within 7 days:", address);
    password_link(caller, &administration.find(&address)?, text)
}

pub(crate) fn set_login(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let (account, disabled) = (named(caller)?, fields.is_on("disabled"));
    if disabled {
        caller.may(Act::TakeFrom(account.id))?;
    }
    caller.site.auth().directory().set_disabled(&account.address, disabled)?;
    let address = &account.address;
    let text = match disabled {
        true => tr!("{address} cannot log in any more; mail goes on to arrive.", address),
        false => tr!("{address} can log in again.", address),
    };
    about(caller, account, text)
}

/// For administrators of the server only, as what follows.
pub(crate) fn set_admin(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    caller.administration()?;
    let (account, admin) = (named(caller)?, fields.is_on("admin"));
    if !admin {
        caller.may(Act::TakeFrom(account.id))?;
    }
    let ended = caller.site.auth().directory().set_admin(&account.address, admin)?;
    let address = &account.address;
    let text = match admin {
        true => tr!("{address} is an administrator now.", address),
        false => tr!("{address} is no administrator any more.", address) + &ended_links(ended),
    };
    about(caller, account, text)
}

/// Says which domains its owner administers: `domains`, with commas between them; none: no more.
pub(crate) fn set_domains(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    caller.administration()?;
    let account = named(caller)?;
    let domains: Vec<&str> = fields.text("domains").split([',', ' ', ';']).filter(|name| !name.is_empty()).collect();
    let ended = caller.site.auth().directory().set_administers(&account.address, &domains)?;
    let now = caller.site.auth().directory().administers(account.id)?;
    let now: Vec<&str> = now.iter().map(String::as_str).collect();
    let text = match now.is_empty() {
        true => tr!("{address} administers no domain any more.", address = account.address),
        false => tr!(
            "{address} administers {now} now, and no other domain.",
            address = account.address,
            now = now.join(", ")
        ),
    };
    about(caller, account, text + &ended_links(ended))
}

/// Of links that somebody had made who may do less now.
fn ended_links(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => format!(" {}", tr!("A link that they had made is not good any more.")),
        _ => format!(" {}", tr!("{count} links that they had made are not good any more.", count)),
    }
}

/// Gives an account another address. The old one stays as an alias unless it is said that it goes.
pub(crate) fn rename(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let (account, new) = (named(caller)?, fields.address("address", "domain"));
    caller.domain_administration()?.may_rename(&account, &new)?;
    let old = if fields.switch("keep_old").unwrap_or(true) { OldAddress::Stays } else { OldAddress::Goes };
    caller.site.auth().directory().rename_account(&account.address, &new, old, caller.actor())?;
    let renamed = caller.domain_administration()?.find(&account.id.to_string())?;
    let (before, address) = (&account.address, &renamed.address);
    let text = match old {
        OldAddress::Stays => tr!(
            "{before} is {address} now. Programs log in with that from now on; mail for the old address goes on to arrive.",
            before,
            address
        ),
        OldAddress::Goes => tr!(
            "{before} is {address} now. Programs log in with that from now on; the old address leads nowhere any more, also for \
             what comes back of mail that is on its way.",
            before,
            address
        ),
    };
    about(caller, renamed, text)
}

/// Ends an account: after some days it is removed, and until then it can stay. Its address has to be said again.
pub(crate) fn remove(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let account = named(caller)?;
    caller.may(Act::TakeFrom(account.id))?;
    if !fields.text("confirm").eq_ignore_ascii_case(&account.address) {
        let text =
            tr!("Nothing was done. To remove the account, type its address: {address}", address = account.address);
        return Err(Problem::refused(text));
    }
    let directory = caller.site.auth().directory();
    match directory.leave(&account.address, caller.now)? {
        None => {
            let text = tr!("{address} was removed with all its mail.", address = account.address);
            Ok(Done { text, url: None, expires_at: None, account: None })
        }
        Some(_) => {
            let account = caller.domain_administration()?.find(&account.id.to_string())?;
            let text = tr!(
                "{address} cannot log in any more, and mail for it is refused. Its mail is kept, and goes when its time comes; until \
                 then the account can stay.",
                address = account.address
            );
            about(caller, account, text)
        }
    }
}

/// An account that was ended stays after all.
pub(crate) fn keep(caller: &Caller) -> Result<Done, Problem> {
    let account = named(caller)?;
    caller.site.auth().directory().stay(&account.address)?;
    let account = caller.domain_administration()?.find(&account.id.to_string())?;
    let text = tr!("{address} stays, with all its mail, as it was.", address = account.address);
    about(caller, account, text)
}

pub(crate) fn set_quota(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let account = named(caller)?;
    let mib = fields.number::<u32>("quota_mib")?.map(u64::from);
    let account_line = self::account(caller)?;
    // The page shows whole MiB: what is sent back as it was shown changes nothing.
    let as_shown = account_line.quota_bytes.filter(|bytes| mib == Some(bytes >> 20));
    let bytes = fields.number("quota_bytes")?.or(as_shown).or(mib.map(|mib| mib << 20));
    let quota = Quota { bytes, messages: fields.number("quota_messages")? };
    caller.domain_administration()?.set_quota(&account, quota)?;
    let done = about(caller, account.clone(), String::new())?;
    let usage = done.account.as_ref().map(|account| account.usage.as_str()).unwrap_or_default();
    Ok(Done { text: format!("{} has a new quota. {usage}", account.address), ..done })
}

pub(crate) fn make_link(caller: &Caller) -> Result<Done, Problem> {
    let account = named(caller)?;
    caller.may(Act::Open(account.id))?;
    let address = account.address.clone();
    let text = tr!(
        "With this link the owner of {address} chooses a new password, once, within 7 days. It is shown only now:",
        address
    );
    password_link(caller, &account, text)
}

/// What was done, with the account as it is after that.
fn about(caller: &Caller, info: AccountInfo, text: String) -> Result<Done, Problem> {
    let administration = caller.domain_administration()?;
    let account = administration.line(administration.find(&info.address)?)?;
    Ok(Done { account: Some(account), ..Done::new(text) })
}

fn password_link(caller: &Caller, account: &AccountInfo, text: String) -> Result<Done, Problem> {
    let (token, info) = caller.domain_administration()?.password_link(account, caller.now)?;
    Ok(Done::linking(text, caller.url(&format!("/password/{token}")), &info.into()))
}

pub(crate) fn second_factor_off(caller: &Caller) -> Result<Done, Problem> {
    let account = named(caller)?;
    caller.may(Act::Open(account.id))?;
    if !caller.site.auth().web().reset_second_factor(account.id)? {
        return Err(Problem::refused(tr!("{address} has no second factor.", address = account.address)));
    }
    let text = tr!("{address} logs in with the password alone again.", address = account.address);
    about(caller, account, text)
}
