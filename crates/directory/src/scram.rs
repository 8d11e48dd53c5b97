//! What SCRAM needs (RFC 5802): a salt for every name, and keys of main passwords.
//!
//! The salt is made of the name alone, by a key of the server: who asks for it learns nothing of who has an account. It is the
//! same for all the ways in which a name can be typed, and for all passwords of an account, so that one challenge goes with
//! each of them (docs/decisions/0101-scram.md).
//!
//! One row more, `Q`: when keys will have been made for so long that SCRAM can be announced.
//!
//! Invariant: keys are kept encrypted, and only as long as the password is that of which they were made.

use crate::error::Error;
use crate::record::{self, AccountRecord};
use crate::{Directory, fold};
use sasl::ScramKeys;
use sasl::scram::SALT_BYTES;
use store::{AccountId, Timestamp};

const PREPARED_AT: &[u8] = b"Q";
/// From the start of keeping keys on; nearly every password that is in use is said within it.
const PREPARATION_MILLIS: i64 = 30 * 24 * 3600 * 1000;

impl Directory {
    /// Whether keys for SCRAM are made.
    pub(crate) fn keeps_scram_keys(&self) -> bool {
        self.0.options.scram
    }

    /// The salt of a name, as it is typed.
    #[must_use]
    pub fn scram_salt(&self, name: &str) -> [u8; SALT_BYTES] {
        let hash = self.0.scram_salt_key.hash(&[who(&fold(name.trim())).as_bytes()]);
        std::array::from_fn(|at| hash.as_bytes()[at])
    }

    /// The keys of an account's main password, if there are any.
    #[must_use]
    pub fn scram_keys(&self, record: &AccountRecord) -> Option<ScramKeys> {
        let opened = self.0.scram_key.open(&record.scram, &record.address)?;
        ScramKeys::from_bytes(&opened).filter(|keys| keys.fit(&self.scram_salt(&record.address)))
    }

    /// Keeps keys of a main password that was right when `record` was read; not if there is another one by now, or there are
    /// some.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is no such account any more. Those of the store.
    pub fn keep_scram_keys(&self, account: AccountId, record: &AccountRecord, password: &str) -> Result<(), Error> {
        let lacks = |now: &AccountRecord| now.password == record.password && self.scram_keys(now).is_none();
        if self.record(account)?.is_none_or(|now| !lacks(now.as_ref())) {
            return Ok(());
        }
        let scram = self.sealed_scram_keys(&record.address, password)?;
        if scram.is_empty() {
            return Ok(());
        }
        self.change_account(&record.address, |now| {
            if lacks(now) {
                now.scram.clone_from(&scram);
            }
        })
    }

    /// From when on SCRAM can be announced, since keys are made: at once on a server that has made them from its first account
    /// on, 30 days after the first start that makes them on another. `None` where none are made, and where the disk takes
    /// nothing and so nobody knows.
    ///
    /// # Errors
    /// Faults.
    pub fn scram_prepared_at(&self, now: Timestamp) -> Result<Option<Timestamp>, store::Error> {
        let known = self.0.table.get(PREPARED_AT)?;
        if !self.keeps_scram_keys() {
            if known.is_some() || self.book()?.has_scram_keys() {
                self.forget_scram_keys()?;
            }
            return Ok(None);
        }
        match known {
            Some(value) => {
                let at: [u8; 8] = value.try_into().map_err(|_| record::damaged(PREPARED_AT))?;
                Ok(Some(Timestamp(i64::from_be_bytes(at))))
            }
            None if self.book()?.is_empty() => self.keep_prepared_at(now),
            None => self.keep_prepared_at(Timestamp(now.0.saturating_add(PREPARATION_MILLIS))),
        }
    }

    fn keep_prepared_at(&self, at: Timestamp) -> Result<Option<Timestamp>, store::Error> {
        let kept: Result<_, store::Error> = self.0.table.change(|tx| {
            tx.put(PREPARED_AT, at.0.to_be_bytes().to_vec());
            Ok(Some(at))
        });
        match kept {
            Err(error) if error.is_of_the_disk() => Ok(None),
            kept => kept,
        }
    }

    /// Passwords that are set from now on have none, and those that there are lose theirs: whoever wants none made wants none kept.
    fn forget_scram_keys(&self) -> Result<(), store::Error> {
        let forgotten: Result<_, store::Error> = self.0.table.change(|tx| {
            for row in tx.scan_before(record::ACCOUNT, record::ACCOUNT, usize::MAX)? {
                // What is damaged is told where it is needed.
                let account = AccountRecord::of_row(&row).ok().filter(|account| !account.scram.is_empty());
                if let Some(account) = account {
                    tx.put(&row.0, AccountRecord { scram: Vec::new(), ..account }.encode());
                }
            }
            tx.delete(PREPARED_AT);
            Ok(())
        });
        match forgotten {
            // The next start does.
            Err(error) if error.is_of_the_disk() => Ok(()),
            forgotten => forgotten,
        }
    }

    /// Empty where none are made, or none can be.
    pub(crate) fn sealed_scram_keys(&self, address: &str, password: &str) -> Result<Vec<u8>, Error> {
        let keys = match self.keeps_scram_keys() {
            true => ScramKeys::of(password, self.scram_salt(address)),
            false => None,
        };
        match keys {
            Some(keys) => Ok(self.0.scram_key.seal(&keys.to_bytes(), address)?),
            None => Ok(Vec::new()),
        }
    }
}

/// What of a name says whose it is, in whichever of the ways it is typed: without the domain, and without what POP3 allows
/// around it.
fn who(name: &str) -> &str {
    let name = name.strip_prefix("recent:").map_or(name, str::trim_start);
    let local_part = name.rsplit_once('@').map_or(name, |(local_part, _)| local_part);
    match local_part.split_once('+') {
        Some((user, _)) if !user.is_empty() => user,
        Some(_) | None => local_part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DirectoryOptions, testing};
    use store::sim::SimEngine;

    #[test]
    fn it_is_announced_once_keys_were_made_for_long() {
        let making = |scram| DirectoryOptions { scram, ..testing::options() };
        let late = |days: i64| Timestamp(testing::NOW.0 + days * 24 * 3600 * 1000);
        let engine = SimEngine::new();
        let new = testing::start_with(&engine, making(true));
        assert_eq!(new.scram_prepared_at(testing::NOW), Ok(Some(testing::NOW)), "nobody's password has none");

        let (engine, directory, _) = testing::server_with(making(false));
        assert_eq!(directory.scram_prepared_at(testing::NOW), Ok(None));
        let makes = || testing::start_with(&engine, making(true));
        assert_eq!(makes().scram_prepared_at(testing::NOW), Ok(Some(late(30))));
        assert_eq!(makes().scram_prepared_at(late(7)), Ok(Some(late(30))), "another start");
        assert_eq!(testing::start_with(&engine, making(false)).scram_prepared_at(late(8)), Ok(None));
        assert_eq!(makes().scram_prepared_at(late(9)), Ok(Some(late(39))), "none were made for a while");
    }

    #[test]
    fn keys_were_kept_by_a_server_that_is_to_make_none() {
        let making = |scram| DirectoryOptions { scram, ..testing::options() };
        let (engine, _, [alice, bob]) = testing::server_with(making(true));
        let record = |directory: &Directory, id| directory.record(id).unwrap().unwrap();
        let makes = testing::start_with(&engine, making(true));
        assert!(!record(&makes, alice).scram.is_empty());
        for () in [(), ()] {
            let makes_none = testing::start_with(&engine, making(false));
            assert_eq!(makes_none.scram_prepared_at(testing::NOW), Ok(None));
            for id in [alice, bob] {
                let AccountRecord { scram, password, .. } = record(&makes_none, id).as_ref().clone();
                assert!(scram.is_empty() && !password.is_empty());
            }
            // Another process that was told to make them still runs.
            makes.set_password("alice@example.org", "another horse").unwrap();
        }
        assert!(!record(&makes, alice).scram.is_empty());
    }

    #[test]
    fn every_way_to_type_a_name_has_one_salt() {
        let (_, directory, _) = testing::server();
        let salt = directory.scram_salt("alice@example.org");
        for same in ["alice", " Alice@EXAMPLE.org ", "recent:alice", "alice+Archive@example.org", "alice@example.net"] {
            assert_eq!(directory.scram_salt(same), salt, "{same}");
        }
        for other in ["alicf", "+alice", ""] {
            assert_ne!(directory.scram_salt(other), salt, "{other}");
        }
    }
}
