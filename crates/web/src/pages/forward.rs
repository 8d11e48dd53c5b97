//! Where mail is forwarded to: an address is asked, shows its code, and can be let go.

use crate::answer::{Answer, Outcome};
use crate::api::forward;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::notice::Notice;
use crate::path::OwnPath;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::ForwardCard;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/account/forward", Handler::Owner(show)),
    Route::post("/account/forward", Handler::Owner(|owner, fields| told(owner, forward::ask(owner, fields)))),
    Route::post(
        "/account/forward/confirm",
        Handler::Owner(|owner, fields| told(owner, forward::confirm(owner, fields))),
    ),
    Route::post("/account/forward/remove", Handler::Owner(|owner, _| told(owner, forward::remove(owner)))),
];

#[derive(Template)]
#[template(path = "forward.html")]
struct ForwardPage {
    frame: Frame,
    card: ForwardCard,
}

fn show(owner: &Owner, _: &Fields) -> Outcome {
    Answer::page(&ForwardPage { frame: Frame::of(owner, "account"), card: forward::show(owner)? })
}

fn told(owner: &Owner, changed: Result<ForwardCard, Problem>) -> Outcome {
    match changed {
        Ok(card) => owner.say(Notice::good(card.text)),
        Err(problem) if problem.kind == Kind::Refused => owner.say(Notice::bad(problem.detail)),
        Err(problem) => return Err(problem),
    }
    Ok(Answer::see_other(&OwnPath::new("/account/forward")))
}
