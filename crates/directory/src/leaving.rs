//! Accounts that are to be removed, and can stay until then: a row `X number`, with when it goes and how it was before.
//!
//! From the start on nobody logs in, nothing of it is forwarded, and mail for it is refused, so that its sender knows: what was
//! taken would be thrown away. Its address, aliases and lists stay its own. When its time comes it is removed with all its mail.

use crate::Directory;
use crate::accounts::{must_be_account, own_address};
use crate::error::Error;
use crate::link_rows;
use crate::record::{self, AccountRecord, FORMAT, Unfinished, number_in, number_key};
use store::codec::{Corrupt, Reader, Writer};
use store::{AccountId, Row, TableTx, Timestamp};
use wording::tr;

const DAY_MILLIS: i64 = 24 * 3600 * 1000;
/// So many are removed in a round.
const REMOVED_MAX: usize = 100;

/// The address of an account whose time has come, and what became of it.
type Removed = (String, Result<(), Error>);

/// An account that is gone and of which mail was left, and what became of that.
type Finished = (AccountId, Result<(), Error>);

/// An account that is to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaving {
    pub(crate) goes_at: Timestamp,
    /// Whether it was not allowed to log in before.
    was_disabled: bool,
}

impl Directory {
    /// Ends an account: it is removed with all its mail after the days that are configured, and can stay until then. Sessions end.
    /// Gives when it goes; `None`: it is gone, because there are no days. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account, or it is being removed already.
    pub fn leave(&self, address: &str, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let days = self.0.options.removal_days;
        if days == 0 {
            return self.remove_account(address).map(|()| None);
        }
        let goes_at = Timestamp(now.0.saturating_add(i64::from(days) * DAY_MILLIS));
        self.change_leaving(address, |tx, id, record| {
            if record.disabled && Leaving::read(tx, id)?.is_some() {
                return Err(Error::refused(tr!("{address} is being removed already", address = record.address)));
            }
            let leaving = Leaving { goes_at, was_disabled: record.disabled };
            tx.put(&number_key(record::LEAVING, id), leaving.encode());
            link_rows::end_links_by(tx, id)?;
            record.disabled = true;
            Ok(())
        })?;
        Ok(Some(goes_at))
    }

    /// An account that is being removed stays, as it was. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account, or it is not being removed.
    pub fn stay(&self, address: &str) -> Result<(), Error> {
        // As where the right to log in is given back: guests are told of all.
        if let Some((id, _)) = self.who_logs_in(address)? {
            self.is_open_again(id)?;
        }
        self.change_leaving(address, |tx, id, record| {
            let leaving = Leaving::read(tx, id)?.filter(|_| record.disabled);
            let leaving = leaving
                .ok_or_else(|| Error::refused(tr!("{address} is not being removed", address = record.address)))?;
            tx.delete(&number_key(record::LEAVING, id));
            record.disabled = leaving.was_disabled;
            Ok(())
        })
    }

    /// So many days an account keeps its mail after it was ended.
    #[must_use]
    pub fn removal_days(&self) -> u16 {
        self.0.options.removal_days
    }

    /// When an account goes that is being removed.
    ///
    /// # Errors
    /// Faults.
    pub fn goes_at(&self, account: AccountId) -> Result<Option<Timestamp>, store::Error> {
        Ok(self.book()?.leaving(account).map(|leaving| leaving.goes_at))
    }

    /// Removes those whose time has come; gives what became of each, by its address. What cannot be removed now is tried again.
    ///
    /// # Errors
    /// Faults.
    pub fn remove_leavers(&self, now: Timestamp) -> Result<Vec<Removed>, store::Error> {
        let due = self.book()?.leavers_until(now, REMOVED_MAX);
        let mut removed = Vec::new();
        for id in due {
            let Some(record) = self.record(id)? else { continue };
            // Whoever was told just now that it stays is asked in the change that removes it.
            let is_due = |tx: &TableTx<'_>, id| {
                let is_out = AccountRecord::read(tx, id)?.is_some_and(|record| record.disabled);
                Ok(is_out && Leaving::read(tx, id)?.is_some_and(|leaving| leaving.goes_at <= now))
            };
            removed.push((record.address.clone(), self.remove_if(&record.address, is_due)));
        }
        Ok(removed)
    }

    /// Goes on with removals that something has stopped half-way: their accounts are gone, and their mail is there still. Gives what became
    /// of each. What cannot be removed now is tried again. `may` is asked of each: somebody else may be at it.
    ///
    /// # Errors
    /// Faults.
    pub fn finish_removals(&self, may: &mut dyn FnMut(AccountId) -> bool) -> Result<Vec<Finished>, store::Error> {
        let mut finished = Vec::new();
        for (key, value) in self.0.table.scan(record::UNFINISHED, record::UNFINISHED, usize::MAX)? {
            let id = number_in(&key)?;
            // What is just being made is not touched, and one that is damaged holds up no other.
            let outcome = match Unfinished::decode(&key, &value) {
                Ok(Unfinished::Removing) if may(id) => self.finish_removal(id),
                Ok(_) => continue,
                Err(error) => Err(error.into()),
            };
            finished.push((id, outcome));
            if finished.len() >= REMOVED_MAX {
                break;
            }
        }
        Ok(finished)
    }

    fn change_leaving(
        &self,
        address: &str,
        change: impl Fn(&mut TableTx<'_>, AccountId, &mut AccountRecord) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let address = own_address(address)?.text();
        self.0.table.change(|tx| {
            let id = must_be_account(tx, &address)?;
            let damaged = || record::damaged(&number_key(record::ACCOUNT, id));
            let mut record = AccountRecord::read(tx, id)?.ok_or_else(damaged)?;
            change(tx, id, &mut record)?;
            record.write(tx, id);
            Ok(())
        })
    }
}

impl Leaving {
    fn encode(self) -> Vec<u8> {
        let mut value = Writer::of_format(FORMAT);
        value.raw(&self.goes_at.0.to_be_bytes()).byte(u8::from(self.was_disabled));
        value.0
    }

    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(value, FORMAT)?;
        let (goes_at, was_disabled) = (Timestamp(i64::from_be_bytes(fields.array()?)), fields.byte()?);
        fields.end()?;
        match was_disabled {
            0 | 1 => Ok(Self { goes_at, was_disabled: was_disabled == 1 }),
            2.. => Err(Corrupt),
        }
    }

    /// That of a row, and whose.
    pub(crate) fn of_row((key, value): &Row) -> Result<(AccountId, Self), store::Error> {
        Ok((number_in(key)?, Self::decode(value).map_err(|Corrupt| record::damaged(key))?))
    }

    pub(crate) fn read(tx: &TableTx<'_>, id: AccountId) -> Result<Option<Self>, store::Error> {
        let key = number_key(record::LEAVING, id);
        let value = tx.get(&key)?;
        value.map(|value| Self::decode(&value).map_err(|Corrupt| record::damaged(&key))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, NOW, options, server, server_with, start};
    use crate::{DirectoryOptions, Resolution};
    use store::sim::Fault;

    const BOB: &str = "bob@example.org";

    fn is_taken(directory: &Directory, local_part: &str) -> bool {
        !matches!(directory.resolve(local_part, "example.org").unwrap(), Resolution::NoSuchUser)
    }

    fn days(days: i64) -> Timestamp {
        Timestamp(NOW.0 + days * DAY_MILLIS)
    }

    #[test]
    fn an_account_that_leaves_can_stay_until_its_time_comes() {
        let (engine, directory, [alice, bob]) = server();
        directory.add_alias("b@example.org", &[BOB]).unwrap();
        directory.add_alias("both@example.org", &["alice@example.org", BOB]).unwrap();
        assert!(directory.stay(BOB).unwrap_err().to_string().contains("is not being removed"));
        assert_eq!(directory.leave(BOB, NOW), Ok(Some(days(30))));
        assert!(directory.leave(BOB, NOW).unwrap_err().to_string().contains("is being removed already"));
        assert!(directory.set_disabled(BOB, false).unwrap_err().to_string().contains("is being removed"));
        for directory in [directory.clone(), start(&engine)] {
            assert_eq!((directory.goes_at(bob), directory.goes_at(alice)), (Ok(Some(days(30))), Ok(None)));
            assert!(directory.account(BOB).unwrap().unwrap().disabled);
            assert_eq!(["bob", "b", "both"].map(|name| is_taken(&directory, name)), [false, false, true]);
            assert!(directory.add_account(BOB, testing::PASSWORD, "", NOW).is_err(), "its address stays its own");
            assert_eq!(directory.remove_leavers(Timestamp(days(30).0 - 1)), Ok(vec![]));
        }
        directory.stay(BOB).unwrap();
        assert_eq!(["bob", "b", "both"].map(|name| is_taken(&directory, name)), [true; 3]);
        assert!(!directory.account(BOB).unwrap().unwrap().disabled);
        assert_eq!((directory.remove_leavers(days(99)), directory.check()), (Ok(vec![]), Ok(vec![])));
    }

    #[test]
    fn an_account_that_an_earlier_version_let_in_again_was_removed() {
        let (engine, directory, [_, bob]) = server();
        directory.leave(BOB, NOW).unwrap();
        // As a version does that does not know of it.
        directory.change_account(BOB, |record| record.disabled = false).unwrap();
        for directory in [directory.clone(), start(&engine)] {
            assert_eq!((directory.goes_at(bob), is_taken(&directory, "bob")), (Ok(None), true));
            assert_eq!(directory.remove_leavers(days(99)), Ok(vec![]));
            assert!(directory.stay(BOB).unwrap_err().to_string().contains("is not being removed"));
        }
        directory.set_disabled(BOB, true).unwrap();
        assert_eq!((directory.goes_at(bob), directory.remove_leavers(days(99))), (Ok(None), Ok(vec![])));
        assert_eq!(directory.leave(BOB, days(1)), Ok(Some(days(31))), "and can be removed as any other");
    }

    #[test]
    fn the_postmaster_was_one_who_leaves() {
        let (_, directory, [alice, bob]) = server();
        // Who may not log in, and stays, is the last who reads it; of them the first.
        directory.set_disabled(BOB, true).unwrap();
        directory.leave("alice@example.org", NOW).unwrap();
        assert!(alice < bob);
        let taken = directory.resolve("postmaster", "example.org").unwrap();
        assert!(matches!(taken, Resolution::Local { accounts, .. } if accounts[0].account == bob));
    }

    #[test]
    fn when_its_time_comes_it_is_gone_with_all_its_mail() {
        let (engine, directory, [_, bob]) = server();
        directory.set_disabled(BOB, true).unwrap();
        directory.leave(BOB, NOW).unwrap();
        directory.stay(BOB).unwrap();
        assert!(directory.account(BOB).unwrap().unwrap().disabled, "as it was before");
        directory.leave(BOB, NOW).unwrap();
        let next = start(&engine);
        assert_eq!(next.remove_leavers(days(30)), Ok(vec![(BOB.to_owned(), Ok(()))]));
        assert!(next.account(BOB).unwrap().is_none() && next.store().account(bob).mailboxes().is_err());
        assert_eq!(
            (next.goes_at(bob), next.remove_leavers(days(99)), next.check()),
            (Ok(None), Ok(vec![]), Ok(vec![]))
        );
        let again = next.add_account(BOB, testing::PASSWORD, "", NOW).unwrap();
        assert!(again != bob && next.goes_at(again).unwrap().is_none());
    }

    /// The disk was full for a moment.
    #[test]
    fn what_was_left_of_an_account_stayed_until_the_next_start() {
        let (engine, directory, [alice, bob]) = server();
        directory.leave(BOB, NOW).unwrap();
        engine.plan(1, Fault::Full);
        let removed = directory.remove_leavers(days(30)).unwrap();
        assert!(matches!(&removed[..], [(address, Err(Error::Store(_)))] if address == BOB), "{removed:?}");
        assert!(directory.account(BOB).unwrap().is_none());
        assert_eq!(directory.store().accounts(), Ok(vec![alice, bob]));
        // Another one is just being made.
        let address = own_address("carol@example.org").unwrap();
        let carol = directory.reserve(&address).unwrap();
        directory.store().create_account(carol, NOW).unwrap();
        assert_eq!(directory.finish_removals(&mut |_| true), Ok(vec![(bob, Ok(()))]));
        assert_eq!(directory.store().accounts(), Ok(vec![alice, carol]));
        assert_eq!(directory.finish_removals(&mut |_| true), Ok(vec![]));
    }

    #[test]
    fn without_days_it_is_gone_at_once() {
        let (_, directory, _) = server_with(DirectoryOptions { removal_days: 0, ..options() });
        assert_eq!(directory.leave(BOB, NOW), Ok(None));
        assert!(directory.account(BOB).unwrap().is_none());
    }
}
