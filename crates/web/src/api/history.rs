//! What happened, and taking it back.

use super::{Endpoint, json};
use crate::caller::Caller;
use crate::form::Fields;
use crate::problem::Problem;
use console::{
    FindAsk, FoundPage, MessageStory, RemovalLine, Timeline, TimelineAsk, UndoAnswer, UndoAsk, parse_moment,
};
use store::{DeviceId, OnProgress, Timestamp};

/// Lines on a page, unless it is said how many.
const LINES: usize = 50;
const DAY_MILLIS: i64 = 24 * 3600 * 1000;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/timeline", |caller, fields| json(timeline(caller, fields)?)),
    Endpoint::get("/api/v1/removals", |caller, _| json(removals(caller)?)),
    Endpoint::get("/api/v1/messages", |caller, fields| json(find(caller, fields)?)),
    Endpoint::post("/api/v1/messages/{message}/bring-back", |caller, _| json(bring_back(caller)?)),
    Endpoint::get("/api/v1/messages/{message}", |caller, _| json(story(caller)?)),
    Endpoint::get("/api/v1/undo", |caller, fields| json(preview(caller, fields)?)),
    Endpoint::watched("/api/v1/undo", |caller, fields, watch| json(undo(caller, fields, watch)?)),
];

/// A page of the timeline.
pub(crate) fn timeline(caller: &Caller, fields: &Fields) -> Result<Timeline, Problem> {
    let since = fields.optional("since").map(|since| parse_moment(since, caller.now)).transpose()?;
    let ask = TimelineAsk {
        before: fields.number("before")?,
        before_passed: fields.number("before_passed")?,
        device: fields.number("device")?.map(DeviceId),
        since,
        until: fields.optional("until").map(|until| last_of(until, caller.now)).transpose()?,
        removals: fields.is_on("removals"),
        mailbox: fields.optional("mailbox").map(str::to_owned),
        fold: fields.is_on("fold"),
        search: fields.optional("search").map(str::to_owned),
        limit: fields.number("limit")?.unwrap_or(LINES),
    };
    Ok(caller.console()?.timeline(&ask)?)
}

/// The last moment that is meant: of a date that has no time, the end of the day.
fn last_of(text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    let at = parse_moment(text, now)?;
    let is_day = text.len() == "2026-11-22".len() && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
    Ok(if is_day { Timestamp(at.0.saturating_add(DAY_MILLIS - 1)) } else { at })
}

/// What devices removed lately and can be put back.
pub(crate) fn removals(caller: &Caller) -> Result<Vec<RemovalLine>, Problem> {
    Ok(caller.console()?.removals()?)
}

/// Messages, wherever they are now.
pub(crate) fn find(caller: &Caller, fields: &Fields) -> Result<FoundPage, Problem> {
    Ok(caller.console()?.find(&wanted(caller, fields)?)?)
}

/// Which messages are meant.
pub(crate) fn wanted(caller: &Caller, fields: &Fields) -> Result<FindAsk, Problem> {
    let moment = |name: &str| fields.optional(name).map(|moment| parse_moment(moment, caller.now)).transpose();
    Ok(FindAsk {
        text: fields.text("text").to_owned(),
        from: fields.text("from").to_owned(),
        subject: fields.text("subject").to_owned(),
        fields_only: false,
        since: moment("since")?,
        until: moment("until")?,
        removed: fields.is_on("removed"),
        before: fields.optional("before").map(str::to_owned),
        limit: fields.number("limit")?.unwrap_or(LINES),
    })
}

/// Brings a message back from where it was removed to, or put aside.
pub(crate) fn bring_back(caller: &Caller) -> Result<UndoAnswer, Problem> {
    Ok(caller.console()?.bring_back(caller.parameter("message"))?)
}

/// What happened to a message.
pub(crate) fn story(caller: &Caller) -> Result<MessageStory, Problem> {
    Ok(caller.console()?.story(caller.parameter("message"))?)
}

/// What an undo would do.
pub(crate) fn preview(caller: &Caller, fields: &Fields) -> Result<UndoAnswer, Problem> {
    Ok(caller.console()?.undo(&UndoAsk { dry_run: true, ..ask(fields)? }, &mut |_| {})?)
}

/// Does it.
pub(crate) fn undo(caller: &Caller, fields: &Fields, watch: OnProgress<'_>) -> Result<UndoAnswer, Problem> {
    Ok(caller.console()?.undo(&ask(fields)?, watch)?)
}

fn ask(fields: &Fields) -> Result<UndoAsk, Problem> {
    let text = |name: &str| fields.optional(name).map(str::to_owned);
    Ok(UndoAsk {
        device: text("device"),
        since: text("since"),
        entry: fields.number("entry")?,
        mailbox: text("mailbox"),
        message: text("message"),
        relist: fields.is_on("relist"),
        dry_run: false,
    })
}
