//! What a backup needs of a store: everything as it is kept, and what changes of it when it comes back.
//!
//! A backup is older than what devices have seen. UIDs that were given after it was made must not be given again to other
//! messages: so every mailbox that comes back has a new UIDVALIDITY (RFC 9051 §2.3.1.1). The numbers of messages, of which
//! UIDLs (RFC 1939 §7) and EMAILIDs (RFC 8474 §5.1) are made, go on near the clock and need nothing. Mailboxes have other keys for
//! addresses of their messages: what its owner has taken back meanwhile (RFC 4467 §7) must not count again.

use crate::account::url_keys;
use crate::codec::Corrupt;
use crate::engine::Engine;
use crate::error::Error;
use crate::ids::{AccountId, MailboxId, Timestamp, UidValidity};
use crate::key;
use crate::objects::{ObjectName, Objects};
use crate::record::{AccountRecord, Mailbox};
use crate::state;
use crate::store::Store;
use crate::table_id::TableId;
use std::collections::HashSet;

/// A keyspace of the engine: a table, or an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// A table of the server.
    Table(TableId),
    /// An account's mail.
    Account(AccountId),
}

impl Kept {
    /// What a number of the engine stands for; `None`: nothing that this version knows.
    #[must_use]
    pub fn of(keyspace: AccountId) -> Option<Self> {
        match TableId::ALL.into_iter().find(|table| table.keyspace() == keyspace) {
            Some(table) => Some(Self::Table(table)),
            None => (keyspace >= AccountId::FIRST).then_some(Self::Account(keyspace)),
        }
    }
}

/// The rows of an account on their way back, in the order of their keys.
#[derive(Debug)]
pub struct Renewal {
    /// Above every one that the account had, and near the clock; with the number of a mailbox added, no two are the same.
    base: UidValidity,
}

impl Renewal {
    /// For an account that comes back now.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { base: UidValidity(u32::try_from(now.0 / 1000).unwrap_or(0)) }
    }

    /// The value that a row has from now on.
    ///
    /// # Errors
    /// It is damaged.
    pub fn value(&mut self, key: &[u8], value: Vec<u8>) -> Result<Vec<u8>, Error> {
        let what = "a record that comes out of a backup";
        match key.first() {
            Some(b'A') if key == key::account() => self.account(&value).map_err(Error::corrupt(what)),
            Some(b'B') => self.mailbox(&value).map_err(Error::corrupt(what)),
            _ if key::is_url_key(key) => url_keys::another(),
            _ => Ok(value),
        }
    }

    /// Comes before its mailboxes.
    fn account(&mut self, value: &[u8]) -> Result<Vec<u8>, Corrupt> {
        // One without its counts is of a version before 0.1.0.
        let (mut record, _) =
            AccountRecord::decode(value).and_then(|(record, grown)| Ok((record, grown.ok_or(Corrupt)?)))?;
        self.base = self.base.max(record.last_uid_validity);
        record.last_uid_validity = self.of(record.last_mailbox)?;
        Ok(record.encode())
    }

    fn mailbox(&mut self, value: &[u8]) -> Result<Vec<u8>, Corrupt> {
        let mailbox = Mailbox::decode(value)?;
        Ok(Mailbox { uid_validity: self.of(mailbox.id)?, ..mailbox }.encode())
    }

    /// Numbers of mailboxes begin at 1.
    fn of(&self, mailbox: MailboxId) -> Result<UidValidity, Corrupt> {
        self.base.0.checked_add(mailbox.0).map(UidValidity).ok_or(Corrupt)
    }
}

impl Store {
    /// Where everything is kept: rows, and large bodies.
    #[must_use]
    pub fn storage(&self) -> (&dyn Engine, &dyn Objects) {
        (self.engine(), self.objects())
    }
}

/// The objects of an account that its messages refer to; others are what a crash left of an append, and may be half written.
///
/// # Errors
/// Faults; a message's record that is damaged.
pub fn referred(engine: &dyn Engine, account: AccountId) -> Result<HashSet<ObjectName>, Error> {
    let mut names = HashSet::new();
    if matches!(Kept::of(account), Some(Kept::Account(_))) {
        state::each_object(&*engine.snapshot(account)?, |name| {
            names.insert(name);
        })?;
    }
    Ok(names)
}
