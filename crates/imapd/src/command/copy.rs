//! COPY (RFC 9051 §6.4.7).

use super::Begun;
use super::announced::UNANNOUNCED_MESSAGES_MAX;
use super::crossing::{self, How};
use crate::context::Context;
use crate::located::acting_in;
use crate::message_limit::Cut;
use crate::tagged::{ResultCode, Tagged};
use crate::work::{Progress, Stop, Work};
use imap_proto::SequenceSet;
use imap_proto::command::Transfer;
use store::{Relisting, Uid};

/// A COPY on its way.
pub(super) struct Copying {
    messages: usize,
    copying: Option<store::Copying>,
}

/// UIDs that are gone are passed over, and none left is no error: a NO would make iOS bring deleted mail back.
pub(super) fn begin(context: &mut Context<'_>, transfer: &Transfer) -> Result<Begun, Tagged> {
    let actor = context.actor();
    context.tell_named(&transfer.set, transfer.numbering)?;
    let selected = context.selected()?;
    let (mut uids, from) = (selected.uids(&transfer.set, transfer.numbering)?, selected.mailbox);
    let to = context.target(&transfer.mailbox)?;
    if let Some(cut) = Cut::last_of(&mut uids, context.service.limits.messages.saved()) {
        // RFC 9738 §3.1: all or none.
        return Err(cut.refusal("Too many messages to be copied, try fewer"));
    }
    let selected = context.selected()?;
    if let Some(crossing) = crossing::begin(selected, &uids, &to, How::Copy)? {
        return Ok(crossing.into());
    }
    let (messages, actor) = (uids.len(), acting_in(&selected.account, actor));
    let copying = (messages > 0).then(|| selected.account.begin_copy(actor, from, uids, to.mailbox.id));
    Ok(Copying { messages, copying }.into())
}

impl Work for Copying {
    fn takes_long(&self) -> bool {
        self.messages > UNANNOUNCED_MESSAGES_MAX
    }

    fn run(&mut self, _: &mut Context<'_>) -> Result<Progress, Stop> {
        let done = Tagged::ok("COPY done");
        let Some(mut copying) = self.copying.take() else { return Ok(Progress::Done(done)) };
        if copying.piece()? {
            self.copying = Some(copying);
            return Ok(Progress::More);
        }
        Ok(Progress::Done(match copy_uid(&copying.finish()) {
            Some(code) => done.with_code(code),
            None => done,
        }))
    }
}

/// RFC 4315 §3: nothing was copied, no code.
pub(super) fn copy_uid(relisting: &Relisting) -> Option<ResultCode> {
    copy_uid_of(relisting.uid_validity.0, relisting.uids.iter().copied())
}

/// Of pairs that ascend.
pub(super) fn copy_uid_of(uidvalidity: u32, pairs: impl Iterator<Item = (Uid, Uid)>) -> Option<ResultCode> {
    let (before, after): (Vec<Uid>, Vec<Uid>) = pairs.unzip();
    let set = |uids: &[Uid]| SequenceSet::from_sorted(uids.iter().map(|uid| uid.0));
    let code = ResultCode::CopyUid { uidvalidity, source: set(&before), target: set(&after) };
    (!before.is_empty()).then_some(code)
}
