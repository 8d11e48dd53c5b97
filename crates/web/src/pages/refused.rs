//! Mail that was refused, where somebody looks for a lost one.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::RefusedPage;

pub(super) const ROUTES: &[Route] =
    &[Route::get("/refused", Handler::Owner(own)), Route::get("/admin/refused", Handler::Owner(of_nobody))];

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedMailPage<'a> {
    frame: Frame,
    page: RefusedPage,
    /// For addresses that lead nowhere, and not the owner's.
    is_of_nobody: bool,
    search: &'a str,
    since: &'a str,
    /// What is wrong with the question.
    wrong: Option<String>,
}

fn own(owner: &Owner, fields: &Fields) -> Outcome {
    show((Frame::of(owner, "timeline"), false), fields, api::refused::own(owner, fields))
}

fn of_nobody(owner: &Owner, fields: &Fields) -> Outcome {
    show((Frame::of(owner, "admin"), true), fields, api::refused::of_nobody(owner, fields))
}

fn show((frame, is_of_nobody): (Frame, bool), fields: &Fields, found: Result<RefusedPage, Problem>) -> Outcome {
    let (page, wrong) = match found {
        Ok(page) => (page, None),
        Err(problem) if matches!(problem.kind, Kind::Refused | Kind::Bad) => {
            (RefusedPage { refused: Vec::new(), not_written: 0 }, Some(problem.detail))
        }
        Err(problem) => return Err(problem),
    };
    let (search, since) = (fields.text("search"), fields.text("since"));
    Answer::page(&RefusedMailPage { frame, page, is_of_nobody, search, since, wrong })
}
