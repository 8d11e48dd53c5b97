//! Local domains and aliases.

use super::settled;
use crate::answer::{Answer, Outcome};
use crate::api::addresses;
use crate::form::Fields;
use crate::frame::Frame;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::DomainLine;
use directory::Alias;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/admin/addresses", Handler::Owner(list)),
    Route::post("/admin/domains", Handler::Owner(add_domain)),
    Route::post("/admin/domains/remove", Handler::Owner(remove_domain)),
    Route::post("/admin/domains/limits", Handler::Owner(set_limits)),
    Route::post("/admin/aliases", Handler::Owner(add_alias)),
    Route::post("/admin/aliases/remove", Handler::Owner(remove_alias)),
];

const HERE: &str = "/admin/addresses";

#[derive(Template)]
#[template(path = "admin_addresses.html")]
struct AddressesPage {
    frame: Frame,
    domains: Vec<DomainLine>,
    aliases: Vec<Alias>,
}

fn list(owner: &Owner, _: &Fields) -> Outcome {
    let (domains, aliases) = (addresses::domains(owner)?, addresses::addresses(owner)?.1);
    Answer::page(&AddressesPage { frame: Frame::of(owner, "admin"), domains, aliases })
}

fn add_domain(owner: &Owner, fields: &Fields) -> Outcome {
    settled(owner, addresses::add_domain(owner, fields), HERE)
}

fn remove_domain(owner: &Owner, fields: &Fields) -> Outcome {
    settled(owner, addresses::remove_domain(owner, fields), HERE)
}

fn set_limits(owner: &Owner, fields: &Fields) -> Outcome {
    settled(owner, addresses::set_limits(owner, fields), HERE)
}

fn add_alias(owner: &Owner, fields: &Fields) -> Outcome {
    settled(owner, addresses::add_alias(owner, fields), HERE)
}

fn remove_alias(owner: &Owner, fields: &Fields) -> Outcome {
    settled(owner, addresses::remove_alias(owner, fields), HERE)
}
