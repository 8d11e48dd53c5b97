//! The index of a mailbox: every message's UID, flags, size, dates and identity in UID order, shared and unchanging.
//!
//! An index is a value. A change makes a new one that shares all untouched chunks with the old one, so a session simply
//! holds the index that it has shown to its client: that is its position. What has changed since is the difference of two
//! indexes, found without looking into the chunks that they share.
//!
//! Invariant: entries ascend by UID; no chunk is empty; a chunk holds at most [`CHUNK_ENTRIES_MAX`] entries.

use crate::flags::FlagBits;
use crate::ids::{EmailId, ModSeq, Timestamp, Uid};
use std::ops::Range;
use std::sync::Arc;

/// A chunk is copied when one of its entries changes: small enough to be cheap, large enough to keep the spine short.
const CHUNK_ENTRIES_MAX: usize = 256;

/// One message in a mailbox. 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Unique in the mailbox, ascending.
    pub uid: Uid,
    /// Octets of the whole message (RFC822.SIZE).
    pub size: u32,
    /// System flags and keywords; the keywords' names stand in the mailbox.
    pub flags: FlagBits,
    /// The last change of this message in this mailbox.
    pub modseq: ModSeq,
    /// The message itself.
    pub email: EmailId,
    /// INTERNALDATE.
    pub internal_date: Timestamp,
}

#[derive(Clone, Debug)]
struct Chunk {
    /// The position of the first entry.
    start: usize,
    entries: Arc<Vec<Entry>>,
}

/// The messages of a mailbox in UID order; position 0 is message sequence number 1. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Shared too: ten thousand idle sessions hold one spine.
    chunks: Arc<Vec<Chunk>>,
    length: usize,
}

/// What has to be told to somebody who knows an older index.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Delta {
    /// Position in the *older* index and UID of every message that is gone, ascending.
    pub vanished: Vec<(usize, Uid)>,
    /// The new entry of every message that both have and that differs, ascending.
    pub changed: Vec<Entry>,
    /// The entries of every message that only the newer one has, ascending.
    pub added: Vec<Entry>,
}

impl Delta {
    /// Nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.vanished.is_empty() && self.changed.is_empty() && self.added.is_empty()
    }
}

impl Index {
    /// The number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The entry at a position (message sequence number less one).
    #[must_use]
    pub fn get(&self, position: usize) -> Option<&Entry> {
        let chunk = self.chunks.partition_point(|chunk| chunk.start <= position).checked_sub(1)?;
        let chunk = self.chunks.get(chunk)?;
        chunk.entries.get(position - chunk.start)
    }

    /// The position of a UID, or where it would stand.
    ///
    /// # Errors
    /// The position that the UID would have, when it is not there.
    pub fn position(&self, uid: Uid) -> Result<usize, usize> {
        let Some(chunk) = self.chunk_for(uid) else { return Err(0) };
        match chunk.entries.binary_search_by_key(&uid, |entry| entry.uid) {
            Ok(at) => Ok(chunk.start + at),
            Err(at) => Err(chunk.start + at),
        }
    }

    /// The entry of a UID.
    #[must_use]
    pub fn find(&self, uid: Uid) -> Option<&Entry> {
        let entries = &self.chunk_for(uid)?.entries;
        entries.binary_search_by_key(&uid, |entry| entry.uid).ok().and_then(|at| entries.get(at))
    }

    fn chunk_for(&self, uid: Uid) -> Option<&Chunk> {
        let after = self.chunks.partition_point(|chunk| chunk.entries.first().is_some_and(|first| first.uid <= uid));
        self.chunks.get(after.checked_sub(1)?)
    }

    /// All entries, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.chunks.iter().flat_map(|chunk| chunk.entries.iter())
    }

    /// The entries at a range of positions with their positions; what lies past the end is left out.
    pub fn positions(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &Entry)> {
        let end = range.end.min(self.length);
        let first = self.chunks.partition_point(|chunk| chunk.start <= range.start).saturating_sub(1);
        let chunks = self.chunks.get(first..).unwrap_or_default().iter();
        chunks
            .take_while(move |chunk| chunk.start < end)
            .flat_map(|chunk| chunk.entries.iter().enumerate().map(|(at, entry)| (chunk.start + at, entry)))
            .skip_while(move |(position, _)| *position < range.start)
            .take_while(move |(position, _)| *position < end)
    }

    /// The entries with UIDs from `first` to `last`, both included, with their positions.
    pub fn uids(&self, first: Uid, last: Uid) -> impl Iterator<Item = (usize, &Entry)> {
        let start = self.position(first).unwrap_or_else(|at| at);
        self.positions(start..self.length).take_while(move |(_, entry)| entry.uid <= last)
    }

    /// The last (highest) entry.
    #[must_use]
    pub fn last(&self) -> Option<&Entry> {
        self.chunks.last()?.entries.last()
    }

    /// What changed from `older` to `self`. Work is in proportion to the chunks that the two do not share.
    #[must_use]
    pub fn since(&self, older: &Self) -> Delta {
        let mut delta = Delta::default();
        let (mut old, mut new) = (Cursor::new(older), Cursor::new(self));
        loop {
            while old.skip_shared(&mut new) {}
            match (old.entry(), new.entry()) {
                (None, None) => return delta,
                (Some(before), Some(after)) if before.uid == after.uid => {
                    if before != after {
                        delta.changed.push(*after);
                    }
                    old.step();
                    new.step();
                }
                (Some(before), after) if after.is_none_or(|after| before.uid < after.uid) => {
                    delta.vanished.push((old.position(), before.uid));
                    old.step();
                }
                (_, Some(after)) => {
                    delta.added.push(*after);
                    new.step();
                }
                (Some(_), None) => old.step(),
            }
        }
    }

    /// This index with the changed and added entries of `delta` but still with the vanished ones: what a session shows
    /// while it may not send EXPUNGE (RFC 9051 §7.5.1).
    #[must_use]
    pub fn with_expunges_held_back(&self, delta: &Delta) -> Self {
        let mut index = self.clone();
        for entry in &delta.changed {
            index.replace(*entry);
        }
        for entry in &delta.added {
            index.push(*entry);
        }
        index
    }

    /// Adds a message with a UID above all others; one that is not above is left out.
    pub(crate) fn push(&mut self, entry: Entry) {
        if self.last().is_some_and(|last| last.uid >= entry.uid) {
            return;
        }
        let chunks = Arc::make_mut(&mut self.chunks);
        match chunks.last_mut() {
            Some(chunk) if chunk.entries.len() < CHUNK_ENTRIES_MAX => Arc::make_mut(&mut chunk.entries).push(entry),
            _ => chunks.push(Chunk { start: self.length, entries: Arc::new(vec![entry]) }),
        }
        self.length += 1;
    }

    /// Puts `entry` in the place of the one with its UID, if there is one.
    pub(crate) fn replace(&mut self, entry: Entry) {
        let after =
            self.chunks.partition_point(|chunk| chunk.entries.first().is_some_and(|first| first.uid <= entry.uid));
        let Some(at) = after.checked_sub(1) else { return };
        let Some(chunk) = Arc::make_mut(&mut self.chunks).get_mut(at) else { return };
        if let Ok(at) = chunk.entries.binary_search_by_key(&entry.uid, |entry| entry.uid)
            && let Some(place) = Arc::make_mut(&mut chunk.entries).get_mut(at)
        {
            *place = entry;
        }
    }

    /// Takes messages out. `uids` ascend.
    pub(crate) fn remove(&mut self, uids: &[Uid]) {
        let gone = |entry: &Entry| uids.binary_search(&entry.uid).is_ok();
        let chunks = Arc::make_mut(&mut self.chunks);
        for chunk in chunks.iter_mut() {
            let (Some(first), Some(last)) = (chunk.entries.first(), chunk.entries.last()) else { continue };
            let touched = uids.partition_point(|uid| *uid < first.uid) < uids.partition_point(|uid| *uid <= last.uid);
            if touched && chunk.entries.iter().any(gone) {
                Arc::make_mut(&mut chunk.entries).retain(|entry| !gone(entry));
            }
        }
        chunks.retain(|chunk| !chunk.entries.is_empty());
        self.length = 0;
        for chunk in chunks {
            chunk.start = self.length;
            self.length += chunk.entries.len();
        }
    }
}

/// A place in an index.
struct Cursor<'a> {
    chunks: &'a [Chunk],
    chunk: usize,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(index: &'a Index) -> Self {
        Self { chunks: &index.chunks, chunk: 0, at: 0 }
    }

    fn entry(&self) -> Option<&'a Entry> {
        self.chunks.get(self.chunk)?.entries.get(self.at)
    }

    fn position(&self) -> usize {
        self.chunks.get(self.chunk).map_or(0, |chunk| chunk.start) + self.at
    }

    fn step(&mut self) {
        self.at += 1;
        if self.chunks.get(self.chunk).is_some_and(|chunk| self.at >= chunk.entries.len()) {
            self.chunk += 1;
            self.at = 0;
        }
    }

    /// Steps over a chunk that both share; `false` if they do not stand at the start of one.
    fn skip_shared(&mut self, other: &mut Self) -> bool {
        let (Some(mine), Some(theirs)) = (self.chunks.get(self.chunk), other.chunks.get(other.chunk)) else {
            return false;
        };
        let shared = self.at == 0 && other.at == 0 && Arc::ptr_eq(&mine.entries, &theirs.entries);
        if shared {
            self.chunk += 1;
            other.chunk += 1;
        }
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn entry(uid: u32, modseq: u64) -> Entry {
        Entry {
            uid: Uid(uid),
            size: uid,
            flags: FlagBits(0),
            modseq: ModSeq(modseq),
            email: EmailId(u64::from(uid)),
            internal_date: Timestamp(0),
        }
    }

    #[derive(Clone, Debug)]
    enum Change {
        Push(u8),
        Touch(u8),
        Remove(u8, u8),
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let one = prop_oneof![
            any::<u8>().prop_map(Change::Push),
            any::<u8>().prop_map(Change::Touch),
            (any::<u8>(), any::<u8>()).prop_map(|(from, count)| Change::Remove(from, count)),
        ];
        prop::collection::vec(one, 0..24)
    }

    fn apply(index: &mut Index, model: &mut BTreeMap<Uid, Entry>, changes: &[Change], next: &mut u32) {
        for change in changes {
            match *change {
                Change::Push(count) => {
                    for _ in 0..=count {
                        *next += 1 + u32::from(count % 3);
                        index.push(entry(*next, u64::from(*next)));
                        model.insert(Uid(*next), entry(*next, u64::from(*next)));
                    }
                }
                Change::Touch(which) => {
                    *next += 1;
                    let Some(uid) = model.keys().nth(usize::from(which) * model.len() / 256).copied() else { continue };
                    index.replace(entry(uid.0, u64::from(*next)));
                    model.insert(uid, entry(uid.0, u64::from(*next)));
                }
                Change::Remove(from, count) => {
                    let from = usize::from(from) * model.len() / 256;
                    let uids: Vec<Uid> = model.keys().skip(from).take(usize::from(count)).copied().collect();
                    index.remove(&uids);
                    model.retain(|uid, _| !uids.contains(uid));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn an_index_is_an_ordered_map_and_the_difference_of_two_is_exact(first in changes(), second in changes()) {
            let (mut index, mut model, mut next) = (Index::default(), BTreeMap::new(), 0);
            apply(&mut index, &mut model, &first, &mut next);
            let (old, old_model) = (index.clone(), model.clone());
            apply(&mut index, &mut model, &second, &mut next);

            prop_assert!(index.iter().eq(model.values()));
            prop_assert_eq!(index.len(), model.len());
            for (position, (uid, entry)) in model.iter().enumerate() {
                prop_assert_eq!(index.get(position), Some(entry));
                prop_assert_eq!(index.position(*uid), Ok(position));
                prop_assert_eq!(index.find(*uid), Some(entry));
            }
            prop_assert_eq!(index.get(model.len()), None);
            let (a, b) = (model.len() / 3, model.len() / 2);
            prop_assert!(index.positions(a..b).map(|(_, e)| e).eq(model.values().skip(a).take(b - a)));

            let delta = index.since(&old);
            let vanished: Vec<_> = old_model.keys().enumerate().filter(|(_, uid)| !model.contains_key(uid)).map(|(at, uid)| (at, *uid)).collect();
            prop_assert_eq!(&delta.vanished, &vanished);
            prop_assert!(delta.added.iter().eq(model.values().filter(|e| !old_model.contains_key(&e.uid))));
            prop_assert!(delta.changed.iter().eq(model.values().filter(|e| old_model.get(&e.uid).is_some_and(|o| o != *e))));

            let held_back = old.with_expunges_held_back(&delta);
            let mut union = old_model;
            union.extend(model);
            prop_assert!(held_back.iter().eq(union.values()));
        }
    }
}
