//! Taking back what a device did: from when on, then what that would do, then doing it.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::notice::Notice;
use crate::path::{OwnPath, encoded};
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::words::moment::choices;
use console::{DeviceCard, RemovalLine, UndoAnswer, parse_moment, shown};
use store::DeviceId;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/undo", Handler::Owner(show)),
    Route::post("/undo", Handler::Owner(undo)),
    Route::post("/removals/{id}", Handler::Owner(answer)),
];

#[derive(Template)]
#[template(path = "undo.html")]
struct UndoPage<'a> {
    frame: Frame,
    devices: Vec<DeviceCard>,
    /// What was removed lately, unless something is asked already.
    removals: Vec<RemovalLine>,
    ask: Ask<'a>,
    /// What it would do, once it is clear what is meant.
    preview: Option<UndoAnswer>,
    wrong: Option<String>,
    /// What people choose from.
    moments: [String; 5],
}

/// What is asked, as far as it is.
struct Ask<'a> {
    device: &'a str,
    /// The device's name.
    device_name: String,
    /// It is not known yet, or it has used POP.
    may_be_pop: bool,
    since: String,
    entry: &'a str,
    mailbox: &'a str,
    message: &'a str,
    relist: bool,
}

fn show(owner: &Owner, fields: &Fields) -> Outcome {
    let devices = api::devices::list(owner, &Fields::urlencoded(b"revoked=true")?)?;
    let device = devices.iter().find(|device| device.id.to_string() == fields.text("device"));
    // Two days ago is another moment when the button is pressed: from here on it is written out.
    let since = fields.optional("since").map(|since| parse_moment(since, owner.now));
    let (since, wrong) = match since {
        None => (String::new(), None),
        Some(Ok(since)) => (shown(since), None),
        Some(Err(error)) => (fields.text("since").to_owned(), Some(error.to_string())),
    };
    let ask = Ask {
        device: fields.text("device"),
        device_name: device.map(|device| device.name.clone()).unwrap_or_default(),
        may_be_pop: device.is_none_or(|device| device.protocols.iter().any(|protocol| protocol == "POP")),
        since,
        entry: fields.text("entry"),
        mailbox: fields.text("mailbox"),
        message: fields.text("message"),
        relist: fields.is_on("relist"),
    };
    let is_clear = wrong.is_none() && (!ask.entry.is_empty() || !ask.device.is_empty() && !ask.since.is_empty());
    let (preview, wrong) = match is_clear.then(|| api::history::preview(owner, fields)) {
        None => (None, wrong),
        Some(Ok(preview)) => (Some(preview), None),
        Some(Err(problem)) if problem.kind == Kind::Fault => return Err(problem),
        Some(Err(problem)) => (None, Some(problem.detail)),
    };
    let is_open = preview.is_none() && wrong.is_none();
    let removals = if is_open { api::history::removals(owner)? } else { Vec::new() };
    let frame = Frame::of(owner, "undo");
    Answer::page(&UndoPage { frame, devices, removals, ask, preview, wrong, moments: choices() })
}

/// What a device removed far more of than ever: brought back, or it was right.
fn answer(owner: &Owner, fields: &Fields) -> Outcome {
    let device: u32 = owner.number("id")?;
    match fields.text("answer") {
        "bring_back" => {
            let ask = format!("device={device}&since={}", encoded(fields.text("since")));
            return undo(owner, &Fields::urlencoded(ask.as_bytes())?);
        }
        "right" => owner.console()?.decline_offer(DeviceId(device))?,
        _ => return Err(Problem::bad(tr!("The answer is “bring_back” or “right”."))),
    }
    owner.say(Notice::good(tr!(
        "All right. What was removed can still be put back on the page Undo, as long as it is kept."
    )));
    Ok(Answer::see_other(&OwnPath::home()))
}

fn undo(owner: &Owner, fields: &Fields) -> Outcome {
    let done = api::history::undo(owner, fields, &mut |_| {})?;
    let text = match done.text.as_slice() {
        [] => tr!("There was nothing left to put back.").to_owned(),
        lines => {
            tr!("Done. {lines}. The timeline has it as an entry that you can undo, too.", lines = lines.join(". "))
        }
    };
    owner.say(Notice::good(text));
    Ok(Answer::see_other(&OwnPath::new("/timeline")))
}
