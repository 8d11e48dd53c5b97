//! Taking a snapshot while the server works.

use crate::chunks::{Cutter, rows};
use crate::files::{Kind, fault};
use crate::snapshot::{Keyspace, Snapshot, Taken};
use crate::{Error, MARKER, Repository};
use blake3::Hash;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;
use store::backup::Kept;
use store::objects::{ObjectError, ObjectName};
use store::{AccountId, Store, TableId, Timestamp};

/// A large body that goes while it is copied was purged; then the account is looked at again, so often.
const TRIES_MAX: u32 = 3;

/// Files that are kept beside the store.
#[derive(Clone, Debug)]
pub struct Beside<'a> {
    /// The data directory.
    pub directory: &'a Path,
    /// Files in it, and directories whose files are meant; what is not there is left out.
    pub names: &'a [&'a str],
}

/// How far a long work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Accounts and tables that are done.
    pub done: usize,
    /// All of them.
    pub total: usize,
    /// Octets that were written.
    pub bytes: u64,
}

/// Told of each step; what it returns ends the work.
pub(crate) type OnStep<'s> = &'s mut dyn FnMut(Step) -> Result<(), Error>;

impl Repository {
    /// Copies what is not here yet, and notes all of it as a snapshot. What was copied before it is broken off counts for
    /// the next time.
    ///
    /// # Errors
    /// Another backup is being made here; faults; what `step` returns.
    pub fn take(
        &self,
        store: &Store,
        beside: &Beside<'_>,
        now: Timestamp,
        step: OnStep<'_>,
    ) -> Result<(Taken, u64), Error> {
        let _lock = self.lock()?;
        self.name_of_next(now.0)?;
        let mut snapshot = Snapshot { taken_at: now.0, ..Snapshot::default() };
        let mut bytes = self.copy_beside(beside, &mut snapshot)?;
        let before = match self.names()?.is_empty() {
            true => Snapshot::default(),
            false => self.chosen(None)?.1,
        };
        // Another server, or one that was restored since, counts its heads anew: an equal one says nothing.
        let before = if before.beside == snapshot.beside { before.keyspaces } else { Vec::new() };
        let before: BTreeMap<AccountId, Keyspace> = before.into_iter().map(|space| (space.id, space)).collect();
        let (engine, _) = store.storage();
        let mut ids = engine.accounts().map_err(store::Error::from)?;
        // The directory comes first: it names no account that is not there. Nobody stays logged in through a backup, and
        // which servers there were is of no use.
        let left = [TableId::Sessions, TableId::Nodes].map(Kept::Table);
        ids.retain(|id| Kept::of(*id).is_some_and(|kept| !left.contains(&kept)));
        for (done, id) in ids.iter().enumerate() {
            step(Step { done, total: ids.len(), bytes })?;
            let (space, new_bytes) = self.copy(store, *id, before.get(id))?;
            bytes += new_bytes;
            snapshot.keyspaces.extend(space);
        }
        let name = self.add(&snapshot)?;
        step(Step { done: ids.len(), total: ids.len(), bytes })?;
        Ok((Taken { name, at: now, accounts: snapshot.accounts() }, bytes))
    }

    /// Held while the repository is changed.
    pub(crate) fn lock(&self) -> Result<File, Error> {
        self.locked(File::try_lock)
    }

    /// Held while a snapshot is read, so that nothing of it is removed meanwhile.
    pub(crate) fn lock_to_read(&self) -> Result<File, Error> {
        self.locked(File::try_lock_shared)
    }

    fn locked(&self, how: impl Fn(&File) -> Result<(), TryLockError>) -> Result<File, Error> {
        let path = self.root.join(MARKER);
        let file = File::open(&path).map_err(|error| fault("open", &path, &error))?;
        match how(&file) {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::Refused(format!(
                "another backup is being made, checked or brought back in {}; wait until that is done",
                self.root.display()
            ))),
            Err(TryLockError::Error(error)) => Err(fault("lock", &path, &error)),
        }
    }

    /// A keyspace as it is now; `None` if it is gone.
    fn copy(&self, store: &Store, id: AccountId, before: Option<&Keyspace>) -> Result<(Option<Keyspace>, u64), Error> {
        let (engine, _) = store.storage();
        let before = before.filter(|before| self.has_all_of(before));
        if let Some(before) = before.filter(|before| engine.head(id).is_ok_and(|head| head == before.head)) {
            return Ok((Some(before.clone()), 0));
        }
        let mut names = before.map(|before| self.bodies(before)).transpose()?.unwrap_or_default();
        let mut bytes = 0;
        for _ in 0..TRIES_MAX {
            // The long work comes before the look at the rows, so that little can go between that and the rest.
            self.copy_bodies(store, id, &mut names, &mut bytes)?;
            let snapshot = engine.snapshot(id).map_err(store::Error::from)?;
            let head = snapshot.head();
            if head == store::ModSeq(0) {
                return Ok((None, bytes));
            }
            let (mut cutter, mut failed) = (Cutter::new(self), Ok(()));
            let scanned = snapshot.scan(&[], &[u8::MAX; store::engine::KEY_BYTES_MAX], &mut |key, value| {
                failed = cutter.push(key, value);
                if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            scanned.map_err(store::Error::from)?;
            failed?;
            drop(snapshot);
            let (rows, new_bytes) = cutter.finish()?;
            bytes += new_bytes;
            if self.copy_bodies(store, id, &mut names, &mut bytes)? {
                let mut cutter = Cutter::new(self);
                names.iter().try_for_each(|(name, hash)| cutter.push(name.as_bytes(), hash.as_bytes()))?;
                let (names, new_bytes) = cutter.finish()?;
                return Ok((Some(Keyspace { id, head, rows, names }), bytes + new_bytes));
            }
        }
        Err(Error::Fault(format!(
            "account {id} has lost large messages each time it was copied; look at `pillarbox check`"
        )))
    }

    /// Copies the large bodies that `names` does not have, and leaves those that are gone. False if one went meanwhile.
    fn copy_bodies(
        &self,
        store: &Store,
        id: AccountId,
        names: &mut BTreeMap<ObjectName, Hash>,
        bytes: &mut u64,
    ) -> Result<bool, Error> {
        let (_, objects) = store.storage();
        let there = objects.list(id).map_err(store::Error::from)?;
        let mut all = true;
        let mut kept = BTreeMap::new();
        for (name, _) in there {
            // A body's name begins with its hash. One that is being written just now, or is damaged, is looked at again.
            let known = names.get(&name).filter(|hash| name.starts_with(hash.to_hex().as_str()));
            let hash = match known {
                Some(hash) => *hash,
                None => match objects.read(id, &name) {
                    Ok(body) => {
                        let hash = blake3::hash(&body);
                        *bytes += if self.keep(Kind::Body, &hash, &body)? { body.len() as u64 } else { 0 };
                        hash
                    }
                    Err(ObjectError::Missing) => {
                        all = false;
                        continue;
                    }
                    Err(error) => return Err(store::Error::from(error).into()),
                },
            };
            kept.insert(name, hash);
        }
        *names = kept;
        Ok(all)
    }

    /// Whether no file of a keyspace was removed since.
    fn has_all_of(&self, space: &Keyspace) -> bool {
        let is_there = |kind, hash: &Hash| self.content(kind, hash).exists();
        space.rows.iter().chain(&space.names).all(|chunk| is_there(Kind::Chunk, chunk))
            && self.bodies(space).is_ok_and(|bodies| bodies.values().all(|body| is_there(Kind::Body, body)))
    }

    /// The large bodies of a keyspace, by their names.
    pub(crate) fn bodies(&self, space: &Keyspace) -> Result<BTreeMap<ObjectName, Hash>, Error> {
        let mut names = BTreeMap::new();
        for chunk in &space.names {
            let chunk = self.read(Kind::Chunk, chunk)?;
            for (name, hash) in rows(&chunk)? {
                let name = String::from_utf8(name.to_vec()).ok();
                let named = name.zip(Hash::from_slice(hash).ok());
                let (name, hash) =
                    named.ok_or_else(|| Error::Fault("a chunk of names holds something else".to_owned()))?;
                names.insert(name, hash);
            }
        }
        Ok(names)
    }

    fn copy_beside(&self, beside: &Beside<'_>, snapshot: &mut Snapshot) -> Result<u64, Error> {
        let mut bytes = 0;
        for name in beside.names {
            for name in files_of(beside.directory, name)? {
                let path = beside.directory.join(&name);
                let content = match fs::read(&path) {
                    Ok(content) => content,
                    // One that is made anew just now.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(fault("read", &path, &error)),
                };
                let hash = blake3::hash(&content);
                bytes += if self.keep(Kind::Chunk, &hash, &content)? { content.len() as u64 } else { 0 };
                snapshot.beside.push((name, hash));
            }
        }
        Ok(bytes)
    }
}

/// A file, or those in a directory and below it, by their paths from `root`.
fn files_of(root: &Path, name: &str) -> Result<Vec<String>, Error> {
    let path = root.join(name);
    if !path.is_dir() {
        return Ok(if path.is_file() { vec![name.to_owned()] } else { Vec::new() });
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(&path).map_err(|error| fault("read", &path, &error))? {
        let entry = entry.map_err(|error| fault("read", &path, &error))?;
        files.extend(files_of(root, &format!("{name}/{}", entry.file_name().to_string_lossy()))?);
    }
    files.sort_unstable();
    Ok(files)
}
