//! Stretches of the journal in which no message left a mailbox.
//!
//! Whoever comes back asks what vanished, each time over several hundred changes (`docs/decisions/0012-no-expunge-is-lost.md`),
//! and mostly nothing has. What was read once need not be read again: the journal only grows.

use crate::ids::{MailboxId, ModSeq};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// An account remembers so many mailboxes.
const MAILBOXES_MAX: usize = 1024;

/// For each mailbox the longest such stretch that was read and goes on until now, as far as that was read.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Mutex<BTreeMap<MailboxId, Stretch>>);

/// No entry above `after` and up to `to` tells of a message that left the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) after: ModSeq,
    pub(crate) to: ModSeq,
}

impl Quiet {
    /// What is known for somebody who knows all up to `since`, or else the empty stretch there.
    pub(crate) fn since(&self, mailbox: MailboxId, since: ModSeq) -> Stretch {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&mailbox).copied();
        known.filter(|known| known.after <= since && since <= known.to).unwrap_or(Stretch { after: since, to: since })
    }

    /// Whoever read less does not take from what is known.
    pub(crate) fn note(&self, mailbox: MailboxId, read: Stretch) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known
            .get(&mailbox)
            .is_some_and(|known| known.to > read.to || (known.to == read.to && known.after <= read.after))
        {
            return;
        }
        if known.len() >= MAILBOXES_MAX {
            known.clear();
        }
        known.insert(mailbox, read);
    }

    /// What is in the journal may be something else now.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INBOX: MailboxId = MailboxId(1);

    fn stretch(after: u64, to: u64) -> Stretch {
        Stretch { after: ModSeq(after), to: ModSeq(to) }
    }

    #[test]
    fn only_who_is_within_the_stretch_is_spared() {
        let quiet = Quiet::default();
        quiet.note(INBOX, stretch(10, 20));
        assert_eq!(quiet.since(INBOX, ModSeq(9)), stretch(9, 9));
        assert_eq!(quiet.since(INBOX, ModSeq(10)), stretch(10, 20));
        assert_eq!(quiet.since(INBOX, ModSeq(20)), stretch(10, 20));
        assert_eq!(quiet.since(INBOX, ModSeq(21)), stretch(21, 21), "what lies between was not read");
        assert_eq!(quiet.since(MailboxId(2), ModSeq(15)), stretch(15, 15));
        quiet.note(INBOX, stretch(12, 20));
        quiet.note(INBOX, stretch(1, 19));
        assert_eq!(quiet.since(INBOX, ModSeq(10)), stretch(10, 20), "the longest that goes on");
        quiet.note(INBOX, stretch(25, 30));
        assert_eq!(quiet.since(INBOX, ModSeq(10)), stretch(10, 10), "something left at 25");
        quiet.forget();
        assert_eq!(quiet.since(INBOX, ModSeq(27)), stretch(27, 27));
    }
}
