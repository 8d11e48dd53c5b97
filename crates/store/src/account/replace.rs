//! A message takes the place of another one: IMAP REPLACE (RFC 8508). One commit: a message that is too large, or one that is
//! gone already, leaves everything as it was.

use super::append::append_where;
use super::sent::origin;
use super::{Account, Appended, NewMessage, Target};
use crate::error::Error;
use crate::ids::{MailboxId, Uid};
use crate::journal::Actor;
use crate::objects::Shared;
use crate::quota::Amount;
use crate::rights::Rights;
use crate::tx::Tx;
use message::Summary;
use std::sync::Arc;

impl Account {
    /// Stores a message in mailbox `to`, and expunges `replaced`. What is over quota is decided by what the two differ in
    /// (RFC 8508 §3.4).
    ///
    /// # Errors
    /// As [`Account::append`] and [`Account::expunge`]; [`Error::NoSuchMessage`]: the one to be replaced is gone.
    pub fn replace(
        &self,
        actor: Actor,
        replaced: (MailboxId, Uid),
        to: MailboxId,
        message: NewMessage,
    ) -> Result<Appended, Error> {
        let NewMessage { body, flags, internal_date } = message;
        let (target, options) = (Target::Mailbox(to), Arc::clone(&self.options));
        let summary = Summary::parse(&body);
        let body: Shared = Arc::new(body);
        let prepared = self.prepare(&body, &summary, origin(&target))?;
        drop(body);
        let object = prepared.object.clone();
        let appended = self.transact_shared(move |tx| {
            let (mailbox, uid) = replaced;
            // RFC 8508 §4.1: as of EXPUNGE and STORE.
            tx.must_have(mailbox, Rights::DELETE_MESSAGES.and(Rights::EXPUNGE))?;
            let entry = tx.index(mailbox)?.find(uid).copied().ok_or(Error::NoSuchMessage)?;
            let before = tx.state.usage();
            // First, so that there is room for what comes; what is held leaves none.
            tx.remove(actor, mailbox, &[entry], &options)?;
            let after = tx.state.usage();
            let left = Amount {
                bytes: before.bytes.saturating_sub(after.bytes),
                messages: before.messages.saturating_sub(after.messages),
            };
            // What is no more than what left fits, also where more is there than may be.
            let beyond = |more: u64, left: u64| if more > left { more } else { 0 };
            let fits = |tx: &Tx<'_>, more: Amount| {
                tx.must_fit(Amount {
                    bytes: beyond(more.bytes, left.bytes),
                    messages: beyond(more.messages, left.messages),
                })
            };
            append_where(tx, actor, &target, (&flags, internal_date), &prepared, &fits)
        });
        self.remove_unless(appended.as_ref().is_ok_and(|(_, is_stored)| *is_stored), appended.as_ref().err(), object);
        appended.map(|(appended, _)| appended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, Depth};
    use crate::flags::Flags;
    use crate::ids::{AccountId, DeviceId, Timestamp};
    use crate::journal::Protocol;
    use crate::quota::Quota;
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };

    fn message(body: &str) -> NewMessage {
        NewMessage { body: body.into(), flags: Flags::default(), internal_date: NOW }
    }

    #[test]
    fn a_replacement_that_does_not_fit_took_the_old_message_along() {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), NOW).unwrap();
        let inbox = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
        let uids = || account.view(inbox).unwrap().index().iter().map(|entry| entry.uid.0).collect::<Vec<_>>();
        let first = account.append(ACTOR, Target::Inbox, message("0123456789")).unwrap();
        account.set_quota(ACTOR, Quota::of_bytes(15)).unwrap();
        let replace = |uid: u32, body: &str| account.replace(ACTOR, (inbox, Uid(uid)), inbox, message(body));
        assert!(matches!(replace(1, "0123456789abcdef"), Err(Error::OverQuota { .. })));
        assert_eq!(uids(), [1]);
        let second = replace(1, "0123456789abcde").unwrap();
        assert_eq!((uids(), second.uid), (vec![2], Uid(2)));
        assert_ne!(first.email, second.email);
        assert_eq!(replace(1, "x").unwrap_err(), Error::NoSuchMessage);
        // There is more than there may be, and it becomes no more.
        account.set_quota(ACTOR, Quota::of_bytes(3)).unwrap();
        assert!(matches!(replace(2, "0123456789abcdef"), Err(Error::OverQuota { .. })));
        replace(2, "a123456789abcde").unwrap();
        assert_eq!(uids(), [3]);
        let is_large = "x".repeat(100_000);
        account.set_quota(ACTOR, Quota::default()).unwrap();
        replace(3, &is_large).unwrap();
        replace(4, "small").unwrap();
        assert!(matches!(replace(4, "x"), Err(Error::NoSuchMessage)));
        assert!(matches!(replace(5, "a\0b"), Err(Error::InvalidContent(_))));
        assert_eq!(uids(), [5]);
        assert_eq!(check::all(&store, Depth::Bodies).unwrap(), []);
    }
}
