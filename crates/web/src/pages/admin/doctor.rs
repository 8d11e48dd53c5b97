//! What keeps mail from coming and going.

use super::settled;
use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::route::{Handler, Route};
use crate::state::{colour, word};
use crate::visit::Owner;
use askama::Template;
use console::words::bytes;
use console::{CertificateCard, Examination, State, Status, duration};
use store::Timestamp;

pub(super) const ROUTES: &[Route] =
    &[Route::get("/admin/doctor", Handler::Owner(show)), Route::post("/admin/doctor", Handler::Owner(look))];

#[derive(Template)]
#[template(path = "admin_doctor.html")]
struct DoctorPage {
    frame: Frame,
    last: Examination,
    certificate: CertificateCard,
    status: Status,
    now: Timestamp,
}

fn show(owner: &Owner, _: &Fields) -> Outcome {
    let (last, certificate, status) =
        (api::doctor::last(owner)?, api::certificate::card(owner)?, api::status::status(owner)?);
    Answer::page(&DoctorPage { frame: Frame::of(owner, "admin"), last, certificate, status, now: owner.now })
}

fn look(owner: &Owner, _: &Fields) -> Outcome {
    settled(owner, api::doctor::look(owner), "/admin/doctor")
}
