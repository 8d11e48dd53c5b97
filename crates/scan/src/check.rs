//! Holds what must be true of any octets that a filter answers. For tests and fuzzers.

use crate::Question;
use crate::edit::EDITS_MAX;
use crate::opinion::{Opinion, REASON_CHARS_MAX};
use crate::{milter, rspamd};
use futures::executor::block_on;
use message::header;

/// A milter says all of this, whenever it is asked.
///
/// # Errors
/// A sentence about the first thing that does not hold.
pub fn milter(question: &Question, says: &[u8]) -> Result<(), String> {
    let stream = tokio::io::join(says, tokio::io::sink());
    block_on(milter::converse(stream, question)).map_or(Ok(()), |opinion| holds(&opinion, question))
}

/// Rspamd answers this.
///
/// # Errors
/// A sentence about the first thing that does not hold.
pub fn rspamd(question: &Question, says: &[u8]) -> Result<(), String> {
    rspamd::read(says).map_or(Ok(()), |opinion| holds(&opinion, question))
}

/// A reason is one line, and whatever is changed of the header stays in it.
fn holds(opinion: &Opinion, question: &Question) -> Result<(), String> {
    let Opinion { reason, edits, .. } = opinion;
    let is_line = reason.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic());
    hold(is_line && reason.len() <= REASON_CHARS_MAX, || format!("{reason:?} is no reason"))?;
    hold(edits.len() <= EDITS_MAX, || "too many changes".to_owned())?;
    let content = &question.content;
    let body = |content: &[u8]| content.get(header::end(content)..).unwrap_or_default().to_vec();
    let changed = edits.iter().fold(content.clone(), |content, edit| edit.apply(&content));
    hold(body(&changed) == body(content), || format!("the body has changed: {}", changed.escape_ascii()))?;
    let fields = header::fields(&changed).count();
    hold(fields <= header::fields(content).count() + edits.len(), || "more fields than were asked for".to_owned())?;
    let is_ended = changed.is_empty() || edits.is_empty() || changed.ends_with(b"\n");
    hold(is_ended || !content.ends_with(b"\n"), || "a line has lost its end".to_owned())
}

fn hold(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(otherwise()) }
}

#[cfg(test)]
mod tests;
