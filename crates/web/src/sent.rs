//! A message as it was sent, for the frame in which it is shown: HTML of a stranger, made safe, behind a wall of its own.

use crate::answer::{Answer, Outcome};
use crate::guard::Wall;
use crate::problem::{Kind, Problem};
use crate::site::Site;
use askama::Template;
use message::html::Cleaned;

/// Nothing is shown around it. It is on white, whatever its reader prefers: its sender chose colours for that.
#[derive(Template)]
#[template(path = "sent.html")]
struct SentPage {
    cleaned: Cleaned,
}

/// Makes a message safe, if there is a place for that.
pub(crate) fn cleaned(site: &Site, clean: impl FnOnce() -> Result<Cleaned, Problem>) -> Result<Cleaned, Problem> {
    let Some(_place) = site.begin_cleaning() else {
        let busy = tr!("Many messages are being looked at as they were sent at this moment. Try again.");
        return Err(Problem::new(Kind::TooOften, busy));
    };
    clean()
}

/// What is in the frame.
pub(crate) fn answer(cleaned: Cleaned) -> Outcome {
    Ok(Answer::page(&SentPage { cleaned })?.behind(Wall::Sent))
}
