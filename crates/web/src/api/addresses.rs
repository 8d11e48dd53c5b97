//! What an administrator changes about local domains and aliases.

use super::admin::{Done, administration};
use super::{Endpoint, json};
use crate::form::Fields;
use crate::problem::Problem;
use crate::visit::Owner;
use directory::{Alias, DomainInfo};
use serde::Serialize;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/admin/addresses", |owner, _| json(AddressesData::of(addresses(owner)?))),
    Endpoint::post("/api/v1/admin/domains", |owner, fields| json(add_domain(owner, fields)?)),
    Endpoint::post("/api/v1/admin/domains/remove", |owner, fields| json(remove_domain(owner, fields)?)),
    Endpoint::post("/api/v1/admin/aliases", |owner, fields| json(add_alias(owner, fields)?)),
    Endpoint::post("/api/v1/admin/aliases/remove", |owner, fields| json(remove_alias(owner, fields)?)),
];

#[derive(Serialize)]
struct AddressesData {
    domains: Vec<String>,
    aliases: Vec<AliasData>,
}

#[derive(Serialize)]
struct AliasData {
    alias: String,
    targets: Vec<String>,
}

impl AddressesData {
    fn of((domains, aliases): (Vec<DomainInfo>, Vec<Alias>)) -> Self {
        let alias = |alias: Alias| AliasData { alias: alias.address, targets: alias.targets };
        Self {
            domains: domains.into_iter().map(|domain| domain.name).collect(),
            aliases: aliases.into_iter().map(alias).collect(),
        }
    }
}

/// All local domains and aliases.
pub(crate) fn addresses(owner: &Owner) -> Result<(Vec<DomainInfo>, Vec<Alias>), Problem> {
    administration(owner)?;
    let directory = owner.site.auth().directory();
    Ok((directory.domains()?, directory.aliases()?))
}

pub(crate) fn add_domain(owner: &Owner, fields: &Fields) -> Result<Done, Problem> {
    let domain = fields.text("domain");
    change(owner, format!("Mail for {domain} is ours now."), |directory| directory.add_domain(domain))
}

pub(crate) fn remove_domain(owner: &Owner, fields: &Fields) -> Result<Done, Problem> {
    let domain = fields.text("domain");
    change(owner, format!("Mail for {domain} is not ours any more."), |directory| directory.remove_domain(domain))
}

pub(crate) fn add_alias(owner: &Owner, fields: &Fields) -> Result<Done, Problem> {
    let (alias, targets) = (fields.text("alias"), fields.text("targets"));
    let targets: Vec<&str> =
        targets.split([',', ' ', ';']).map(str::trim).filter(|target| !target.is_empty()).collect();
    change(owner, format!("{alias} leads to {} now.", targets.join(", ")), |directory| {
        directory.add_alias(alias, &targets)
    })
}

pub(crate) fn remove_alias(owner: &Owner, fields: &Fields) -> Result<Done, Problem> {
    let alias = fields.text("alias");
    change(owner, format!("{alias} leads nowhere any more."), |directory| directory.remove_alias(alias))
}

fn change(
    owner: &Owner,
    done: String,
    work: impl FnOnce(&directory::Directory) -> Result<(), directory::Error>,
) -> Result<Done, Problem> {
    administration(owner)?;
    work(owner.site.auth().directory())?;
    Ok(Done::new(done))
}
