//! What happened, and taking it back.

use super::{Endpoint, json};
use crate::form::Fields;
use crate::problem::Problem;
use crate::visit::Owner;
use console::{MessageStory, Timeline, TimelineAsk, UndoAnswer, UndoAsk, parse_moment};
use store::DeviceId;

/// Lines on a page, unless it is said how many.
const LINES: usize = 50;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/api/v1/timeline", |owner, fields| json(timeline(owner, fields)?)),
    Endpoint::get("/api/v1/messages/{message}", |owner, _| json(story(owner)?)),
    Endpoint::get("/api/v1/undo", |owner, fields| json(preview(owner, fields)?)),
    Endpoint::post("/api/v1/undo", |owner, fields| json(undo(owner, fields)?)),
];

/// A page of the timeline.
pub(crate) fn timeline(owner: &Owner, fields: &Fields) -> Result<Timeline, Problem> {
    let since = fields.optional("since").map(|since| parse_moment(since, owner.now)).transpose()?;
    let ask = TimelineAsk {
        before: fields.number("before")?,
        device: fields.number("device")?.map(DeviceId),
        since,
        search: fields.optional("search").map(str::to_owned),
        limit: fields.number("limit")?.unwrap_or(LINES),
    };
    Ok(owner.console().timeline(&ask)?)
}

/// What happened to a message.
pub(crate) fn story(owner: &Owner) -> Result<MessageStory, Problem> {
    Ok(owner.console().story(owner.parameter("message"))?)
}

/// What an undo would do.
pub(crate) fn preview(owner: &Owner, fields: &Fields) -> Result<UndoAnswer, Problem> {
    Ok(owner.console().undo(&UndoAsk { dry_run: true, ..ask(fields)? })?)
}

/// Does it.
pub(crate) fn undo(owner: &Owner, fields: &Fields) -> Result<UndoAnswer, Problem> {
    Ok(owner.console().undo(&ask(fields)?)?)
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
