//! The answer to an invitation to a list, for whoever has the address that stands in the letter: looking changes nothing, the button does.
//! Who is asked has no account here, as a rule, so that it goes without a cookie; the address is secret.

use crate::answer::{Answer, Outcome};
use crate::form::Fields;
use crate::frame::Frame;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::visit::Visit;
use askama::Template;
use directory::{Error, List};
use std::sync::Arc;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/lists/{list}/join/{token}", Handler::Anybody(show)),
    Route::post("/lists/{list}/join/{token}", Handler::Bearer(join)),
];

#[derive(Template)]
#[template(path = "join_list.html")]
struct JoinPage<'a> {
    frame: Frame,
    list: &'a str,
    title: &'a str,
    token: &'a str,
    stage: Stage,
}

#[derive(PartialEq, Eq)]
enum Stage {
    Asked,
    Over,
    Joined,
}

fn show(visit: &Visit, _: &Fields) -> Outcome {
    let list = list(visit)?;
    let directory = visit.site.auth().directory();
    let is_good = directory.invitation_of(&list, visit.parameter("token"), visit.site.now()).is_some();
    page(visit, &list, if is_good { Stage::Asked } else { Stage::Over })
}

fn join(visit: &Visit) -> Outcome {
    let list = list(visit)?;
    match visit.site.auth().directory().accept_invitation(&list, visit.parameter("token"), visit.site.now()) {
        Ok(Some(_)) => page(visit, &list, Stage::Joined),
        Ok(None) => page(visit, &list, Stage::Over),
        Err(Error::Refused(why)) => Err(Problem::new(Kind::Refused, why)),
        Err(Error::Store(error)) => Err(error.into()),
    }
}

fn page(visit: &Visit, list: &List, stage: Stage) -> Outcome {
    let (address, token) = (list.address.as_str(), visit.parameter("token"));
    // Whoever has no invitation learns of the list what its address says.
    let title = if stage == Stage::Over { "" } else { list.title.as_str() };
    Answer::page(&JoinPage { frame: Frame::for_anybody(visit, ""), list: address, title, token, stage })
}

fn list(visit: &Visit) -> Result<Arc<List>, Problem> {
    visit.site.auth().directory().list(visit.parameter("list"))?.ok_or_else(Problem::not_found)
}
