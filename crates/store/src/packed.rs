//! A piece of a packed index, column by column: the UIDs of its messages, their sizes, flags, and so on.
//!
//! Most columns go on in equal steps (UIDs by one, the flags of mail that was read), and equal steps in a row are written once with how
//! many they are. So a piece is short, and is read in loops that do one thing each.

use crate::codec::{Corrupt, Reader, Writer};
use crate::flags::FlagBits;
use crate::ids::{EmailId, ModSeq, Timestamp, Uid};
use crate::index::Entry;

/// The version of such a piece; those before it had entry after entry.
pub(crate) const COLUMNS: u8 = 2;
/// Entries in a piece, which is a group of an index.
pub(crate) const PIECE_ENTRIES: usize = if cfg!(test) { 32 } else { 4096 };
/// So many equal steps are written as one.
const EQUAL_MIN: usize = 4;

const NOTHING: Entry = Entry {
    uid: Uid(0),
    size: 0,
    flags: FlagBits(0),
    modseq: ModSeq(0),
    email: EmailId(0),
    internal_date: Timestamp(0),
};

/// At most [`PIECE_ENTRIES`] entries.
pub(crate) fn write(entries: &[&Entry]) -> Vec<u8> {
    let mut w = Writer(vec![COLUMNS]);
    w.number(entries.len() as u64);
    let mut column = |of: &dyn Fn(&Entry, &Entry) -> u64| {
        let before = std::iter::once(&NOTHING).chain(entries.iter().copied());
        write_steps(&mut w, &before.zip(entries).map(|(before, entry)| of(before, entry)).collect::<Vec<u64>>());
    };
    column(&|before, entry| entry.uid.0.wrapping_sub(before.uid.0).into());
    column(&|_, entry| entry.size.into());
    column(&|_, entry| entry.flags.0);
    column(&|before, entry| folded(entry.modseq.0.wrapping_sub(before.modseq.0)));
    column(&|before, entry| folded(entry.email.0.wrapping_sub(before.email.0)));
    column(&|before, entry| folded(entry.internal_date.0.wrapping_sub(before.internal_date.0).cast_unsigned()));
    w.0
}

/// A piece whose octets were found to be what [`write`] wrote.
pub(crate) struct Packed {
    bytes: Box<[u8]>,
    /// How many entries it has, at least one.
    pub(crate) count: usize,
    pub(crate) first: Uid,
    /// UIDs ascend up to this one.
    pub(crate) last: Uid,
}

impl Packed {
    /// Goes through all octets, and keeps them as they are: for less than a tenth of the memory that their entries take.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Corrupt> {
        let (mut first, mut last, mut ascends, mut high) = (0, 0u32, true, 0);
        let count = columns(bytes, |_, column, number| match column {
            Column::Uid => {
                let next = u64::from(last) + number;
                ascends &= number > 0;
                high |= next | number;
                last = next as u32;
                first = if first == 0 { last } else { first };
            }
            Column::Size => high |= number,
            Column::Flags | Column::ModSeq | Column::Email | Column::Date => {}
        })?;
        if count == 0 || !ascends || high > u64::from(u32::MAX) {
            return Err(Corrupt);
        }
        Ok(Self { bytes: bytes.into(), count, first: Uid(first), last: Uid(last) })
    }

    /// Its entries.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = vec![NOTHING; self.count];
        let (mut uid, mut modseq, mut email, mut date) = (0u32, 0u64, 0u64, 0u64);
        // That it can be read was found out before.
        let _count = columns(&self.bytes, |at, column, number| {
            let Some(entry) = entries.get_mut(at) else { return };
            match column {
                Column::Uid => {
                    uid = uid.wrapping_add(number as u32);
                    entry.uid = Uid(uid);
                }
                Column::Size => entry.size = number as u32,
                Column::Flags => entry.flags = FlagBits(number),
                Column::ModSeq => {
                    modseq = modseq.wrapping_add(unfolded(number));
                    entry.modseq = ModSeq(modseq);
                }
                Column::Email => {
                    email = email.wrapping_add(unfolded(number));
                    entry.email = EmailId(email);
                }
                Column::Date => {
                    date = date.wrapping_add(unfolded(number));
                    entry.internal_date = Timestamp(date.cast_signed());
                }
            }
        });
        entries
    }
}

#[derive(Clone, Copy)]
enum Column {
    Uid,
    Size,
    Flags,
    ModSeq,
    Email,
    Date,
}

/// Gives the numbers of each column, with the position of their entry; how many entries there are.
#[inline]
fn columns(bytes: &[u8], mut take: impl FnMut(usize, Column, u64)) -> Result<usize, Corrupt> {
    let mut r = Reader(bytes);
    if r.byte()? != COLUMNS {
        return Err(Corrupt);
    }
    let count = usize::try_from(r.number()?).ok().filter(|count| *count <= PIECE_ENTRIES).ok_or(Corrupt)?;
    for column in [Column::Uid, Column::Size, Column::Flags, Column::ModSeq, Column::Email, Column::Date] {
        read_steps(&mut r, count, |at, number| take(at, column, number))?;
    }
    r.end().map(|()| count)
}

/// How many equal numbers and the number, or how many different ones and these.
fn write_steps(w: &mut Writer, mut steps: &[u64]) {
    let equal = |steps: &[u64]| steps.iter().take_while(|step| Some(*step) == steps.first()).count();
    while let Some(first) = steps.first() {
        let mut count = equal(steps);
        if count >= EQUAL_MIN {
            w.number((count as u64) << 1).number(*first);
        } else {
            while count < steps.len() {
                match equal(steps.get(count..).unwrap_or_default()) {
                    EQUAL_MIN.. => break,
                    few => count += few,
                }
            }
            w.number((count as u64) << 1 | 1);
            steps.iter().take(count).for_each(|step| {
                w.number(*step);
            });
        }
        steps = steps.get(count..).unwrap_or_default();
    }
}

#[inline]
fn read_steps(r: &mut Reader<'_>, count: usize, mut take: impl FnMut(usize, u64)) -> Result<(), Corrupt> {
    let mut at = 0;
    while at < count {
        let head = r.number()?;
        let end = usize::try_from(head >> 1).ok().and_then(|some| at.checked_add(some));
        let end = end.filter(|end| at < *end && *end <= count).ok_or(Corrupt)?;
        if head & 1 == 0 {
            let step = r.number()?;
            (at..end).for_each(|at| take(at, step));
        } else {
            for at in at..end {
                take(at, r.number()?);
            }
        }
        at = end;
    }
    Ok(())
}

/// Small for numbers near 0 of either sign.
fn folded(step: u64) -> u64 {
    (step << 1) ^ (step.cast_signed() >> 63).cast_unsigned()
}

fn unfolded(step: u64) -> u64 {
    (step >> 1) ^ (step & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let few = || prop_oneof![4 => Just(1u64), 2 => 0..3u64, 1 => any::<u64>()];
        let entry = (1..9u64, few(), few(), few(), few(), few());
        let at_once = (entry, 1..9usize).prop_map(|(entry, count)| vec![entry; count]);
        prop::collection::vec(at_once, 1..9).prop_map(|stretches| {
            let mut last = NOTHING;
            let next = |(uid, size, flags, modseq, email, date): (u64, u64, u64, u64, u64, u64)| {
                last = Entry {
                    uid: Uid(last.uid.0.wrapping_add(uid as u32)),
                    size: size as u32,
                    flags: FlagBits(flags),
                    modseq: ModSeq(last.modseq.0.wrapping_add(modseq)),
                    email: EmailId(last.email.0.wrapping_sub(email)),
                    internal_date: Timestamp(last.internal_date.0.wrapping_add(date as i64)),
                };
                last
            };
            stretches.concat().into_iter().take(PIECE_ENTRIES).map(next).collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(entries in entries()) {
            let bytes = write(&entries.iter().collect::<Vec<_>>());
            let piece = Packed::read(&bytes).ok().unwrap();
            let ends = (entries.first().unwrap().uid, entries.last().unwrap().uid);
            prop_assert_eq!((piece.count, piece.first, piece.last), (entries.len(), ends.0, ends.1));
            prop_assert_eq!(piece.entries(), entries);
            for cut in 0..bytes.len() {
                prop_assert!(Packed::read(&bytes[..cut]).is_err());
            }
        }

        #[test]
        fn what_was_taken_has_entries_that_ascend_whatever_its_octets_are(
            bytes in prop::collection::vec(prop_oneof![0..9u8, any::<u8>()], 0..60),
        ) {
            if let Ok(piece) = Packed::read(&[&[COLUMNS][..], &bytes].concat()) {
                let entries = piece.entries();
                prop_assert_eq!(entries.len(), piece.count);
                prop_assert!(entries.windows(2).all(|two| two[0].uid < two[1].uid));
                prop_assert_eq!((entries[0].uid, entries[piece.count - 1].uid), (piece.first, piece.last));
            }
        }
    }

    #[test]
    fn mail_that_came_one_after_the_other_takes_three_octets_each() {
        let entries: Vec<Entry> = (0..4096)
            .map(|n| Entry { uid: Uid(n + 1), size: 1000 + n * 7 % 900, modseq: ModSeq(n.into()), ..NOTHING })
            .collect();
        let length = write(&entries.iter().collect::<Vec<_>>()).len();
        assert!(length < 3 * 4096, "{length}");
    }

    #[test]
    fn a_piece_of_more_entries_than_one_has_is_damaged() {
        let many = |count: usize| {
            let mut w = Writer(vec![COLUMNS]);
            w.number(count as u64);
            (0..6).for_each(|_| {
                w.number((count as u64) << 1).number(1);
            });
            Packed::read(&w.0).map(|piece| piece.count)
        };
        assert_eq!([many(PIECE_ENTRIES), many(PIECE_ENTRIES + 1)], [Ok(PIECE_ENTRIES), Err(Corrupt)]);
    }
}
