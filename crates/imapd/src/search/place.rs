//! The mailbox that a search is about: what is looked through, and what its keys mean there.

use crate::enabled::Enabled;
use crate::located::guest_of;
use crate::selected::Selected;
use ::search::Numbers;
use imap_proto::MailboxName;
use store::{Account, AccountId, Index, Keywords, MailboxId, Uid, View};

/// What is looked through, and what the keys mean.
pub(crate) struct Place<'p> {
    pub(super) mailbox: MailboxId,
    /// Whose it is, if it is somebody else's.
    pub(super) guest_of: Option<AccountId>,
    pub(super) index: &'p Index,
    pub(super) keywords: &'p Keywords,
    pub(super) recent: Numbers,
    /// `$` (RFC 9051 §6.4.4.1)
    pub(super) saved: &'p [Uid],
}

/// Which of several mailboxes an answer is about (RFC 7377 §2.1).
#[derive(Clone, Debug)]
pub(crate) struct Whose {
    pub(crate) name: MailboxName,
    pub(crate) uidvalidity: u32,
}

impl<'p> Place<'p> {
    /// The selected mailbox, as far as its client knows it.
    pub(crate) fn selected(selected: &'p Selected) -> Self {
        Self {
            mailbox: selected.mailbox,
            guest_of: guest_of(&selected.account),
            index: &selected.told,
            keywords: &selected.view.mailbox().keywords,
            recent: selected.recent.numbers(),
            saved: &selected.saved,
        }
    }

    /// A mailbox that is not selected: `$` names nothing there, and recent is what nobody was told of.
    pub(crate) fn other(account: &Account, view: &'p View, enabled: Enabled) -> Self {
        let first = account.recent_from(view.mailbox().id).0;
        let recent = if enabled.rev2 { Vec::new() } else { vec![first..=u32::MAX] };
        Self {
            mailbox: view.mailbox().id,
            guest_of: guest_of(account),
            index: view.index(),
            keywords: &view.mailbox().keywords,
            recent: Numbers::from_ranges(recent),
            saved: &[],
        }
    }

    /// How many messages there are.
    pub(super) fn exists(&self) -> u32 {
        u32::try_from(self.index.len()).unwrap_or(u32::MAX)
    }

    /// What `*` is among UIDs.
    pub(super) fn highest_uid(&self) -> u32 {
        self.index.last().map_or(0, |entry| entry.uid.0)
    }
}
