//! Whether all of a snapshot is there and is what was written.

use crate::chunks::rows;
use crate::files::Kind;
use crate::snapshot::Snapshot;
use crate::take::{OnStep, Step};
use crate::{Error, Repository};
use std::collections::BTreeSet;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The snapshot that was read.
    pub name: String,
    /// How many accounts it holds.
    pub accounts: usize,
    /// Octets that were read and compared.
    pub bytes: u64,
    /// What is missing or damaged, a sentence each.
    pub findings: Vec<String>,
}

impl Repository {
    /// Reads a snapshot, or the newest, with all that belongs to it. It goes on after damage.
    ///
    /// # Errors
    /// There is no such snapshot, or it cannot be read itself; what `step` returns.
    pub fn check(&self, name: Option<&str>, step: OnStep<'_>) -> Result<Checked, Error> {
        let _lock = self.lock_to_read()?;
        let (name, snapshot) = self.chosen(name)?;
        let mut checked = Checked { name, accounts: snapshot.accounts(), bytes: 0, findings: Vec::new() };
        let mut seen = BTreeSet::new();
        let total = snapshot.keyspaces.len();
        checked.findings.extend(self.gaps()?);
        for (_, hash) in &snapshot.beside {
            self.look(Kind::Chunk, hash, &mut checked);
        }
        for (done, space) in snapshot.keyspaces.iter().enumerate() {
            step(Step::new(done, total, checked.bytes))?;
            for chunk in space.rows.iter().filter(|chunk| seen.insert(*chunk.as_bytes())) {
                let content = self.look(Kind::Chunk, chunk, &mut checked);
                if let Some(Err(error)) = content.as_deref().map(rows) {
                    checked.findings.push(format!("account {}: {error}", space.id));
                }
            }
            match self.bodies(space) {
                Ok(bodies) => bodies.values().filter(|body| seen.insert(*body.hash.as_bytes())).for_each(|body| {
                    self.look(Kind::Body, &body.hash, &mut checked);
                }),
                Err(error) => checked.findings.push(error.to_string()),
            }
        }
        step(Step::new(total, total, checked.bytes))?;
        Ok(checked)
    }

    /// Old ones go first, so one that is gone while an older one is there was not let go by us.
    fn gaps(&self) -> Result<Vec<String>, Error> {
        let (names, mut found) = (self.names()?, Vec::new());
        for name in &names {
            match self.chosen(Some(name)) {
                Ok((_, Snapshot { before: Some(before), .. })) => {
                    if !names.contains(&before) && names.iter().any(|name| *name < before) {
                        found.push(format!(
                            "the backup {before}, which was made before {name}, is missing, and older ones are there: somebody has \
                             removed it"
                        ));
                    }
                }
                Ok(_) => {}
                Err(error) => found.push(error.to_string()),
            }
        }
        Ok(found)
    }

    fn look(&self, kind: Kind, hash: &blake3::Hash, checked: &mut Checked) -> Option<Vec<u8>> {
        match self.read(kind, hash) {
            Ok(content) => {
                checked.bytes += content.len() as u64;
                Some(content)
            }
            Err(error) => {
                checked.findings.push(error.to_string());
                None
            }
        }
    }
}
