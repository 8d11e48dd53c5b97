//! Taking a snapshot while the server works.

use crate::chunks::{Cutter, rows};
use crate::files::Kind;
use crate::snapshot::{Keyspace, Snapshot, Taken};
use crate::taking::{Reread, Taking};
use crate::{Error, MARKER, Repository};
use blake3::Hash;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;
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
    /// How far the next one is, while a backup is made.
    pub within: Option<Within>,
}

/// How far a backup is in one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within {
    /// Which.
    pub account: AccountId,
    /// Octets that were read.
    pub read: u64,
    /// About so many there are.
    pub of: u64,
}

impl Step {
    pub(crate) fn new(done: usize, total: usize, bytes: u64) -> Self {
        Self { done, total, bytes, within: None }
    }
}

/// Told of each step; what it returns ends the work.
pub(crate) type OnStep<'s> = &'s mut dyn FnMut(Step) -> Result<(), Error>;

/// What a backup did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The snapshot.
    pub taken: Taken,
    /// Octets that were not there yet; all of them were read back.
    pub bytes: u64,
    /// How long the reading back took, microseconds.
    pub comparing_micros: u64,
    /// Octets of old content that were read and compared.
    pub reread_bytes: u64,
    /// Files that were damaged or gone, and were written anew.
    pub mended: usize,
    /// Files that are damaged or gone, of which the server does not have the content any more. Only older snapshots need them.
    pub lost: usize,
    /// The snapshot before this one is damaged itself: a sentence.
    pub unreadable: Option<String>,
}

/// A large body in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) hash: Hash,
    /// It is what its name in the store says.
    pub(crate) whole: bool,
}

impl Repository {
    /// Copies what is not here yet, and notes all of it as a snapshot. What was copied before it is broken off counts for
    /// the next time.
    ///
    /// # Errors
    /// Another backup is being made here; faults; what is read back is not what was written; what `step` returns.
    pub fn take(
        &self,
        store: &Store,
        beside: &Beside<'_>,
        (now, reread): (Timestamp, Reread),
        step: OnStep<'_>,
    ) -> Result<Copied, Error> {
        let _lock = self.lock()?;
        self.name_of_next(now.0)?;
        self.comparing_micros.store(0, Ordering::Relaxed);
        let mut snapshot = Snapshot { taken_at: now.0, ..Snapshot::default() };
        let mut taking = Taking::new(self, reread, step);
        taking.copy_beside(beside, &mut snapshot)?;
        let (mut before, mut unreadable) = (Snapshot::default(), None);
        if let Some(name) = self.names()?.pop() {
            match self.chosen(Some(&name)) {
                Ok((_, snapshot)) => before = snapshot,
                // Then everything is read of the server, and what is there of it is used again all the same.
                Err(error) => unreadable = Some(error.to_string()),
            }
            snapshot.before = self.cipher.is_some().then_some(name);
        }
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
            taking.done(done, ids.len())?;
            snapshot.keyspaces.extend(taking.copy(store, *id, before.get(id))?);
        }
        let name = self.add(&snapshot)?;
        taking.end();
        taking.done(ids.len(), ids.len())?;
        Ok(Copied {
            taken: Taken { name, at: now, accounts: snapshot.accounts() },
            bytes: taking.bytes(),
            comparing_micros: self.comparing_micros.load(Ordering::Relaxed),
            reread_bytes: taking.reread_bytes,
            mended: taking.mended,
            lost: taking.lost(),
            unreadable,
        })
    }

    /// Held while the repository is changed.
    pub(crate) fn lock(&self) -> Result<Box<dyn Send>, Error> {
        self.held(false)
    }

    /// Held while snapshots are read, so that nothing of them is removed meanwhile.
    ///
    /// # Errors
    /// A backup is being made here; faults.
    pub fn lock_to_read(&self) -> Result<Box<dyn Send>, Error> {
        self.held(true)
    }

    fn held(&self, shared: bool) -> Result<Box<dyn Send>, Error> {
        let held = self.place.hold(MARKER, shared).map_err(|error| self.fault("lock", MARKER, &error))?;
        held.ok_or_else(|| {
            Error::Refused(format!(
                "another backup is being made, checked or brought back in {}; wait until that is done",
                self.place.shown("")
            ))
        })
    }

    /// The large bodies of a keyspace, by their names.
    pub(crate) fn bodies(&self, space: &Keyspace) -> Result<BTreeMap<ObjectName, Body>, Error> {
        let mut names = BTreeMap::new();
        for chunk in &space.names {
            let chunk = self.read(Kind::Chunk, chunk)?;
            for (name, value) in rows(&chunk)? {
                let name = String::from_utf8(name.to_vec()).ok();
                let named = name.and_then(|name| self.body(&name, value).map(|body| (name, body)));
                let (name, body) =
                    named.ok_or_else(|| Error::Fault("a chunk of names holds something else".to_owned()))?;
                names.insert(name, body);
            }
        }
        Ok(names)
    }

    /// Where hashes are keyed one octet more says that a body is not whole; else names in the store begin with the hash.
    fn body(&self, name: &str, value: &[u8]) -> Option<Body> {
        let (hash, rest) = value.split_at_checked(blake3::OUT_LEN)?;
        let hash = Hash::from_slice(hash).ok()?;
        let whole = match &self.cipher {
            Some(_) => rest.is_empty(),
            None => name.starts_with(hash.to_hex().as_str()),
        };
        Some(Body { hash, whole })
    }
}

impl Taking<'_> {
    /// A keyspace as it is now; `None` if it is gone.
    fn copy(&mut self, store: &Store, id: AccountId, before: Option<&Keyspace>) -> Result<Option<Keyspace>, Error> {
        let (engine, _) = store.storage();
        let (all, mut names) = match before {
            Some(before) => self.known(before)?,
            None => (false, BTreeMap::new()),
        };
        if let Some(before) = before.filter(|_| all)
            && engine.head(id).is_ok_and(|head| head == before.head)
        {
            return Ok(Some(before.clone()));
        }
        if let Some(Kept::Account(account)) = Kept::of(id) {
            self.begin(id, store.account(account).usage().map_or(0, |usage| usage.bytes));
        }
        for _ in 0..TRIES_MAX {
            self.again();
            // The long work comes before the look at the rows, so that little can go between that and the rest.
            names = self.copy_bodies(store, id, &names)?.0;
            let snapshot = engine.snapshot(id).map_err(store::Error::from)?;
            let head = snapshot.head();
            if head == store::ModSeq(0) {
                return Ok(None);
            }
            let (mut cutter, mut failed) = (Cutter::default(), Ok(()));
            let hold = self.repository.pace.as_ref().map(|pace| pace.hold());
            let scanned = snapshot.scan(&[], &[u8::MAX; store::engine::KEY_BYTES_MAX], &mut |key, value| {
                failed = self.read(key.len() + value.len()).and_then(|()| cutter.push(self, key, value));
                if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            scanned.map_err(store::Error::from)?;
            failed?;
            drop((snapshot, hold));
            let rows = cutter.finish(self)?;
            let (since, all) = self.copy_bodies(store, id, &names)?;
            // What went since then, the rows may refer to.
            names.extend(since);
            if all {
                let mut cutter = Cutter::default();
                for (name, body) in &names {
                    let mut value = body.hash.as_bytes().to_vec();
                    value.extend((self.repository.cipher.is_some() && !body.whole).then_some(0));
                    cutter.push(self, name.as_bytes(), &value)?;
                }
                let names = cutter.finish(self)?;
                return Ok(Some(Keyspace { id, head, rows, names }));
            }
        }
        Err(Error::Fault(format!(
            "account {id} has lost large messages each time it was copied; look at `pillarbox check`"
        )))
    }

    /// Whether all of a keyspace is there still, and the large bodies that are.
    fn known(&mut self, space: &Keyspace) -> Result<(bool, BTreeMap<ObjectName, Body>), Error> {
        let mut all = true;
        for chunk in &space.rows {
            all &= self.has(Kind::Chunk, chunk, false)?;
        }
        // These are read here anyway.
        for chunk in &space.names {
            all &= self.has(Kind::Chunk, chunk, true)?;
        }
        let Ok(bodies) = self.repository.bodies(space) else { return Ok((false, BTreeMap::new())) };
        let mut there = BTreeMap::new();
        for (name, body) in bodies {
            match self.has(Kind::Body, &body.hash, false)? {
                true => {
                    there.insert(name, body);
                }
                false => all = false,
            }
        }
        Ok((all, there))
    }

    /// Copies the large bodies that `names` does not have: all that there are now, and false if one went meanwhile.
    fn copy_bodies(
        &mut self,
        store: &Store,
        id: AccountId,
        names: &BTreeMap<ObjectName, Body>,
    ) -> Result<(BTreeMap<ObjectName, Body>, bool), Error> {
        let (_, objects) = store.storage();
        let there = objects.list(id).map_err(store::Error::from)?;
        let mut all = true;
        let mut kept = BTreeMap::new();
        for (name, _) in there {
            // One that is being written just now, or is damaged, is looked at again.
            if let Some(body) = names.get(&name).filter(|body| body.whole) {
                kept.insert(name, *body);
                continue;
            }
            match objects.read(id, &name) {
                Ok(body) => {
                    self.read(body.len())?;
                    let whole = name.starts_with(blake3::hash(&body).to_hex().as_str());
                    kept.insert(name, Body { hash: self.keep(Kind::Body, &body)?, whole });
                }
                Err(ObjectError::Missing) => all = false,
                Err(error) => return Err(store::Error::from(error).into()),
            }
        }
        Ok((kept, all))
    }

    fn copy_beside(&mut self, beside: &Beside<'_>, snapshot: &mut Snapshot) -> Result<(), Error> {
        for name in beside.names {
            for name in files_of(beside.directory, name)? {
                let path = beside.directory.join(&name);
                let content = match fs::read(&path) {
                    Ok(content) => content,
                    // One that is made anew just now.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(unreadable(&path, &error)),
                };
                let hash = self.keep(Kind::Chunk, &content)?;
                snapshot.beside.push((name, hash));
            }
        }
        Ok(())
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::Fault(format!("cannot read {}: {error}", path.display()))
}

/// A file, or those in a directory and below it, by their paths from `root`.
fn files_of(root: &Path, name: &str) -> Result<Vec<String>, Error> {
    let path = root.join(name);
    if !path.is_dir() {
        return Ok(if path.is_file() { vec![name.to_owned()] } else { Vec::new() });
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(&path).map_err(|error| unreadable(&path, &error))? {
        let entry = entry.map_err(|error| unreadable(&path, &error))?;
        files.extend(files_of(root, &format!("{name}/{}", entry.file_name().to_string_lossy()))?);
    }
    files.sort_unstable();
    Ok(files)
}
