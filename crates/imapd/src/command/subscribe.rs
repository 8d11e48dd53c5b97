//! SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8).

use super::{Answer, Context};
use crate::tagged::Tagged;
use imap_proto::MailboxName;
use store::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Subscribed,
    Unsubscribed,
}

pub(super) fn run(context: &mut Context<'_>, name: &MailboxName, wish: Wish) -> Answer {
    let subscribed = wish == Wish::Subscribed;
    match context.user.account.subscribe(context.actor(), name.as_str(), subscribed) {
        // What is not there is not subscribed: clients clean up after a mailbox that another device deleted.
        Ok(()) => {}
        Err(Error::NoSuchMailbox) if !subscribed => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Tagged::ok(if subscribed { "SUBSCRIBE done" } else { "UNSUBSCRIBE done" }))
}
