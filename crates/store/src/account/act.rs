//! An act of many commits that is told, and undone, as one: an undo, or a clearing.
//!
//! Between two of its pieces others have their turn, so it notes which entries of the journal are not its own. Its row is
//! written with each piece, and goes with the last one, which writes the entry that says what all of them were. An act that
//! breaks off (a full disk, a crash) gets that entry for what it has done: at once, or before anybody sees the account again.
//! So what was done of it can be undone, and to do it again does the rest.
//!
//! Invariant: an act goes on, and gets its entry, in a transaction that finds its row as its last piece has left it: a server that others
//! took for gone finds that they have closed it.

use crate::codec::{Corrupt, Reader};
use crate::error::Error;
use crate::ids::{DeviceId, ModSeq, Timestamp};
use crate::journal::{Actor, Change, OfAccount, Protocol, Stretches};
use crate::key;
use crate::known_nodes::NodeNumber;
use crate::record::{open, versioned};
use crate::state;
use crate::transact::AccountCell;
use crate::tx::Tx;

const RECORD: &str = "the record of an undo or a clearing";

/// What an act is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// What a device did, or an earlier undo (`None`), is taken back.
    Undo(Option<DeviceId>),
    /// What every POP3 device has makes room.
    Clearing,
}

/// An act under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Act {
    what: What,
    actor: Actor,
    first: ModSeq,
    /// Its last entry so far.
    last: ModSeq,
    /// Entries of others in between.
    others: Stretches,
    /// Which of several nodes does it.
    node: Option<NodeNumber>,
}

impl Act {
    /// Begins; nothing is written yet.
    pub(super) fn begin(tx: &Tx<'_>, actor: Actor, what: What) -> Self {
        let first = tx.next_modseq();
        Self { what, actor, first, last: ModSeq(first.0 - 1), others: Stretches::default(), node: tx.node() }
    }

    /// Before a piece; whether others have changed something since the last one.
    ///
    /// # Errors
    /// A fault, where another node took this one for gone and has noted what had been done.
    pub(super) fn go_on(&mut self, tx: &mut Tx<'_>) -> Result<bool, Error> {
        if self.has_done_something() && tx.get(&key::act(self.first))?.is_none_or(|row| row != self.encode()) {
            return Err(Error::fault(
                "this server was away for too long: what had been done of an undo or a clearing was noted, and the rest was not done",
            ));
        }
        let next = tx.next_modseq();
        let others = ModSeq(self.last.0 + 1)..=ModSeq(next.0 - 1);
        if others.is_empty() {
            return Ok(false);
        }
        if self.last < self.first {
            self.first = next;
        } else {
            self.others.push(others);
        }
        self.last = ModSeq(next.0 - 1);
        Ok(true)
    }

    /// After a piece that is not the last one.
    pub(super) fn pause(&mut self, tx: &mut Tx<'_>) {
        self.last = tx.head();
        if self.has_done_something() {
            tx.put(key::act(self.first), self.encode());
        }
    }

    /// After the last piece; the entry that says what it was, if it has done anything.
    pub(super) fn end(mut self, tx: &mut Tx<'_>) -> Option<ModSeq> {
        self.last = tx.head();
        self.close(tx)
    }

    /// It breaks off.
    pub(super) fn break_off(self, cell: &AccountCell) {
        let account = cell.id;
        let closed = cell.transact(move |tx| close_noted(tx, self.first));
        if let Err(error) = closed {
            tracing::error!(%account, %error, "that an undo or a clearing broke off is noted at the next start");
        }
    }

    fn has_done_something(&self) -> bool {
        self.last >= self.first
    }

    fn close(self, tx: &mut Tx<'_>) -> Option<ModSeq> {
        if !self.has_done_something() {
            return None;
        }
        tx.delete(key::act(self.first));
        let Self { what, actor, first, mut others, .. } = self;
        let end = tx.head();
        if end > self.last {
            others.push(ModSeq(self.last.0 + 1)..=end);
        }
        Some(tx.journal(
            actor,
            match what {
                What::Undo(device) => Change::Account(OfAccount::Undone { device, first, others }),
                What::Clearing => Change::Account(OfAccount::Cleared { first, others }),
            },
        ))
    }

    fn encode(&self) -> Vec<u8> {
        let mut w = versioned();
        match self.what {
            What::Undo(device) => w.byte(0).option(device, |w, device| {
                w.number(device.0.into());
            }),
            What::Clearing => w.byte(1),
        };
        w.number(self.actor.device.0.into()).signed(self.actor.now.0).number(self.last.0);
        self.actor.protocol.write(&mut w);
        self.others.write(&mut w);
        // One that was alone says nothing of it, as earlier versions did.
        if let Some(NodeNumber(node)) = self.node {
            w.number(node);
        }
        w.0
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, Corrupt> {
        let first = ModSeq(key::long_at(key, 1)?);
        let mut r = open(value)?;
        let device = |r: &mut Reader<'_>| r.small().map(DeviceId);
        let what = match r.byte()? {
            0 => What::Undo(r.option(device)?),
            1 => What::Clearing,
            2.. => return Err(Corrupt),
        };
        let (device, now, last) = (device(&mut r)?, Timestamp(r.signed()?), ModSeq(r.number()?));
        let actor = Actor { device, now, protocol: Protocol::read(&mut r)? };
        let others = Stretches::read(&mut r)?;
        let node = if r.0.is_empty() { None } else { Some(NodeNumber(r.number()?)) };
        r.end().map(|()| Self { what, actor, first, last, others, node })
    }
}

/// Notes what acts have done that a crash broke off.
pub(super) fn close_all(cell: &AccountCell, is_new: bool) -> Result<(), Error> {
    let mut acts = Vec::new();
    state::scan(&*cell.engine.snapshot(cell.id)?, key::kind(b'F'), |key, value| {
        acts.push(Act::decode(key, value).map_err(Error::corrupt(RECORD))?);
        Ok(())
    })?;
    for act in acts {
        if !cell.is_nobodys(act.node, is_new)? {
            continue;
        }
        tracing::warn!(account = %cell.id, "noting what an undo or a clearing has done that was broken off");
        cell.transact(move |tx| close_noted(tx, act.first))?;
    }
    Ok(())
}

/// Closes what the row of an act says that was done of it. Where there is none nothing was done, or another node has closed it.
fn close_noted(tx: &mut Tx<'_>, first: ModSeq) -> Result<(), Error> {
    let key = key::act(first);
    let Some(row) = tx.get(&key)? else { return Ok(()) };
    Act::decode(&key, &row).map_err(Error::corrupt(RECORD))?.close(tx);
    Ok(())
}
