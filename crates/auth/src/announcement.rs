//! To whom SCRAM is announced: to everybody once it may be, but for those from whose network a proof was wrong a moment ago
//! (docs/decisions/0101-scram.md).
//!
//! A password that was said ends that, because it has keys from there on. Some never have: it was typed in another way than the
//! one that keys are made of, or another device of the account said its own. So it ends that once: who gives a wrong proof again
//! is not asked for another until a proof was right.

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
    wrong: Mutex<Wrong>,
}

/// Who gave a wrong proof, and from where.
#[derive(Default)]
pub(crate) struct Wrong {
    /// To the networks in it it is not announced.
    pub(crate) hidden: BTreeSet<(u128, u128)>,
    /// Said a password after that, and gave no right proof since.
    pub(crate) said: BTreeSet<(u128, u128)>,
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
        self.is_announced && self.lock().hidden.range((network, 0)..=(network, u128::MAX)).next().is_none()
    }

    pub(crate) fn note_wrong(&self, source: Source) {
        keep(&mut self.lock().hidden, source);
    }

    /// Somebody has logged in with a password that they said.
    pub(crate) fn note_said(&self, source: Source) {
        let wrong = &mut *self.lock();
        let who = (source.address, source.pair);
        if !wrong.said.contains(&who) && wrong.hidden.remove(&who) {
            keep(&mut wrong.said, source);
        }
    }

    /// Somebody has logged in by a proof.
    pub(crate) fn note_proven(&self, source: Source) {
        let wrong = &mut *self.lock();
        let who = (source.address, source.pair);
        wrong.hidden.remove(&who);
        wrong.said.remove(&who);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Wrong> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep(some: &mut BTreeSet<(u128, u128)>, source: Source) {
    some.insert((source.address, source.pair));
    if some.len() > WRONG_MAX {
        // What a pair is nobody can choose.
        let any = some.range((source.pair, 0)..).next().or_else(|| some.first()).copied();
        if let Some(any) = any {
            some.remove(&any);
        }
    }
}
