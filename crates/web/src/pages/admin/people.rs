//! People who want to get in: requests, invitations, links that are open.

use super::settled;
use crate::answer::{Answer, Outcome};
use crate::api::people;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::{Done, LinkLine, RequestLine};
use directory::DomainInfo;
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
    domains: Vec<DomainInfo>,
    own: String,
    now: Timestamp,
}

fn list(owner: &Owner, _: &Fields) -> Outcome {
    let (requests, links) = (owner.domain_administration()?.requests()?, people::links(owner)?);
    let are_allowed = owner.site.auth().requests().are_allowed()?;
    let domains = owner.domain_administration()?.domains()?;
    let own = people::own_domain(owner)?;
    let (frame, now) = (Frame::of(owner, "admin"), owner.now);
    Answer::page(&PeoplePage { frame, requests, are_allowed, links, domains, own, now })
}

fn accept(owner: &Owner, fields: &Fields) -> Outcome {
    let accepted = people::accept(owner, fields).map(|accepted| match accepted.mailed {
        true => Done::new(tr!("{address} was added. A letter with the link to choose the password went to {contact}.", address = accepted.address, contact = accepted.contact)),
        false => Done {
            url: Some(accepted.password_url),
            ..Done::new(tr!("{address} was added. Who asked sees it on their page, with a link to choose the password. You can also send this \
                 one to {contact}; it is shown only now:", address = accepted.address, contact = accepted.contact))
        },
    });
    settled(owner, accepted, HERE)
}

fn decline(owner: &Owner, fields: &Fields) -> Outcome {
    let declined = people::decline(owner, fields);
    let said = declined.map(|declined| {
        let name = &declined.name;
        match declined.mailed {
            true => {
                tr!("The request of {name} was declined; a letter went to {contact}.", name, contact = declined.contact)
            }
            false => tr!("The request of {name} was declined.", name),
        }
    });
    settled(owner, said.map(Done::new), HERE)
}

fn invite(owner: &Owner, fields: &Fields) -> Outcome {
    settled(owner, people::invite(owner, fields), HERE)
}

fn take_back(owner: &Owner, _: &Fields) -> Outcome {
    settled(owner, people::take_back(owner), HERE)
}
