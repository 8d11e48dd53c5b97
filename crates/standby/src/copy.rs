//! The standby's storage: commits with the large bodies that they need and leave behind.

use crate::wire::Row;
use crate::{Error, OWN, Options, Primary, fault};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::engine::{Commit, Engine, Snapshot, Write};
use store::objects::{ObjectName, Objects};
use store::succession::{is_body, object_of};
use store::{AccountId, ModSeq};

/// A row that no account and no table has: the keyspace is being written in several commits, and is not whole.
pub(crate) const UNFINISHED: &[u8] = &[0xff, b's'];

/// Where a standby keeps what it has.
pub(crate) struct Copy {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) options: Options,
}

/// What becomes of the bodies of an account by some writes.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    /// To be there before.
    needed: Vec<ObjectName>,
    /// Of no use afterwards.
    left: Vec<ObjectName>,
}

impl Bodies {
    /// `snapshot`: before the writes.
    pub(crate) fn of(snapshot: &dyn Snapshot, writes: &[Write]) -> Result<Self, Error> {
        // A later write wins.
        let mut last: BTreeMap<&[u8], Option<&[u8]>> = BTreeMap::new();
        for write in writes {
            match write {
                Write::Put { key, value } if is_body(key) => last.insert(key, Some(value)),
                Write::Delete { key } if is_body(key) => last.insert(key, None),
                Write::Put { .. } | Write::Delete { .. } => None,
            };
        }
        let mut bodies = Self::default();
        for (key, value) in last {
            let before = snapshot.get(key)?.and_then(|before| object_of(key, &before));
            let after = value.and_then(|value| object_of(key, value));
            if before != after {
                bodies.left.extend(before);
                bodies.needed.extend(after);
            }
        }
        Ok(bodies)
    }
}

impl Copy {
    pub(crate) fn head(&self, keyspace: AccountId) -> Result<ModSeq, Error> {
        Ok(self.engine.head(keyspace)?)
    }

    /// Whether it is as it was on the server after one of its commits; one that is not there is.
    pub(crate) fn is_whole(&self, keyspace: AccountId) -> Result<bool, Error> {
        Ok(self.engine.snapshot(keyspace)?.get(UNFINISHED)?.is_none())
    }

    /// Brings the bodies that are needed, and names those that are not to be had. Whatever is under their names was left by a standby
    /// that was killed: no row names it.
    pub(crate) fn bring_bodies(
        &self,
        primary: Option<&dyn Primary>,
        account: AccountId,
        bodies: &Bodies,
    ) -> Result<Vec<ObjectName>, Error> {
        let mut lacking = Vec::new();
        for name in &bodies.needed {
            // One that is rotten on the server comes as another one, and is none.
            let body = primary.map(|primary| primary.object(account, name)).transpose()?.flatten();
            match body.filter(|body| is_whole(name, body)) {
                Some(body) => self.put_body(account, name, body)?,
                None => lacking.push(name.clone()),
            }
        }
        Ok(lacking)
    }

    pub(crate) fn put_body(&self, account: AccountId, name: &ObjectName, body: Vec<u8>) -> Result<(), Error> {
        if !is_whole(name, &body) {
            return Err(fault(format!("the large message {name} of account {account} came as another one")));
        }
        self.objects.remove(account, name)?;
        Ok(self.objects.put_shared(account, name, Arc::new(body))?)
    }

    /// Commits, and removes bodies that nothing refers to any more. One that stays takes space, nothing else.
    pub(crate) fn commit(&self, commit: Commit, bodies: Bodies) -> Result<(), Error> {
        let account = commit.account;
        self.engine.commit(commit)?;
        for name in bodies.left {
            if let Err(error) = self.objects.remove(account, &name) {
                tracing::debug!(%account, %error, "a large message stays that nothing refers to");
            }
        }
        Ok(())
    }

    /// Removes a keyspace with its bodies.
    pub(crate) fn remove(&self, keyspace: AccountId) -> Result<(), Error> {
        self.engine.remove_account(keyspace)?;
        if keyspace.0 < OWN {
            for (name, _) in self.objects.list(keyspace)? {
                self.objects.remove(keyspace, &name)?;
            }
        }
        Ok(())
    }
}

/// A body's name begins with the BLAKE3 of its content.
pub(crate) fn is_whole(name: &str, body: &[u8]) -> bool {
    name.starts_with(blake3::hash(body).to_hex().as_str())
}

/// Where the state of an account is put together that is to take the place of another one.
pub(crate) fn beside(account: AccountId) -> AccountId {
    AccountId(account.0 | OWN)
}

/// A row to write.
pub(crate) fn put((key, value): Row<'_>) -> Write {
    Write::Put { key: key.to_vec(), value: value.to_vec() }
}
