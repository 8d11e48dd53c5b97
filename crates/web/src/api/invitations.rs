//! Invitations, and links that were made and not used yet.

use super::admin::{Done, administration, url};
use super::{Endpoint, json};
use crate::form::Fields;
use crate::problem::Problem;
use crate::visit::Owner;
use console::shown;
use directory::{LinkInfo, LinkPurpose};
use serde::Serialize;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/admin/links", |owner, _| json(links(owner)?)),
    Endpoint::post("/api/v1/admin/links/{id}/remove", |owner, _| json(take_back(owner)?)),
    Endpoint::post("/api/v1/admin/invitations", |owner, fields| json(invite(owner, fields)?)),
];

/// A link that opens something, without what opens it.
#[derive(Serialize)]
pub(crate) struct LinkLine {
    pub(crate) id: String,
    pub(crate) purpose: &'static str,
    pub(crate) address: Option<String>,
    pub(crate) domains: Vec<String>,
    pub(crate) expires_at: String,
}

pub(crate) fn links(owner: &Owner) -> Result<Vec<LinkLine>, Problem> {
    administration(owner)?;
    Ok(owner.site.auth().directory().links(owner.now)?.into_iter().map(line).collect())
}

pub(crate) fn invite(owner: &Owner, fields: &Fields) -> Result<Done, Problem> {
    administration(owner)?;
    let days = fields.number("days")?.unwrap_or(7);
    let directory = owner.site.auth().directory();
    // Unless it is said otherwise, administrators invite into the domain that they are in themselves.
    let own = own_domain(owner)?;
    let domains: Vec<&str> = match fields.optional("domain").unwrap_or(&own) {
        "*" => Vec::new(),
        domains => domains.split([',', ' ']).filter(|domain| !domain.is_empty()).collect(),
    };
    let link = directory.invite(fields.optional("address"), &domains, days, owner.now)?;
    let text = format!("Whoever gets this link makes an account, once, within {days} days. It is shown only now:");
    Ok(Done::linking(text, url(owner, &format!("/invitation/{}", link.token))))
}

/// The domain of the administrator's own address.
pub(crate) fn own_domain(owner: &Owner) -> Result<String, Problem> {
    let info = owner.site.auth().directory().account_by_id(owner.account)?;
    let domain = info.as_ref().and_then(|info| info.address.rsplit_once('@')).map(|(_, domain)| domain.to_owned());
    Ok(domain.unwrap_or_default())
}

pub(crate) fn take_back(owner: &Owner) -> Result<Done, Problem> {
    administration(owner)?;
    owner.site.auth().directory().take_link_back(owner.parameter("id"))?;
    Ok(Done::new("That link is not good any more."))
}

fn line(link: LinkInfo) -> LinkLine {
    let (purpose, address, domains) = match link.purpose {
        LinkPurpose::Invitation { address, domains } => ("to make an account", address, domains),
        LinkPurpose::Password { address } => ("to choose a password", Some(address), Vec::new()),
    };
    LinkLine { id: link.id, purpose, address, domains, expires_at: shown(link.expires_at) }
}
