//! Add a device: pick a program, get a password that is shown once, and the steps.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::api::setup::{NewDevice, add, protocol};
use crate::form::Fields;
use crate::frame::Frame;
use crate::notice::Notice;
use crate::path::OwnPath;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::setup::MOBILECONFIG_TYPE;
use crate::visit::{Owner, Visit};
use askama::Template;
use axum::http::Method;
use axum::http::header::CONTENT_DISPOSITION;
use console::{Access, PopChoices, SetupProgram};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/devices/add", Handler::Owner(show)),
    Route::post("/devices/add", Handler::Owner(make)),
    Route::get("/setup/{secret}", Handler::Anybody(profile)),
];

#[derive(Template)]
#[template(path = "add_device.html")]
struct AddPage {
    frame: Frame,
    programs: [SetupProgram; 5],
    chosen: Option<SetupProgram>,
    /// A name that no other device has.
    name: String,
    has_imap: bool,
    has_pop: bool,
    choices: PopChoices,
}

#[derive(Template)]
#[template(path = "add_device_done.html")]
struct DonePage {
    frame: Frame,
    device: NewDevice,
}

fn show(owner: &Owner, fields: &Fields) -> Outcome {
    let chosen = SetupProgram::named(fields.text("program"));
    let offered = owner.site.offered();
    Answer::page(&AddPage {
        frame: Frame::of(owner, "devices"),
        programs: SetupProgram::ALL,
        chosen,
        name: chosen.map_or(Ok(String::new()), |program| free_name(owner, program.device_name()))?,
        has_imap: offered.pair(protocol(Access::Imap)).is_some(),
        has_pop: offered.pair(protocol(Access::Pop3)).is_some(),
        choices: api::devices::default_choices(owner)?,
    })
}

/// The answer itself shows the password: it is nowhere to be fetched again, and is kept by no cache.
fn make(owner: &Owner, fields: &Fields) -> Outcome {
    match add(owner, fields) {
        Ok(device) => Answer::page(&DonePage { frame: Frame::of(owner, "devices"), device }),
        Err(problem) if problem.kind == Kind::Refused => {
            owner.say(Notice::bad(problem.detail));
            let program = SetupProgram::named(fields.text("program")).unwrap_or(SetupProgram::Other);
            Ok(Answer::see_other(&OwnPath::new(format!("/devices/add?program={}", program.name()))))
        }
        Err(problem) => Err(problem),
    }
}

/// The profile behind a link that works once. Whoever has the link has shown who they are by it.
fn profile(visit: &Visit, _: &Fields) -> Outcome {
    if visit.method != Method::GET {
        // A look ahead must not use it up.
        return Ok(Answer::of(MOBILECONFIG_TYPE, Default::default()));
    }
    let gone = tr!(
        "This link has been used, or is older than ten minutes. Add the device once more to get another; revoke the \
                one that you do not need."
    );
    let document = visit.site.links().follow(visit.parameter("secret"), visit.now);
    let document = document.ok_or_else(|| Problem::new(Kind::NotFound, gone))?;
    let answer = Answer::of(MOBILECONFIG_TYPE, document.into());
    Ok(answer.with(CONTENT_DISPOSITION, "attachment; filename=\"mail.mobileconfig\""))
}

fn free_name(owner: &Owner, wanted: &str) -> Result<String, Problem> {
    let devices = owner.site.auth().store().account(owner.own()?.account).devices()?;
    let is_free = |name: &String| !devices.values().any(|d| d.revoked_at.is_none() && d.name == *name);
    let numbered = (2..=devices.len() + 2).map(|number| format!("{wanted} {number}"));
    Ok(std::iter::once(wanted.to_owned()).chain(numbered).find(is_free).unwrap_or_default())
}
