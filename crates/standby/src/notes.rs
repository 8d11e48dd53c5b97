//! What a standby notes for itself, in a keyspace of its own: whom it follows, up to when it has everything, and what it was told last.

use crate::wire::{In, Out};
use crate::{Error, fault};
use std::sync::Arc;
use store::engine::{Commit, Engine, Write};
use store::{AccountId, ModSeq};

/// No account has it, and no account's state is brought there.
pub(crate) const NOTES: AccountId = AccountId(u32::MAX);
const STATE: &[u8] = b"state";
const TOLD: u8 = b't';
/// Values are bounded.
const PIECE_BYTES: usize = 4 * 1024 * 1024;

/// How a standby stands, without asking the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whom it follows; `None`: it has never met a server.
    pub lineage: Option<[u8; 32]>,
    /// It has everything that was durable then, by the server's clock (Unix milliseconds); `None`: it never had.
    pub whole_at: Option<i64>,
    /// By so many milliseconds the server's clock was ahead.
    pub ahead_millis: i64,
    /// Keyspaces that have changed since in a way that it does not know yet.
    pub behind: Vec<AccountId>,
    /// The news that were told last are the last ones, so that with them it has everything.
    pub(crate) told_all: bool,
    pieces: u64,
}

impl Standing {
    fn encode(&self) -> Vec<u8> {
        let mut out = Out::default();
        out.0.extend_from_slice(&self.lineage.unwrap_or_default());
        out.signed(self.whole_at.unwrap_or(i64::MIN)).signed(self.ahead_millis);
        out.tag(self.told_all.into()).number(self.pieces).count(self.behind.len());
        for account in &self.behind {
            out.account(*account);
        }
        out.0
    }

    fn decode(octets: &[u8]) -> Result<Self, Error> {
        let mut r = In(octets);
        let standing = Self {
            lineage: Some(r.hash()?),
            whole_at: Some(r.signed()?).filter(|at| *at != i64::MIN),
            ahead_millis: r.signed()?,
            told_all: r.tag()? != 0,
            pieces: r.number()?,
            behind: r.list(In::account)?,
        };
        r.end().map(|()| standing).map_err(|_| fault("what the standby has noted is damaged"))
    }
}

/// The keyspace.
pub(crate) struct Notes {
    engine: Arc<dyn Engine>,
    head: ModSeq,
}

impl Notes {
    /// The notes, how the standby stands, and what it was told last.
    pub(crate) fn open(engine: Arc<dyn Engine>) -> Result<(Self, Standing, Option<Vec<u8>>), Error> {
        let snapshot = engine.snapshot(NOTES)?;
        let standing = snapshot.get(STATE)?.map_or(Ok(Standing::default()), |state| Standing::decode(&state))?;
        let mut told = Vec::new();
        for piece in 0..standing.pieces {
            told.extend(snapshot.get(&key(piece))?.ok_or_else(|| fault("what the standby has noted is damaged"))?);
        }
        let (head, told) = (snapshot.head(), (standing.pieces > 0).then_some(told));
        drop(snapshot);
        Ok((Self { engine, head }, standing, told))
    }

    /// Notes how it stands, and what it was told if that is new.
    pub(crate) fn write(&mut self, standing: &mut Standing, told: Option<&[u8]>) -> Result<(), Error> {
        let mut writes = Vec::new();
        // Counts once it is durable: a number of pieces that are not there would be damage.
        let mut noted = standing.clone();
        if let Some(told) = told {
            noted.pieces = told.chunks(PIECE_BYTES).len() as u64;
            for (number, piece) in (0..).zip(told.chunks(PIECE_BYTES)) {
                writes.push(Write::Put { key: key(number), value: piece.to_vec() });
            }
        }
        writes.push(Write::Put { key: STATE.to_vec(), value: noted.encode() });
        let next = ModSeq(self.head.0 + 1);
        let committed = self.engine.commit(Commit { account: NOTES, expected: self.head, next, writes });
        // One of which nobody knows whether it happened may have.
        self.head = if committed.is_ok() { next } else { self.engine.head(NOTES)? };
        let is_there = self.head == next;
        if is_there {
            standing.pieces = noted.pieces;
        }
        Ok(committed?)
    }
}

fn key(piece: u64) -> Vec<u8> {
    [&[TOLD], &piece.to_be_bytes()[..]].concat()
}
