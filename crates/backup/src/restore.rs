//! Bringing a snapshot back into an empty store.

use crate::chunks::rows;
use crate::files::Kind;
use crate::place::{Directory, Place};
use crate::snapshot::Keyspace;
use crate::take::{OnStep, Step};
use crate::{Error, Repository};
use std::path::{Component, Path};
use store::backup::{Kept, Renewal};
use store::engine::{Commit, Engine, Write};
use store::objects::Objects;
use store::{ModSeq, TableId, Timestamp};

/// Rows are written in commits of about so many octets.
const COMMIT_BYTES: usize = 4 * 1024 * 1024;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The snapshot.
    pub name: String,
    /// When it was taken.
    pub at: Timestamp,
    /// How many accounts came back.
    pub accounts: usize,
    /// Mail for other servers was left in the backup.
    pub left_queue: bool,
}

impl Repository {
    /// Brings back the files beside the store, into a data directory.
    ///
    /// # Errors
    /// There is no such snapshot; faults.
    pub fn restore_beside(&self, name: Option<&str>, directory: &Path) -> Result<(), Error> {
        let into = Directory::new(directory);
        for (path, hash) in self.chosen(name)?.1.beside {
            let is_plain = Path::new(&path).components().all(|part| matches!(part, Component::Normal(_)));
            if !is_plain {
                return Err(Error::Fault(format!("the backup names a file {path}, which is none of a data directory")));
            }
            let content = self.read(Kind::Chunk, &hash)?;
            into.write_aside(&path, &content)
                .and_then(|()| into.name(&path))
                .map_err(|error| Error::Fault(format!("cannot write {}: {error}", into.shown(&path))))?;
        }
        Ok(())
    }

    /// Brings back all rows and bodies of a snapshot, or of the newest. Mailboxes get another UIDVALIDITY
    /// ([`store::backup`]). Mail that waited for other servers comes back only `with_queue`: what was sent since would be sent
    /// a second time.
    ///
    /// # Errors
    /// The store is not empty, or there is no such snapshot; faults. Then what came back is not to be used.
    pub fn restore(
        &self,
        name: Option<&str>,
        (engine, objects): (&dyn Engine, &dyn Objects),
        (with_queue, now): (bool, Timestamp),
        step: OnStep<'_>,
    ) -> Result<Restored, Error> {
        let _lock = self.lock_to_read()?;
        let (name, snapshot) = self.chosen(name)?;
        if !engine.accounts().map_err(store::Error::from)?.is_empty() {
            return Err(Error::Refused(
                "there is mail in the store already; a backup comes back into an empty one".to_owned(),
            ));
        }
        let queue = Kept::Table(TableId::Queue);
        let (wanted, left): (Vec<&Keyspace>, Vec<&Keyspace>) =
            snapshot.keyspaces.iter().partition(|space| with_queue || Kept::of(space.id) != Some(queue));
        for space in &wanted {
            // In a bucket that outlived its server, or is that of one that runs: the sweep of a server that came back would
            // remove what is newer than the backup.
            if !objects.list(space.id).map_err(store::Error::from)?.is_empty() {
                return Err(Error::Refused(
                    "there are large messages where they are to be kept already; a backup comes back into an empty place: name \
                     another bucket, or another part of it"
                        .to_owned(),
                ));
            }
        }
        let mut bytes = 0;
        for (done, space) in wanted.iter().enumerate() {
            step(Step::new(done, wanted.len(), bytes))?;
            bytes += self.restore_bodies(objects, space)?;
            bytes += self.restore_rows(engine, space, now)?;
        }
        step(Step::new(wanted.len(), wanted.len(), bytes))?;
        let (accounts, at) = (snapshot.accounts(), Timestamp(snapshot.taken_at));
        Ok(Restored { name, at, accounts, left_queue: !left.is_empty() })
    }

    fn restore_bodies(&self, objects: &dyn Objects, space: &Keyspace) -> Result<u64, Error> {
        let mut bytes = 0;
        for (name, copied) in self.bodies(space)? {
            let body = self.read(Kind::Body, &copied.hash)?;
            objects.put(space.id, &name, &body).map_err(store::Error::from)?;
            bytes += body.len() as u64;
        }
        Ok(bytes)
    }

    /// The last commit gives the head that the keyspace had.
    fn restore_rows(&self, engine: &dyn Engine, space: &Keyspace, now: Timestamp) -> Result<u64, Error> {
        let is_account = matches!(Kept::of(space.id), Some(Kept::Account(_)));
        let mut renewal = is_account.then(|| Renewal::new(now));
        let (mut bytes, mut head, mut open, mut writes) = (0, ModSeq(0), 0, Vec::new());
        let commit = |head: &mut ModSeq, next: ModSeq, writes: Vec<Write>| {
            let commit = Commit { account: space.id, expected: *head, next, writes };
            *head = next;
            engine.commit(commit).map_err(|error| Error::Fault(error.to_string()))
        };
        for chunk in &space.rows {
            let chunk = self.read(Kind::Chunk, chunk)?;
            bytes += chunk.len() as u64;
            for (key, value) in rows(&chunk)? {
                let value = match &mut renewal {
                    Some(renewal) => renewal.value(key, value.to_vec())?,
                    None => value.to_vec(),
                };
                open += key.len() + value.len();
                writes.push(Write::Put { key: key.to_vec(), value });
            }
            // The heads on the way must lie below the last one.
            let next = ModSeq(head.0 + 1);
            if open >= COMMIT_BYTES && next < space.head {
                open = 0;
                commit(&mut head, next, std::mem::take(&mut writes))?;
            }
        }
        commit(&mut head, space.head, writes)?;
        Ok(bytes)
    }
}
