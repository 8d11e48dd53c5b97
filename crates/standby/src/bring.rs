//! A keyspace is brought to what the server has: what differs, at one of its commits.
//!
//! One that is whole changes in one commit; where that would be too large, or the two differ under the same head, all of it is
//! brought beside the old state, which counts until the new one is complete. One that was never whole is written in parts.

use crate::copy::{Bodies, Copy, UNFINISHED, beside, put};
use crate::ranges::{cut, each_row, each_row_in, encode};
use crate::wire::{Piece, rows};
use crate::{Error, Primary, fault};
use std::collections::BTreeSet;
use std::mem;
use store::engine::{Commit, KEY_BYTES_MAX, Snapshot, Write};
use store::succession::object_of;
use store::{AccountId, ModSeq};

/// A part ends with so many large bodies, too: while they are fetched the server waits for somebody to take the rest.
const PART_BODIES_MAX: usize = 16;

/// What is under way.
struct Bringing<'b> {
    copy: &'b Copy,
    primary: &'b dyn Primary,
    /// Whose bodies they are.
    account: AccountId,
    /// What is written to.
    target: AccountId,
    /// The target as it was when this began.
    before: &'b dyn Snapshot,
    /// In several commits, each of which leaves the mark.
    in_parts: bool,
    /// Rows may name bodies that the server has lost itself.
    without_bodies: bool,
    /// Of the server; `None` until it says so.
    head: Option<ModSeq>,
    /// Of the target.
    at: ModSeq,
    /// The keys of this range that the server has not named.
    left: BTreeSet<Vec<u8>>,
    writes: Vec<Write>,
    bytes: usize,
    /// Large bodies that the writes name.
    bodies: usize,
    is_complete: bool,
}

/// What became of a keyspace that was to be brought.
pub(crate) enum Brought {
    /// It is as it is on the server.
    Whole {
        /// It was another one under the same head.
        differed: bool,
    },
    /// Whatever was there counts still: the server does not have a large body that a row of it names.
    Lacks(String),
}

/// Why a keyspace was not brought in this way.
enum Not {
    /// It has to be brought beside.
    Beside,
    Lacks(String),
    Error(Error),
}

impl<E: Into<Error>> From<E> for Not {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl Copy {
    /// Brings a keyspace. One whose large bodies are not all to be had is brought `without_bodies` only.
    ///
    /// # Errors
    /// The server is behind; faults. Whatever was there counts still.
    pub(crate) fn bring(
        &self,
        primary: &dyn Primary,
        account: AccountId,
        without_bodies: bool,
    ) -> Result<Brought, Error> {
        match self.bring_into((account, account), primary, without_bodies) {
            Ok(_) => Ok(Brought::Whole { differed: false }),
            Err(Not::Lacks(what)) => Ok(Brought::Lacks(what)),
            Err(Not::Error(error)) => Err(error),
            Err(Not::Beside) => {
                let differed = self.head(account)?;
                self.remove(beside(account))?;
                let head = self.bring_into((account, beside(account)), primary, without_bodies);
                let head = match head {
                    Ok(head) => head,
                    Err(Not::Beside) => return Err(fault("what was brought beside an account has changed meanwhile")),
                    Err(Not::Lacks(what)) => return Ok(Brought::Lacks(what)),
                    Err(Not::Error(error)) => return Err(error),
                };
                self.adopt(account)?;
                Ok(Brought::Whole { differed: differed == head })
            }
        }
    }

    /// The head that it has then.
    fn bring_into(
        &self,
        (account, target): (AccountId, AccountId),
        primary: &dyn Primary,
        without_bodies: bool,
    ) -> Result<ModSeq, Not> {
        let before = self.engine.snapshot(target)?;
        let (at, is_marked) = (before.head(), before.get(UNFINISHED)?.is_some());
        let ranges = encode(&cut(&*before)?);
        let mut bringing = Bringing {
            copy: self,
            primary,
            account,
            target,
            before: &*before,
            in_parts: is_marked || at == ModSeq(0),
            without_bodies,
            head: None,
            at,
            left: BTreeSet::new(),
            writes: Vec::new(),
            bytes: 0,
            bodies: 0,
            is_complete: false,
        };
        let mut not = None;
        let compared = primary.compare(account, &ranges, &mut |piece| {
            Piece::decode(piece).map_err(Not::from).and_then(|piece| bringing.take(piece)).map_err(|why| {
                not = Some(why);
                fault("the rest is not wanted")
            })
        });
        match not {
            Some(why) => return Err(why),
            None => compared?,
        }
        let (head, is_complete) = (bringing.head.unwrap_or_default(), bringing.is_complete);
        if !is_complete {
            return Err(fault("an answer of the server is cut off").into());
        }
        if head > ModSeq(0) {
            bringing.finish(head)?;
        } else if at > ModSeq(0) {
            drop(before);
            self.remove(target)?;
        }
        Ok(head)
    }

    /// What was brought beside an account takes its place. Begun again after a crash it comes to the same end.
    pub(crate) fn adopt(&self, account: AccountId) -> Result<(), Error> {
        let source = self.engine.snapshot(beside(account))?;
        let head = source.head();
        // Rows go; bodies stay, most of them are those of the new state.
        self.engine.remove_account(account)?;
        let (mut at, mut writes, mut bytes) = (ModSeq(0), Vec::new(), 0);
        let mut commit = |next, writes| {
            self.engine.commit(Commit { account, expected: at, next, writes })?;
            at = next;
            Ok::<_, Error>(())
        };
        let mut parts = 0;
        each_row(&*source, |key, value| {
            writes.push(put((key, value)));
            bytes += key.len() + value.len();
            let next = ModSeq(parts + 1);
            if bytes < self.options.part_bytes || next >= head {
                return Ok(());
            }
            (parts, bytes) = (next.0, 0);
            let mut part = mem::take(&mut writes);
            part.push(put((UNFINISHED, &[])));
            commit(next, part)
        })?;
        writes.push(Write::Delete { key: UNFINISHED.to_vec() });
        commit(head, writes)?;
        drop(source);
        Ok(self.engine.remove_account(beside(account))?)
    }
}

impl Bringing<'_> {
    fn take(&mut self, piece: Piece<'_>) -> Result<(), Not> {
        match (piece, self.head) {
            (Piece::Head(head), None) => self.begin(head),
            (Piece::Range { from, to }, Some(_)) => self.range(from, to),
            (Piece::Rows(octets), Some(_)) => {
                rows(octets)?.into_iter().try_for_each(|(key, value)| self.row(key, value))
            }
            (Piece::End, Some(_)) => {
                self.is_complete = true;
                self.end_range();
                Ok(())
            }
            (_, Some(_) | None) => Err(crate::wire::unknown().into()),
        }
    }

    fn begin(&mut self, head: ModSeq) -> Result<(), Not> {
        self.head = Some(head);
        if head > ModSeq(0) && head < self.at && !self.in_parts {
            return Err(behind(self.account, head, self.at).into());
        }
        if self.in_parts && head > ModSeq(0) && head <= self.at {
            return Err(Not::Beside);
        }
        Ok(())
    }

    fn range(&mut self, from: &[u8], to: Option<&[u8]>) -> Result<(), Not> {
        self.end_range();
        // It has to move on from its head.
        if !self.in_parts && self.head == Some(self.at) {
            return Err(Not::Beside);
        }
        let to = to.unwrap_or(&[u8::MAX; KEY_BYTES_MAX]);
        let left = &mut self.left;
        Ok(each_row_in(self.before, (from, to), &mut |key, _| {
            left.insert(key.to_vec());
            Ok(())
        })?)
    }

    fn end_range(&mut self) {
        for key in mem::take(&mut self.left) {
            self.bytes += key.len();
            self.writes.push(Write::Delete { key });
        }
    }

    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), Not> {
        if self.left.remove(key) && self.before.get(key)?.as_deref() == Some(value) {
            return Ok(());
        }
        self.bytes += key.len() + value.len();
        self.writes.push(put((key, value)));
        let options = self.copy.options;
        if !self.in_parts {
            return if self.bytes > options.changed_bytes_max { Err(Not::Beside) } else { Ok(()) };
        }
        self.bodies += usize::from(object_of(key, value).is_some());
        let next = ModSeq(self.at.0 + 1);
        let is_enough = self.bytes >= options.part_bytes || self.bodies >= PART_BODIES_MAX;
        if !is_enough || Some(next) >= self.head {
            return Ok(());
        }
        self.writes.push(put((UNFINISHED, &[])));
        self.commit(next)
    }

    fn finish(&mut self, head: ModSeq) -> Result<(), Not> {
        if !self.in_parts && self.at == head {
            return Ok(());
        }
        if self.in_parts {
            self.writes.push(Write::Delete { key: UNFINISHED.to_vec() });
        }
        self.commit(head)
    }

    /// The bodies come first. Beside an account those need not come that its rows name already.
    fn commit(&mut self, next: ModSeq) -> Result<(), Not> {
        let writes = mem::take(&mut self.writes);
        (self.bytes, self.bodies) = (0, 0);
        let there = self.copy.engine.snapshot(self.account)?;
        let bodies = Bodies::of(&*there, &writes)?;
        drop(there);
        let lacking = self.copy.bring_bodies(Some(self.primary), self.account, &bodies)?;
        if let Some(name) = lacking.first() {
            let what = format!("the large message {name} of account {} is gone on the server", self.account);
            if !self.without_bodies {
                return Err(Not::Lacks(what));
            }
            tracing::warn!(lacking = lacking.len(), "{what}");
        }
        let commit = Commit { account: self.target, expected: self.at, next, writes };
        self.at = next;
        // Of what is brought beside, the old state still refers to what it leaves.
        let bodies = if self.target == self.account { bodies } else { Bodies::default() };
        Ok(self.copy.commit(commit, bodies)?)
    }
}

/// The server has lost something, or it is not the one that was followed.
pub(crate) fn behind(account: AccountId, theirs: ModSeq, ours: ModSeq) -> Error {
    Error::Refused(format!(
        "the server is behind this standby: keyspace {account} is at {theirs} there and at {ours} here, so that the server has lost \
         what it had committed (older files were put back?). Nothing is changed here any more: find out which of both is to go on; \
         then `pillarbox promote` this one, or empty its data directory and begin anew"
    ))
}
