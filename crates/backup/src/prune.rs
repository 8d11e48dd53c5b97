//! Letting old snapshots go.

use crate::files::{Kind, fault};
use crate::{Error, Repository};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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
                bodies.extend(self.bodies(space)?.values().map(|hash| hash.to_hex().to_string()));
            }
        }
        // First the snapshots: none is ever there without what it names.
        for name in old {
            let path = self.path(name);
            fs::remove_file(&path).map_err(|error| fault("remove", &path, &error))?;
        }
        let mut pruned = Pruned { snapshots: old.len(), bytes: 0 };
        for (kind, wanted) in [(Kind::Chunk, &chunks), (Kind::Body, &bodies)] {
            pruned.bytes += sweep(&self.root.join(kind.directory()), wanted)?;
        }
        Ok(pruned)
    }
}

/// Removes the files below a directory that nobody wants; gives their octets.
fn sweep(directory: &Path, wanted: &BTreeSet<String>) -> Result<u64, Error> {
    let failed = |error| fault("sweep", directory, &error);
    let mut bytes = 0;
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            bytes += sweep(&path, wanted)?;
        } else if !wanted.contains(entry.file_name().to_string_lossy().as_ref()) {
            bytes += entry.metadata().map_err(failed)?.len();
            fs::remove_file(&path).map_err(|error| fault("remove", &path, &error))?;
        }
    }
    Ok(bytes)
}
