//! The way out of a list, for whoever has the address that stands in its mail: looking changes nothing, the button does. A mail
//! program may press it (RFC 8058), so that it comes without a cookie and without the token of a form; the address is secret.

use crate::answer::{Answer, Outcome};
use crate::form::Fields;
use crate::frame::Frame;
use crate::problem::Problem;
use crate::route::{Handler, Route};
use crate::visit::Visit;
use askama::Template;
use directory::List;
use std::sync::Arc;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/lists/{list}/leave/{token}", Handler::Anybody(show)),
    Route::post("/lists/{list}/leave/{token}", Handler::Bearer(leave)),
];

#[derive(Template)]
#[template(path = "leave_list.html")]
struct LeavePage<'a> {
    frame: Frame,
    list: &'a str,
    token: &'a str,
    has_left: bool,
}

fn show(visit: &Visit, _: &Fields) -> Outcome {
    page(visit, false)
}

/// Whoever has left already is told the same: nobody learns from the answer who is a member.
fn leave(visit: &Visit) -> Outcome {
    let directory = visit.site.auth().directory();
    let list = list(visit)?;
    directory.leave_by_token(&list, visit.parameter("token"), visit.site.now())?;
    page(visit, true)
}

fn page(visit: &Visit, has_left: bool) -> Outcome {
    let list = list(visit)?;
    let (list, token) = (list.address.as_str(), visit.parameter("token"));
    Answer::page(&LeavePage { frame: Frame::for_anybody(visit, ""), list, token, has_left })
}

fn list(visit: &Visit) -> Result<Arc<List>, Problem> {
    visit.site.auth().directory().list(visit.parameter("list"))?.ok_or_else(Problem::not_found)
}
