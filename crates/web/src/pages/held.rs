//! What is held by the damage brake: keep it, or let it be deleted, with one click.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::notice::Notice;
use crate::path::OwnPath;
use crate::problem::Kind;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::HeldCard;

pub(super) const ROUTES: &[Route] =
    &[Route::get("/held", Handler::Owner(show)), Route::post("/held/{id}", Handler::Owner(answer))];

#[derive(Template)]
#[template(path = "held.html")]
struct HeldPage {
    frame: Frame,
    /// What waits for an answer.
    waiting: Vec<HeldCard>,
    /// What has one.
    answered: Vec<HeldCard>,
}

fn show(owner: &Owner, _: &Fields) -> Outcome {
    let all = api::held::list(owner, &Fields::urlencoded(b"answered=true")?)?;
    let (answered, waiting) = all.into_iter().partition(|card| card.answer.is_some());
    Answer::page(&HeldPage { frame: Frame::of(owner, "held"), waiting, answered })
}

fn answer(owner: &Owner, fields: &Fields) -> Outcome {
    match api::held::answer(owner, fields) {
        Ok(done) => owner.say(Notice::good(done.text)),
        Err(problem) if problem.kind == Kind::Refused => owner.say(Notice::bad(problem.detail)),
        Err(problem) => return Err(problem),
    }
    Ok(Answer::see_other(&OwnPath::new("/held")))
}
