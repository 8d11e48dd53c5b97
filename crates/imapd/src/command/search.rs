//! SEARCH (RFC 9051 §6.4.4): begins what `crate::search` does, slice by slice.

use super::look_first::{self, Looks};
use super::within::Within;
use super::{cancel_update, filter};
use crate::context::Context;
use crate::message_limit::too_many;
use crate::search::{Arrange, Place, Search, cut, enables_condstore};
use crate::sync::News;
use crate::tagged::Tagged;
use crate::work::{Progress, Stop, Work};
use imap_proto::{Code, Numbering, Tag, command};
use store::Timestamp;

/// A SEARCH on its way.
pub(super) struct Searching {
    numbering: Numbering,
    search: Search,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    tag: Tag,
    request: command::Search,
) -> Result<impl Work + use<>, Tagged> {
    begin_arranged(context, tag, request, Arrange::AsFound)
}

/// What is found is told as `arrange` says.
pub(super) fn begin_arranged(
    context: &mut Context<'_>,
    tag: Tag,
    mut request: command::Search,
    arrange: Arrange,
) -> Result<impl Work + use<>, Tagged> {
    filter::put_in(context, &mut request)?;
    cancel_update::check(context, &request, &tag)?;
    let looks = Looks { numbering: request.numbering, enables_condstore: enables_condstore(&request) };
    look_first::begin(context, looks, move |context| {
        let now = Timestamp(context.now.unix_millis);
        let enabled = context.user.enabled;
        let max = context.service.limits.messages.processed();
        let place = Place::selected(context.selected()?);
        let cut = max.and_then(|max| cut(&mut request.key, &place, max));
        let search = Search::new(&request, tag, enabled, &place, now);
        if let (Some(cut), Arrange::Sort(_) | Arrange::Thread(_)) = (&cut, &arrange) {
            // RFC 9738 §3.3
            return Err(too_many(cut.max, "Too many messages to be put in order, try fewer"));
        }
        let search = search.arranged(arrange, context.service.sheets.clone());
        if search.asks_too_much() {
            return Err(Tagged::refused(Code::Limit, "Too many TEXT and BODY keys in one SEARCH"));
        }
        let search = search.with_indexes(context.service.indexes.clone());
        Ok(Within::new(Searching { numbering: request.numbering, search }, cut))
    })
}

impl Work for Searching {
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        Ok(self.search.run(context.user.selected()?, context.output))
    }

    fn takes_long(&self) -> bool {
        self.search.takes_long()
    }

    fn news(&mut self) -> Option<News> {
        Some(News::after(self.numbering))
    }
}
