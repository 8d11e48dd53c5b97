//! FETCH and SEARCH look before they begin: a client that only polls with them finds new mail at once, and is never told
//! old flags first and the new ones as news.
//!
//! What is gone is held back (RFC 9051 §7.5.1), so the numbers that the client sent mean the messages that it meant; `*`
//! is the last message of the EXISTS that was told just before. Commands that change messages do not look: their `*` must
//! not reach a message that the user has not seen yet.

use super::fetch::news_after;
use super::{Context, enable, fetch, search};
use crate::connection::{Session, Turn};
use crate::state::{Finish, Running, State};
use crate::sync::{Look, News};
use crate::tagged::Tagged;
use ::store::Error;
use imap_proto::{Code, Numbering, Tag, command};

/// A command that begins after the look.
pub(crate) struct Pending {
    tag: Tag,
    request: Request,
}

pub(super) enum Request {
    Fetch(command::Fetch),
    Search(command::Search),
}

impl Request {
    fn numbering(&self) -> Numbering {
        match self {
            Self::Fetch(fetch) => fetch.numbering,
            Self::Search(search) => search.numbering,
        }
    }

    fn enables_condstore(&self) -> bool {
        match self {
            Self::Fetch(fetch) => crate::fetch::enables_condstore(fetch),
            Self::Search(search) => crate::search::enables_condstore(search),
        }
    }
}

/// The look comes in the next turn.
pub(super) fn begin(context: &mut Context<'_>, tag: &Tag, request: Request) -> Result<Running, Tagged> {
    let condstore = context.user.enabled.condstore;
    let selected = context.selected()?;
    if request.enables_condstore() {
        // Before it was switched on nobody heard a MODSEQ, and none was held down.
        if !condstore && selected.has_told_too_far()? {
            return Err(Tagged::refused(Code::ExpungeIssued, "Messages are gone that you count: ask by NOOP"));
        }
        enable::switch_condstore_on(context);
    }
    Ok(Running::Pending(Box::new(Pending { tag: tag.clone(), request })))
}

impl Session {
    /// Tells what is new; then the command begins.
    pub(crate) fn pending_turn(&mut self, pending: Box<Pending>, output: &mut Vec<u8>) -> Turn {
        let State::Authenticated(user) = &mut self.state else { return Turn::Close };
        match user.tell(&mut News::without_expunges(), output) {
            Ok(Look::Done) => {}
            Ok(Look::More) => return self.pause(Running::Pending(pending)),
            Err(Error::NoSuchAccount) => return self.bye(output, None, "The account was removed"),
            // Logged by the store. What the client knows is still there to be answered from.
            Err(_) => {}
        }
        let Pending { tag, request } = *pending;
        let numbering = request.numbering();
        let mut context = Context { service: &self.service, now: self.now, user, output };
        let running = match request {
            Request::Fetch(request) => fetch::begin(&mut context, &tag, request),
            Request::Search(request) => search::begin(&mut context, &tag, &request),
        };
        match running {
            // The driver gives what goes on after a pause a thread where it is in nobody's way.
            Ok(Running::Search(searching)) if searching.takes_long() => self.pause(Running::Search(searching)),
            Ok(running) => self.run(running),
            Err(refusal) => self.end(Finish { news: Some(news_after(numbering)), ..Finish::new(tag, refusal) }),
        }
    }
}
