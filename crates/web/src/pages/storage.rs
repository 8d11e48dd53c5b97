//! How full the mailbox is, and making room.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::notice::Notice;
use crate::path::OwnPath;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::{ClearAnswer, UsageCard, words};

pub(super) const ROUTES: &[Route] =
    &[Route::get("/storage", Handler::Owner(show)), Route::post("/storage/clear", Handler::Owner(clear))];

/// Ages that are offered, in days.
fn ages() -> [(u16, &'static str); 4] {
    [
        (0, tr!("all of them")),
        (30, tr!("older than a month")),
        (90, tr!("older than three months")),
        (365, tr!("older than a year")),
    ]
}

#[derive(Template)]
#[template(path = "storage.html")]
struct StoragePage {
    frame: Frame,
    usage: UsageCard,
    /// How much of what was removed is kept at most, in words.
    retained_max: String,
    ages: [(u16, &'static str); 4],
    older_than_days: u16,
    /// What would happen.
    preview: Option<ClearAnswer>,
}

fn show(owner: &Owner, fields: &Fields) -> Outcome {
    let older_than_days = fields.number("older_than_days")?;
    let preview = older_than_days.map(|_| api::storage::preview(owner, fields)).transpose()?;
    let usage = api::storage::usage(owner)?;
    Answer::page(&StoragePage {
        frame: Frame::of(owner, "storage"),
        retained_max: words::bytes(usage.retained.bytes_max),
        usage,
        ages: ages(),
        older_than_days: older_than_days.unwrap_or(0),
        preview,
    })
}

fn clear(owner: &Owner, fields: &Fields) -> Outcome {
    let done = api::storage::clear(owner, fields, &mut |_| {})?;
    let text = match done.text.as_slice() {
        [] => tr!("There was nothing to clear.").to_owned(),
        lines => tr!("Done. {lines}. The timeline takes it back.", lines = lines.join(". ")),
    };
    owner.say(Notice::good(text));
    Ok(Answer::see_other(&OwnPath::new("/storage")))
}
