//! Whether the mail of all accounts is safe.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::{IntegrityReport, Light, words};

pub(super) const ROUTES: &[Route] = &[Route::get("/admin/integrity", Handler::Owner(show))];

#[derive(Template)]
#[template(path = "admin_integrity.html")]
struct ReportPage {
    frame: Frame,
    report: IntegrityReport,
}

fn show(owner: &Owner, fields: &Fields) -> Outcome {
    let report = api::integrity::report(owner, fields)?;
    Answer::page(&ReportPage { frame: Frame::of(owner, "admin"), report })
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
