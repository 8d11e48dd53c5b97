//! The index of a mailbox: every message's UID, flags, size, dates and identity in UID order, shared and unchanging.
//!
//! An index is a value. A change makes a new one that shares all untouched parts with the old one, so a session simply
//! holds the index that it has shown to its client: that is its position. What has changed since is the difference of two
//! indexes, found without looking into the parts that they share.
//!
//! It is a tree of three levels, because a change copies one node of each: the index holds groups, a group holds chunks,
//! a chunk holds entries. In a mailbox of a million messages that is 61 groups, 64 chunks and 256 entries.
//!
//! What was read of a packed index stays packed, chunk by chunk, until somebody looks into the chunk ([`chunk`]).
//!
//! Invariant: entries ascend by UID; no group and no chunk is empty; a chunk holds at most [`CHUNK_ENTRIES_MAX`] entries,
//! a group at most [`GROUP_CHUNKS_MAX`] chunks.

mod chunk;
pub(crate) mod sheet;

use crate::flags::FlagBits;
use crate::ids::{EmailId, ModSeq, Timestamp, Uid};
use chunk::Entries;
use std::ops::Range;
use std::sync::Arc;

/// A chunk is copied when one of its entries changes. Tests are content with small trees.
const CHUNK_ENTRIES_MAX: usize = if cfg!(test) { 8 } else { 256 };
/// A group is copied when one of its chunks changes.
const GROUP_CHUNKS_MAX: usize = if cfg!(test) { 4 } else { 64 };

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
    /// The position of the first entry in its group.
    start: usize,
    first: Uid,
    entries: Arc<Entries>,
}

#[derive(Clone, Debug)]
struct Group {
    /// The position of the first entry in the index.
    start: usize,
    first: Uid,
    chunks: Arc<Vec<Chunk>>,
}

/// The messages of a mailbox in UID order; position 0 is message sequence number 1. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Index {
    groups: Arc<Vec<Group>>,
    length: usize,
}

/// Makes an index of entries that ascend, faster than one by one.
#[derive(Default)]
pub(crate) struct Builder {
    groups: Vec<Group>,
    length: usize,
    /// Of the last group.
    chunks: Vec<Chunk>,
    in_group: usize,
    /// Of the last chunk.
    entries: Vec<Entry>,
    last: Option<Uid>,
}

impl Builder {
    /// Adds an entry; false, and left out, where its UID is not above all others.
    pub(crate) fn push(&mut self, entry: Entry) -> bool {
        if self.last.is_some_and(|last| last >= entry.uid) {
            return false;
        }
        self.last = Some(entry.uid);
        self.entries.push(entry);
        if self.entries.len() >= CHUNK_ENTRIES_MAX {
            self.close_chunk(Vec::with_capacity(CHUNK_ENTRIES_MAX));
        }
        true
    }

    pub(crate) fn finish(mut self) -> Index {
        self.entries.shrink_to_fit();
        self.close_chunk(Vec::new());
        self.close_group();
        Index { groups: Arc::new(self.groups), length: self.length }
    }

    fn close_chunk(&mut self, next: Vec<Entry>) {
        let entries = std::mem::replace(&mut self.entries, next);
        let Some(first) = entries.first().map(|entry| entry.uid) else { return };
        self.add_chunk(first, entries.into());
    }

    fn add_chunk(&mut self, first: Uid, entries: Entries) {
        let start = self.in_group;
        self.in_group += entries.len();
        self.chunks.push(Chunk { start, first, entries: Arc::new(entries) });
        if self.chunks.len() >= GROUP_CHUNKS_MAX {
            self.close_group();
        }
    }

    fn close_group(&mut self) {
        let chunks = std::mem::take(&mut self.chunks);
        let Some(first) = chunks.first().map(|chunk| chunk.first) else { return };
        self.groups.push(Group { start: self.length, first, chunks: Arc::new(chunks) });
        self.length += std::mem::take(&mut self.in_group);
    }
}

/// Finds entries one after the other.
pub struct Walk<'i> {
    index: &'i Index,
    /// The position of the first of `rest`.
    start: usize,
    /// Of a chunk, from the last entry that was found.
    rest: &'i [Entry],
}

impl<'i> Walk<'i> {
    /// The entry of a UID, with its position.
    pub fn find(&mut self, uid: Uid) -> Option<(usize, &'i Entry)> {
        let is_here = |ends: (&Entry, &Entry)| ends.0.uid <= uid && uid <= ends.1.uid;
        if !self.rest.first().zip(self.rest.last()).is_some_and(is_here) {
            let (group, chunk) = self.index.chunk_for(uid)?;
            (self.start, self.rest) = (group.start + chunk.start, &chunk.entries);
        }
        // It is the next one, as a rule.
        let at = match self.rest.iter().take(2).position(|entry| entry.uid == uid) {
            Some(at) => at,
            None => self.rest.partition_point(|entry| entry.uid < uid),
        };
        self.start += at;
        self.rest = self.rest.get(at..).unwrap_or_default();
        self.rest.first().filter(|entry| entry.uid == uid).map(|entry| (self.start, entry))
    }
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
        let group = at_or_before(&self.groups, |group| group.start <= position)?;
        let chunk = at_or_before(&group.chunks, |chunk| group.start + chunk.start <= position)?;
        chunk.entries.get(position - group.start - chunk.start)
    }

    /// The position of a UID, or where it would stand.
    ///
    /// # Errors
    /// The position that the UID would have, when it is not there.
    pub fn position(&self, uid: Uid) -> Result<usize, usize> {
        let Some((group, chunk)) = self.chunk_for(uid) else { return Err(0) };
        match chunk.entries.binary_search_by_key(&uid, |entry| entry.uid) {
            Ok(at) => Ok(group.start + chunk.start + at),
            Err(at) => Err(group.start + chunk.start + at),
        }
    }

    /// The entry of a UID.
    #[must_use]
    pub fn find(&self, uid: Uid) -> Option<&Entry> {
        let entries = &self.chunk_for(uid)?.1.entries;
        entries.binary_search_by_key(&uid, |entry| entry.uid).ok().and_then(|at| entries.get(at))
    }

    /// To be asked for UIDs that ascend, as a rule: it looks on from where it is.
    #[must_use]
    pub fn walk(&self) -> Walk<'_> {
        Walk { index: self, start: 0, rest: &[] }
    }

    fn chunk_for(&self, uid: Uid) -> Option<(&Group, &Chunk)> {
        let group = at_or_before(&self.groups, |group| group.first <= uid)?;
        Some((group, at_or_before(&group.chunks, |chunk| chunk.first <= uid)?))
    }

    /// All entries, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.groups.iter().flat_map(|group| group.chunks.iter()).flat_map(|chunk| chunk.entries.iter())
    }

    /// The entries at a range of positions with their positions; what lies past the end is left out.
    pub fn positions(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &Entry)> + Clone {
        let each = self.stretches(range);
        each.flat_map(|(start, entries)| entries.iter().enumerate().map(move |(at, entry)| (start + at, entry)))
    }

    /// The entries at a range of positions as they lie side by side, some hundred at a time, each time with the position of the
    /// first; what lies past the end is left out.
    pub fn stretches(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &[Entry])> + Clone {
        let (first, end) = (range.start, range.end.min(self.length));
        let group = self.groups.partition_point(|group| group.start <= first).saturating_sub(1);
        let groups = self.groups.get(group..).unwrap_or_default().iter();
        groups
            .take_while(move |group| group.start < end)
            .flat_map(|group| group.chunks.iter().map(|chunk| (group.start + chunk.start, &chunk.entries)))
            .skip_while(move |(start, entries)| start + entries.len() <= first)
            .take_while(move |(start, _)| *start < end)
            .map(move |(start, entries)| {
                // Those that were passed over stay packed.
                let (skipped, entries) = (first.saturating_sub(start), &***entries);
                (start + skipped, entries.get(skipped..entries.len().min(end - start)).unwrap_or_default())
            })
    }

    /// The entries with UIDs from `first` to `last`, both included, with their positions.
    pub fn uids(&self, first: Uid, last: Uid) -> impl Iterator<Item = (usize, &Entry)> {
        let start = self.position(first).unwrap_or_else(|at| at);
        self.positions(start..self.length).take_while(move |(_, entry)| entry.uid <= last)
    }

    /// The last (highest) entry.
    #[must_use]
    pub fn last(&self) -> Option<&Entry> {
        self.groups.last()?.chunks.last()?.entries.last()
    }

    #[cfg(test)]
    pub(crate) fn chunks_unpacked(&self) -> usize {
        let chunks = self.groups.iter().flat_map(|group| group.chunks.iter());
        chunks.filter(|chunk| chunk.entries.is_unpacked()).count()
    }

    /// What changed from `older` to `self`. Work is in proportion to the chunks that the two do not share.
    #[must_use]
    pub fn since(&self, older: &Self) -> Delta {
        self.since_but(older, |_, _| false)
    }

    /// As [`Self::since`], without the changed messages, ascending, of which `is_known` says so of what each was and is.
    pub fn since_but(&self, older: &Self, mut is_known: impl FnMut(&Entry, &Entry) -> bool) -> Delta {
        let mut delta = Delta::default();
        let (mut old, mut new) = (Cursor::new(older), Cursor::new(self));
        loop {
            while old.skip_shared(&mut new) {}
            match (old.entry(), new.entry()) {
                (None, None) => return delta,
                (Some(before), Some(after)) if before.uid == after.uid => {
                    if before != after && !is_known(before, after) {
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
        let mut changed = delta.changed.clone();
        changed.sort_by_key(|entry| entry.uid);
        index.replace_all(&changed);
        for entry in &delta.added {
            index.push(*entry);
        }
        index
    }

    /// This index without the vanished entries of a delta: what a session shows once it has told that they are gone.
    #[must_use]
    pub fn without(&self, vanished: &[(usize, Uid)]) -> Self {
        let mut index = self.clone();
        index.remove(&vanished.iter().map(|(_, uid)| *uid).collect::<Vec<_>>());
        index
    }

    /// Adds a message with a UID above all others; one that is not above is left out.
    pub(crate) fn push(&mut self, entry: Entry) {
        if self.last().is_some_and(|last| last.uid >= entry.uid) {
            return;
        }
        let groups = Arc::make_mut(&mut self.groups);
        let full = |group: &Group| {
            let last = group.chunks.last().map_or(0, |chunk| chunk.entries.len());
            group.chunks.len() >= GROUP_CHUNKS_MAX && last >= CHUNK_ENTRIES_MAX
        };
        if groups.last().is_none_or(full) {
            groups.push(Group { start: self.length, first: entry.uid, chunks: Arc::default() });
        }
        if let Some(group) = groups.last_mut() {
            push_in_group(Arc::make_mut(&mut group.chunks), self.length - group.start, entry);
        }
        self.length += 1;
    }

    /// Puts entries, which ascend by UID, in the places of those with their UIDs; where there is none it is passed over.
    pub(crate) fn replace_all(&mut self, entries: &[Entry]) {
        self.change_each(entries, |entry| entry.uid, |place, entry| *place = *entry);
    }

    /// Changes the entries that `items` are about, which ascend by UID; where there is none it is passed over. The UIDs stay.
    pub(crate) fn change_each<T>(
        &mut self,
        mut items: &[T],
        uid: impl Fn(&T) -> Uid + Copy,
        change: impl Fn(&mut Entry, &T) + Copy,
    ) {
        if items.is_empty() {
            return;
        }
        let groups = Arc::make_mut(&mut self.groups);
        for at in 0..groups.len() {
            let next = groups.get(at + 1).map(|group| group.first);
            let of_group = take_below(&mut items, next, uid);
            if let (Some(group), [_, ..]) = (groups.get_mut(at), of_group) {
                change_in_group(Arc::make_mut(&mut group.chunks).as_mut_slice(), of_group, uid, change);
            }
        }
    }

    /// Takes messages out. `uids` ascend.
    pub(crate) fn remove(&mut self, uids: &[Uid]) {
        let groups = Arc::make_mut(&mut self.groups);
        let mut rest = uids;
        for at in 0..groups.len() {
            let next = groups.get(at + 1).map(|group| group.first);
            let Some(group) = groups.get_mut(at) else { return };
            let of_group = take_below(&mut rest, next, |uid| *uid);
            if !of_group.is_empty() {
                group.chunks = Arc::new(without(&group.chunks, of_group));
            }
        }
        groups.retain(|group| !group.chunks.is_empty());
        merge_groups(groups);
        self.length = 0;
        for group in groups {
            group.start = self.length;
            group.first = group.chunks.first().map_or(Uid::MAX, |chunk| chunk.first);
            self.length += group.chunks.iter().map(|chunk| chunk.entries.len()).sum::<usize>();
        }
    }
}

/// The last item that `holds` is true of; it is true of the first ones only.
fn at_or_before<T>(items: &[T], holds: impl Fn(&T) -> bool) -> Option<&T> {
    items.get(items.partition_point(holds).checked_sub(1)?)
}

/// Takes those off the front whose UIDs are below `next`.
fn take_below<'a, T>(items: &mut &'a [T], next: Option<Uid>, uid: impl Fn(&T) -> Uid) -> &'a [T] {
    let count = next.map_or(items.len(), |next| items.partition_point(|item| uid(item) < next));
    let (below, rest) = items.split_at(count);
    *items = rest;
    below
}

fn change_in_group<T>(
    chunks: &mut [Chunk],
    mut items: &[T],
    uid: impl Fn(&T) -> Uid + Copy,
    change: impl Fn(&mut Entry, &T),
) {
    for at in 0..chunks.len() {
        let next = chunks.get(at + 1).map(|chunk| chunk.first);
        let of_chunk = take_below(&mut items, next, uid);
        let Some(chunk) = chunks.get_mut(at).filter(|_| !of_chunk.is_empty()) else { continue };
        let mut places = Entries::own(&mut chunk.entries).iter_mut().peekable();
        for item in of_chunk {
            while places.next_if(|place| place.uid < uid(item)).is_some() {}
            if let Some(place) = places.peek_mut().filter(|place| place.uid == uid(item)) {
                change(place, item);
            }
        }
    }
}

fn push_in_group(chunks: &mut Vec<Chunk>, start: usize, entry: Entry) {
    match chunks.last_mut() {
        Some(chunk) if chunk.entries.len() < CHUNK_ENTRIES_MAX => Entries::push(&mut chunk.entries, entry),
        _ => chunks.push(Chunk { start, first: entry.uid, entries: Arc::new(vec![entry].into()) }),
    }
}

/// The chunks of a group without some messages. Small neighbours become one: a mailbox of which little is left takes
/// little memory.
fn without(chunks: &[Chunk], mut uids: &[Uid]) -> Vec<Chunk> {
    let mut kept: Vec<Chunk> = Vec::with_capacity(chunks.len());
    let mut length = 0;
    for (at, chunk) in chunks.iter().enumerate() {
        let gone = take_below(&mut uids, chunks.get(at + 1).map(|chunk| chunk.first), |uid| *uid);
        let is_gone = |entry: &&Entry| gone.binary_search(&entry.uid).is_ok();
        let is_whole = gone.is_empty() || !chunk.entries.iter().any(|entry| is_gone(&entry));
        let (first, entries) = if is_whole {
            (chunk.first, Arc::clone(&chunk.entries))
        } else {
            let left: Vec<Entry> = chunk.entries.iter().filter(|entry| !is_gone(entry)).copied().collect();
            let Some(first) = left.first().map(|entry| entry.uid) else { continue };
            (first, Arc::new(left.into()))
        };
        let added = entries.len();
        match kept.last_mut() {
            Some(last) if last.entries.len() + added <= CHUNK_ENTRIES_MAX / 2 => {
                last.entries = Arc::new([&**last.entries, &**entries].concat().into());
            }
            _ => kept.push(Chunk { start: length, first, entries }),
        }
        length += added;
    }
    kept
}

/// Neighbours that are small become one.
fn merge_groups(groups: &mut Vec<Group>) {
    let small = |two: &[Group]| match two {
        [a, b] => a.chunks.len() + b.chunks.len() <= GROUP_CHUNKS_MAX / 2,
        _ => false,
    };
    if !groups.windows(2).any(small) {
        return;
    }
    let mut merged: Vec<Group> = Vec::with_capacity(groups.len());
    for group in groups.drain(..) {
        match merged.last_mut() {
            Some(last) if last.chunks.len() + group.chunks.len() <= GROUP_CHUNKS_MAX / 2 => {
                let chunks = Arc::make_mut(&mut last.chunks);
                let before: usize = chunks.iter().map(|chunk| chunk.entries.len()).sum();
                chunks.extend(group.chunks.iter().map(|c| Chunk { start: before + c.start, ..c.clone() }));
            }
            _ => merged.push(group),
        }
    }
    *groups = merged;
}

/// A place in an index.
struct Cursor<'a> {
    groups: &'a [Group],
    group: usize,
    chunk: usize,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(index: &'a Index) -> Self {
        Self { groups: &index.groups, group: 0, chunk: 0, at: 0 }
    }

    fn chunk(&self) -> Option<&'a Chunk> {
        self.groups.get(self.group)?.chunks.get(self.chunk)
    }

    fn entry(&self) -> Option<&'a Entry> {
        self.chunk()?.entries.get(self.at)
    }

    fn position(&self) -> usize {
        let group = self.groups.get(self.group).map_or(0, |group| group.start);
        group + self.chunk().map_or(0, |chunk| chunk.start) + self.at
    }

    fn step(&mut self) {
        self.at += 1;
        if self.chunk().is_some_and(|chunk| self.at >= chunk.entries.len()) {
            self.step_chunk();
        }
    }

    fn step_chunk(&mut self) {
        self.at = 0;
        self.chunk += 1;
        if self.groups.get(self.group).is_some_and(|group| self.chunk >= group.chunks.len()) {
            self.step_group();
        }
    }

    fn step_group(&mut self) {
        (self.group, self.chunk, self.at) = (self.group + 1, 0, 0);
    }

    /// Steps over a group or chunk that both share; `false` if they do not stand at the start of one.
    fn skip_shared(&mut self, other: &mut Self) -> bool {
        if self.at > 0 || other.at > 0 {
            return false;
        }
        if let (0, 0, Some(mine), Some(theirs)) =
            (self.chunk, other.chunk, self.groups.get(self.group), other.groups.get(other.group))
            && Arc::ptr_eq(&mine.chunks, &theirs.chunks)
        {
            self.step_group();
            other.step_group();
            return true;
        }
        let (Some(mine), Some(theirs)) = (self.chunk(), other.chunk()) else { return false };
        let shared = Arc::ptr_eq(&mine.entries, &theirs.entries);
        if shared {
            self.step_chunk();
            other.step_chunk();
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

    #[test]
    fn an_index_that_is_made_at_once_is_the_same_as_one_by_one() {
        for count in (0..=70).chain([CHUNK_ENTRIES_MAX * GROUP_CHUNKS_MAX * 3]) {
            let (mut builder, mut index) = (Builder::default(), Index::default());
            for uid in 1..=count as u32 {
                assert!(builder.push(entry(uid * 2, 1)));
                assert!(!builder.push(entry(uid * 2, 2)) && !builder.push(entry(uid, 2)));
                index.push(entry(uid * 2, 1));
            }
            assert_eq!(format!("{:?}", builder.finish()), format!("{index:?}"), "{count}");
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
                    // What is not there is passed over.
                    let absent = entry(*next + 1000, u64::from(*next));
                    index.replace_all(&[entry(uid.0, u64::from(*next)), absent]);
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
            for step in [1, 2, 5, model.len().max(1)] {
                let mut walk = index.walk();
                for uid in (0..=model.len() as u32 * 4).step_by(step).chain([3, 2]) {
                    let expected = model.get(&Uid(uid)).map(|entry| (index.position(Uid(uid)).unwrap(), entry));
                    prop_assert_eq!(walk.find(Uid(uid)), expected);
                }
            }
            let mut touched: Vec<Entry> = model.values().map(|entry| Entry { size: entry.size + 1, ..*entry }).collect();
            touched.retain(|entry| entry.uid.0 % 3 != 1);
            let mut replaced = index.clone();
            replaced.replace_all(&touched);
            let as_touched = |entry: &Entry| touched.iter().find(|touched| touched.uid == entry.uid).copied().unwrap_or(*entry);
            prop_assert!(replaced.iter().copied().eq(model.values().map(as_touched)));
            prop_assert_eq!(index.get(model.len()), None);
            let (a, b) = (model.len() / 3, model.len() / 2);
            prop_assert!(index.positions(a..b).map(|(_, e)| e).eq(model.values().skip(a).take(b - a)));
            prop_assert!(index.positions(a..b).map(|(at, _)| at).eq(a..b.min(model.len())));
            prop_assert_eq!(index.positions(b + 1..b).count() + index.positions(b..b).count(), 0);
            prop_assert!(index.stretches(a..usize::MAX).flat_map(|(_, some)| some).eq(model.values().skip(a)));

            let delta = index.since(&old);
            let vanished: Vec<_> = old_model.keys().enumerate().filter(|(_, uid)| !model.contains_key(uid)).map(|(at, uid)| (at, *uid)).collect();
            prop_assert_eq!(&delta.vanished, &vanished);
            prop_assert!(delta.added.iter().eq(model.values().filter(|e| !old_model.contains_key(&e.uid))));
            prop_assert!(delta.changed.iter().eq(model.values().filter(|e| old_model.get(&e.uid).is_some_and(|o| o != *e))));

            let is_known = |before: &Entry, after: &Entry| before.uid == after.uid && after.uid.0 % 2 != 1;
            let mut unknown = delta.clone();
            unknown.changed.retain(|entry| entry.uid.0 % 2 == 1);
            prop_assert_eq!(index.since_but(&old, is_known), unknown);

            let held_back = old.with_expunges_held_back(&delta);
            let mut union = old_model;
            union.extend(model);
            prop_assert!(held_back.iter().eq(union.values()));
            prop_assert!(held_back.without(&index.since(&held_back).vanished).iter().eq(index.iter()));
        }
    }
}
