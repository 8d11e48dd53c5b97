//! To whom SCRAM is announced: to everybody once it may be, but for those from whose network a proof was wrong a moment ago
//! (docs/decisions/0101-scram.md).

use crate::options::Scram;
use crate::throttle::Source;
use directory::Directory;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::{Error, Timestamp};

/// So many names are known of which a proof was wrong; beyond that any of them is forgotten.
pub(crate) const WRONG_MAX: usize = 32_768;

/// Whether proofs are taken, and to whom that is announced.
pub(crate) struct ScramState {
    pub(crate) is_on: bool,
    /// Whether it is announced that it can be bound to the TLS session.
    pub(crate) announces_plus: bool,
    is_announced: bool,
    /// To the networks in it it is not: who gave a wrong proof, and from where.
    wrong: Mutex<BTreeSet<(u128, u128)>>,
}

impl ScramState {
    /// Of a process that began at `started_at`: what is announced does not change while it runs.
    pub(crate) fn open(directory: &Directory, scram: Scram, started_at: Timestamp) -> Result<Self, Error> {
        let is_announced = match (scram, directory.scram_prepared_at(started_at)?) {
            (Scram::Off, _) => false,
            (Scram::On | Scram::Plus, _) => true,
            (Scram::Auto, prepared_at) => prepared_at.is_some_and(|at| at <= started_at),
        };
        let announces_plus = scram == Scram::Plus;
        Ok(Self { is_on: scram != Scram::Off, announces_plus, is_announced, wrong: Mutex::default() })
    }

    pub(crate) fn may_be_announced(&self, network: u128) -> bool {
        self.is_announced && self.lock().range((network, 0)..=(network, u128::MAX)).next().is_none()
    }

    pub(crate) fn note_wrong(&self, source: Source) {
        let mut wrong = self.lock();
        wrong.insert((source.address, source.pair));
        if wrong.len() > WRONG_MAX {
            // What a pair is nobody can choose.
            let any = wrong.range((source.pair, 0)..).next().or_else(|| wrong.first()).copied();
            if let Some(any) = any {
                wrong.remove(&any);
            }
        }
    }

    /// Somebody has logged in, in whichever way.
    pub(crate) fn note_right(&self, source: Source) {
        self.lock().remove(&(source.address, source.pair));
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, BTreeSet<(u128, u128)>> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
