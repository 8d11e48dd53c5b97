//! What others report about mail in the names of our domains, TLS with our hosts, and complaints.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::{ReporterLine, ReportsPage};

pub(super) const ROUTES: &[Route] = &[Route::get("/admin/reports", Handler::Owner(show))];

#[derive(Template)]
#[template(path = "admin_reports.html")]
struct Page {
    frame: Frame,
    page: ReportsPage,
}

fn show(owner: &Owner, fields: &Fields) -> Outcome {
    Answer::page(&Page { frame: Frame::of(owner, "admin"), page: api::reports::page(owner, fields)? })
}

/// Who reports, on one line.
fn told_by(reporters: &[ReporterLine]) -> String {
    let name = |line: &ReporterLine| match line.is_checked {
        true => line.domain.clone(),
        false => tr!("{domain} (nobody checked that)", domain = line.domain),
    };
    reporters.iter().map(name).collect::<Vec<_>>().join(", ")
}
