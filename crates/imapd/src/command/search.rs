//! SEARCH (RFC 9051 §6.4.4): begins what `crate::search` does, slice by slice.

use super::Context;
use super::fetch::news_after;
use crate::connection::{Session, Turn};
use crate::progress::Progress;
use crate::search::Search;
use crate::state::{Finish, Running, State};
use crate::tagged::Tagged;
use imap_proto::{Code, Numbering, Tag};
use store::Timestamp;

/// A SEARCH that goes on.
pub(crate) struct Searching {
    tag: Tag,
    numbering: Numbering,
    search: Search,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    tag: &Tag,
    request: &imap_proto::command::Search,
) -> Result<Running, Tagged> {
    let now = Timestamp(context.now.unix_millis);
    let enabled = context.user.enabled;
    let search = Search::new(request, tag.clone(), enabled, context.selected()?, now);
    if search.asks_too_much() {
        return Err(Tagged::refused(Code::Limit, "Too many TEXT and BODY keys in one SEARCH"));
    }
    Ok(Running::Search(Box::new(Searching { tag: tag.clone(), numbering: request.numbering, search })))
}

impl Searching {
    pub(super) fn takes_long(&self) -> bool {
        self.search.takes_long()
    }
}

impl Session {
    /// The next slice.
    pub(crate) fn search_turn(&mut self, mut searching: Box<Searching>, output: &mut Vec<u8>) -> Turn {
        let State::Authenticated(user) = &mut self.state else { return Turn::Close };
        let Some(selected) = &mut user.selected else { return Turn::Close };
        match searching.search.run(selected, output) {
            Progress::More => self.pause(Running::Search(searching)),
            Progress::Done(answer) => {
                let Searching { tag, numbering, .. } = *searching;
                self.end(Finish { news: Some(news_after(numbering)), ..Finish::new(tag, answer) })
            }
        }
    }
}
