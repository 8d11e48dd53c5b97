//! FETCH (RFC 9051 §6.4.5): begins what `crate::fetch` does, slice by slice.

use super::Context;
use crate::connection::{Session, Turn};
use crate::fetch::{Broken, Fetch};
use crate::progress::Progress;
use crate::state::{Finish, Running, State};
use crate::sync::News;
use crate::tagged::Tagged;
use imap_proto::{Numbering, Tag};

/// A FETCH that goes on.
pub(crate) struct Fetching {
    tag: Tag,
    numbering: Numbering,
    fetch: Fetch,
}

/// The news after a command that numbers messages.
pub(crate) fn news_after(numbering: Numbering) -> News {
    match numbering {
        // RFC 9051 §7.5.1: no EXPUNGE during FETCH, STORE and SEARCH; their UID variants may have it.
        Numbering::Sequence => News::without_expunges(),
        Numbering::Uid => News::default(),
    }
}

pub(super) fn begin(
    context: &mut Context<'_>,
    tag: &Tag,
    request: imap_proto::command::Fetch,
) -> Result<Running, Tagged> {
    let (numbering, enabled) = (request.numbering, context.user.enabled);
    let fetch = Fetch::new(request, enabled, context.selected()?)?;
    Ok(Running::Fetch(Box::new(Fetching { tag: tag.clone(), numbering, fetch })))
}

impl Session {
    /// The next slice.
    pub(crate) fn fetch_turn(&mut self, mut fetching: Box<Fetching>, output: &mut Vec<u8>) -> Turn {
        let State::Authenticated(user) = &mut self.state else { return Turn::Close };
        let actor = user.actor(self.now);
        let Some(selected) = &mut user.selected else { return Turn::Close };
        match fetching.fetch.run(selected, actor, output) {
            Err(Broken) => Turn::Close,
            Ok(Progress::More) => self.pause(Running::Fetch(fetching)),
            Ok(Progress::Done(answer)) => {
                let Fetching { tag, numbering, .. } = *fetching;
                self.end(Finish { news: Some(news_after(numbering)), ..Finish::new(tag, answer) })
            }
        }
    }
}
