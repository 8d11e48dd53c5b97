//! COPY (RFC 9051 §6.4.7).

use super::{Answer, Context};
use crate::tagged::{ResultCode, Tagged};
use imap_proto::SequenceSet;
use imap_proto::command::Transfer;
use store::Relisting;

/// UIDs that are gone are passed over, and none left is no error: a NO would make iOS bring deleted mail back.
pub(super) fn run(context: &mut Context<'_>, transfer: &Transfer) -> Answer {
    let actor = context.actor();
    context.tell_named(&transfer.set, transfer.numbering)?;
    let selected = context.selected()?;
    let (uids, from) = (selected.uids(&transfer.set, transfer.numbering)?, selected.mailbox);
    let to = context.target(&transfer.mailbox)?.id;
    if uids.is_empty() {
        return Ok(Tagged::ok("COPY done"));
    }
    let copied = context.user.account.copy(actor, from, uids, to)?;
    let answer = Tagged::ok("COPY done");
    Ok(match copy_uid(&copied) {
        Some(code) => answer.with_code(code),
        None => answer,
    })
}

/// RFC 4315 §3: nothing was copied, no code.
pub(super) fn copy_uid(relisting: &Relisting) -> Option<ResultCode> {
    let source = SequenceSet::from_sorted(relisting.uids.iter().map(|(before, _)| before.0));
    let target = SequenceSet::from_sorted(relisting.uids.iter().map(|(_, after)| after.0));
    let code = ResultCode::CopyUid { uidvalidity: relisting.uid_validity.0, source, target };
    (!relisting.uids.is_empty()).then_some(code)
}
