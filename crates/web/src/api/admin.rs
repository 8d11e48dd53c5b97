//! Administration. Only the session of an administrator gets here, never an application password: a program that reads
//! mail must not be able to open other people's accounts.

use super::{Endpoint, json};
use crate::form::Fields;
use crate::problem::{Kind, Problem};
use crate::setup::{DnsRecord, records_of};
use crate::visit::{Owner, Proof};
use console::{AcceptedRequest, Administration, Answering, DeclinedRequest, IntegrityReport};
use serde::Serialize;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/admin/accounts", |owner, _| json(administration(owner)?.accounts()?)),
    Endpoint::get("/api/v1/admin/integrity", |owner, fields| json(report(owner, fields)?)),
    Endpoint::get("/api/v1/admin/records", |owner, fields| json(records(owner, fields)?)),
    Endpoint::get("/api/v1/admin/requests", |owner, _| json(administration(owner)?.requests()?)),
    Endpoint::post("/api/v1/admin/requests/{id}/accept", |owner, fields| json(accept(owner, fields)?)),
    Endpoint::post("/api/v1/admin/requests/{id}/decline", |owner, fields| json(decline(owner, fields)?)),
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

/// What to publish in the DNS for a local `domain`.
pub(crate) fn records(owner: &Owner, fields: &Fields) -> Result<Vec<DnsRecord>, Problem> {
    administration(owner)?;
    let site = &owner.site;
    let found = records_of(site.auth().directory(), fields.text("domain"), site.offered(), owner.now)?;
    let unknown = || Problem::new(Kind::NotFound, "This server has no mail for that domain.");
    found.map(|(_, records)| records).ok_or_else(unknown)
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

/// Accepts a request. The link for the first password, and whether it went to who asked.
pub(crate) fn accept(owner: &Owner, fields: &Fields) -> Result<AcceptedRequest, Problem> {
    answer(owner, |administration, answering| {
        Ok(administration.accept(owner.number("id")?, fields.optional("address"), answering)?)
    })
}

/// Declines a request. Whether who asked was told by a letter.
pub(crate) fn decline(owner: &Owner, fields: &Fields) -> Result<DeclinedRequest, Problem> {
    answer(owner, |administration, answering| {
        Ok(administration.decline(owner.number("id")?, fields.text("reason"), answering)?)
    })
}

fn answer<T>(
    owner: &Owner,
    answer: impl FnOnce(&Administration, &Answering<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let (password_url, send) =
        (|token: &str| password_url(owner, token), |to: &str, letter: &[u8]| owner.site.post(to, letter));
    let answering = Answering { hostname: owner.site.hostname(), password_url: &password_url, send: &send };
    answer(&administration(owner)?, &answering)
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
