//! Lists: those of which somebody is a member, and for those who look after some: who is a member, who is asked, which posts wait,
//! and what holds for them.

use crate::answer::{Answer, Outcome};
use crate::api::lists;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::notice::Notice;
use crate::path::OwnPath;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::{Done, ListLine, MembershipLine, PostLine};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/lists", Handler::Owner(all)),
    Route::post("/lists", Handler::Owner(decide)),
    Route::get("/lists/{list}", Handler::Owner(show)),
    Route::post("/lists/{list}/invite", Handler::Owner(|owner, fields| told(owner, lists::invite(owner, fields)))),
    Route::post("/lists/{list}/withdraw", Handler::Owner(|owner, fields| told(owner, lists::withdraw(owner, fields)))),
    Route::post("/lists/{list}/join", Handler::Owner(|owner, fields| told(owner, lists::join(owner, fields)))),
    Route::post("/lists/{list}/leave", Handler::Owner(|owner, fields| told(owner, lists::leave(owner, fields)))),
    Route::post("/lists/{list}/rules", Handler::Owner(|owner, fields| told(owner, lists::set_rules(owner, fields)))),
    Route::post("/lists/{list}/posts", Handler::Owner(|owner, fields| told(owner, lists::answer(owner, fields)))),
];

#[derive(Template)]
#[template(path = "lists.html")]
struct ListsPage {
    frame: Frame,
    mine: Vec<MembershipLine>,
    lists: Vec<ListLine>,
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    frame: Frame,
    list: ListLine,
    posts: Vec<PostLine>,
}

fn all(owner: &Owner, _: &Fields) -> Outcome {
    Answer::page(&ListsPage {
        frame: Frame::of(owner, "account"),
        mine: lists::mine(owner)?,
        lists: lists::own(owner)?,
    })
}

fn decide(owner: &Owner, fields: &Fields) -> Outcome {
    say(owner, lists::decide(owner, fields))?;
    Ok(Answer::see_other(&OwnPath::new("/lists")))
}

fn show(owner: &Owner, _: &Fields) -> Outcome {
    let address = owner.parameter("list");
    let list = lists::all(owner, address)?.into_iter().next().ok_or_else(Problem::not_found)?;
    let posts = lists::posts(owner, address)?;
    Answer::page(&ListPage { frame: Frame::of(owner, "account"), list, posts })
}

fn say(owner: &Owner, outcome: Result<Done, Problem>) -> Result<(), Problem> {
    match outcome {
        Ok(done) => owner.say(Notice::good(done.text)),
        Err(problem) if problem.kind == Kind::Refused => owner.say(Notice::bad(problem.detail)),
        Err(problem) => return Err(problem),
    }
    Ok(())
}

fn told(owner: &Owner, outcome: Result<Done, Problem>) -> Outcome {
    if let Ok(done) = &outcome {
        lists::note(owner, owner.parameter("list"), &done.text);
    }
    say(owner, outcome)?;
    Ok(Answer::see_other(&OwnPath::new(format!("/lists/{}", owner.parameter("list")))))
}
