//! The devices of an account, and what their owner chooses for each.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::notice::Notice;
use crate::path::OwnPath;
use crate::problem::Kind;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::DeviceCard;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/devices", Handler::Owner(list)),
    Route::get("/devices/{id}", Handler::Owner(one)),
    Route::post("/devices/{id}", Handler::Owner(choose)),
];

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage {
    frame: Frame,
    devices: Vec<DeviceCard>,
}

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage {
    frame: Frame,
    device: DeviceCard,
}

fn list(owner: &Owner, fields: &Fields) -> Outcome {
    let devices = api::devices::list(owner, fields)?;
    Answer::page(&DevicesPage { frame: Frame::of(owner, "devices"), devices })
}

fn one(owner: &Owner, _: &Fields) -> Outcome {
    let device = api::devices::one(owner)?;
    Answer::page(&DevicePage { frame: Frame::of(owner, "devices"), device })
}

fn choose(owner: &Owner, fields: &Fields) -> Outcome {
    match api::devices::choose(owner, fields) {
        Ok(device) => owner.say(Notice::good(format!("Saved. From now on: {}.", device.policy_text))),
        Err(problem) if problem.kind == Kind::Refused => owner.say(Notice::bad(problem.detail)),
        Err(problem) => return Err(problem),
    }
    Ok(Answer::see_other(&OwnPath::new(owner.uri.path())))
}
