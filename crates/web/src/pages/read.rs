//! A message to be read, by its owner alone: its text, or in a frame what its sender made of it, what lies beside it as files, its
//! source. No endpoint of the API has it: programs read mail over IMAP and POP.

use crate::answer::{Answer, Outcome};
use crate::form::Fields;
use crate::frame::Frame;
use crate::guard::Wall;
use crate::moment;
use crate::pieces::Pieces;
use crate::route::{Handler, Route};
use crate::sent;
use crate::visit::Owner;
use askama::Template;
use console::{MessageText, Pictures};
use message::html::Cleaned;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/messages/{message}/read", Handler::Owner(show)),
    Route::get("/messages/{message}/sent", Handler::Owner(sent)),
    Route::get("/messages/{message}/source", Handler::Owner(source)),
    Route::get("/messages/{message}/files/{id}", Handler::Owner(file)),
];

#[derive(Template)]
#[template(path = "read.html")]
struct ReadPage {
    frame: Frame,
    read: MessageText,
    /// What is left out of it where it is shown as it was sent.
    sent: Option<Cleaned>,
    /// Why it is shown as text although it was not asked for so.
    why: Option<String>,
}

fn show(owner: &Owner, fields: &Fields) -> Outcome {
    let read = owner.console()?.read(owner.parameter("message"))?;
    let is_sent = match fields.text("as") {
        "sent" => true,
        "text" => false,
        // Where its sender wrote a plain text, that is what is read.
        _ => !read.has_plain,
    };
    let frame = || Frame::of(owner, "find");
    if !is_sent || !read.has_html || read.is_damaged {
        return Answer::page(&ReadPage { frame: frame(), read, sent: None, why: None });
    }
    let place = match sent::place(owner) {
        Ok(place) => place,
        Err(busy) => return Answer::page(&ReadPage { frame: frame(), read, sent: None, why: Some(busy.detail) }),
    };
    let cleaned = owner.console()?.as_sent(owner.parameter("message"), Pictures::Counted)?;
    drop(place);
    let sent = Some(Cleaned { html: String::new(), ..cleaned });
    Ok(Answer::page(&ReadPage { frame: frame(), read, sent, why: None })?.behind(Wall::Framing))
}

/// What is in the frame.
fn sent(owner: &Owner, _: &Fields) -> Outcome {
    let place = sent::place(owner)?;
    sent::answer(owner.console()?.as_sent(owner.parameter("message"), Pictures::Shown)?, place)
}

fn source(owner: &Owner, _: &Fields) -> Outcome {
    taken_away(owner.console()?.source(owner.parameter("message"))?)
}

fn file(owner: &Owner, _: &Fields) -> Outcome {
    taken_away(owner.console()?.download(owner.parameter("message"), owner.parameter("id"))?)
}

fn taken_away(download: console::Download) -> Outcome {
    let name = download.name.clone();
    Ok(Answer::file(&name, Pieces::of(download)))
}
