//! A snapshot as an engine that nothing is written to, so that the store reads what was kept as it reads its own.
//!
//! Rows are read chunk by chunk when somebody asks for them, and compared with their names as always. The last few chunks stay in
//! memory.

use crate::chunks::rows;
use crate::files::Kind;
use crate::snapshot::Keyspace;
use crate::take::Body;
use crate::{Error, Repository};
use blake3::Hash;
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::engine::{Commit, CommitError, Engine, EngineError, Snapshot as View, Visit};
use store::objects::{ObjectError, ObjectName, Objects, Shared};
use store::{AccountId, ModSeq, Timestamp};

/// So many chunks are in memory: what is read of a message lies in a few places, each of which is gone through in order.
const CHUNKS_MAX: usize = 16;

/// A snapshot that is read. As long as it lives nothing of it is removed.
pub struct Opened {
    repository: Repository,
    keyspaces: BTreeMap<AccountId, Keyspace>,
    read: Mutex<Read>,
    _lock: Mutex<Box<dyn Send>>,
}

#[derive(Default)]
struct Read {
    /// The last ones, the newest at the end.
    chunks: Vec<(Hash, Arc<Vec<u8>>)>,
    /// The first key of each chunk that was read.
    first: BTreeMap<[u8; 32], Vec<u8>>,
    /// The large bodies of accounts that were asked for.
    bodies: BTreeMap<AccountId, Arc<BTreeMap<ObjectName, Body>>>,
}

impl Repository {
    /// Opens a snapshot, or the newest: when it was taken, and what reads it.
    ///
    /// # Errors
    /// There is no such snapshot; a backup is being made here; faults.
    pub fn opened(&self, name: Option<&str>) -> Result<(String, Timestamp, Arc<Opened>), Error> {
        let lock = self.lock_to_read()?;
        let (name, snapshot) = self.chosen(name)?;
        let keyspaces = snapshot.keyspaces.into_iter().map(|space| (space.id, space)).collect();
        let opened = Opened { repository: self.clone(), keyspaces, read: Mutex::default(), _lock: Mutex::new(lock) };
        Ok((name, Timestamp(snapshot.taken_at), Arc::new(opened)))
    }
}

impl Opened {
    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn chunk(&self, hash: &Hash) -> Result<Arc<Vec<u8>>, EngineError> {
        if let Some((_, chunk)) = self.read().chunks.iter().find(|(known, _)| known == hash) {
            return Ok(Arc::clone(chunk));
        }
        let chunk = self.repository.read(Kind::Chunk, hash).map_err(|error| damaged(&error))?;
        let first = rows(&chunk).map_err(|error| damaged(&error))?.first().map(|(key, _)| key.to_vec());
        let (mut read, chunk) = (self.read(), Arc::new(chunk));
        read.first.insert(*hash.as_bytes(), first.unwrap_or_default());
        if read.chunks.len() >= CHUNKS_MAX {
            read.chunks.remove(0);
        }
        read.chunks.push((*hash, Arc::clone(&chunk)));
        Ok(chunk)
    }

    fn first_key(&self, hash: &Hash) -> Result<Vec<u8>, EngineError> {
        if let Some(key) = self.read().first.get(hash.as_bytes()) {
            return Ok(key.clone());
        }
        self.chunk(hash)?;
        Ok(self.read().first.get(hash.as_bytes()).cloned().unwrap_or_default())
    }

    fn bodies(&self, account: AccountId) -> Result<Arc<BTreeMap<ObjectName, Body>>, Error> {
        if let Some(bodies) = self.read().bodies.get(&account) {
            return Ok(Arc::clone(bodies));
        }
        let bodies = self.keyspaces.get(&account).map(|space| self.repository.bodies(space)).transpose()?;
        let bodies = Arc::new(bodies.unwrap_or_default());
        self.read().bodies.insert(account, Arc::clone(&bodies));
        Ok(bodies)
    }
}

fn damaged(error: &Error) -> EngineError {
    EngineError::Damaged { what: error.to_string() }
}

/// A backup is not changed.
fn read_only() -> String {
    "a backup is only read".to_owned()
}

impl Engine for Opened {
    fn snapshot(&self, account: AccountId) -> Result<Box<dyn View + '_>, EngineError> {
        Ok(Box::new(Space { opened: self, space: self.keyspaces.get(&account) }))
    }

    fn commit(&self, _: Commit) -> Result<(), CommitError> {
        Err(CommitError::ReadOnly { what: read_only() })
    }

    fn accounts(&self) -> Result<Vec<AccountId>, EngineError> {
        Ok(self.keyspaces.keys().copied().collect())
    }

    fn read_only(&self) -> Option<String> {
        Some(read_only())
    }

    fn remove_account(&self, _: AccountId) -> Result<(), CommitError> {
        Err(CommitError::ReadOnly { what: read_only() })
    }
}

/// A keyspace of a snapshot; none has no rows.
struct Space<'a> {
    opened: &'a Opened,
    space: Option<&'a Keyspace>,
}

impl View for Space<'_> {
    fn head(&self) -> ModSeq {
        self.space.map_or(ModSeq(0), |space| space.head)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let mut found = None;
        let to = [key, &[0]].concat();
        self.scan(key, &to, &mut |_, value| {
            found = Some(value.to_vec());
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        let chunks = self.space.map_or(&[][..], |space| &space.rows);
        // The last chunk that begins at `from` or before it, or the first one.
        let (mut low, mut high) = (0, chunks.len());
        while low < high {
            let middle = low.midpoint(high);
            match chunks.get(middle) {
                Some(hash) if self.opened.first_key(hash)?.as_slice() <= from => low = middle + 1,
                Some(_) | None => high = middle,
            }
        }
        for hash in chunks.iter().skip(low.saturating_sub(1)) {
            let chunk = self.opened.chunk(hash)?;
            for (key, value) in rows(&chunk).map_err(|error| damaged(&error))? {
                if key >= to {
                    return Ok(());
                }
                if key >= from && visit(key, value) == ControlFlow::Break(()) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl Objects for Opened {
    fn put_shared(&self, _: AccountId, _: &str, _: Shared) -> Result<(), ObjectError> {
        Err(ObjectError::Failed { what: read_only() })
    }

    fn read(&self, account: AccountId, name: &str) -> Result<Vec<u8>, ObjectError> {
        let failed = |error: Error| ObjectError::Failed { what: error.to_string() };
        let hash = self.bodies(account).map_err(failed)?.get(name).map(|body| body.hash).ok_or(ObjectError::Missing)?;
        self.repository.read(Kind::Body, &hash).map_err(failed)
    }

    fn read_range(&self, account: AccountId, name: &str, range: Range<usize>) -> Result<Vec<u8>, ObjectError> {
        let body = Objects::read(self, account, name)?;
        let part = body.get(range).map(<[u8]>::to_vec);
        part.ok_or_else(|| ObjectError::Failed { what: format!("{name} ends before what was asked for") })
    }

    fn length(&self, account: AccountId, name: &str) -> Result<u64, ObjectError> {
        Ok(Objects::read(self, account, name)?.len() as u64)
    }

    fn remove(&self, _: AccountId, _: &str) -> Result<(), ObjectError> {
        Err(ObjectError::Failed { what: read_only() })
    }

    fn list(&self, account: AccountId) -> Result<Vec<(ObjectName, i64)>, ObjectError> {
        let bodies = self.bodies(account).map_err(|error| ObjectError::Failed { what: error.to_string() })?;
        Ok(bodies.keys().map(|name| (name.clone(), 0)).collect())
    }
}
