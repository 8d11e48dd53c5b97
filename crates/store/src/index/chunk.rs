//! The entries of a chunk: as values, or packed until somebody looks at them.
//!
//! Whoever opens a mailbox looks at few of its messages, as a rule. So what is read of a packed index stays as it is, and a
//! chunk becomes values, 40 octets for each message, when one of its entries is wanted.
//!
//! A packed chunk is six columns. A column of numbers is the form of its numbers (so many bits each, and whether they go up by one
//! from entry to entry), a base, and the bits of how far each number lies above it. Flags are the numbers of those that occur. So
//! entries that came together, whose UIDs, modseqs and EMAILIDs go up in step, take a few octets for all of them, and each entry is
//! found without those before it. All is little-endian.
//!
//! Invariant: unpacking is total. What [`PackedChunk::read`] takes has as many octets as its forms say.

use super::{CHUNK_ENTRIES_MAX, Entry};
use crate::codec::{Corrupt, Reader};
use crate::flags::FlagBits;
use crate::ids::{EmailId, ModSeq, Timestamp, Uid};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// Numbers of up to so many bits are read with one load; longer ones take 64 bits.
const WIDTH_MAX: u32 = 56;
/// In a form: the numbers go up by one from entry to entry, and what is left of them is told.
const STEPS: u8 = 0x80;
/// Of the form of a column of numbers and its base.
const HEADER_BYTES: usize = 9;
/// Behind the last chunk of a sheet lie so many octets that say nothing: a number is read with those behind it.
pub(super) const PADDING: [u8; 8] = [0; 8];

/// Of a chunk. To be changed with [`Self::own`] and [`Self::push`].
pub(super) struct Entries {
    values: OnceLock<Vec<Entry>>,
    /// What `values` are made of.
    packed: Option<PackedChunk>,
}

/// A chunk within the octets of several.
#[derive(Clone, Debug)]
pub(super) struct PackedChunk {
    sheet: Arc<[u8]>,
    start: usize,
    length: usize,
    count: usize,
}

impl From<Vec<Entry>> for Entries {
    fn from(values: Vec<Entry>) -> Self {
        Self { values: OnceLock::from(values), packed: None }
    }
}

impl From<PackedChunk> for Entries {
    fn from(packed: PackedChunk) -> Self {
        Self { values: OnceLock::new(), packed: Some(packed) }
    }
}

impl Deref for Entries {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        self.values.get_or_init(|| self.packed.as_ref().map(PackedChunk::unpack).unwrap_or_default())
    }
}

impl Clone for Entries {
    fn clone(&self) -> Self {
        Self::from(self.to_vec())
    }
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Entries {
    /// How many there are. Does not unpack them.
    pub(super) fn len(&self) -> usize {
        self.packed.as_ref().map_or_else(|| self.values.get().map_or(0, Vec::len), |packed| packed.count)
    }

    #[cfg(test)]
    pub(super) fn is_unpacked(&self) -> bool {
        self.values.get().is_some()
    }

    /// To be changed, by nobody else: copied where they are shared.
    pub(super) fn own(this: &mut Arc<Self>) -> &mut [Entry] {
        let own = Arc::make_mut(this);
        if own.packed.is_some() {
            *own = own.clone();
        }
        own.values.get_mut().map(Vec::as_mut_slice).unwrap_or_default()
    }

    /// Adds one. A shared chunk is copied with room to grow, but never for more than a chunk holds.
    pub(super) fn push(this: &mut Arc<Self>, entry: Entry) {
        let own = Arc::get_mut(this).filter(|own| own.packed.is_none()).and_then(|own| own.values.get_mut());
        match own {
            Some(own) if own.len() < own.capacity() => own.push(entry),
            Some(_) | None => {
                let room = (this.len() + 1).next_power_of_two().min(CHUNK_ENTRIES_MAX);
                let mut copy = Vec::with_capacity(room);
                copy.extend_from_slice(this);
                copy.push(entry);
                *this = Arc::new(Self::from(copy));
            }
        }
    }

    /// Appends them, packed: as they are where they were not changed since they were read.
    pub(super) fn pack(&self, sheet: &mut Vec<u8>) {
        match &self.packed {
            Some(packed) => sheet.extend_from_slice(packed.octets()),
            None => pack(self, sheet),
        }
    }
}

impl PackedChunk {
    /// A chunk of `count` entries in a sheet.
    pub(super) fn read(sheet: &Arc<[u8]>, start: usize, length: usize, count: usize) -> Result<Self, Corrupt> {
        let packed = Self { sheet: Arc::clone(sheet), start, length, count };
        let end = start.checked_add(length).and_then(|end| end.checked_add(PADDING.len())).ok_or(Corrupt)?;
        let is_within = end <= sheet.len() && (1..=CHUNK_ENTRIES_MAX).contains(&count);
        let mut r = Reader(packed.octets());
        for _ in 0..5 {
            let [form, ..] = r.array::<HEADER_BYTES>()?;
            r.take(column_bytes(width(form), count))?;
        }
        let kinds = usize::from(r.byte()?) + 1;
        r.take(8 * kinds)?;
        let form = r.byte()?;
        r.take(column_bytes(width(form), count))?;
        r.end()?;
        if is_within { Ok(packed) } else { Err(Corrupt) }
    }

    fn octets(&self) -> &[u8] {
        self.sheet.get(self.start..self.start + self.length).unwrap_or_default()
    }

    fn unpack(&self) -> Vec<Entry> {
        let nothing = Entry {
            uid: Uid(0),
            size: 0,
            flags: FlagBits(0),
            modseq: ModSeq(0),
            email: EmailId(0),
            internal_date: Timestamp(0),
        };
        let mut entries = vec![nothing; self.count];
        let mut at = self.start;
        self.column(&mut at, &mut entries, |entry, value| entry.uid = Uid(value as u32));
        self.column(&mut at, &mut entries, |entry, value| entry.size = value as u32);
        self.column(&mut at, &mut entries, |entry, value| entry.modseq = ModSeq(value));
        self.column(&mut at, &mut entries, |entry, value| entry.email = EmailId(value));
        self.column(&mut at, &mut entries, |entry, value| entry.internal_date = Timestamp(value as i64));
        let kinds = usize::from(self.octet(at)) + 1;
        let kind = |number: u64| self.eight(at + 1 + 8 * (number as usize).min(kinds - 1));
        let bits = at + 1 + 8 * kinds;
        self.bits(bits + 1, width(self.octet(bits)), &mut entries, |entry, _, number| {
            entry.flags = FlagBits(kind(number))
        });
        entries
    }

    /// Reads the column of numbers at `at`, and goes behind it.
    fn column(&self, at: &mut usize, entries: &mut [Entry], set: impl Fn(&mut Entry, u64)) {
        let (form, base) = (self.octet(*at), self.eight(*at + 1));
        let bits = *at + HEADER_BYTES;
        *at = bits + column_bytes(width(form), entries.len());
        let step = u64::from(form & STEPS != 0);
        self.bits(bits, width(form), entries, |entry, place, above| {
            set(entry, base.wrapping_add(above).wrapping_add(place * step));
        });
    }

    /// Reads so many bits for each entry, and tells them with its place.
    fn bits(&self, start: usize, width: u32, entries: &mut [Entry], set: impl Fn(&mut Entry, u64, u64)) {
        let each = entries.iter_mut().zip(0u64..);
        let octets = self.sheet.get(start..).unwrap_or_default();
        let eight = |at: u64| {
            octets.get(at as usize..).and_then(<[u8]>::first_chunk).map_or(0, |eight| u64::from_le_bytes(*eight))
        };
        match width {
            0 => each.for_each(|(entry, place)| set(entry, place, 0)),
            64 => each.for_each(|(entry, place)| set(entry, place, eight(8 * place))),
            _ => {
                let (width, mask) = (u64::from(width), (1 << width) - 1);
                each.for_each(|(entry, place)| {
                    let bit = place * width;
                    set(entry, place, (eight(bit / 8) >> (bit % 8)) & mask);
                });
            }
        }
    }

    fn octet(&self, at: usize) -> u8 {
        self.sheet.get(at).copied().unwrap_or_default()
    }

    fn eight(&self, at: usize) -> u64 {
        self.sheet.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u64::from_le_bytes)
    }
}

/// How many bits each number has, by the form of its column.
fn width(form: u8) -> u32 {
    match u32::from(form & !STEPS) {
        narrow @ ..=WIDTH_MAX => narrow,
        _ => 64,
    }
}

fn column_bytes(width: u32, count: usize) -> usize {
    (width as usize * count).div_ceil(8)
}

fn pack(entries: &[Entry], sheet: &mut Vec<u8>) {
    pack_column(sheet, entries.iter().map(|entry| entry.uid.0.into()));
    pack_column(sheet, entries.iter().map(|entry| entry.size.into()));
    pack_column(sheet, entries.iter().map(|entry| entry.modseq.0));
    pack_column(sheet, entries.iter().map(|entry| entry.email.0));
    pack_column(sheet, entries.iter().map(|entry| entry.internal_date.0 as u64));
    let mut kinds: Vec<u64> = entries.iter().map(|entry| entry.flags.0).collect();
    kinds.sort_unstable();
    kinds.dedup();
    sheet.push(kinds.len().saturating_sub(1) as u8);
    kinds.iter().for_each(|kind| sheet.extend_from_slice(&kind.to_le_bytes()));
    let width = bits_of(kinds.len().saturating_sub(1) as u64);
    sheet.push(width as u8);
    pack_bits(sheet, width, entries.iter().map(|entry| kinds.partition_point(|kind| *kind < entry.flags.0) as u64));
}

fn pack_column(sheet: &mut Vec<u8>, values: impl Iterator<Item = u64> + Clone) {
    // Dates may lie before 1970: the least is meant as a signed number.
    let bounds = |step: u64| {
        let without = values.clone().zip(0u64..).map(move |(value, at)| value.wrapping_sub(at * step));
        let least = without.clone().min_by_key(|value| *value as i64).unwrap_or_default();
        let most = without.clone().map(|value| value.wrapping_sub(least)).max().unwrap_or_default();
        (bits_of(most), least)
    };
    let ((level, least), (stepping, least_stepping)) = (bounds(0), bounds(1));
    let (step, width, base) = if stepping < level { (1, stepping, least_stepping) } else { (0, level, least) };
    sheet.push(width as u8 | if step == 1 { STEPS } else { 0 });
    sheet.extend_from_slice(&base.to_le_bytes());
    pack_bits(sheet, width, values.zip(0u64..).map(|(value, at)| value.wrapping_sub(at * step).wrapping_sub(base)));
}

/// So many bits hold a number.
fn bits_of(number: u64) -> u32 {
    match u64::BITS - number.leading_zeros() {
        narrow @ ..=WIDTH_MAX => narrow,
        _ => 64,
    }
}

fn pack_bits(sheet: &mut Vec<u8>, width: u32, values: impl Iterator<Item = u64>) {
    let (mut held, mut bits) = (0u128, 0);
    for value in values {
        held |= u128::from(value) << bits;
        bits += width;
        while bits >= 8 {
            sheet.push(held as u8);
            held >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        sheet.push(held as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let number = prop_oneof![Just(0), 0..100u64, any::<u64>(), any::<u64>().prop_map(|n| n >> 7)];
        let one = (1..50u32, any::<u32>(), number.clone(), number.clone(), number.clone(), number);
        prop::collection::vec(one, 1..=CHUNK_ENTRIES_MAX).prop_map(|all| {
            let mut uid = 0;
            let entry = |(gap, size, flags, modseq, email, date): (u32, u32, u64, u64, u64, u64)| {
                uid += gap;
                let (flags, modseq, email) = (FlagBits(flags), ModSeq(modseq), EmailId(email));
                Entry { uid: Uid(uid), size, flags, modseq, email, internal_date: Timestamp(date as i64) }
            };
            all.into_iter().map(entry).collect()
        })
    }

    fn packed(entries: &[Entry]) -> Arc<[u8]> {
        let mut sheet = Vec::new();
        pack(entries, &mut sheet);
        sheet.extend_from_slice(&PADDING);
        sheet.into()
    }

    proptest! {
        #[test]
        fn entries_are_read_as_they_were_packed(entries in entries()) {
            let sheet = packed(&entries);
            let length = sheet.len() - PADDING.len();
            let read = Entries::from(PackedChunk::read(&sheet, 0, length, entries.len()).unwrap());
            prop_assert!(!read.is_unpacked() && read.len() == entries.len() && !read.is_unpacked());
            prop_assert_eq!(&*read, &entries[..]);
            let mut again = Vec::new();
            read.pack(&mut again);
            prop_assert_eq!(&again[..], &sheet[..length]);
            for (length, count) in [(length - 1, entries.len()), (length + 1, entries.len()), (length, 0), (length, 9)] {
                prop_assert!(PackedChunk::read(&sheet, 0, length, count).is_err());
            }
        }

        #[test]
        fn any_octets_are_refused_or_read(mut octets: Vec<u8>, entries in entries(), at: usize, with: u8) {
            let mut changed = packed(&entries).to_vec();
            let at = at % changed.len();
            changed[at] = with;
            octets.extend_from_slice(&PADDING);
            for sheet in [octets, changed] {
                let (sheet, length): (Arc<[u8]>, usize) = (sheet.clone().into(), sheet.len() - PADDING.len());
                if let Ok(read) = PackedChunk::read(&sheet, 0, length, entries.len()) {
                    prop_assert_eq!(read.unpack().len(), entries.len());
                }
            }
        }
    }

    #[test]
    fn what_came_together_takes_a_few_octets_for_all_of_it() {
        let entry = |n: u32| Entry {
            uid: Uid(n),
            size: 1000 + n % 3,
            flags: FlagBits(1),
            modseq: ModSeq(7),
            email: EmailId((n + 5).into()),
            internal_date: Timestamp(-5),
        };
        let entries: Vec<Entry> = (1..=CHUNK_ENTRIES_MAX as u32).map(entry).collect();
        assert_eq!(packed(&entries).len(), 5 * HEADER_BYTES + CHUNK_ENTRIES_MAX * 2 / 8 + 10 + PADDING.len());
    }
}
