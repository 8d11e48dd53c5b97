//! Lists and their members.

use super::settled;
use crate::answer::{Answer, Outcome};
use crate::api::lists;
use crate::form::Fields;
use crate::frame::Frame;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::ListLine;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/admin/lists", Handler::Owner(show)),
    Route::post("/admin/lists", Handler::Owner(|owner, fields| settled(owner, lists::add(owner, fields), HERE))),
    Route::post(
        "/admin/lists/posting",
        Handler::Owner(|owner, fields| settled(owner, lists::set_posting(owner, fields), HERE)),
    ),
    Route::post(
        "/admin/lists/joining",
        Handler::Owner(|owner, fields| settled(owner, lists::set_open(owner, fields), HERE)),
    ),
    Route::post("/admin/lists/join", Handler::Owner(|owner, fields| settled(owner, lists::join(owner, fields), HERE))),
    Route::post(
        "/admin/lists/leave",
        Handler::Owner(|owner, fields| settled(owner, lists::leave(owner, fields), HERE)),
    ),
    Route::post(
        "/admin/lists/remove",
        Handler::Owner(|owner, fields| settled(owner, lists::remove(owner, fields), HERE)),
    ),
];

const HERE: &str = "/admin/lists";

#[derive(Template)]
#[template(path = "admin_lists.html")]
struct ListsPage {
    frame: Frame,
    lists: Vec<ListLine>,
}

fn show(owner: &Owner, _: &Fields) -> Outcome {
    owner.domain_administration()?;
    Answer::page(&ListsPage { frame: Frame::of(owner, "admin"), lists: lists::all(owner, "")? })
}

/// Who may write to a list, in a word.
fn posting(posting: &str) -> &str {
    match posting {
        "owners" => trc!("who writes to a list", "owners"),
        "members" => trc!("who writes to a list", "members"),
        "anybody" => trc!("who writes to a list", "anybody"),
        other => other,
    }
}
