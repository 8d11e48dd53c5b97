//! Administration. Only the session of an administrator gets here, never an application password: a program that reads
//! mail must not be able to open other people's accounts.

use super::{Endpoint, json};
use crate::form::Fields;
use crate::problem::{Kind, Problem};
use crate::setup::{DnsRecord, dns_records};
use crate::visit::{Owner, Proof};
use auth::{Accepted, Declined, RequestInfo, RequestState};
use console::{Administration, IntegrityReport, Sender, accepted_letter, declined_letter, shown};
use serde::Serialize;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/admin/accounts", |owner, _| json(administration(owner)?.accounts()?)),
    Endpoint::get("/api/v1/admin/integrity", |owner, fields| json(report(owner, fields)?)),
    Endpoint::get("/api/v1/admin/records", |owner, fields| json(records(owner, fields)?)),
    Endpoint::get("/api/v1/admin/requests", |owner, _| json(requests(owner)?)),
    Endpoint::post("/api/v1/admin/requests/{id}/accept", |owner, fields| {
        let (Accepted { address, contact, .. }, password_url, mailed) = accept(owner, fields)?;
        json(AcceptedData { address, contact, password_url, mailed })
    }),
    Endpoint::post("/api/v1/admin/requests/{id}/decline", |owner, fields| {
        let (Declined { address, contact, reason, .. }, mailed) = decline(owner, fields)?;
        json(DeclinedData { address, contact, reason, mailed })
    }),
];

/// What was done.
#[derive(Serialize)]
pub(crate) struct Done {
    /// In words.
    pub(crate) text: String,
    /// A link that is shown only now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
}

impl Done {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), url: None }
    }

    pub(crate) fn linking(text: impl Into<String>, url: String) -> Self {
        Self { text: text.into(), url: Some(url) }
    }
}

/// A request for an account.
#[derive(Serialize)]
pub(crate) struct RequestLine {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) address: String,
    /// An account or alias has that address already.
    pub(crate) taken: bool,
    pub(crate) reason: String,
    pub(crate) contact: String,
    pub(crate) from: String,
    pub(crate) asked_at: String,
    /// `pending`, `accepted`, `declined`.
    pub(crate) state: &'static str,
    pub(crate) answered_at: Option<String>,
    /// The account's address, or why there is none.
    pub(crate) answer: Option<String>,
}

#[derive(Serialize)]
struct AcceptedData {
    address: String,
    contact: String,
    password_url: String,
    mailed: bool,
}

#[derive(Serialize)]
struct DeclinedData {
    address: String,
    contact: String,
    reason: String,
    mailed: bool,
}

/// What to publish in the DNS for a local `domain`.
pub(crate) fn records(owner: &Owner, fields: &Fields) -> Result<Vec<DnsRecord>, Problem> {
    administration(owner)?;
    let domain = fields.text("domain").to_ascii_lowercase();
    if !owner.site.auth().directory().is_local_domain(&domain)? {
        return Err(Problem::new(Kind::NotFound, "This server has no mail for that domain."));
    }
    Ok(dns_records(&domain, owner.site.offered()))
}

/// The console of an administrator; nobody else gets one.
pub(crate) fn administration(owner: &Owner) -> Result<Administration, Problem> {
    match &owner.proof {
        Proof::Session(session) if session.is_admin => {
            Ok(Administration::new(owner.site.auth().clone(), owner.actor()))
        }
        Proof::Session(_) | Proof::Password => {
            let detail = "Only an administrator may do that, logged in on the pages. An operator makes one of an account \
                          with `pillarbox account admin ADDRESS on`.";
            Err(Problem::new(Kind::Forbidden, detail))
        }
    }
}

pub(crate) fn report(owner: &Owner, fields: &Fields) -> Result<IntegrityReport, Problem> {
    Ok(administration(owner)?.report(fields.number("after")?)?)
}

pub(crate) fn requests(owner: &Owner) -> Result<Vec<RequestLine>, Problem> {
    administration(owner)?;
    Ok(owner.site.auth().requests().all(owner.now)?.into_iter().map(line).collect())
}

/// Accepts a request. The link for the first password, and whether it went to who asked.
pub(crate) fn accept(owner: &Owner, fields: &Fields) -> Result<(Accepted, String, bool), Problem> {
    administration(owner)?;
    let accepted = owner.site.auth().requests().accept(owner.number("id")?, fields.optional("address"), owner.now)?;
    let url = password_url(owner, &accepted.link.token);
    let mailed = owner.site.post(&accepted.contact, &accepted_letter(&accepted, &url, &sender(owner)));
    Ok((accepted, url, mailed))
}

/// Declines a request. Whether who asked was told by a letter.
pub(crate) fn decline(owner: &Owner, fields: &Fields) -> Result<(Declined, bool), Problem> {
    administration(owner)?;
    let declined = owner.site.auth().requests().decline(owner.number("id")?, fields.text("reason"), owner.now)?;
    let mailed = owner.site.post(&declined.contact, &declined_letter(&declined, &sender(owner)));
    Ok((declined, mailed))
}

fn sender(owner: &Owner) -> Sender<'_> {
    Sender { hostname: owner.site.hostname(), now: owner.now }
}

/// The address of a link, on the host that the administrator uses.
pub(crate) fn password_url(owner: &Owner, token: &str) -> String {
    url(owner, &format!("/password/{token}"))
}

/// A path of this site with the host that was asked for, which was found to be one of ours.
pub(crate) fn url(owner: &Owner, path: &str) -> String {
    let scheme = if owner.is_secure() { "https" } else { "http" };
    format!("{scheme}://{}{path}", owner.authority().unwrap_or(owner.site.hostname()))
}

fn line(request: RequestInfo) -> RequestLine {
    let (state, at, answer) = match request.state {
        RequestState::Pending => ("pending", None, None),
        RequestState::Accepted { address, at } => ("accepted", Some(at), Some(address)),
        RequestState::Declined { reason, at } => ("declined", Some(at), Some(reason)),
    };
    RequestLine {
        number: request.number,
        name: request.name,
        address: request.address,
        taken: request.is_taken,
        reason: request.reason,
        contact: request.contact,
        from: request.from,
        asked_at: shown(request.asked_at),
        state,
        answered_at: at.map(shown),
        answer,
    }
}
