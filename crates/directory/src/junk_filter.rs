//! Whether mail of an account is put into Junk. It is, unless its owner has switched that off: a row `J number`.

use crate::Directory;
use crate::error::Error;
use crate::record::{self, AccountRecord, number_key};
use store::{AccountId, Error as Fault};

/// The value of the row: only that it is there.
const OFF: [u8; 1] = [1];

impl Directory {
    /// Whether anything of an account is put into Junk by the server.
    ///
    /// # Errors
    /// Faults.
    pub fn filters_junk(&self, account: AccountId) -> Result<bool, Fault> {
        Ok(self.book()?.filters_junk(account))
    }

    /// Switches that. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account.
    pub fn set_filters_junk(&self, account: AccountId, is_on: bool) -> Result<(), Error> {
        let key = number_key(record::WITHOUT_JUNK_FILTER, account);
        self.0.table.change(|tx| {
            AccountRecord::read(tx, account)?.ok_or(Error::Store(Fault::NoSuchAccount))?;
            match is_on {
                true => tx.delete(&key),
                false => tx.put(&key, OFF.to_vec()),
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{server, start};
    use store::AccountId;

    #[test]
    fn an_owner_switches_it_off_and_it_goes_with_the_account() {
        let (engine, directory, [alice, bob]) = server();
        directory.set_filters_junk(alice, false).unwrap();
        let are_filtered = |directory: &crate::Directory| [alice, bob].map(|id| directory.filters_junk(id).unwrap());
        assert_eq!((are_filtered(&directory), are_filtered(&start(&engine))), ([false, true], [false, true]));
        directory.set_filters_junk(alice, true).unwrap();
        assert_eq!((are_filtered(&directory), are_filtered(&start(&engine))), ([true, true], [true, true]));
        assert!(directory.set_filters_junk(AccountId(9999), false).is_err());
        directory.set_filters_junk(bob, false).unwrap();
        directory.remove_account("bob@example.org").unwrap();
        assert!(directory.filters_junk(bob).unwrap() && start(&engine).filters_junk(bob).unwrap());
    }
}
