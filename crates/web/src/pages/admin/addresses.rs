//! Local domains and aliases.

use super::settled;
use crate::answer::{Answer, Outcome};
use crate::api::admin::administration;
use crate::form::Fields;
use crate::frame::Frame;
use crate::problem::Problem;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use auth::{Alias, DomainInfo};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/admin/addresses", Handler::Owner(list)),
    Route::post("/admin/domains", Handler::Owner(add_domain)),
    Route::post("/admin/domains/remove", Handler::Owner(remove_domain)),
    Route::post("/admin/aliases", Handler::Owner(add_alias)),
    Route::post("/admin/aliases/remove", Handler::Owner(remove_alias)),
];

const HERE: &str = "/admin/addresses";

#[derive(Template)]
#[template(path = "admin_addresses.html")]
struct AddressesPage {
    frame: Frame,
    domains: Vec<DomainInfo>,
    aliases: Vec<Alias>,
}

fn list(owner: &Owner, _: &Fields) -> Outcome {
    administration(owner)?;
    let directory = owner.site.auth().directory();
    let (domains, aliases) = (directory.domains()?, directory.aliases()?);
    Answer::page(&AddressesPage { frame: Frame::of(owner, "admin"), domains, aliases })
}

fn add_domain(owner: &Owner, fields: &Fields) -> Outcome {
    let domain = fields.text("domain");
    change(owner, format!("Mail for {domain} is ours now."), |directory| directory.add_domain(domain))
}

fn remove_domain(owner: &Owner, fields: &Fields) -> Outcome {
    let domain = fields.text("domain");
    change(owner, format!("Mail for {domain} is not ours any more."), |directory| directory.remove_domain(domain))
}

fn add_alias(owner: &Owner, fields: &Fields) -> Outcome {
    let (alias, targets) = (fields.text("alias"), fields.text("targets"));
    let targets: Vec<&str> =
        targets.split([',', ' ', ';']).map(str::trim).filter(|target| !target.is_empty()).collect();
    change(owner, format!("{alias} leads to {} now.", targets.join(", ")), |directory| {
        directory.add_alias(alias, &targets)
    })
}

fn remove_alias(owner: &Owner, fields: &Fields) -> Outcome {
    let alias = fields.text("alias");
    change(owner, format!("{alias} leads nowhere any more."), |directory| directory.remove_alias(alias))
}

fn change(owner: &Owner, done: String, work: impl FnOnce(&auth::Directory) -> Result<(), auth::Error>) -> Outcome {
    administration(owner)?;
    settled(owner, work(owner.site.auth().directory()).map(|()| done).map_err(Problem::from), HERE)
}
