//! The start page: how things are, at a glance.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::DeviceCard;

pub(super) const ROUTES: &[Route] = &[Route::get("/", Handler::Owner(show))];

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    devices: Vec<DeviceCard>,
}

fn show(owner: &Owner, _: &Fields) -> Outcome {
    let devices = api::devices::list(owner, &Fields::default())?;
    Answer::page(&HomePage { frame: Frame::of(owner, "home"), devices })
}
