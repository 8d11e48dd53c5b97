//! A message to be read, by its owner alone: its text, what lies beside it as files, its source. Nothing of it is HTML here,
//! and no endpoint of the API has it: programs read mail over IMAP and POP.

use crate::answer::{Answer, Outcome};
use crate::form::Fields;
use crate::frame::Frame;
use crate::moment;
use crate::pieces::Pieces;
use crate::route::{Handler, Route};
use crate::visit::Owner;
use askama::Template;
use console::MessageText;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/messages/{message}/read", Handler::Owner(show)),
    Route::get("/messages/{message}/source", Handler::Owner(source)),
    Route::get("/messages/{message}/files/{id}", Handler::Owner(file)),
];

#[derive(Template)]
#[template(path = "read.html")]
struct ReadPage {
    frame: Frame,
    read: MessageText,
}

fn show(owner: &Owner, _: &Fields) -> Outcome {
    let read = owner.console()?.read(owner.parameter("message"))?;
    Answer::page(&ReadPage { frame: Frame::of(owner, "find"), read })
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
