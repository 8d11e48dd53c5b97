//! Test mail, for the owner of an account and for an administrator.

use crate::answer::{Answer, Outcome};
use crate::api::test_mail;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::notice::Notice;
use crate::path::OwnPath;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::state::{colour, word};
use crate::visit::Owner;
use askama::Template;
use console::TestMailCard;
use store::Timestamp;

const OWN: &str = "/account/test-mail";
const ALL: &str = "/admin/test-mail";

pub(super) const ROUTES: &[Route] = &[
    Route::get(OWN, Handler::Owner(show)),
    Route::post(OWN, Handler::Owner(|owner, fields| told(owner, test_mail::send(owner, fields), OWN))),
    Route::get(ALL, Handler::Owner(show_all)),
    Route::post(ALL, Handler::Owner(|owner, fields| told(owner, test_mail::send_for(owner, fields), ALL))),
];

#[derive(Template)]
#[template(path = "test_mail.html")]
struct Page {
    frame: Frame,
    now: Timestamp,
    /// Of all accounts, for an administrator.
    is_of_all: bool,
    address: String,
    cards: Vec<TestMailCard>,
}

fn show(owner: &Owner, _: &Fields) -> Outcome {
    page(owner, test_mail::list(owner)?, false)
}

fn show_all(owner: &Owner, _: &Fields) -> Outcome {
    page(owner, test_mail::list_all(owner)?, true)
}

fn page(owner: &Owner, cards: Vec<TestMailCard>, is_of_all: bool) -> Outcome {
    let frame = Frame::of(owner, if is_of_all { "admin" } else { "account" });
    Answer::page(&Page { frame, now: owner.now, is_of_all, address: owner.own()?.address.clone(), cards })
}

fn told(owner: &Owner, sent: Result<Option<TestMailCard>, Problem>, path: &str) -> Outcome {
    match sent {
        Ok(_) => owner.say(Notice::good(tr!("The test is under way. What comes of it is told here."))),
        Err(problem) if problem.kind == Kind::Refused => owner.say(Notice::bad(problem.detail)),
        Err(problem) => return Err(problem),
    }
    Ok(Answer::see_other(&OwnPath::new(path)))
}
