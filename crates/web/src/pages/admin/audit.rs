//! What administrators and operators did.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::path::encoded;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::AuditPage;

pub(super) const ROUTES: &[Route] = &[Route::get("/admin/audit", Handler::Owner(show))];

#[derive(Template)]
#[template(path = "admin_audit.html")]
struct Page {
    frame: Frame,
    page: AuditPage,
    /// What is told: `changes`, `logins` or `failures`.
    kind: &'static str,
    search: String,
}

fn show(owner: &Owner, fields: &Fields) -> Outcome {
    let (page, search) = (api::audit::page(owner, fields)?, fields.text("search").to_owned());
    let kind = match fields.text("kind") {
        "logins" => "logins",
        "failures" => "failures",
        _ => "changes",
    };
    Answer::page(&Page { frame: Frame::of(owner, "admin"), page, kind, search })
}

fn next(kind: &str, search: &str, before: &u64) -> String {
    format!("/admin/audit?kind={kind}&search={}&before={before}", encoded(search))
}
