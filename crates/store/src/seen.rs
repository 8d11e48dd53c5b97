//! What a guest has seen of a mailbox of somebody else's: `\Seen` is the reader's own.
//!
//! It lies in the owner's account, in rows of a block of UIDs each: a change of one message writes one row. Beside each message
//! that a guest ever marked, or unmarked, stands the modseq of that: what the guest is told of the message has the higher one
//! of this and of the message's own, so CONDSTORE and QRESYNC hold for each reader. And no message is older than the right to read it
//! ([`Given`]): whoever had that before and lost it was told meanwhile that nothing is there. What a block tells of UIDs that are gone
//! means nothing, because no UID comes again, and goes with the next purge.

use crate::codec::{Corrupt, Reader};
use crate::flags::SystemFlag;
use crate::ids::{ModSeq, Uid};
use crate::index::Entry;
use crate::record::{open, versioned};
use crate::rights::Given;
use std::collections::BTreeMap;

/// A block is of so many UIDs. Part of the format.
const BLOCK_UIDS: u32 = 256;

/// The number of the block that a UID is in.
pub(crate) fn block_of(uid: Uid) -> u32 {
    uid.0 / BLOCK_UIDS
}

/// A guest's mark of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) seen: bool,
    /// Since when.
    pub(crate) modseq: ModSeq,
}

/// The marks of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenBlock(BTreeMap<Uid, Mark>);

impl SeenBlock {
    pub(crate) fn set(&mut self, uid: Uid, mark: Mark) {
        self.0.insert(uid, mark);
    }

    /// The UIDs of all marks, ascending.
    pub(crate) fn uids(&self) -> impl Iterator<Item = Uid> + '_ {
        self.0.keys().copied()
    }

    /// Forgets the other marks.
    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(Uid) -> bool) {
        self.0.retain(|uid, _| keeps(*uid));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Stretches of UIDs with the same mark.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut runs: Vec<(Uid, Uid, Mark)> = Vec::new();
        for (uid, mark) in &self.0 {
            match runs.last_mut() {
                Some((_, last, same)) if last.0 + 1 == uid.0 && same == mark => *last = *uid,
                _ => runs.push((*uid, *uid, *mark)),
            }
        }
        let mut w = versioned();
        w.number(runs.len() as u64);
        let (mut uid, mut modseq) = (0, 0);
        for (first, last, mark) in runs {
            w.number((first.0 - uid).into()).number((last.0 - first.0).into());
            w.byte(u8::from(mark.seen)).signed(mark.modseq.0.wrapping_sub(modseq) as i64);
            (uid, modseq) = (last.0, mark.modseq.0);
        }
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut r = open(bytes)?;
        let (mut uid, mut modseq, mut marks) = (0u32, 0u64, BTreeMap::new());
        let runs = r.list(|r: &mut Reader<'_>| {
            let first = uid.checked_add(r.small()?).ok_or(Corrupt)?;
            uid = first.checked_add(r.small()?).ok_or(Corrupt)?;
            let seen = r.byte()? != 0;
            modseq = modseq.wrapping_add_signed(r.signed()?);
            Ok((first..=uid, Mark { seen, modseq: ModSeq(modseq) }))
        })?;
        r.end()?;
        for (uids, mark) in runs {
            if block_of(Uid(*uids.start())) != block_of(Uid(*uids.end())) {
                return Err(Corrupt);
            }
            marks.extend(uids.map(|uid| (Uid(uid), mark)));
        }
        Ok(Self(marks))
    }
}

/// A guest's marks in a mailbox, or those of some of its blocks, by the number of the block; and since when it is in their sight.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    blocks: BTreeMap<u32, SeenBlock>,
    pub(crate) given: Given,
}

impl Marks {
    pub(crate) fn of_whom_was(given: Given) -> Self {
        Self { blocks: BTreeMap::new(), given }
    }

    pub(crate) fn has(&self, block: u32) -> bool {
        self.blocks.contains_key(&block)
    }

    pub(crate) fn insert(&mut self, number: u32, block: SeenBlock) {
        self.blocks.insert(number, block);
    }

    /// The mark of a message; none: the guest has not seen it.
    pub(crate) fn of(&self, uid: Uid) -> Option<Mark> {
        self.blocks.get(&block_of(uid))?.0.get(&uid).copied()
    }

    /// The message as its guest sees it.
    pub(crate) fn applied_to(&self, entry: Entry) -> Entry {
        let mark = self.of(entry.uid);
        let flags = match mark {
            Some(Mark { seen: true, .. }) => entry.flags.with(SystemFlag::Seen),
            Some(Mark { seen: false, .. }) | None => entry.flags.without(SystemFlag::Seen),
        };
        let shown = entry.modseq.max(self.given.of(entry.uid));
        Entry { flags, modseq: mark.map_or(shown, |mark| mark.modseq.max(shown)), ..entry }
    }

    /// The UIDs that were marked after `since`, ascending.
    pub(crate) fn after(&self, since: ModSeq) -> impl Iterator<Item = Uid> + '_ {
        let all = self.blocks.values().flat_map(|block| &block.0);
        all.filter(move |(_, mark)| mark.modseq > since).map(|(uid, _)| *uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::FlagBits;
    use crate::ids::{EmailId, Timestamp};

    fn mark(seen: bool, modseq: u64) -> Mark {
        Mark { seen, modseq: ModSeq(modseq) }
    }

    #[test]
    fn a_block_is_read_as_it_was_written_and_neighbours_take_little() {
        let mut block = SeenBlock::default();
        (1000..1024).for_each(|uid| block.set(Uid(uid), mark(true, 1 << 40)));
        assert!(block.encode().len() < 20, "{}", block.encode().len());
        block.set(Uid(1010), mark(false, 7));
        block.set(Uid(800), mark(true, 9));
        assert_eq!(SeenBlock::decode(&block.encode()), Ok(block));
        assert_eq!(SeenBlock::decode(&SeenBlock::default().encode()), Ok(SeenBlock::default()));
        for damaged in [&[1, 1, 255][..], &[1, 1, 1, 255, 255, 255, 255, 15, 1, 2], &[2, 0]] {
            assert_eq!(SeenBlock::decode(damaged), Err(Corrupt), "{damaged:?}");
        }
    }

    #[test]
    fn the_owners_flag_is_not_the_guests() {
        let entry = |flags: u64, modseq: u64| {
            let (email, internal_date) = (EmailId(1), Timestamp(0));
            Entry { uid: Uid(300), size: 1, flags: FlagBits(flags), modseq: ModSeq(modseq), email, internal_date }
        };
        let (seen, flagged) = (SystemFlag::Seen as u64, SystemFlag::Flagged as u64);
        let mut marks = Marks::default();
        assert_eq!(marks.applied_to(entry(seen | flagged, 5)), entry(flagged, 5));
        let mut block = SeenBlock::default();
        block.set(Uid(300), mark(true, 7));
        marks.insert(1, block);
        assert_eq!(marks.applied_to(entry(flagged, 5)), entry(seen | flagged, 7));
        assert_eq!(marks.applied_to(entry(seen, 9)), entry(seen, 9));
        assert_eq!(marks.after(ModSeq(6)).collect::<Vec<_>>(), [Uid(300)]);
        assert_eq!(marks.after(ModSeq(7)).count(), 0);
    }
}
