//! POP or IMAP? For anybody.

use crate::answer::{Answer, Outcome};
use crate::form::Fields;
use crate::frame::Frame;
use crate::route::{Handler, Route};
use crate::visit::Visit;
use askama::Template;

pub(super) const ROUTES: &[Route] = &[Route::get("/pop-or-imap", Handler::Anybody(show))];

#[derive(Template)]
#[template(path = "explain.html")]
struct ExplainPage {
    frame: Frame,
}

fn show(visit: &Visit, _: &Fields) -> Outcome {
    Answer::page(&ExplainPage { frame: Frame::for_anybody(visit, "explain") })
}
