//! Which messages are recent (RFC 3501 §2.3.2): those that no session has been told of that selected their mailbox.
//!
//! A mark for each mailbox, in memory: to select a mailbox writes nothing. Nobody can know any more what was recent before
//! this process first opened the account; that is not (`docs/decisions/0020-recent-in-memory.md`).

use super::{Account, MAILBOXES_MAX};
use crate::ids::{MailboxId, Uid};
use crate::state::AccountState;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// From which UID on the messages of each mailbox are recent; where there is no mark, all are. `None`: the account was not
/// opened yet.
#[derive(Default)]
pub(crate) struct Recents(Mutex<Option<BTreeMap<MailboxId, Uid>>>);

impl Recents {
    /// The account as it was before anything came in this process.
    pub(crate) fn opened(&self, state: &AccountState) {
        let next =
            |state: &AccountState| state.mailboxes.values().map(|of| (of.mailbox.id, of.mailbox.uid_next)).collect();
        self.lock().get_or_insert_with(|| next(state));
    }

    fn from(&self, mailbox: MailboxId) -> Uid {
        self.lock().as_ref().and_then(|marks| marks.get(&mailbox)).copied().unwrap_or(Uid(1))
    }

    fn take(&self, mailbox: MailboxId, up_to: Uid, state: &AccountState) -> Uid {
        let mut marks = self.lock();
        let marks = marks.get_or_insert_default();
        let mark = marks.entry(mailbox).or_insert(Uid(1));
        let from = std::mem::replace(mark, up_to.max(*mark));
        // Those of mailboxes that were deleted.
        if marks.len() > MAILBOXES_MAX {
            marks.retain(|mailbox, _| state.mailboxes.contains_key(mailbox));
        }
        from
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeMap<MailboxId, Uid>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// The messages of a mailbox from this UID on are recent: no session took them.
    #[must_use]
    pub fn recent_from(&self, mailbox: MailboxId) -> Uid {
        self.cell.recents.from(mailbox)
    }

    /// Takes the recent messages below `up_to`: they are recent to the caller, and to nobody who asks later. Gives the first
    /// UID of them; at or above `up_to` when somebody else has taken them.
    ///
    /// # Errors
    /// As [`Account::view`].
    pub fn take_recent(&self, mailbox: MailboxId, up_to: Uid) -> Result<Uid, crate::Error> {
        let state = self.cell.state()?;
        Ok(self.cell.recents.take(mailbox, up_to, &state))
    }
}
