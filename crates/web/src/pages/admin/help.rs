//! A mail of somebody who has asked for help is looked for.

use crate::answer::{Answer, Outcome};
use crate::api;
use crate::form::Fields;
use crate::frame::Frame;
use crate::guard::Wall;
use crate::moment;
use crate::notice::Notice;
use crate::path::{OwnPath, encoded};
use crate::problem::{Kind, Problem};
use crate::route::{Handler, Route};
use crate::sent;
use crate::visit::Owner;
use askama::Template;
use console::{FoundPage, HelpedMessage, HelpedPage};
use wording::tr;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/admin/accounts/{id}/find", Handler::Owner(find)),
    Route::get("/admin/accounts/{id}/messages/{message}", Handler::Owner(show)),
    Route::get("/admin/accounts/{id}/messages/{message}/sent", Handler::Owner(sent)),
    Route::post("/admin/accounts/{id}/messages/{message}/bring-back", Handler::Owner(bring_back)),
];

/// What the form asks; a page that follows asks the same.
const ASKED: [&str; 6] = ["text", "from", "subject", "since", "until", "removed"];

#[derive(Template)]
#[template(path = "admin_find.html")]
struct FindPage<'a> {
    frame: Frame,
    number: u32,
    address: String,
    fields: &'a Fields,
    found: HelpedPage,
    /// Something was asked.
    is_answer: bool,
    /// What is wrong with the question.
    wrong: Option<String>,
    /// Where older messages are.
    older: Option<String>,
}

#[derive(Template)]
#[template(path = "admin_message.html")]
struct MessagePage {
    frame: Frame,
    number: u32,
    address: String,
    message: HelpedMessage,
    /// It is shown in a frame, as it was sent.
    is_sent: bool,
}

fn find(owner: &Owner, fields: &Fields) -> Outcome {
    let (number, address) = whose(owner)?;
    let is_answer = ASKED.iter().any(|name| fields.optional(name).is_some());
    // Without a question nothing is looked at, and nothing is noted.
    let found = match is_answer {
        true => api::help::find(owner, fields),
        false => api::help::may_find(owner),
    };
    let (found, wrong) = match found {
        Ok(found) => (found, None),
        Err(problem) if matches!(problem.kind, Kind::Refused | Kind::Bad) => {
            let found = api::help::may_find(owner)?;
            (HelpedPage { page: FoundPage::default(), ..found }, Some(problem.detail))
        }
        Err(problem) => return Err(problem),
    };
    let next = found.page.next.as_ref();
    let older = next.map(|next| format!("/admin/accounts/{number}/find?before={next}{}", asked(fields)));
    let frame = Frame::of(owner, "admin");
    Answer::page(&FindPage { frame, number, address, fields, found, is_answer, wrong, older })
}

fn show(owner: &Owner, fields: &Fields) -> Outcome {
    let (number, address) = whose(owner)?;
    let looked_at = if fields.text("as") == "sent" { Some(api::help::look_at(owner)?) } else { None };
    let is_sent = looked_at.as_ref().is_some_and(|message| message.texts_shown && message.read.has_html);
    // Without its texts a message is the same either way, and is looked at once.
    let looked_at = looked_at.filter(|message| is_sent || !message.texts_shown);
    let message = looked_at.map_or_else(|| api::help::open(owner), Ok)?;
    let page = Answer::page(&MessagePage { frame: Frame::of(owner, "admin"), number, address, message, is_sent })?;
    Ok(if is_sent { page.behind(Wall::Framing) } else { page })
}

/// What is in the frame.
fn sent(owner: &Owner, _: &Fields) -> Outcome {
    let place = sent::place(owner)?;
    sent::answer(api::help::as_sent(owner)?, place)
}

fn bring_back(owner: &Owner, _: &Fields) -> Outcome {
    let (number, _) = whose(owner)?;
    match api::help::bring_back(owner) {
        Ok(answer) => owner.say(Notice::good(answer.text.join(" "))),
        Err(problem @ Problem { kind: Kind::Refused, .. }) => owner.say(Notice::bad(problem.detail)),
        Err(problem) => return Err(problem),
    }
    let message = encoded(owner.parameter("message"));
    Ok(Answer::see_other(&OwnPath::new(format!("/admin/accounts/{number}/messages/{message}"))))
}

/// The number and the address of the account.
fn whose(owner: &Owner) -> Result<(u32, String), Problem> {
    let info = owner.domain_administration()?.find(owner.parameter("id"))?;
    Ok((info.id.0, info.address))
}

fn asked(fields: &Fields) -> String {
    let given = ASKED.iter().filter_map(|name| fields.optional(name).map(|value| (name, value)));
    given.map(|(name, value)| format!("&{name}={}", encoded(value))).collect()
}
