//! Which entries of the journal a page of the timeline is about, beside those that the store sorts out.

use super::TimelineAsk;
use crate::account::AccountConsole;
use crate::error::Error;
use store::{Change, JournalEntry, MailboxId, OfDevice, OfMailbox, OfMessages, OfPop, Role, Timestamp};
use wording::tr;

/// What is wanted.
pub(super) struct Wanted {
    until: Option<Timestamp>,
    mailbox: Option<MailboxId>,
    /// Where Trash and Junk are, if only removals are wanted: what moves there is one.
    removals: Option<Vec<MailboxId>>,
}

impl AccountConsole {
    pub(super) fn wanted(&self, ask: &TimelineAsk) -> Result<Wanted, Error> {
        let mailboxes = self.account.mailboxes()?;
        let unknown = |name: &str| Error::refused(tr!("there is no mailbox “{name}”", name = name));
        let known = |name: &String| mailboxes.by_name(name).map(|known| known.id).ok_or_else(|| unknown(name));
        let is_aside = |role| matches!(role, Some(Role::Trash | Role::Junk));
        let aside = || mailboxes.iter().filter(|mailbox| is_aside(mailbox.role)).map(|mailbox| mailbox.id).collect();
        Ok(Wanted {
            until: ask.until,
            mailbox: ask.mailbox.as_ref().map(known).transpose()?,
            removals: ask.removals.then(aside),
        })
    }
}

impl Wanted {
    pub(super) fn has(&self, entry: &JournalEntry) -> bool {
        self.until.is_none_or(|until| entry.at <= until)
            && self.mailbox.is_none_or(|mailbox| concerns(&entry.change, mailbox))
            && self.removals.as_ref().is_none_or(|aside| removes(&entry.change, aside))
    }
}

fn removes(change: &Change, aside: &[MailboxId]) -> bool {
    match change {
        Change::Messages(OfMessages::Expunged { .. })
        | Change::Mailbox(OfMailbox::Deleted { .. })
        | Change::Pop(OfPop::Deleted { .. })
        | Change::Device(OfDevice::Held { .. } | OfDevice::HoldAnswered { .. }) => true,
        Change::Messages(OfMessages::Moved { to, .. }) => aside.contains(to),
        Change::Messages(_) | Change::Mailbox(_) | Change::Pop(_) | Change::Device(_) | Change::Account(_) => false,
    }
}

fn concerns(change: &Change, wanted: MailboxId) -> bool {
    match change {
        Change::Messages(OfMessages::Moved { from, to, .. }) => [*from, *to].contains(&wanted),
        Change::Messages(
            OfMessages::Added { mailbox, .. }
            | OfMessages::Reflagged { mailbox, .. }
            | OfMessages::Expunged { mailbox, .. }
            | OfMessages::Restored { mailbox, .. },
        )
        | Change::Mailbox(
            OfMailbox::Created { mailbox, .. }
            | OfMailbox::Renamed { mailbox, .. }
            | OfMailbox::Deleted { mailbox, .. }
            | OfMailbox::Subscribed { mailbox, .. }
            | OfMailbox::Shared { mailbox, .. }
            | OfMailbox::Annotated { mailbox: Some(mailbox), .. },
        ) => *mailbox == wanted,
        Change::Mailbox(OfMailbox::NameSubscribed { .. } | OfMailbox::Annotated { mailbox: None, .. })
        | Change::Pop(_)
        | Change::Device(_)
        | Change::Account(_) => false,
    }
}
