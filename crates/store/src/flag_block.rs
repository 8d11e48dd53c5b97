//! Flags of many messages that lie side by side, in one row: a change of all of them writes a row for each block of UIDs, not one
//! for each message.
//!
//! The row tells the flags and the modseq of every message of its block as of when it was written. A message's own record, and its
//! block, may each be the newer one: what has the higher modseq counts. What a block tells of UIDs that are gone means nothing,
//! because no UID comes again.

use crate::codec::{Corrupt, Reader};
use crate::engine::Snapshot;
use crate::error::Error;
use crate::flags::FlagBits;
use crate::ids::{MailboxId, ModSeq, Uid};
use crate::index::{Entry, Index};
use crate::key;
use crate::record::{open, versioned};
use crate::state;

/// A block is of so many UIDs. Part of the format.
const BLOCK_UIDS: u32 = 256;
/// A change of at least so many messages of a block writes the block, which has at most some 2 KiB.
const BLOCK_CHANGES_MIN: usize = if cfg!(test) { 4 } else { 12 };
/// One commit changes the flags of at most so many messages ...
const PIECE_MESSAGES_MAX: usize = 16_384;
/// ... or as many as take about so many rows.
const PIECE_ROWS_MAX: usize = 500;

/// The number of the block that a UID is in.
pub(crate) fn block_of(uid: Uid) -> u32 {
    uid.0 / BLOCK_UIDS
}

/// Whether so many messages of a block change that it becomes a row.
pub(crate) fn is_crowded(changes: usize) -> bool {
    changes >= BLOCK_CHANGES_MIN
}

/// The first of `uids`, which ascend, whose flags one commit changes, whatever they are now.
#[must_use]
pub fn flags_piece(uids: &[Uid]) -> &[Uid] {
    let (mut rows, mut length) = (0, 0);
    for block in uids.chunk_by(|a, b| block_of(*a) == block_of(*b)) {
        // Of a block that becomes a row if all of its messages change, almost as many rows if some have the flags already.
        let room = PIECE_MESSAGES_MAX - length;
        let taken =
            block.len().min(room).min(if block.len() < BLOCK_CHANGES_MIN { PIECE_ROWS_MAX - rows } else { room });
        rows += taken.min(BLOCK_CHANGES_MIN - 1);
        length += taken;
        if taken < block.len() || rows >= PIECE_ROWS_MAX {
            break;
        }
    }
    uids.get(..length).unwrap_or(uids)
}

/// Flags that all messages of a stretch of UIDs have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: Uid,
    last: Uid,
    flags: FlagBits,
    modseq: ModSeq,
}

/// What a row tells, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlagBlock(Vec<Run>);

impl FlagBlock {
    /// The messages of a block as they are in the index.
    pub(crate) fn of(index: &Index, block: u32) -> Self {
        let first = block.saturating_mul(BLOCK_UIDS);
        let mut runs: Vec<Run> = Vec::new();
        for (_, entry) in index.uids(Uid(first), Uid(first.saturating_add(BLOCK_UIDS - 1))) {
            let Entry { uid, flags, modseq, .. } = *entry;
            match runs.last_mut() {
                Some(run) if (run.flags, run.modseq) == (flags, modseq) => run.last = uid,
                _ => runs.push(Run { first: uid, last: uid, flags, modseq }),
            }
        }
        Self(runs)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = versioned();
        w.number(self.0.len() as u64);
        let (mut uid, mut modseq) = (0u32, 0u64);
        for run in &self.0 {
            w.number(run.first.0.wrapping_sub(uid).into()).number((run.last.0 - run.first.0).into());
            w.number(run.flags.0).signed(run.modseq.0.wrapping_sub(modseq) as i64);
            (uid, modseq) = (run.last.0, run.modseq.0);
        }
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut r = open(bytes)?;
        let (mut uid, mut modseq) = (0u32, 0u64);
        let runs = r.list(|r: &mut Reader<'_>| {
            let first = uid.checked_add(r.small()?).ok_or(Corrupt)?;
            uid = first.checked_add(r.small()?).ok_or(Corrupt)?;
            let flags = FlagBits(r.number()?);
            modseq = modseq.wrapping_add_signed(r.signed()?);
            Ok(Run { first: Uid(first), last: Uid(uid), flags, modseq: ModSeq(modseq) })
        })?;
        r.end().map(|()| Self(runs))
    }

    /// The message as it is, which its own record says was so.
    pub(crate) fn applied_to(&self, entry: Entry) -> Entry {
        let at = self.0.partition_point(|run| run.last < entry.uid);
        match self.0.get(at) {
            Some(run) if run.first <= entry.uid && run.modseq > entry.modseq => {
                Entry { flags: run.flags, modseq: run.modseq, ..entry }
            }
            Some(_) | None => entry,
        }
    }
}

/// The blocks of a mailbox that are rows, to be asked for messages in ascending order.
pub(crate) struct FlagBlocks {
    /// As they are stored, the highest number first.
    rest: Vec<(u32, Vec<u8>)>,
    current: (u32, FlagBlock),
}

impl FlagBlocks {
    pub(crate) fn read(snapshot: &dyn Snapshot, mailbox: MailboxId) -> Result<Self, Error> {
        let mut rest = Vec::new();
        state::scan(snapshot, key::flag_blocks(mailbox), |key, value| {
            let number = key::number_at(key, 6).map_err(Error::corrupt("the key of flags of many messages"))?;
            rest.push((number, value.to_vec()));
            Ok(())
        })?;
        rest.reverse();
        Ok(Self { rest, current: (0, FlagBlock::default()) })
    }

    /// The message as it is, which its own record says was so.
    pub(crate) fn applied_to(&mut self, entry: Entry) -> Result<Entry, Corrupt> {
        let block = block_of(entry.uid);
        while let Some((number, bytes)) = self.rest.pop_if(|(number, _)| *number <= block) {
            self.current = (number, FlagBlock::decode(&bytes)?);
        }
        Ok(if self.current.0 == block { self.current.1.applied_to(entry) } else { entry })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{EmailId, Timestamp};

    fn entry(uid: u32, flags: u64, modseq: u64) -> Entry {
        let (email, internal_date) = (EmailId(uid.into()), Timestamp(0));
        Entry { uid: Uid(uid), size: 1, flags: FlagBits(flags), modseq: ModSeq(modseq), email, internal_date }
    }

    #[test]
    fn a_block_tells_what_the_index_holds_of_its_uids_in_few_octets() {
        let mut index = Index::default();
        (1..1000).filter(|uid| uid % 7 != 0).for_each(|uid| index.push(entry(uid, 1, 5)));
        index.replace_all(&[entry(300, 2, 9)]);
        for block in 0..5 {
            let bytes = FlagBlock::of(&index, block).encode();
            assert!(bytes.len() < 25, "{}", bytes.len());
            let decoded = FlagBlock::decode(&bytes).unwrap();
            for uid in (1..1000).filter(|uid| uid % 7 != 0) {
                let is_in = block_of(Uid(uid)) == block;
                let expected = if is_in { *index.find(Uid(uid)).unwrap() } else { entry(uid, 0, 1) };
                assert_eq!(decoded.applied_to(entry(uid, 0, 1)), expected, "{block} {uid}");
            }
        }
        assert_eq!(FlagBlock::decode(&FlagBlock::default().encode()), Ok(FlagBlock::default()));
        assert_eq!(FlagBlock::decode(&[1, 1, 255]), Err(Corrupt));
    }

    #[test]
    fn what_changed_last_counts() {
        let mut index = Index::default();
        index.push(entry(4, 1, 5));
        let block = FlagBlock::of(&index, 0);
        assert_eq!(block.applied_to(entry(4, 2, 4)).flags, FlagBits(1));
        assert_eq!(block.applied_to(entry(4, 2, 6)).flags, FlagBits(2));
        assert_eq!(block.applied_to(entry(5, 2, 1)).flags, FlagBits(2), "it does not know this one");
    }

    #[test]
    fn a_piece_has_a_bound_of_messages_and_of_rows() {
        let check = |uids: Vec<u32>, expected: usize| {
            let uids: Vec<Uid> = uids.into_iter().map(Uid).collect();
            assert_eq!(flags_piece(&uids).len(), expected);
        };
        check(Vec::new(), 0);
        check((1..100).collect(), 99);
        check((1..20_000).collect(), PIECE_MESSAGES_MAX);
        // Each in a block of its own.
        check((1..10_000).map(|n| n * BLOCK_UIDS).collect(), PIECE_ROWS_MAX);
        // So few that each is a row; as many as do not fit.
        let few = BLOCK_CHANGES_MIN as u32 - 1;
        let sparse = (0..10_000).flat_map(|block| (0..few).map(move |n| block * BLOCK_UIDS + n));
        check(sparse.collect(), PIECE_ROWS_MAX);
        // So many that each block may be a row, or may not.
        let many = BLOCK_CHANGES_MIN as u32;
        let dense: Vec<u32> = (0..10_000).flat_map(|block| (0..many).map(move |n| block * BLOCK_UIDS + n)).collect();
        let uids: Vec<Uid> = dense.into_iter().map(Uid).collect();
        let blocks = flags_piece(&uids).len() / BLOCK_CHANGES_MIN;
        assert!(blocks * (BLOCK_CHANGES_MIN - 1) < PIECE_ROWS_MAX + BLOCK_CHANGES_MIN, "{blocks}");
    }
}
