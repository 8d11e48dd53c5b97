//! FETCH (RFC 9051 §6.4.5): begins what `crate::fetch` does, slice by slice.

use super::look_first::{self, Looks};
use super::within::Within;
use crate::context::Context;
use crate::fetch::{Broken, Fetch, enables_condstore};
use crate::message_limit::{Cut, too_many};
use crate::sync::News;
use crate::tagged::Tagged;
use crate::work::{Progress, Stop, Work};
use imap_proto::{Numbering, command};

/// A FETCH on its way.
pub(super) struct Fetching {
    numbering: Numbering,
    fetch: Fetch,
}

pub(super) fn begin(context: &mut Context<'_>, request: command::Fetch) -> Result<impl Work + use<>, Tagged> {
    let (numbering, is_page) = (request.numbering, request.partial.is_some());
    let looks = Looks { numbering, enables_condstore: enables_condstore(&request) };
    look_first::begin(context, looks, move |context| {
        let enabled = context.user.enabled;
        let max = context.service.limits.messages.processed();
        let mut fetch = Fetch::new(request, enabled, context.selected()?)?;
        let cut = max.map_or(Ok(None), |max| cut(&mut fetch, max, is_page))?;
        Ok(Within::new(Fetching { numbering, fetch }, cut))
    })
}

fn cut(fetch: &mut Fetch, max: u32, is_page: bool) -> Result<Option<Cut>, Tagged> {
    // RFC 9738 §3.1: another page can be asked for.
    if is_page && fetch.count() > max as usize {
        return Err(too_many(max, "This page has too many messages"));
    }
    Ok(fetch.cut(max))
}

impl Work for Fetching {
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        let actor = context.actor();
        let selected = context.user.selected()?;
        self.fetch.run(selected, actor, context.output).map_err(|Broken| Stop::Broken)
    }

    fn may_be_in_literal(&self) -> bool {
        true
    }

    fn news(&mut self) -> Option<News> {
        Some(News::after(self.numbering))
    }
}
