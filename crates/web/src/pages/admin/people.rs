//! People who want to get in: requests, invitations, links that are open.

use super::settled;
use crate::answer::{Answer, Outcome};
use crate::api::admin::{self, RequestLine, administration, url};
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::problem::Problem;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use auth::{LinkInfo, LinkPurpose};
use console::shown;
use store::Timestamp;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/admin/people", Handler::Owner(list)),
    Route::post("/admin/requests/{id}/accept", Handler::Owner(accept)),
    Route::post("/admin/requests/{id}/decline", Handler::Owner(decline)),
    Route::post("/admin/invitations", Handler::Owner(invite)),
    Route::post("/admin/links/{id}/remove", Handler::Owner(take_back)),
];

const HERE: &str = "/admin/people";

#[derive(Template)]
#[template(path = "admin_people.html")]
struct PeoplePage {
    frame: Frame,
    requests: Vec<RequestLine>,
    are_allowed: bool,
    links: Vec<LinkLine>,
    now: Timestamp,
}

struct LinkLine {
    id: String,
    purpose: &'static str,
    address: Option<String>,
    expires_at: String,
}

fn list(owner: &Owner, _: &Fields) -> Outcome {
    let requests = admin::requests(owner)?;
    let auth = owner.site.auth();
    let links = auth.directory().links(owner.now)?.into_iter().map(line).collect();
    let are_allowed = auth.requests().are_allowed()?;
    Answer::page(&PeoplePage { frame: Frame::of(owner, "admin"), requests, are_allowed, links, now: owner.now })
}

fn accept(owner: &Owner, fields: &Fields) -> Outcome {
    let accepted = admin::accept(owner, fields).map(|(accepted, url, mailed)| match mailed {
        true => format!("{} was added. A letter with the link to choose the password went to {}.", accepted.address, accepted.contact),
        false => format!(
            "{} was added. Who asked sees it on their page, with a link to choose the password. You can also send this one \
             to {}; it is shown only now: {url}",
            accepted.address, accepted.contact
        ),
    });
    settled(owner, accepted, HERE)
}

fn decline(owner: &Owner, fields: &Fields) -> Outcome {
    let declined = admin::decline(owner, fields);
    let said = declined.map(|(declined, mailed)| {
        let told = if mailed { format!("; a letter went to {}", declined.contact) } else { String::new() };
        format!("The request of {} was declined{told}.", declined.name)
    });
    settled(owner, said, HERE)
}

fn invite(owner: &Owner, fields: &Fields) -> Outcome {
    administration(owner)?;
    let days = fields.number("days")?.unwrap_or(7);
    let made = owner.site.auth().directory().invite(fields.optional("address"), days, owner.now);
    let said = made.map(|link| {
        let url = url(owner, &format!("/invitation/{}", link.token));
        format!("Whoever gets this link makes an account, once, within {days} days. It is shown only now: {url}")
    });
    settled(owner, said.map_err(Problem::from), HERE)
}

fn take_back(owner: &Owner, _: &Fields) -> Outcome {
    administration(owner)?;
    let taken = owner.site.auth().directory().take_link_back(owner.parameter("id"));
    settled(owner, taken.map(|()| "That link is not good any more.".to_owned()).map_err(Problem::from), HERE)
}

fn line(link: LinkInfo) -> LinkLine {
    let (purpose, address) = match link.purpose {
        LinkPurpose::Invitation { address } => ("to make an account", address),
        LinkPurpose::Password { address } => ("to choose a password", Some(address)),
    };
    LinkLine { id: link.id, purpose, address, expires_at: shown(link.expires_at) }
}
