//! DELETE (RFC 9051 §6.3.5).

use super::{Answer, Context};
use crate::tagged::Tagged;
use imap_proto::{Code, MailboxName};

pub(super) fn run(context: &mut Context<'_>, name: &MailboxName) -> Answer {
    let mailbox = context.mailbox(name)?;
    let below = format!("{}/", mailbox.name);
    let has_children = context.mailboxes()?.iter().any(|other| other.name.starts_with(&below));
    if has_children && !name.is_inbox() {
        let text = "The mailbox has mailboxes below it; delete those first";
        return Err(Tagged::refused(Code::HasChildren, text));
    }
    context.user.account.delete_mailbox(context.actor(), &mailbox.name)?;
    Ok(Tagged::ok("DELETE done"))
}
