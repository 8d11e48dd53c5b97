//! A message's octets, read piece by piece: a client that does not read a large message holds a block of it, not the
//! message.
//!
//! A large body is an object with a BLAKE3 over all of it. It is looked through once before anything of it is given out;
//! what is kept of that is a checksum of each of its blocks. Each block that is read later must have the checksum that it had
//! then, so that nothing leaves that is not what was stored, also when the disk gives other octets the second time. As for
//! rows (docs/decisions/0025-checksums.md) XXH3 is enough against disks, and BLAKE3 twice would cost as much again as all
//! the rest of a large FETCH.
//!
//! A body that is not very large is kept from when it is looked through until it is sent, so that it is read once; but all
//! sessions together keep a bounded number of octets so. It is compared with the XXH3 in its record.
//!
//! Invariant: what [`Body::piece`] gives belongs to octets whose digest is the one in the record.

use crate::codec::Corrupt;
use crate::error::Error;
use crate::ids::AccountId;
use crate::objects::Objects;
use crate::record::Digest;
use blake3::Hasher;
use message::header::EndFinder;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use twox_hash::XxHash3_64;

/// Bodies up to this length are held whole.
pub const WHOLE_BYTES_MAX: usize = 128 * 1024;
/// A large body costs a checksum's memory for each.
const BLOCK_BYTES: usize = 64 * 1024;
/// Bodies up to this length are kept whole while they are sent, as long as there is room.
const KEPT_BYTES_MAX: usize = if cfg!(test) { 2 * BLOCK_BYTES - 1 } else { 2 * 1024 * 1024 };
/// So many octets are kept of all bodies together.
const KEPT_BYTES_IN_ALL_MAX: usize = 16 * 1024 * 1024;
/// So many octets are kept.
static KEPT_BYTES: AtomicUsize = AtomicUsize::new(0);

/// So many blocks are read at once when a body is looked through.
const BLOCKS_PER_READ: usize = 4;

/// The octets of a message.
pub struct Body {
    octets: Octets,
    length: usize,
    header_end: Option<usize>,
}

enum Octets {
    /// From a place in a buffer on.
    Here(Vec<u8>, usize),
    There(Box<There>),
}

/// An object.
struct There {
    objects: Arc<dyn Objects>,
    account: AccountId,
    name: String,
    /// Of all octets.
    digest: Digest,
    /// The checksums of all blocks that were looked at.
    blocks: Vec<u64>,
    /// Of those octets; `None`: nothing was looked at, or all.
    looking: Option<Box<Hasher>>,
    is_checked: bool,
    /// The number of a block, and the block.
    held: Option<(usize, Vec<u8>)>,
    /// All octets, which were looked at.
    kept: Option<(Vec<u8>, Room)>,
}

/// Room for octets; dropped, it is given back.
pub(crate) struct Room {
    bytes: usize,
    taken: &'static AtomicUsize,
}

impl Room {
    /// Room among what is kept of all bodies.
    pub(crate) fn of_all(bytes: usize) -> Option<Self> {
        Self::take(bytes, &KEPT_BYTES, KEPT_BYTES_IN_ALL_MAX)
    }

    fn take(bytes: usize, taken: &'static AtomicUsize, bytes_max: usize) -> Option<Self> {
        let more = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= bytes_max);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self { bytes, taken })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Body {
    /// Octets that are here, and right.
    #[must_use]
    pub fn here(octets: Vec<u8>) -> Self {
        Self::end_of(octets, 0)
    }

    /// Octets that are here, and right, from `start` on.
    pub(crate) fn end_of(octets: Vec<u8>, start: usize) -> Self {
        Self { length: octets.len().saturating_sub(start), octets: Octets::Here(octets, start), header_end: None }
    }

    /// Octets of an object, not looked at yet.
    pub(crate) fn there(
        objects: Arc<dyn Objects>,
        account: AccountId,
        name: String,
        (digest, length): (Digest, usize),
    ) -> Self {
        let (blocks, looking, held, kept) = (Vec::new(), None, None, None);
        let there = There { objects, account, name, digest, blocks, looking, is_checked: false, held, kept };
        Self { length, octets: Octets::There(Box::new(there)), header_end: None }
    }

    /// How many octets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// All octets, of a body that is held whole, and was looked through where it must be.
    #[must_use]
    pub fn whole(&self) -> Option<&[u8]> {
        match &self.octets {
            Octets::Here(octets, start) => octets.get(*start..),
            Octets::There(there) => there.kept.as_ref().map(|(octets, _room)| octets.as_slice()),
        }
    }

    /// Octets that it holds in memory.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match &self.octets {
            Octets::Here(octets, _) => octets.len(),
            Octets::There(there) => {
                let held = there.held.as_ref().map_or(0, |held| held.1.len());
                size_of_val(there.blocks.as_slice()) + held + there.kept.as_ref().map_or(0, |kept| kept.0.len())
            }
        }
    }

    /// Octets that need not be looked through any more.
    #[must_use]
    pub fn checked_bytes(&self) -> usize {
        match &self.octets {
            Octets::Here(..) => self.length,
            Octets::There(there) if there.is_checked => self.length,
            Octets::There(there) => there.blocks.len() * BLOCK_BYTES,
        }
    }

    /// Looks through about `bytes_max` octets more of a body that must be looked through before it is read; whether that
    /// is done.
    ///
    /// # Errors
    /// Faults: what is damaged, above all.
    pub fn check(&mut self, bytes_max: usize) -> Result<bool, Error> {
        let length = self.length;
        let Octets::There(there) = &mut self.octets else { return Ok(true) };
        let mut looked_at = 0;
        while !there.is_checked && looked_at < bytes_max {
            looked_at += there.look_on(length)?;
        }
        Ok(there.is_checked)
    }

    /// Octets from the beginning of `range`, as many as are at hand, at least one; none where `range` is empty or begins
    /// past the end.
    ///
    /// # Errors
    /// Faults: what was right when the body was looked through may be damaged now.
    pub fn piece(&mut self, range: Range<usize>) -> Result<&[u8], Error> {
        let end = range.end.min(self.length);
        let start = range.start.min(end);
        match &mut self.octets {
            Octets::Here(octets, first) => Ok(octets.get(*first + start..*first + end).unwrap_or_default()),
            Octets::There(there) if start < end => {
                while !there.is_checked {
                    there.look_on(self.length)?;
                }
                there.block_from(start, end, self.length)
            }
            Octets::There(_) => Ok(&[]),
        }
    }

    /// Appends a part to `output`.
    ///
    /// # Errors
    /// As [`Body::piece`].
    pub fn copy(&mut self, range: Range<usize>, output: &mut Vec<u8>) -> Result<(), Error> {
        let mut at = range.start;
        loop {
            let piece = self.piece(at..range.end)?;
            if piece.is_empty() {
                return Ok(());
            }
            output.extend_from_slice(piece);
            at += piece.len();
        }
    }

    /// Where the header ends, with its empty line ([`message::header::end`]).
    ///
    /// # Errors
    /// As [`Body::piece`].
    pub fn header_end(&mut self) -> Result<usize, Error> {
        if let Some(end) = self.header_end {
            return Ok(end);
        }
        let (mut finder, mut at) = (EndFinder::default(), 0);
        let end = loop {
            let piece = self.piece(at..self.length)?;
            at += piece.len();
            match finder.feed(piece) {
                Some(end) => break end,
                None if piece.is_empty() => break self.length,
                None => {}
            }
        };
        self.header_end = Some(end);
        Ok(end)
    }

    /// What is left of a body that nobody reads just now: it need not be looked through again.
    #[must_use]
    pub fn at_rest(mut self) -> Option<Self> {
        match &mut self.octets {
            Octets::There(there) if there.is_checked => there.rest(),
            Octets::Here(..) | Octets::There(_) => return None,
        }
        Some(self)
    }

    /// Whether this is the object `name`.
    pub(crate) fn is_object(&self, name: &str, digest: &Digest) -> bool {
        matches!(&self.octets, Octets::There(there) if there.name == name && there.digest == *digest)
    }
}

impl There {
    /// Looks at the next blocks, or at all of them where they can be kept; how many octets they have.
    fn look_on(&mut self, length: usize) -> Result<usize, Error> {
        let start = self.blocks.len() * BLOCK_BYTES;
        let room = || Room::of_all(length);
        if let Some(room) = (start == 0 && length <= KEPT_BYTES_MAX).then(room).flatten() {
            let octets = self.objects.read_range(self.account, &self.name, 0..length)?;
            if !self.digest.is_of(&octets) {
                return Err(self.damaged());
            }
            (self.is_checked, self.kept) = (true, Some((octets, room)));
            return Ok(length);
        }
        let end = length.min(start + BLOCKS_PER_READ * BLOCK_BYTES);
        let octets = self.objects.read_range(self.account, &self.name, start..end)?;
        let mut looking = self.looking.take().unwrap_or_default();
        looking.update(&octets);
        self.blocks.extend(octets.chunks(BLOCK_BYTES).map(XxHash3_64::oneshot));
        if end < length {
            self.looking = Some(looking);
        } else if *looking.finalize().as_bytes() == self.digest.hash {
            self.is_checked = true;
        } else {
            self.blocks.clear();
            return Err(self.damaged());
        }
        Ok(octets.len())
    }

    /// Lets go of octets; they can be read again.
    fn rest(&mut self) {
        self.held = None;
        if let Some((octets, _room)) = self.kept.take() {
            self.blocks = octets.chunks(BLOCK_BYTES).map(XxHash3_64::oneshot).collect();
        }
    }

    fn block_from(&mut self, start: usize, end: usize, length: usize) -> Result<&[u8], Error> {
        if let Some((octets, _room)) = &self.kept {
            return Ok(octets.get(start..end).unwrap_or_default());
        }
        let number = start / BLOCK_BYTES;
        let begin = number * BLOCK_BYTES;
        if self.held.as_ref().is_none_or(|(held, _)| *held != number) {
            self.held = None;
            let octets = self.objects.read_range(self.account, &self.name, begin..length.min(begin + BLOCK_BYTES))?;
            if self.blocks.get(number) != Some(&XxHash3_64::oneshot(&octets)) {
                return Err(self.damaged());
            }
            self.held = Some((number, octets));
        }
        let block = self.held.as_ref().map_or(&[][..], |(_, block)| block);
        Ok(block.get(start - begin..block.len().min(end - begin)).unwrap_or_default())
    }

    fn damaged(&self) -> Error {
        Error::corrupt(format!("the body {} of account {}", self.name, self.account))(Corrupt)
    }
}

/// No octets.
impl Default for Body {
    fn default() -> Self {
        Self::here(Vec::new())
    }
}

/// Shows no mail.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SimObjects;

    const ACCOUNT: AccountId = AccountId(16);

    fn stored(length: usize) -> (SimObjects, Vec<u8>, Body) {
        let octets: Vec<u8> = (0..length).map(|n| (n * 7 / 3) as u8).collect();
        let objects = SimObjects::new();
        objects.put(ACCOUNT, "a", &octets).unwrap();
        let digest = Digest::of(&octets, *blake3::hash(&octets).as_bytes());
        let body = Body::there(Arc::new(objects.clone()), ACCOUNT, "a".to_owned(), (digest, length));
        (objects, octets, body)
    }

    #[test]
    fn the_blocks_make_the_hash_of_the_whole_at_every_length() {
        for blocks in 1..=9_usize {
            for length in [blocks * BLOCK_BYTES + 1, (blocks + 1) * BLOCK_BYTES, blocks * BLOCK_BYTES + 1_025] {
                let (_, octets, mut body) = stored(length);
                let mut copy = Vec::new();
                body.copy(0..usize::MAX, &mut copy).unwrap();
                assert!(copy == octets, "{length}");
            }
        }
    }

    #[test]
    fn any_range_is_what_was_stored() {
        let (_, octets, mut body) = stored(5 * BLOCK_BYTES + 99);
        for start in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 5 * BLOCK_BYTES + 98, octets.len(), octets.len() + 1] {
            for length in [0, 1, 2, BLOCK_BYTES, 2 * BLOCK_BYTES + 1] {
                let mut copy = Vec::new();
                body.copy(start..start + length, &mut copy).unwrap();
                let end = octets.len().min(start + length);
                assert!(copy == octets[start.min(end)..end], "{start} {length}");
            }
        }
    }

    #[test]
    fn a_large_body_holds_one_block() {
        let (_, _, mut body) = stored(64 * BLOCK_BYTES);
        body.copy(0..usize::MAX, &mut Vec::new()).unwrap();
        assert!(body.held_bytes() <= BLOCK_BYTES + 64 * 32, "{}", body.held_bytes());
        assert!(body.at_rest().unwrap().held_bytes() <= 64 * 32);
    }

    #[test]
    fn it_is_looked_through_in_slices_and_then_each_block_once_more() {
        let (objects, _, mut body) = stored(16 * BLOCK_BYTES);
        let mut slices = 1;
        while !body.check(BLOCK_BYTES).unwrap() {
            slices += 1;
        }
        assert_eq!(slices, 16 / BLOCKS_PER_READ);
        assert!(!body.piece(0..1).unwrap().is_empty());
        // In the middle, that is in block 8.
        assert!(objects.corrupt(ACCOUNT, "a"));
        assert!(!body.piece(7 * BLOCK_BYTES..8 * BLOCK_BYTES).unwrap().is_empty());
        assert!(matches!(body.piece(8 * BLOCK_BYTES..9 * BLOCK_BYTES), Err(Error::Damaged(_))));
        assert!(!body.piece(9 * BLOCK_BYTES..10 * BLOCK_BYTES).unwrap().is_empty());
    }

    #[test]
    fn a_body_that_is_not_very_large_was_read_twice() {
        let (objects, octets, mut body) = stored(KEPT_BYTES_MAX);
        assert!(body.check(1).unwrap() && body.checked_bytes() == octets.len());
        assert!(objects.corrupt(ACCOUNT, "a"));
        assert!(body.piece(1..octets.len()).unwrap() == &octets[1..], "it is at hand");
        // At rest it is not kept, and what is read then is looked at.
        let mut body = body.at_rest().unwrap();
        assert!(body.held_bytes() < 64);
        let mut copy = Vec::new();
        assert!(matches!(body.copy(0..octets.len(), &mut copy), Err(Error::Damaged(_))));
        let (objects, _, mut body) = stored(KEPT_BYTES_MAX);
        assert!(objects.corrupt(ACCOUNT, "a"));
        assert!(matches!(body.check(usize::MAX), Err(Error::Damaged(_))));
        let (_, _, mut body) = stored(KEPT_BYTES_MAX + 1);
        assert!(body.check(usize::MAX).unwrap() && body.held_bytes() < 64);
    }

    #[test]
    fn all_bodies_together_keep_no_more_than_there_is_room_for() {
        static TAKEN: AtomicUsize = AtomicUsize::new(0);
        let take = |bytes| Room::take(bytes, &TAKEN, 10);
        let (six, four) = (take(6).unwrap(), take(4).unwrap());
        assert!(take(1).is_none() && take(usize::MAX).is_none());
        drop(six);
        assert!(take(7).is_none() && take(6).is_some());
        drop(four);
        assert_eq!(TAKEN.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_damaged_body_gives_nothing() {
        let (objects, _, mut body) = stored(4 * BLOCK_BYTES);
        assert!(objects.corrupt(ACCOUNT, "a"));
        assert!(matches!(body.piece(0..1), Err(Error::Damaged(_))));
        let (objects, _, mut body) = stored(4 * BLOCK_BYTES);
        objects.remove(ACCOUNT, "a").unwrap();
        // It may have gone with its message, which the reader still sees.
        assert!(matches!(body.check(usize::MAX), Err(Error::Fault(_))));
    }

    #[test]
    fn a_header_ends_where_it_ends_in_memory() {
        for padding in [10, BLOCK_BYTES - 4, BLOCK_BYTES - 3, BLOCK_BYTES - 2, BLOCK_BYTES, 3 * BLOCK_BYTES] {
            let octets = [vec![b'x'; padding], b"\r\n\r\n".to_vec(), vec![b'y'; 4 * BLOCK_BYTES]].concat();
            let objects = SimObjects::new();
            objects.put(ACCOUNT, "a", &octets).unwrap();
            let record = (Digest::of(&octets, *blake3::hash(&octets).as_bytes()), octets.len());
            let mut body = Body::there(Arc::new(objects), ACCOUNT, "a".to_owned(), record);
            assert_eq!(body.header_end(), Ok(message::header::end(&octets)), "{padding}");
        }
    }
}
