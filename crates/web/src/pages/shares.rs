//! Mailboxes that the owner shares, and those that others share with them.

use crate::answer::{Answer, Outcome};
use crate::api::shares;
use crate::form::Fields;
use crate::frame::Frame;
use crate::notice::Notice;
use crate::path::OwnPath;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::{ShareCard, ShareCards};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/account/shares", Handler::Owner(show)),
    Route::post("/account/shares", Handler::Owner(|owner, fields| told(owner, shares::share(owner, fields)))),
];

#[derive(Template)]
#[template(path = "shares.html")]
struct SharesPage {
    frame: Frame,
    cards: ShareCards,
}

fn show(owner: &Owner, _: &Fields) -> Outcome {
    Answer::page(&SharesPage { frame: Frame::of(owner, "account"), cards: shares::show(owner)? })
}

fn told(owner: &Owner, changed: Result<ShareCard, Problem>) -> Outcome {
    match changed {
        Ok(card) => owner.say(Notice::good(tr!(
            "{mailbox}: {with} {text}.",
            mailbox = card.mailbox,
            with = card.with,
            text = card.text
        ))),
        Err(problem) if matches!(problem.kind, Kind::Refused | Kind::NotFound) => {
            owner.say(Notice::bad(problem.detail));
        }
        Err(problem) => return Err(problem),
    }
    Ok(Answer::see_other(&OwnPath::new("/account/shares")))
}
