//! Whether the mail of all accounts is safe: those that are not, as the last look in the background found.

use super::settled;
use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::{Light, SurveyPage, words};
use store::Timestamp;

pub(super) const ROUTES: &[Route] =
    &[Route::get("/admin/integrity", Handler::Owner(show)), Route::post("/admin/integrity", Handler::Owner(look))];

#[derive(Template)]
#[template(path = "admin_integrity.html")]
struct ReportPage {
    frame: Frame,
    last: SurveyPage,
    now: Timestamp,
    /// It is not the first page.
    is_later: bool,
}

fn show(owner: &Owner, fields: &Fields) -> Outcome {
    let last = api::integrity::last(owner, fields)?;
    let (frame, now, is_later) = (Frame::of(owner, "admin"), owner.now, fields.has("after"));
    Answer::page(&ReportPage { frame, last, now, is_later })
}

fn look(owner: &Owner, _: &Fields) -> Outcome {
    settled(owner, api::integrity::look(owner), "/admin/integrity")
}

/// A light in a word: never by colour alone.
fn word(light: &Light) -> &'static str {
    match light {
        Light::Green => tr!("Safe"),
        Light::Amber => tr!("Look"),
        Light::Red => tr!("Act"),
    }
}

fn colour(light: &Light) -> &'static str {
    match light {
        Light::Green => "green",
        Light::Amber => "amber",
        Light::Red => "red",
    }
}
