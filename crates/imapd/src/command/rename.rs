//! RENAME (RFC 9051 §6.3.6).

use super::Answer;
use crate::context::Context;
use crate::tagged::Tagged;
use imap_proto::Code;
use imap_proto::command::Rename;
use store::Rights;

pub(super) fn run(context: &mut Context<'_>, rename: &Rename) -> Answer {
    let from = context.locate(&rename.from, Rights::DELETE_MAILBOX)?;
    let (account, to) = context.user.locate_new(rename.to.as_str(), context.now)?;
    if account.id() != from.account.id() {
        return Err(Tagged::refused(Code::Cannot, "A mailbox stays in its account; copy its messages instead"));
    }
    account.rename_mailbox(context.actor_in(&account), &from.mailbox.name, &to)?;
    Ok(Tagged::ok("RENAME done"))
}
