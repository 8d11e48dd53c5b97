//! CANCELUPDATE (RFC 5267 §4.3.5), and what a search must be for UPDATE.

use super::Answer;
use crate::context::Context;
use crate::tagged::Tagged;
use imap_proto::Tag;
use imap_proto::command::Search;

pub(super) fn run(context: &mut Context<'_>, tags: &[Tag]) -> Answer {
    // A search that was given up is as good as cancelled.
    if let Some(contexts) = &mut context.selected()?.contexts {
        contexts.0.retain(|context| !tags.contains(context.tag()));
    }
    Ok(Tagged::ok("CANCELUPDATE done"))
}

/// RFC 5267 §4.3, RFC 7377 §2.2: whether a search may ask for UPDATE.
pub(super) fn check(context: &mut Context<'_>, search: &Search, tag: &Tag) -> Result<(), Tagged> {
    if !search.returns.is_some_and(|returns| returns.update) {
        return Ok(());
    }
    let contexts = context.selected()?.contexts.as_ref();
    if contexts.is_some_and(|contexts| contexts.0.iter().any(|context| context.tag() == tag)) {
        Err(Tagged::bad("Tag reuse"))
    } else {
        Ok(())
    }
}
