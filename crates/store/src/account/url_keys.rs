//! Keys of mailboxes: with one the owner makes the address of a message that others can fetch by it (RFC 4467).
//!
//! Invariant: no key leaves the account; what is made of one is gone with the next key, and with the mailbox.

use super::Account;
use crate::codec::Corrupt;
use crate::error::Error;
use crate::ids::MailboxId;
use crate::key;
use crate::record::{open, versioned};
use crate::tx::Tx;

/// RFC 4467 §2.2: at least 128 bits.
const KEY_BYTES: usize = 32;
/// What an address is bound to that nobody has authorized; so it takes as long.
const NO_KEY: [u8; KEY_BYTES] = [0; KEY_BYTES];

impl Account {
    /// What proves that the owner of the account has authorized `address`, of a message in a mailbox; which gets a key by need.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::NoSpace`], faults.
    pub fn authorize_address(&self, mailbox: MailboxId, address: &str) -> Result<[u8; 32], Error> {
        let key = match key_of(self.snapshot()?.get(&key::url_key(mailbox))?)? {
            Some(key) => key,
            None => {
                let fresh = fresh()?;
                self.transact(move |tx| {
                    tx.state.mailbox(mailbox)?;
                    match key_of(tx.get(&key::url_key(mailbox))?)? {
                        Some(key) => Ok(key),
                        None => {
                            put(tx, mailbox, &fresh);
                            Ok(fresh)
                        }
                    }
                })?
            }
        };
        Ok(*blake3::keyed_hash(&key, address.as_bytes()).as_bytes())
    }

    /// Whether `proof` is what [`Self::authorize_address`] has given for `address` with the key of today. It takes as long where
    /// there is no such mailbox (RFC 4467 §6).
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn is_authorized(&self, mailbox: Option<MailboxId>, address: &str, proof: &[u8; 32]) -> Result<bool, Error> {
        let row = self.snapshot()?.get(&key::url_key(mailbox.unwrap_or_default()))?;
        let key = key_of(row)?.filter(|_| mailbox.is_some());
        // Compared in constant time.
        let is_right = blake3::keyed_hash(key.as_ref().unwrap_or(&NO_KEY), address.as_bytes()) == *proof;
        Ok(is_right && key.is_some())
    }

    /// Takes back all that was authorized in a mailbox, which gets another key; or in all of them.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::NoSpace`], faults.
    pub fn reset_address_keys(&self, mailbox: Option<MailboxId>) -> Result<(), Error> {
        let fresh = fresh()?;
        self.transact(move |tx| match mailbox {
            Some(mailbox) => {
                tx.state.mailbox(mailbox)?;
                put(tx, mailbox, &fresh);
                Ok(())
            }
            None => {
                let rows = tx.rows(key::all_url_keys(), usize::MAX)?;
                rows.into_iter().for_each(|(key, _)| tx.delete(key));
                Ok(())
            }
        })
    }
}

fn put(tx: &mut Tx<'_>, mailbox: MailboxId, key: &[u8; KEY_BYTES]) {
    tx.put(key::url_key(mailbox), encode(key));
}

fn encode(key: &[u8; KEY_BYTES]) -> Vec<u8> {
    let mut w = versioned();
    w.0.extend_from_slice(key);
    w.0
}

/// The row of a key that nobody has made an address with.
pub(crate) fn another() -> Result<Vec<u8>, Error> {
    fresh().map(|key| encode(&key))
}

fn key_of(row: Option<Vec<u8>>) -> Result<Option<[u8; KEY_BYTES]>, Error> {
    let Some(row) = row else { return Ok(None) };
    let key = open(&row).and_then(|r| r.0.try_into().map_err(|_| Corrupt));
    key.map(Some).map_err(Error::corrupt("the key of a mailbox"))
}

fn fresh() -> Result<[u8; KEY_BYTES], Error> {
    let mut key = NO_KEY;
    getrandom::fill(&mut key).map_err(|error| Error::fault(format_args!("no random numbers: {error}")))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Renewal;
    use crate::check::{self, Depth};
    use crate::ids::{AccountId, DeviceId, Timestamp};
    use crate::journal::{Actor, Protocol};
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;
    use std::sync::Arc;

    const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: Timestamp(1) };

    #[test]
    fn an_address_counts_until_its_key_or_its_mailbox_is_gone() {
        let engine = SimEngine::new();
        let open = |engine: &SimEngine| Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
        let store = open(&engine);
        let account = store.create_account(AccountId(16), Timestamp(0)).unwrap();
        let [a, b] = ["a", "b"].map(|name| account.create_mailbox(ACTOR, name, None).unwrap());
        let proof = account.authorize_address(a, "x").unwrap();
        let is = |account: &Account, mailbox, address: &str| account.is_authorized(mailbox, address, &proof).unwrap();
        let again = open(&engine).account(AccountId(16));
        assert!(is(&again, Some(a), "x"), "a key that was told of is on disk");
        assert_eq!(again.authorize_address(a, "x").unwrap(), proof);
        assert!(is(&account, Some(a), "x") && !is(&account, Some(a), "y") && !is(&account, Some(b), "x"));
        assert!(!is(&account, None, "x"));
        let of_nobody = *blake3::keyed_hash(&NO_KEY, b"x").as_bytes();
        assert_eq!(account.is_authorized(Some(b), "x", &of_nobody), Ok(false), "where there is no key");
        let other = account.authorize_address(b, "x").unwrap();
        account.reset_address_keys(Some(a)).unwrap();
        assert!(!is(&account, Some(a), "x"));
        assert_eq!(account.is_authorized(Some(b), "x", &other), Ok(true), "another mailbox");
        account.reset_address_keys(None).unwrap();
        assert_eq!(account.is_authorized(Some(b), "x", &other), Ok(false));
        account.authorize_address(b, "x").unwrap();
        account.delete_mailbox(ACTOR, "b").unwrap();
        assert_eq!(
            account.authorize_address(b, "x"),
            Err(Error::NoSuchMailbox),
            "nor with the key of one that is gone"
        );
        assert_eq!(account.reset_address_keys(Some(b)), Err(Error::NoSuchMailbox));
        assert_eq!(check::all(&store, Depth::Bodies).unwrap(), []);
    }

    #[test]
    fn addresses_that_were_taken_back_counted_again_after_a_restore() {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), Timestamp(0)).unwrap();
        let inbox = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
        account.authorize_address(inbox, "x").unwrap();
        let key = key::url_key(inbox);
        let row = account.snapshot().unwrap().get(&key).unwrap().unwrap();
        let restored = Renewal::new(Timestamp(1)).value(&key, row.clone()).unwrap();
        assert_ne!(key_of(Some(restored)).unwrap(), key_of(Some(row)).unwrap());
    }
}
