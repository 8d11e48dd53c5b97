//! People who want to get in: requests for accounts, invitations, links that are open.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use crate::site::Site;
use console::{AcceptedRequest, Answering, DeclinedRequest, DomainAdministration, Done, LinkLine};

/// An invitation is good for so long, unless it is said how long.
const DAYS: u16 = 7;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/admin/requests", |caller, _| json(caller.domain_administration()?.requests()?)),
    Endpoint::post("/api/v1/admin/requests/{id}/accept", |caller, fields| json(accept(caller, fields)?)),
    Endpoint::post("/api/v1/admin/requests/{id}/decline", |caller, fields| json(decline(caller, fields)?)),
    Endpoint::post("/api/v1/admin/invitations", |caller, fields| json(invite(caller, fields)?)),
    Endpoint::get("/api/v1/admin/links", |caller, _| json(links(caller)?)),
    Endpoint::post("/api/v1/admin/links/{id}/remove", |caller, _| json(take_back(caller)?)),
];

/// Accepts a request. The link for the first password, and whether it went to who asked.
pub(crate) fn accept(caller: &Caller, fields: &Fields) -> Result<AcceptedRequest, Problem> {
    let (number, address) = (caller.number("id")?, fields.optional("address").map(str::to_owned));
    let desk = Desk::of(caller)?;
    caller.in_turn(move || {
        desk.answer(|administration, answering| administration.accept(number, address.as_deref(), answering))
    })?
}

/// Declines a request. Whether who asked was told by a letter.
pub(crate) fn decline(caller: &Caller, fields: &Fields) -> Result<DeclinedRequest, Problem> {
    let number = caller.number("id")?;
    let decline = |administration: &DomainAdministration, answering: &Answering<'_>| {
        administration.decline(number, fields.text("reason"), answering)
    };
    Desk::of(caller)?.answer(decline)
}

/// Where requests are answered.
struct Desk {
    administration: DomainAdministration,
    site: Site,
    /// What links of the pages begin with.
    origin: String,
}

impl Desk {
    fn of(caller: &Caller) -> Result<Self, Problem> {
        Ok(Self { administration: caller.domain_administration()?, site: caller.site.clone(), origin: caller.url("") })
    }

    fn answer<T>(
        &self,
        answer: impl FnOnce(&DomainAdministration, &Answering<'_>) -> Result<T, console::Error>,
    ) -> Result<T, Problem> {
        let (password_url, send) = (
            |token: &str| format!("{}/password/{token}", self.origin),
            |to: &str, letter: &[u8]| self.site.post(to, letter),
        );
        let answering = Answering {
            hostname: self.site.hostname(),
            language: self.site.language(),
            password_url: &password_url,
            send: &send,
        };
        Ok(answer(&self.administration, &answering)?)
    }
}

/// Links that were made and not used yet.
pub(crate) fn links(caller: &Caller) -> Result<Vec<LinkLine>, Problem> {
    Ok(caller.domain_administration()?.links(caller.now)?)
}

pub(crate) fn invite(caller: &Caller, fields: &Fields) -> Result<Done, Problem> {
    let administration = caller.domain_administration()?;
    let days = fields.number("days")?.unwrap_or(DAYS);
    // Unless it is said otherwise, administrators invite into the domain that they are in themselves, if it is theirs.
    let own = own_domain(caller)?;
    let wanted: Vec<&str> = match fields.optional("domain").unwrap_or(&own) {
        "*" => Vec::new(),
        domains => domains.split([',', ' ']).filter(|domain| !domain.is_empty()).collect(),
    };
    let domains = administration.inviting(&wanted)?;
    let domains: Vec<&str> = domains.iter().map(String::as_str).collect();
    let link = administration.invite(fields.optional("address"), &domains, days, caller.now)?;
    let text = trn!(
        days,
        "Whoever gets this link makes an account, once, within {n} day. It is shown only now:",
        "Whoever gets this link makes an account, once, within {n} days. It is shown only now:"
    );
    Ok(Done::linking(text, caller.url(&format!("/invitation/{}", link.token)), &link.info.into()))
}

/// The domain of the administrator's own address, if it is one that they administer; else any of theirs, as the operator's is.
pub(crate) fn own_domain(caller: &Caller) -> Result<String, Problem> {
    let Some(own) = &caller.own else { return Ok("*".to_owned()) };
    let info = caller.site.auth().directory().account_by_id(own.account)?;
    let domain = info.as_ref().and_then(|info| info.address.rsplit_once('@')).map(|(_, domain)| domain.to_owned());
    let is_theirs = |domain: &String| caller.domain_administration().is_ok_and(|of| of.scope().has_domain(domain));
    Ok(domain.filter(is_theirs).unwrap_or_else(|| "*".to_owned()))
}

pub(crate) fn take_back(caller: &Caller) -> Result<Done, Problem> {
    let id = caller.parameter("id");
    caller.domain_administration()?.take_link_back(id, caller.now)?;
    Ok(Done::new(tr!("The link {id} is not good any more.", id)))
}
