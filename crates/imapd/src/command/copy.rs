//! COPY (RFC 9051 §6.4.7).

use super::announced::UNANNOUNCED_MESSAGES_MAX;
use crate::context::Context;
use crate::tagged::{ResultCode, Tagged};
use crate::work::{Progress, Stop, Work};
use imap_proto::SequenceSet;
use imap_proto::command::Transfer;
use store::Relisting;

/// A COPY on its way.
pub(super) struct Copying {
    messages: usize,
    copying: Option<store::Copying>,
}

/// UIDs that are gone are passed over, and none left is no error: a NO would make iOS bring deleted mail back.
pub(super) fn begin(context: &mut Context<'_>, transfer: &Transfer) -> Result<Copying, Tagged> {
    let actor = context.actor();
    context.tell_named(&transfer.set, transfer.numbering)?;
    let selected = context.selected()?;
    let (uids, from) = (selected.uids(&transfer.set, transfer.numbering)?, selected.mailbox);
    let to = context.target(&transfer.mailbox)?.id;
    let messages = uids.len();
    let copying = (messages > 0).then(|| context.user.account.begin_copy(actor, from, uids, to));
    Ok(Copying { messages, copying })
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
    let source = SequenceSet::from_sorted(relisting.uids.iter().map(|(before, _)| before.0));
    let target = SequenceSet::from_sorted(relisting.uids.iter().map(|(_, after)| after.0));
    let code = ResultCode::CopyUid { uidvalidity: relisting.uid_validity.0, source, target };
    (!relisting.uids.is_empty()).then_some(code)
}
