//! What the junk filter of an account has learnt: pages whose meaning is the filter's (`mailflow`), how far it has read the
//! journal, and which messages it was taught as what. The store keeps them together: a lesson is in one commit.
//!
//! Nobody is told of it: a lesson changes nothing that a session shows.

use super::Account;
use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::ids::{AccountId, EmailId, ModSeq};
use crate::key;
use crate::state;
use crate::tx::Tx;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// A page has at most so many octets; there are at most 256 of them.
pub const TRAINING_PAGE_BYTES_MAX: usize = 64 * 1024;

/// What the filter has learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Training {
    /// It has read the journal up to this entry.
    pub learnt_to: ModSeq,
    /// Its pages that are not empty, in the order of their numbers.
    pub pages: Vec<(u8, Vec<u8>)>,
}

/// What the filter learns next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lesson {
    /// What it had read of the journal before.
    pub after: ModSeq,
    /// What it has read of it now.
    pub learnt_to: ModSeq,
    /// Pages that are other ones now; an empty one goes.
    pub pages: Vec<(u8, Vec<u8>)>,
    /// As what messages are taught now; `None`: not any more.
    pub taught: Vec<(EmailId, Option<u8>)>,
}

/// Accounts that were changed. A hint: what counts is in their journals.
#[derive(Default)]
pub(crate) struct Changed(Mutex<BTreeSet<AccountId>>);

impl Changed {
    pub(crate) fn note(&self, id: AccountId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    pub(crate) fn take(&self) -> BTreeSet<AccountId> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Account {
    /// Up to which entry of the journal the junk filter has learnt.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn learnt_to(&self) -> Result<ModSeq, Error> {
        read_learnt_to(self.snapshot()?.get(&key::learnt_to())?)
    }

    /// What the junk filter has learnt.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn training(&self) -> Result<Training, Error> {
        let snapshot = self.snapshot()?;
        let learnt_to = read_learnt_to(snapshot.get(&key::learnt_to())?)?;
        let mut pages = Vec::new();
        if learnt_to > ModSeq(0) {
            state::scan(&*snapshot, key::training_pages(), |key, value| {
                pages.extend(key.get(2).map(|number| (*number, value.to_vec())));
                Ok(())
            })?;
        }
        Ok(Training { learnt_to, pages })
    }

    /// As what the junk filter was taught a message, if it was.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn taught_as(&self, email: EmailId) -> Result<Option<u8>, Error> {
        Ok(self.snapshot()?.get(&key::taught(email))?.and_then(|class| class.first().copied()))
    }

    /// Takes a lesson in; `false`: something else was learnt meanwhile, and it is to be made anew.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::Limit`] (a page of more than [`TRAINING_PAGE_BYTES_MAX`] octets),
    /// [`Error::NoSpace`], faults.
    pub fn learn(&self, lesson: Lesson) -> Result<bool, Error> {
        if lesson.pages.iter().any(|(_, page)| page.len() > TRAINING_PAGE_BYTES_MAX) {
            return Err(Error::Limit("a page of a junk filter is larger than it may be".into()));
        }
        self.transact(move |tx| learn(tx, &lesson))
    }
}

fn learn(tx: &mut Tx<'_>, lesson: &Lesson) -> Result<bool, Error> {
    if read_learnt_to(tx.get(&key::learnt_to())?)? != lesson.after {
        return Ok(false);
    }
    for (number, page) in &lesson.pages {
        match page.is_empty() {
            true => tx.delete(key::training_page(*number)),
            false => tx.put(key::training_page(*number), page.clone()),
        }
    }
    for (email, class) in &lesson.taught {
        match class {
            // It may be gone meanwhile.
            Some(class) if tx.get(&key::email(*email))?.is_some() => tx.put(key::taught(*email), vec![*class]),
            Some(_) | None => tx.delete(key::taught(*email)),
        }
    }
    let mut w = Writer::default();
    w.number(lesson.learnt_to.0);
    tx.put(key::learnt_to(), w.0);
    Ok(true)
}

fn read_learnt_to(row: Option<Vec<u8>>) -> Result<ModSeq, Error> {
    let Some(row) = row else { return Ok(ModSeq(0)) };
    Reader(&row).number().map(ModSeq).map_err(Error::corrupt("how far the junk filter has learnt"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Expunge, NewMessage, Target};
    use crate::check::{self, Depth};
    use crate::flags::{Flags, SystemFlag};
    use crate::ids::{DeviceId, Timestamp};
    use crate::journal::{Actor, Protocol};
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;
    use std::sync::Arc;

    const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: Timestamp(1000) };

    fn account_of(engine: &SimEngine) -> (Store, Account) {
        let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
        let account = store.account(AccountId(20));
        (store, account)
    }

    #[test]
    fn a_lesson_is_whole_or_not_there_and_never_taken_twice() {
        let engine = SimEngine::new();
        let (store, account) = account_of(&engine);
        store.create_account(AccountId(20), Timestamp(1)).unwrap();
        assert_eq!(account.training().unwrap(), Training::default());
        let lesson = Lesson { learnt_to: ModSeq(7), pages: vec![(3, vec![1, 2]), (0, vec![9])], ..Lesson::default() };
        assert!(account.learn(lesson.clone()).unwrap());
        assert!(!account.learn(lesson).unwrap(), "made from what was there before");
        let expected = Training { learnt_to: ModSeq(7), pages: vec![(0, vec![9]), (3, vec![1, 2])] };
        assert_eq!(account.training().unwrap(), expected);
        let next = Lesson { after: ModSeq(7), learnt_to: ModSeq(8), pages: vec![(0, vec![])], ..Lesson::default() };
        assert!(account.learn(next).unwrap());
        assert_eq!(account.training().unwrap().pages, [(3, vec![1, 2])]);
        let pages = vec![(0, vec![0; TRAINING_PAGE_BYTES_MAX + 1])];
        let large = Lesson { after: ModSeq(8), learnt_to: ModSeq(9), pages, ..Lesson::default() };
        assert!(matches!(account.learn(large), Err(Error::Limit(_))));
        let before = account.training().unwrap();
        let (_store, after_a_crash) = account_of(&engine.crash());
        assert_eq!(after_a_crash.training().unwrap(), before);
    }

    #[test]
    fn what_was_taught_goes_with_its_message() {
        let engine = SimEngine::new();
        let (store, account) = account_of(&engine);
        store.create_account(AccountId(20), Timestamp(1)).unwrap();
        let flags = Flags::system(&[SystemFlag::Deleted]);
        let message = NewMessage { body: b"S: x\r\n\r\n".to_vec(), flags, internal_date: Timestamp(1) };
        let appended = account.append(ACTOR, Target::Inbox, message).unwrap();
        let (email, gone) = (appended.email, EmailId(999));
        let lesson =
            Lesson { learnt_to: ModSeq(2), taught: vec![(email, Some(1)), (gone, Some(1))], ..Lesson::default() };
        assert!(account.learn(lesson).unwrap());
        assert_eq!((account.taught_as(email).unwrap(), account.taught_as(gone).unwrap()), (Some(1), None));
        account.expunge(ACTOR, appended.mailbox, Expunge::AllDeleted).unwrap();
        account.purge(Timestamp(2000)).unwrap();
        assert_eq!(account.taught_as(email).unwrap(), None);
        assert_eq!(check::all(&store, Depth::Bodies).unwrap(), []);
    }

    #[test]
    fn whoever_is_changed_is_named_once() {
        let (store, account) = account_of(&SimEngine::new());
        store.create_account(AccountId(20), Timestamp(1)).unwrap();
        assert_eq!(store.take_changed(), BTreeSet::new());
        let message =
            || NewMessage { body: b"S: x\r\n\r\n".to_vec(), flags: Flags::default(), internal_date: Timestamp(1) };
        (0..2).for_each(|_| {
            account.append(ACTOR, Target::Inbox, message()).unwrap();
        });
        assert_eq!(store.take_changed(), [AccountId(20)].into());
        assert!(store.take_changed().is_empty());
    }
}
