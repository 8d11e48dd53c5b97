//! MOVE (RFC 9051 §6.4.8).

use super::copy::copy_uid;
use super::expunge::with_modseq;
use super::{Answer, Context};
use crate::tagged::Tagged;
use imap_proto::Status;
use imap_proto::command::Transfer;

/// As COPY, UIDs that are gone are passed over.
pub(super) fn run(context: &mut Context<'_>, transfer: &Transfer) -> Answer {
    let actor = context.actor();
    context.tell_named(&transfer.set, transfer.numbering)?;
    let selected = context.writable()?;
    let (uids, from) = (selected.uids(&transfer.set, transfer.numbering)?, selected.mailbox);
    let to = context.target(&transfer.mailbox)?.id;
    if uids.is_empty() {
        return Ok(Tagged::ok("MOVE done"));
    }
    let moved = context.user.account.move_messages(actor, from, uids, to)?;
    let answer = Tagged::ok("MOVE done");
    let Some(code) = copy_uid(&moved) else { return Ok(answer) };
    // RFC 6851 §4.3: COPYUID comes before the EXPUNGE responses, in an untagged OK.
    context.encoder().untagged(Status::Ok, Some(code.borrowed(&[])), "Moved");
    Ok(with_modseq(context, from, answer))
}
