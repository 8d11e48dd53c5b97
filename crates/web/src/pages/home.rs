//! The start page: how things are, at a glance.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::{DeviceCard, HeldCard, Light, Offer, RemovalLine, SendingCard, Timeline};
use store::Timestamp;

/// So many of the last things that happened.
const LINES: &str = "limit=5&fold=on";

pub(super) const ROUTES: &[Route] = &[Route::get("/", Handler::Owner(show))];

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    now: Timestamp,
    /// All lights are green and nothing is asked.
    is_calm: bool,
    devices: Vec<DeviceCard>,
    offers: Vec<Offer>,
    /// How full the mailbox is, if it fills up.
    filling: Option<String>,
    timeline: Timeline,
    held: Vec<HeldCard>,
    /// What was removed, and is asked about.
    removals: Vec<RemovalLine>,
    /// What waits to be sent.
    sending: SendingCard,
}

fn show(owner: &Owner, _: &Fields) -> Outcome {
    let devices = api::devices::list(owner, &Fields::default())?;
    let offers = api::devices::offers(owner)?;
    let timeline = api::history::timeline(owner, &Fields::urlencoded(LINES.as_bytes())?)?;
    let filling = owner.console()?.filling()?;
    let held = api::held::list(owner, &Fields::default())?;
    let removals = owner.console()?.unusual_removals()?;
    let sending = api::sending::show(owner)?;
    let is_green = devices.iter().all(|device| device.light == Light::Green && !device.asks());
    let is_asked = !offers.is_empty() || !held.is_empty() || !removals.is_empty();
    let is_calm = is_green && !is_asked && filling.is_none() && sending.waiting == 0;
    let frame = Frame::of(owner, "home");
    let now = owner.now;
    Answer::page(&HomePage { frame, now, is_calm, devices, offers, filling, timeline, held, removals, sending })
}
