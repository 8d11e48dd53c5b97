//! ESEARCH (RFC 7377): a SEARCH in one mailbox after the other, slice by slice.
//!
//! Which mailboxes there are is looked up as it begins; of one that is deleted meanwhile nothing is told.

use super::look_first::{self, Looks};
use super::within::Within;
use super::{cancel_update, filter};
use crate::context::Context;
use crate::message_limit::{Cut, too_many};
use crate::notify::{NAMES_MAX, is_in};
use crate::search::{Place, Search, Whose, cut, enables_condstore};
use crate::selected::Selected;
use crate::sync::News;
use crate::tagged::Tagged;
use crate::work::{Progress, Stop, Work};
use imap_proto::command::{MultiSearch, NotifyFilter};
use imap_proto::{Code, MailboxName, Numbering, Status, Tag};
use session::OUTPUT_HIGH_WATER_BYTES;
use std::vec::IntoIter;
use store::{Account, Error, MailboxId, Timestamp};

/// A slice looks into at most so many mailboxes: each may have to be read first.
const MAILBOXES_PER_SLICE_MAX: usize = 16;
/// After so many mailboxes in which something could not be read the search gives up: the disk is not well.
const FAILED_MAX: usize = 8;

/// An ESEARCH on its way.
pub(super) struct MultiSearching {
    tag: Tag,
    request: MultiSearch,
    now: Timestamp,
    left: IntoIter<Source>,
    /// Whose mailbox the current search is in.
    account: Account,
    current: Option<Search>,
    failed: usize,
    refusal: Option<Tagged>,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    tag: Tag,
    mut request: MultiSearch,
) -> Result<impl Work + use<>, Tagged> {
    // RFC 7377 §2.2
    if request.sources.contains(&NotifyFilter::Selected) {
        context.selected()?;
    }
    if request.sources.iter().map(|source| source.names().len()).sum::<usize>() > NAMES_MAX {
        return Err(Tagged::refused(Code::Limit, "Too many mailboxes are named"));
    }
    filter::put_in(context, &mut request.search)?;
    cancel_update::check(context, &request.search, &tag)?;
    let looks = Looks { numbering: Numbering::Uid, enables_condstore: enables_condstore(&request.search) };
    look_first::begin(context, looks, move |context| {
        let sources = mailboxes(context, &request.sources)?;
        let cut = within_limit(context, &sources, &mut request)?;
        let (now, left) = (Timestamp(context.now.unix_millis), sources.into_iter());
        let account = context.user.account.clone();
        Ok(Within::new(
            MultiSearching { tag, request, now, left, account, current: None, failed: 0, refusal: None },
            cut,
        ))
    })
}

/// RFC 9738 does not know ESEARCH: in the selected mailbox alone it is a SEARCH, and of several no UID could say where to go on.
fn within_limit(
    context: &mut Context<'_>,
    sources: &[Source],
    request: &mut MultiSearch,
) -> Result<Option<Cut>, Tagged> {
    let Some(max) = context.service.limits.messages.processed() else { return Ok(None) };
    if let [Source::Selected] = sources {
        return Ok(cut(&mut request.search.key, &Place::selected(context.selected()?), max));
    }
    let mailboxes = context.mailboxes()?;
    let messages = sources.iter().map(|source| match source {
        Source::Selected => context.user.selected.as_ref().map_or(0, |selected| selected.told.len()),
        Source::Own(id) => mailboxes.by_id(*id).map_or(0, |mailbox| mailbox.counts.messages as usize),
    });
    if messages.sum::<usize>() > max as usize {
        let text = match sources {
            [_] => "Too many messages to be searched, SELECT the mailbox and search there",
            _ => "Too many messages to be searched, try fewer mailboxes",
        };
        return Err(too_many(max, text));
    }
    Ok(None)
}

/// A mailbox that is looked through.
#[derive(Clone, Copy)]
enum Source {
    /// Whosever it is.
    Selected,
    Own(MailboxId),
}

/// Each once. What is named and not there is passed over.
fn mailboxes(context: &Context<'_>, sources: &[NotifyFilter]) -> Result<Vec<Source>, Error> {
    let selected = context.user.selected.as_ref().filter(|_| sources.contains(&NotifyFilter::Selected));
    let is_selected = |id| selected.is_some_and(|selected| selected.shared.is_none() && selected.mailbox == id);
    let first = selected.map(|_| Source::Selected).into_iter();
    if sources.iter().all(|source| *source == NotifyFilter::Selected) {
        return Ok(first.collect());
    }
    let mailboxes = context.mailboxes()?;
    let named = mailboxes.iter().filter(|mailbox| sources.iter().any(|source| is_in(mailbox, source)));
    let others = named.map(|mailbox| mailbox.id).filter(|id| !is_selected(*id)).map(Source::Own);
    Ok(first.chain(others).collect())
}

impl MultiSearching {
    /// The search of the next mailbox that is still there.
    fn next(&mut self, context: &Context<'_>) -> Result<Option<Search>, Tagged> {
        let (user, request) = (&context.user, &self.request.search);
        for source in self.left.by_ref() {
            let (selected, view) = match source {
                Source::Selected => (user.selected.as_ref(), None),
                Source::Own(id) => (user.selected_is(&user.account, id), Some(id)),
            };
            self.account = selected.map_or(&user.account, |selected| &selected.account).clone();
            let view = match (selected, view) {
                (Some(selected), _) => Ok(selected.view.clone()),
                (None, Some(id)) => self.account.view(id),
                (None, None) => continue,
            };
            let view = match view {
                Err(Error::NoSuchMailbox) => continue,
                view => view?,
            };
            let place = match selected {
                Some(selected) => Place::selected(selected),
                None => Place::other(&user.account, &view, user.enabled),
            };
            let name = selected.map_or(view.mailbox().name.as_str(), Selected::name);
            let Ok(name) = MailboxName::new(name) else { continue };
            let search = Search::new(request, self.tag.clone(), user.enabled, &place, self.now);
            if search.asks_too_much() {
                return Err(Tagged::refused(Code::Limit, "Too many TEXT and BODY keys in one SEARCH"));
            }
            let whose = Whose { name, uidvalidity: view.mailbox().uid_validity.0 };
            // RFC 7377 §2.2: UPDATE is about the selected mailbox alone.
            let search = if selected.is_some() { search } else { search.without_updates() };
            return Ok(Some(search.with_indexes(context.service.indexes.clone()).of(whose)));
        }
        Ok(None)
    }
}

impl Work for MultiSearching {
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        for _ in 0..MAILBOXES_PER_SLICE_MAX {
            let mut search = match self.current.take() {
                Some(search) => search,
                None => match self.next(context)? {
                    Some(search) => search,
                    None => {
                        let refusal = self.refusal.take();
                        return Ok(Progress::Done(refusal.unwrap_or_else(|| Tagged::ok("ESEARCH done"))));
                    }
                },
            };
            let (progress, saved) = search.advance(&self.account, context.output);
            let Progress::Done(answer) = progress else {
                self.current = Some(search);
                return Ok(Progress::More);
            };
            if self.request.search.returns.is_some_and(|returns| returns.save) {
                context.selected()?.saved = saved;
            }
            if answer.status == Status::Ok {
                if let Some(selected) = &mut context.user.selected {
                    search.keep(selected, context.output);
                }
            } else {
                self.failed += 1;
                if self.failed >= FAILED_MAX {
                    return Ok(Progress::Done(answer));
                }
                // What is in the others is told.
                self.refusal = Some(answer);
            }
            if context.output.len() >= OUTPUT_HIGH_WATER_BYTES {
                break;
            }
        }
        Ok(Progress::More)
    }

    fn takes_long(&self) -> bool {
        // RFC 7377 §5: one command may mean tens of thousands of mailboxes.
        true
    }

    fn news(&mut self) -> Option<News> {
        Some(News::after(Numbering::Uid))
    }
}
