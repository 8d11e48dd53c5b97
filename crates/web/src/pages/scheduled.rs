//! What was submitted for a time to come: shown, sent now, cancelled.

use crate::answer::{Answer, Outcome};
use crate::api::scheduled;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::notice::Notice;
use crate::path::OwnPath;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::ScheduledCard;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/account/scheduled", Handler::Owner(show)),
    Route::post("/account/scheduled/{id}/send", Handler::Owner(|owner, _| told(owner, scheduled::send(owner)))),
    Route::post("/account/scheduled/{id}/cancel", Handler::Owner(|owner, _| told(owner, scheduled::cancel(owner)))),
];

#[derive(Template)]
#[template(path = "scheduled.html")]
struct ScheduledPage {
    frame: Frame,
    card: ScheduledCard,
}

fn show(owner: &Owner, _: &Fields) -> Outcome {
    Answer::page(&ScheduledPage { frame: Frame::of(owner, "account"), card: scheduled::show(owner)? })
}

fn told(owner: &Owner, done: Result<ScheduledCard, Problem>) -> Outcome {
    match done {
        Ok(card) => owner.say(Notice::good(card.text)),
        Err(problem) if problem.kind == Kind::Refused => owner.say(Notice::bad(problem.detail)),
        Err(problem) => return Err(problem),
    }
    Ok(Answer::see_other(&OwnPath::new("/account/scheduled")))
}
