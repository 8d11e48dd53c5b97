//! "My mail has vanished": where each message is that could be meant, what happened to it, and one button that brings it back.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::notice::Notice;
use crate::path::{OwnPath, encoded};
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::FoundPage;

pub(super) const ROUTES: &[Route] =
    &[Route::get("/find", Handler::Owner(show)), Route::post("/find/{message}/bring-back", Handler::Owner(bring_back))];

/// What the form asks; a page that follows asks the same.
const ASKED: [&str; 4] = ["text", "since", "until", "removed"];

#[derive(Template)]
#[template(path = "find.html")]
struct FindPage<'a> {
    frame: Frame,
    fields: &'a Fields,
    page: FoundPage,
    /// Nothing was asked: what was removed lately is shown.
    is_lately: bool,
    /// What is wrong with the question.
    wrong: Option<String>,
    /// Where older messages are.
    older: Option<String>,
}

fn show(owner: &Owner, fields: &Fields) -> Outcome {
    let is_lately = ASKED.iter().all(|name| fields.optional(name).is_none());
    let found = match is_lately {
        true => api::history::find(owner, &Fields::urlencoded(b"removed=on&limit=20")?),
        false => api::history::find(owner, fields),
    };
    let (page, wrong) = match found {
        Ok(page) => (page, None),
        Err(problem) if matches!(problem.kind, Kind::Refused | Kind::Bad) => {
            (FoundPage::default(), Some(problem.detail))
        }
        Err(problem) => return Err(problem),
    };
    let older = page.next.as_ref().filter(|_| !is_lately).map(|next| format!("/find?before={next}{}", asked(fields)));
    Answer::page(&FindPage { frame: Frame::of(owner, "find"), fields, page, is_lately, wrong, older })
}

fn bring_back(owner: &Owner, fields: &Fields) -> Outcome {
    match api::history::bring_back(owner) {
        Ok(answer) => owner.say(Notice::good(answer.text.join(" "))),
        Err(problem @ Problem { kind: Kind::Refused, .. }) => owner.say(Notice::bad(problem.detail)),
        Err(problem) => return Err(problem),
    }
    let query = asked(fields).replacen('&', "?", 1);
    Ok(Answer::see_other(&OwnPath::new(format!("/find{query}"))))
}

fn asked(fields: &Fields) -> String {
    let given = ASKED.iter().filter_map(|name| fields.optional(name).map(|value| (name, value)));
    given.map(|(name, value)| format!("&{name}={}", encoded(value))).collect()
}
