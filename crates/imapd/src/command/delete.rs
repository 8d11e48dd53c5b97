//! DELETE (RFC 9051 §6.3.5).

use crate::context::Context;
use crate::located::Located;
use crate::tagged::Tagged;
use crate::work::{Progress, Stop, Work};
use imap_proto::{Code, MailboxName};
use store::{Account, Rights};

/// A DELETE on its way.
pub(super) enum Deleting {
    New(Account, String),
    Begun(Account, store::Deleting),
}

pub(super) fn begin(context: &mut Context<'_>, name: &MailboxName) -> Result<Deleting, Tagged> {
    let Located { account, mailbox, .. } = context.locate(name, Rights::DELETE_MAILBOX)?;
    let below = format!("{}/", mailbox.name);
    let has_children = account.mailboxes()?.iter().any(|other| other.name.starts_with(&below));
    if has_children && !name.is_inbox() {
        let text = "The mailbox has mailboxes below it; delete those first";
        return Err(Tagged::refused(Code::HasChildren, text));
    }
    Ok(Deleting::New(account, mailbox.name))
}

impl Work for Deleting {
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        let more = match self {
            Self::New(account, name) => {
                let begun = account.begin_deletion(context.actor_in(account), name)?;
                let more = !begun.is_done();
                *self = Self::Begun(account.clone(), begun);
                more
            }
            Self::Begun(account, begun) => begun.piece(account)?,
        };
        Ok(if more { Progress::More } else { Progress::Done(Tagged::ok("DELETE done")) })
    }
}
