//! SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8), of mailboxes and of names that none has: a program that restores
//! what a person had, or whose mailbox another device makes a moment later, need not wait for it.

use super::Answer;
use crate::context::Context;
use crate::tagged::Tagged;
use imap_proto::MailboxName;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Subscribed,
    Unsubscribed,
}

pub(super) fn run(context: &mut Context<'_>, name: &MailboxName, wish: Wish) -> Answer {
    let subscribed = wish == Wish::Subscribed;
    // RFC 9051 §6.3.8: a name that is not on the list is none that could not be taken off: clients clean up after a mailbox that
    // another device deleted.
    context.user.account.subscribe(context.actor(), name.as_str(), subscribed)?;
    Ok(Tagged::ok(if subscribed { "SUBSCRIBE done" } else { "UNSUBSCRIBE done" }))
}
