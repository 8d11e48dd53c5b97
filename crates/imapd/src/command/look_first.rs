//! FETCH and SEARCH look before they begin: a client that only polls with them finds new mail at once, and is never told
//! old flags first and the new ones as news.
//!
//! What is gone is held back (RFC 9051 §7.5.1), so the numbers that the client sent mean the messages that it meant; `*`
//! is the last message of the EXISTS that was told just before. Commands that change messages do not look: their `*` must
//! not reach a message that the user has not seen yet.

use crate::context::Context;
use crate::selected::Selected;
use crate::sync::{Look, News};
use crate::tagged::Tagged;
use crate::work::{Progress, Stop, Work};
use imap_proto::{Code, Numbering};
use session::OUTPUT_HIGH_WATER_BYTES;
use store::Error;

/// A command that begins after the look, with `begin`.
pub(super) struct LookFirst<B, W> {
    numbering: Numbering,
    state: State<B, W>,
}

enum State<B, W> {
    Looking(Option<B>),
    Begun(W),
}

/// What decides how a command looks.
#[derive(Clone, Copy)]
pub(super) struct Looks {
    pub(super) numbering: Numbering,
    /// RFC 7162 §3.1: whether the command switches CONDSTORE on.
    pub(super) enables_condstore: bool,
}

/// The look comes with the first slice.
pub(super) fn begin<W: Work, B: FnOnce(&mut Context<'_>) -> Result<W, Tagged>>(
    context: &mut Context<'_>,
    looks: Looks,
    begin: B,
) -> Result<LookFirst<B, W>, Tagged> {
    if looks.enables_condstore {
        // Before it was switched on nobody heard a MODSEQ, and none was held down.
        let selected = context.user.selected.as_mut().filter(|_| !context.user.enabled.condstore);
        if selected.map_or(Ok(false), Selected::has_told_too_far)? {
            return Err(Tagged::refused(Code::ExpungeIssued, "Messages are gone that you count: ask by NOOP"));
        }
        context.switch_condstore_on();
    }
    Ok(LookFirst { numbering: looks.numbering, state: State::Looking(Some(begin)) })
}

impl<W: Work, B: FnOnce(&mut Context<'_>) -> Result<W, Tagged> + Send> Work for LookFirst<B, W> {
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        let begin = match &mut self.state {
            State::Begun(work) => return work.run(context),
            State::Looking(begin) => begin,
        };
        match context.user.tell(&mut News::without_expunges(), context.output) {
            Ok(Look::Done) => {}
            Ok(Look::More) => return Ok(Progress::More),
            Err(Error::NoSuchAccount) => return Err(Stop::Gone),
            // Logged by the store. What the client knows is still there to be answered from.
            Err(_) => {}
        }
        let Some(begin) = begin.take() else { return Err(Stop::Broken) };
        let mut work = begin(context)?;
        // The driver gives what goes on after a pause a thread where it is in nobody's way.
        let has_time = !work.takes_long() && context.output.len() < OUTPUT_HIGH_WATER_BYTES;
        let progress = if has_time { work.run(context) } else { Ok(Progress::More) };
        self.state = State::Begun(work);
        progress
    }

    fn may_be_in_literal(&self) -> bool {
        match &self.state {
            State::Looking(_) => false,
            State::Begun(work) => work.may_be_in_literal(),
        }
    }

    fn news(&mut self) -> Option<News> {
        Some(News::after(self.numbering))
    }
}
