//! CLOSE and UNSELECT (RFC 9051 §6.4.1, §6.4.2).

use super::{Answer, Context};
use crate::selected::Selected;
use crate::tagged::Tagged;
use imap_proto::Code;
use store::{Error, Expunge, ModSeq, SystemFlag, Uid};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// CLOSE
    Expunge,
    /// UNSELECT
    Keep,
}

pub(super) fn run(context: &mut Context<'_>, how: How) -> Answer {
    let (actor, qresync) = (context.actor(), context.user.enabled.qresync);
    let selected = context.selected()?;
    let mut gone = Vec::new();
    if how == How::Expunge && !selected.read_only {
        match selected.account.expunge(actor, selected.mailbox, Expunge::AllDeleted) {
            Ok(uids) => gone = uids,
            Err(Error::NoSuchMailbox) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let modseq = if qresync && !gone.is_empty() { known_to_client(selected, &gone) } else { None };
    context.user.selected = None;
    let answer = Tagged::ok("Closed");
    Ok(match modseq {
        Some(modseq) => answer.with(Code::HighestModSeq(modseq.0)),
        None => answer,
    })
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
