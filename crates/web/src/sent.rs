//! A message as it was sent, for the frame in which it is shown: HTML of a stranger, made safe, behind a wall of its own.

use crate::answer::{Answer, Outcome};
use crate::caller::Caller;
use crate::guard::Wall;
use crate::problem::{Kind, Problem};
use crate::site::CleaningPlace;
use askama::Template;
use message::html::Cleaned;
use store::AccountId;

/// Nothing is shown around it. It is on white, whatever its reader prefers: its sender chose colours for that.
#[derive(Template)]
#[template(path = "sent.html")]
struct SentPage {
    cleaned: Cleaned,
}

/// A place to make a message safe in, for whoever asks.
pub(crate) fn place(caller: &Caller) -> Result<CleaningPlace, Problem> {
    let account = caller.own.as_ref().map_or(AccountId(0), |own| own.account);
    caller.site.begin_cleaning(account).ok_or_else(|| {
        let busy = tr!("Many messages are being looked at as they were sent at this moment. Try again.");
        Problem::new(Kind::TooOften, busy)
    })
}

/// What is in the frame. It keeps its place until it is sent: so long it is in memory.
pub(crate) fn answer(cleaned: Cleaned, place: CleaningPlace) -> Outcome {
    Ok(Answer::page(&SentPage { cleaned })?.behind(Wall::Sent).keeping(place))
}
