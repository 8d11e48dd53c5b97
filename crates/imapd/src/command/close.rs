//! CLOSE and UNSELECT (RFC 9051 §6.4.1, §6.4.2).

use crate::context::Context;
use crate::located::acting_in;
use crate::selected::Selected;
use crate::tagged::Tagged;
use crate::work::{Progress, Stop, Work};
use imap_proto::Code;
use store::{Error, Expunge, ModSeq, Rights, SystemFlag, Uid};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// CLOSE
    Expunge,
    /// UNSELECT
    Keep,
}

/// A CLOSE on its way.
pub(super) struct Closing {
    how: How,
    expunging: Option<store::Expunging>,
}

pub(super) fn begin(context: &mut Context<'_>, how: How) -> Result<Closing, Tagged> {
    let selected = context.selected()?;
    // RFC 4314 §4: without the right to it nothing is expunged, and it is closed.
    let expunges = !selected.read_only && selected.rights().has(Rights::EXPUNGE);
    let how = if expunges { how } else { How::Keep };
    Ok(Closing { how, expunging: None })
}

impl Work for Closing {
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        let actor = context.actor();
        let selected = context.selected()?;
        let actor = acting_in(&selected.account, actor);
        let more = match (self.how, &mut self.expunging) {
            (How::Keep, _) => Ok(false),
            (How::Expunge, None) => {
                selected.account.begin_expunge(actor, selected.mailbox, Expunge::AllDeleted).map(|begun| {
                    let more = !begun.is_done();
                    self.expunging = Some(begun);
                    more
                })
            }
            (How::Expunge, Some(expunging)) => expunging.piece(&selected.account),
        };
        match more {
            Ok(true) => Ok(Progress::More),
            Ok(false) | Err(Error::NoSuchMailbox) => Ok(Progress::Done(self.close(context)?)),
            Err(error) => Err(error.into()),
        }
    }
}

impl Closing {
    fn close(&self, context: &mut Context<'_>) -> Result<Tagged, Tagged> {
        let qresync = context.user.enabled.qresync;
        let selected = context.selected()?;
        let gone = self.expunging.as_ref().map_or(&[][..], |expunging| expunging.gone());
        let modseq = if qresync && !gone.is_empty() { known_to_client(selected, gone) } else { None };
        context.user.selected = None;
        let answer = Tagged::ok("Closed");
        Ok(match modseq {
            Some(modseq) => answer.with(Code::HighestModSeq(modseq.0)),
            None => answer,
        })
    }
}

/// RFC 7162 §3.2.8: CLOSE tells no client what it expunged, but how far its knowledge goes now. Only a client that knows
/// all other changes, and of each expunged message that it was `\Deleted`, may hear that: another one would never learn
/// of the rest from its next QRESYNC.
fn known_to_client(selected: &Selected, gone: &[Uid]) -> Option<ModSeq> {
    let view = selected.account.view(selected.mailbox).ok()?;
    let delta = view.index().since(&selected.told);
    let was_deleted = |uid: &Uid| selected.told.find(*uid).is_some_and(|entry| entry.flags.has(SystemFlag::Deleted));
    let vanished = delta.vanished.iter().map(|(_, uid)| uid);
    let known = delta.changed.is_empty() && delta.added.is_empty() && vanished.eq(gone) && gone.iter().all(was_deleted);
    known.then_some(view.mailbox().highest_modseq)
}
