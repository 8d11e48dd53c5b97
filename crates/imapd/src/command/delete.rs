//! DELETE (RFC 9051 §6.3.5).

use crate::context::Context;
use crate::tagged::Tagged;
use crate::work::{Progress, Stop, Work};
use imap_proto::{Code, MailboxName};

/// A DELETE on its way.
pub(super) enum Deleting {
    New(String),
    Begun(store::Deleting),
}

pub(super) fn begin(context: &mut Context<'_>, name: &MailboxName) -> Result<Deleting, Tagged> {
    let mailbox = context.mailbox(name)?;
    let below = format!("{}/", mailbox.name);
    let has_children = context.mailboxes()?.iter().any(|other| other.name.starts_with(&below));
    if has_children && !name.is_inbox() {
        let text = "The mailbox has mailboxes below it; delete those first";
        return Err(Tagged::refused(Code::HasChildren, text));
    }
    Ok(Deleting::New(mailbox.name))
}

impl Work for Deleting {
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        let account = &context.user.account;
        let more = match self {
            Self::New(name) => {
                let begun = account.begin_deletion(context.actor(), name)?;
                let more = !begun.is_done();
                *self = Self::Begun(begun);
                more
            }
            Self::Begun(begun) => begun.piece(account)?,
        };
        Ok(if more { Progress::More } else { Progress::Done(Tagged::ok("DELETE done")) })
    }
}
