//! The devices of an account: a card each, a page each with what their owner chooses, and the choices for new ones.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::notice::Notice;
use crate::path::OwnPath;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use auth::TOKEN_DAYS_MAX;
use console::{DeviceCard, Light, NewToken, PopChoices, SwitchGuide, TOKEN_DAYS};
use store::Timestamp;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/devices", Handler::Owner(list)),
    Route::get("/devices/{id}", Handler::Owner(one)),
    Route::post("/devices/{id}", Handler::Owner(choose)),
    Route::get("/devices/{id}/imap", Handler::Owner(imap)),
    Route::post("/devices/{id}/seen", Handler::Owner(seen)),
    Route::post("/devices/{id}/one-program", Handler::Owner(one_program)),
    Route::post("/devices/{id}/token", Handler::Owner(make_token)),
    Route::get("/devices/{id}/revoke", Handler::Owner(ask_to_revoke)),
    Route::post("/devices/{id}/revoke", Handler::Owner(revoke)),
    Route::get("/defaults", Handler::Owner(defaults)),
    Route::post("/defaults", Handler::Owner(choose_defaults)),
];

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage {
    frame: Frame,
    now: Timestamp,
    devices: Vec<DeviceCard>,
    /// Those that were revoked are shown, too.
    revoked: bool,
}

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage {
    frame: Frame,
    device: DeviceCard,
    choices: PopChoices,
    token_days: u16,
    token_days_max: u16,
    /// It does not use POP, so the choices for that are folded.
    folds_pop: bool,
}

#[derive(Template)]
#[template(path = "device_imap.html")]
struct ImapPage {
    frame: Frame,
    device: DeviceCard,
    guide: SwitchGuide,
}

#[derive(Template)]
#[template(path = "device_token.html")]
struct TokenPage {
    frame: Frame,
    made: NewToken,
}

#[derive(Template)]
#[template(path = "device_revoke.html")]
struct RevokePage {
    frame: Frame,
    device: DeviceCard,
}

#[derive(Template)]
#[template(path = "defaults.html")]
struct DefaultsPage {
    frame: Frame,
    choices: PopChoices,
}

fn list(owner: &Owner, fields: &Fields) -> Outcome {
    let (devices, revoked) = (api::devices::list(owner, fields)?, fields.is_on("revoked"));
    Answer::page(&DevicesPage { frame: Frame::of(owner, "devices"), now: owner.now, devices, revoked })
}

fn one(owner: &Owner, _: &Fields) -> Outcome {
    let (device, choices) = (api::devices::one(owner)?, api::devices::choices(owner)?);
    let (token_days, token_days_max, folds_pop) = (TOKEN_DAYS, TOKEN_DAYS_MAX, !may_be_pop(&device));
    let frame = Frame::of(owner, "devices");
    Answer::page(&DevicePage { frame, device, choices, token_days, token_days_max, folds_pop })
}

fn choose(owner: &Owner, fields: &Fields) -> Outcome {
    let chosen = api::devices::choose(owner, fields).map(|device| match may_be_pop(&device) {
        true => tr!("Saved. From now on {policy_text}.", policy_text = device.policy_text),
        false => tr!("Saved.").to_owned(),
    });
    say(owner, chosen, owner.visit.uri.path())
}

fn imap(owner: &Owner, _: &Fields) -> Outcome {
    let (device, guide) = (api::devices::one(owner)?, api::devices::imap(owner)?);
    Answer::page(&ImapPage { frame: Frame::of(owner, "devices"), device, guide })
}

fn seen(owner: &Owner, _: &Fields) -> Outcome {
    let name = api::devices::seen(owner)?.name;
    owner.say(Notice::good(tr!("All right. What “{name}” does can be changed on its page at any time.", name)));
    Ok(Answer::see_other(&OwnPath::new("/devices")))
}

fn one_program(owner: &Owner, _: &Fields) -> Outcome {
    let name = api::devices::one_program(owner)?.name;
    owner.say(Notice::good(tr!("All right. “{name}” is one program.", name)));
    Ok(Answer::see_other(&OwnPath::new("/devices")))
}

/// The answer itself shows the token: it is nowhere to be fetched again, and is kept by no cache.
fn make_token(owner: &Owner, fields: &Fields) -> Outcome {
    match api::devices::make_token(owner, fields) {
        Ok(made) => Answer::page(&TokenPage { frame: Frame::of(owner, "devices"), made }),
        Err(problem) => say(owner, Err(problem), owner.visit.uri.path().trim_end_matches("/token")),
    }
}

fn ask_to_revoke(owner: &Owner, _: &Fields) -> Outcome {
    let device = api::devices::one(owner)?;
    Answer::page(&RevokePage { frame: Frame::of(owner, "devices"), device })
}

fn revoke(owner: &Owner, _: &Fields) -> Outcome {
    let revoked = api::devices::revoke(owner);
    let text = revoked
        .map(|device| tr!("“{name}” may not log in any more. What it did stays in the timeline.", name = device.name));
    say(owner, text, "/devices")
}

fn defaults(owner: &Owner, _: &Fields) -> Outcome {
    Answer::page(&DefaultsPage { frame: Frame::of(owner, "devices"), choices: api::devices::default_choices(owner)? })
}

fn choose_defaults(owner: &Owner, fields: &Fields) -> Outcome {
    let saved = api::devices::choose_defaults(owner, fields);
    say(owner, saved.map(|_| tr!("Saved. Devices that you add from now on begin with this.").to_owned()), "/defaults")
}

/// It is not known yet, or it has used POP.
fn may_be_pop(device: &DeviceCard) -> bool {
    device.protocols.is_empty() || device.protocols.iter().any(|protocol| protocol == "POP")
}

/// Says how it went on the page at `path`.
fn say(owner: &Owner, outcome: Result<String, Problem>, path: &str) -> Outcome {
    match outcome {
        Ok(text) => owner.say(Notice::good(text)),
        Err(problem) if matches!(problem.kind, Kind::Refused | Kind::Bad) => owner.say(Notice::bad(problem.detail)),
        Err(problem) => return Err(problem),
    }
    Ok(Answer::see_other(&OwnPath::new(path)))
}
