//! Local domains and aliases.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use crate::setup::{DnsRecord, records_of};
use console::{AliasLine, DomainLine, Done, words};
use directory::{Alias, DomainInfo, DomainLimits};
use serde::Serialize;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/admin/addresses", |caller, _| json(AddressesData::of(addresses(caller)?))),
    Endpoint::get("/api/v1/admin/domains", |caller, _| json(domains(caller)?)),
    Endpoint::post("/api/v1/admin/domains", |caller, fields| json(add_domain(caller, fields)?)),
    Endpoint::post("/api/v1/admin/domains/remove", |caller, fields| json(remove_domain(caller, fields)?)),
    Endpoint::post("/api/v1/admin/domains/limits", |caller, fields| json(set_limits(caller, fields)?)),
    Endpoint::get("/api/v1/admin/records", |caller, fields| json(records(caller, fields)?)),
    Endpoint::post("/api/v1/admin/domains/rotate", |caller, fields| json(rotate(caller, fields)?)),
    Endpoint::get("/api/v1/admin/aliases", |caller, _| json(AddressesData::of(addresses(caller)?).aliases)),
    Endpoint::post("/api/v1/admin/aliases", |caller, fields| json(add_alias(caller, fields)?)),
    Endpoint::post("/api/v1/admin/aliases/remove", |caller, fields| json(remove_alias(caller, fields)?)),
];

#[derive(Serialize)]
struct AddressesData {
    domains: Vec<String>,
    aliases: Vec<AliasLine>,
}

impl AddressesData {
    fn of((domains, aliases): (Vec<DomainInfo>, Vec<Alias>)) -> Self {
        let alias = |alias: Alias| AliasLine { alias: alias.address, targets: alias.targets };
        Self {
            domains: domains.into_iter().map(|domain| domain.name).collect(),
            aliases: aliases.into_iter().map(alias).collect(),
        }
    }
}

/// All local domains and aliases that they administer.
pub(crate) fn addresses(caller: &Caller) -> Result<(Vec<DomainInfo>, Vec<Alias>), Problem> {
    let administration = caller.domain_administration()?;
    Ok((administration.domains()?, administration.aliases()?))
}

/// The domains, each with who looks after it.
pub(crate) fn domains(caller: &Caller) -> Result<Vec<DomainLine>, Problem> {
    Ok(caller.domain_administration()?.domain_lines()?)
}

/// How far administrators of a domain go: `accounts`, and `quota_mib` (or `quota_bytes`) of each; what is left out has no limit.
pub(crate) fn set_limits(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let domain = fields.text("domain");
    let mib = fields.number::<u32>("quota_mib")?.map(|mib| u64::from(mib) << 20);
    let limits =
        DomainLimits { accounts: fields.number("accounts")?, quota_bytes: fields.number("quota_bytes")?.or(mib) };
    change(caller, format!("{domain}: {}", words::domain_limits(limits)), |directory| {
        directory.set_domain_limits(domain, limits)
    })
}

/// What to publish in the DNS for a local `domain`.
pub(crate) fn records(caller: &Caller, fields: &Fields) -> Result<Vec<DnsRecord>, Problem> {
    let administration = caller.domain_administration()?;
    let (domain, site) = (fields.text("domain"), &caller.site);
    let unknown =
        || console::Error::Unknown(tr!("{domain} is no local domain; `pillarbox domain add` makes it one", domain));
    if !administration.scope().has_domain(domain) {
        return Err(unknown().into());
    }
    let found = records_of(site.auth().directory(), domain, site.offered(), caller.now)?;
    Ok(found.ok_or_else(unknown)?.1)
}

/// Makes the next keys that sign a domain's mail, or has them sign from now on (`switch`).
fn rotate(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let (domain, now) = (fields.text("domain"), caller.now);
    match fields.is_on("switch") {
        false => change(caller, tr!("The next keys of {domain} are made: publish them.", domain), |directory| {
            directory.make_next_signing_keys(domain, now)
        }),
        true => change(caller, tr!("The next keys of {domain} sign from now on.", domain), |directory| {
            directory.use_next_signing_keys(domain, now)
        }),
    }
}

pub(crate) fn add_domain(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let domain = fields.text("domain");
    change(caller, tr!("Mail for {domain} is ours now.", domain), |directory| directory.add_domain(domain))
}

pub(crate) fn remove_domain(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let domain = fields.text("domain");
    change(caller, tr!("Mail for {domain} is not ours any more.", domain), |directory| directory.remove_domain(domain))
}

pub(crate) fn add_alias(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let (alias, targets) = (fields.text("alias"), fields.text("targets"));
    let targets: Vec<&str> =
        targets.split([',', ' ', ';']).map(str::trim).filter(|target| !target.is_empty()).collect();
    caller.domain_administration()?.add_alias(alias, &targets)?;
    Ok(Done::new(tr!("{alias} leads to {targets} now.", alias, targets = targets.join(", "))))
}

pub(crate) fn remove_alias(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let alias = fields.text("alias");
    caller.domain_administration()?.remove_alias(alias)?;
    Ok(Done::new(tr!("{alias} leads nowhere any more.", alias)))
}

/// For administrators of the server only.
fn change(
    caller: &Caller,
    done: String,
    work: impl FnOnce(&directory::Directory) -> Result<(), directory::Error>,
) -> Result<Done, Problem> {
    caller.administration()?;
    work(caller.site.auth().directory())?;
    Ok(Done::new(done))
}
