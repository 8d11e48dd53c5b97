//! Letting old snapshots go.

use crate::files::Kind;
use crate::snapshot::path;
use crate::{Error, Repository};
use std::collections::BTreeSet;

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Snapshots.
    pub snapshots: usize,
    /// Octets of what they alone held.
    pub bytes: u64,
}

impl Repository {
    /// Keeps the newest snapshots, at least one, and removes the others with all that no other holds. What was copied for a
    /// snapshot that was never finished goes too.
    ///
    /// # Errors
    /// A backup is being made here; what is to be kept cannot be read: then nothing is removed; faults.
    pub fn prune(&self, keep: usize) -> Result<Pruned, Error> {
        let _lock = self.lock()?;
        let names = self.names()?;
        let (old, kept) = names.split_at(names.len().saturating_sub(keep.max(1)));
        let (mut chunks, mut bodies) = (BTreeSet::new(), BTreeSet::new());
        for name in kept {
            let (_, snapshot) = self.chosen(Some(name))?;
            chunks.extend(snapshot.beside.iter().map(|(_, hash)| hash.to_hex().to_string()));
            for space in &snapshot.keyspaces {
                chunks.extend(space.rows.iter().chain(&space.names).map(|hash| hash.to_hex().to_string()));
                bodies.extend(self.bodies(space)?.values().map(|body| body.hash.to_hex().to_string()));
            }
        }
        // First the snapshots: none is ever there without what it names.
        for name in old {
            let path = path(name);
            self.place.remove(&path).map_err(|error| self.fault("remove", &path, &error))?;
        }
        let mut pruned = Pruned { snapshots: old.len(), bytes: 0 };
        for (kind, wanted) in [(Kind::Chunk, &chunks), (Kind::Body, &bodies)] {
            pruned.bytes += self.sweep(kind, wanted)?;
        }
        Ok(pruned)
    }

    /// Removes what nobody wants; gives its octets.
    fn sweep(&self, kind: Kind, wanted: &BTreeSet<String>) -> Result<u64, Error> {
        let mut bytes = 0;
        for first in u8::MIN..=u8::MAX {
            let directory = format!("{}/{first:02x}", kind.directory());
            let files = self.place.list(&directory).map_err(|error| self.fault("sweep", &directory, &error))?;
            for (name, length) in files.into_iter().filter(|(name, _)| !wanted.contains(name)) {
                let path = format!("{directory}/{name}");
                self.place.remove(&path).map_err(|error| self.fault("remove", &path, &error))?;
                bytes += length;
            }
        }
        Ok(bytes)
    }
}
