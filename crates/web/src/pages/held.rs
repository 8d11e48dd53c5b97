//! What is held by the damage brake: keep it, or let it be deleted, with one click. And what waits to be sent, because it is far
//! more than ever.

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
use console::{HeldCard, SendingCard};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/held", Handler::Owner(show)),
    Route::post("/held/{id}", Handler::Owner(answer)),
    Route::post("/sending", Handler::Owner(answer_sending)),
];

#[derive(Template)]
#[template(path = "held.html")]
struct HeldPage {
    frame: Frame,
    /// What waits for an answer.
    waiting: Vec<HeldCard>,
    /// What has one.
    answered: Vec<HeldCard>,
    /// What waits to be sent.
    sending: SendingCard,
}

fn show(owner: &Owner, _: &Fields) -> Outcome {
    let all = api::held::list(owner, &Fields::urlencoded(b"answered=true")?)?;
    let (answered, waiting) = all.into_iter().partition(|card| card.answer.is_some());
    Answer::page(&HeldPage { frame: Frame::of(owner, "held"), waiting, answered, sending: api::sending::show(owner)? })
}

fn answer_sending(owner: &Owner, fields: &Fields) -> Outcome {
    match api::sending::answer(owner, fields) {
        Ok(card) => owner.say(Notice::good(card.text)),
        Err(problem) if problem.kind == Kind::Refused => owner.say(Notice::bad(problem.detail)),
        Err(problem) => return Err(problem),
    }
    Ok(Answer::see_other(&OwnPath::new("/held")))
}

fn answer(owner: &Owner, fields: &Fields) -> Outcome {
    match api::held::answer(owner, fields) {
        Ok(done) => owner.say(Notice::good(done.text)),
        Err(problem) if problem.kind == Kind::Refused => owner.say(Notice::bad(problem.detail)),
        Err(problem) => return Err(problem),
    }
    Ok(Answer::see_other(&OwnPath::new("/held")))
}
