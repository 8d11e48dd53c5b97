//! EXPUNGE (RFC 9051 §6.4.3) and UID EXPUNGE (§6.4.9). What is gone is told by `sync`.

use super::{Answer, Context};
use crate::tagged::Tagged;
use imap_proto::{Code, MessageSet, Numbering};
use store::{Error, Expunge, MailboxId};

pub(super) fn run(context: &mut Context<'_>, set: Option<&MessageSet>) -> Answer {
    let actor = context.actor();
    let selected = context.writable()?;
    let which = match set {
        Some(set) => Expunge::DeletedAmong(selected.uids(set, Numbering::Uid)?),
        None => Expunge::AllDeleted,
    };
    let mailbox = selected.mailbox;
    let gone = match selected.account.expunge(actor, mailbox, which) {
        Ok(gone) => gone,
        // Another device deleted the mailbox, which `sync` tells.
        Err(Error::NoSuchMailbox) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let answer = Tagged::ok("EXPUNGE done");
    Ok(if gone.is_empty() { answer } else { with_modseq(context, mailbox, answer) })
}

/// RFC 7162 §3.2.7: after EXPUNGE and MOVE a client with QRESYNC learns how far its knowledge goes. It is told before
/// this answer what is gone, so that it knows all up to here.
pub(super) fn with_modseq(context: &Context<'_>, mailbox: MailboxId, answer: Tagged) -> Tagged {
    if !context.user.enabled.qresync {
        return answer;
    }
    match context.user.account.view(mailbox) {
        Ok(view) => answer.with(Code::HighestModSeq(view.mailbox().highest_modseq.0)),
        Err(_) => answer,
    }
}
