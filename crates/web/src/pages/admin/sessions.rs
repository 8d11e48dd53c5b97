//! Who is connected now, and the end of one session.

use super::settled;
use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::path::encoded;
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::{Done, SessionLine, SessionsPage, words};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/admin/sessions", Handler::Owner(show)),
    Route::post(
        "/admin/sessions/{id}/end",
        Handler::Owner(|owner, fields| settled(owner, end(owner), &here(fields, None))),
    ),
];

/// What the form asks; a page that follows asks the same.
const ASKED: [&str; 3] = ["account", "protocol", "address"];
#[derive(Template)]
#[template(path = "admin_sessions.html")]
struct Page<'a> {
    frame: Frame,
    fields: &'a Fields,
    page: SessionsPage,
    /// What is wrong with the question.
    wrong: Option<String>,
}

fn show(owner: &Owner, fields: &Fields) -> Outcome {
    let (page, wrong) = match api::sessions::page(owner, fields) {
        Ok(page) => (page, None),
        Err(problem) if matches!(problem.kind, Kind::Refused | Kind::NotFound) => {
            let node = owner.site.node().map(str::to_owned);
            (SessionsPage { sessions: Vec::new(), next_before: None, node }, Some(problem.detail))
        }
        Err(problem) => return Err(problem),
    };
    Answer::page(&Page { frame: Frame::of(owner, "admin"), fields, page, wrong })
}

/// It may have ended before the button was pressed.
fn end(owner: &Owner) -> Result<Done, Problem> {
    api::sessions::end(owner).map_err(|problem| {
        let is_over = problem.kind == Kind::NotFound;
        if is_over { Problem::refused(tr!("That session was over.")) } else { problem }
    })
}

/// The list with the same question.
fn here(fields: &Fields, before: Option<&str>) -> String {
    let given = ASKED.iter().filter_map(|name| fields.optional(name).map(|value| (*name, value)));
    let given = given.chain(before.map(|before| ("before", before)));
    let given: Vec<String> = given.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if given.is_empty() { "/admin/sessions".to_owned() } else { format!("/admin/sessions?{}", given.join("&")) }
}

/// What can be chosen, and under which name people know it.
fn protocols() -> [(&'static str, &'static str); 5] {
    let submission = tr!("Submission (SMTP)");
    [("imap", "IMAP"), ("pop3", "POP3"), ("submission", submission), ("smtp", "SMTP"), ("lmtp", "LMTP")]
}

/// What is spoken, and whether it is protected.
fn way(session: &SessionLine) -> String {
    let named = protocols().into_iter().find(|(protocol, _)| *protocol == session.protocol);
    let name = named.map_or(session.protocol.as_str(), |(_, name)| name);
    if session.tls { tr!("{name} under TLS", name) } else { tr!("{name} without TLS", name) }
}
