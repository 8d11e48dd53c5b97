//! What a SEARCH is to find, and how what it found is told: SEARCH, SORT or ESEARCH, and `$`.

use crate::enabled::Enabled;
use imap_proto::command::SearchReturn;
use imap_proto::response::{Esearch, ThreadMark};
use imap_proto::{Encoder, Numbering, SequenceSet, Tag};
use search::{Found, Mark, Threads, Wanted};
use store::{Index, Uid};

/// RFC 9051 §6.4.4.1: SAVE keeps all that is found, or, next to MIN and MAX alone, only those.
pub(super) fn wanted(returns: Option<SearchReturn>) -> Wanted {
    match returns {
        Some(SearchReturn { all: false, count: false, min, max, save: _ }) => match (min, max) {
            (true, true) => Wanted::FirstAndLast,
            (true, false) => Wanted::First,
            (false, true) => Wanted::Last,
            (false, false) => Wanted::Everything,
        },
        Some(_) | None => Wanted::Everything,
    }
}

/// How the answer looks.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) tag: Tag,
    pub(super) numbering: Numbering,
    pub(super) returns: Option<SearchReturn>,
    pub(super) enabled: Enabled,
    /// Whether MODSEQ was a key.
    pub(super) asks_modseq: bool,
}

impl Answer {
    /// Whether the result is kept as `$`.
    pub(super) fn saves(&self) -> bool {
        self.returns.is_some_and(|returns| returns.save)
    }

    pub(super) fn write(&self, found: &Found, index: &Index, output: &mut Vec<u8>) {
        let modseq = found.modseq.filter(|_| self.asks_modseq).map(|modseq| modseq.0);
        let mut encoder = Encoder::new(output, self.enabled.dialect());
        match self.returns {
            // RFC 9051 §6.4.4: IMAP4rev2 has no SEARCH response.
            None if !self.enabled.rev2 => match self.numbering {
                Numbering::Sequence => encoder.search(found.numbers.iter(), modseq),
                Numbering::Uid => encoder.search(found.uids(index).map(|uid| uid.0), modseq),
            },
            None => self.write_extended(SearchReturn { all: true, ..SearchReturn::default() }, found, index, output),
            // RFC 9051 §6.4.4: SAVE alone suppresses the response.
            Some(SearchReturn { min: false, max: false, all: false, count: false, save: _ }) => {}
            Some(returns) => self.write_extended(returns, found, index, output),
        }
    }

    /// The same for message numbers that were put in order (RFC 5256 §4, RFC 5267 §3.1).
    pub(super) fn write_sorted(&self, sorted: &[u32], index: &Index, output: &mut Vec<u8>) {
        let one = |number: u32| match self.numbering {
            Numbering::Sequence => Some(number),
            Numbering::Uid => uid(number, index).map(|uid| uid.0),
        };
        let entries = self.kept(sorted).filter_map(|number| index.get((number as usize).checked_sub(1)?));
        let modseq = entries.map(|entry| entry.modseq.0).max().filter(|_| self.asks_modseq);
        let numbers = sorted.iter().filter_map(|number| one(*number));
        let mut encoder = Encoder::new(output, self.enabled.dialect());
        let returns = match self.returns {
            None => return encoder.sort(numbers, modseq),
            Some(SearchReturn { min: false, max: false, all: false, count: false, save: _ }) => return,
            Some(returns) => returns,
        };
        let all = returns.all.then(|| SequenceSet::from_sorted(numbers));
        encoder.esearch(&Esearch {
            tag: &self.tag,
            numbering: self.numbering,
            min: sorted.first().and_then(|number| one(*number)).filter(|_| returns.min),
            max: sorted.last().and_then(|number| one(*number)).filter(|_| returns.max),
            all: all.as_ref(),
            count: returns.count.then(|| u32::try_from(sorted.len()).unwrap_or(u32::MAX)),
            modseq,
        });
    }

    /// Of what was put in order what is kept as `$`, and has the mod-sequence that is told: next to MIN and MAX alone only
    /// those (RFC 9051 §6.4.4.1, RFC 7162 §3.1.10).
    pub(super) fn kept<'s>(&self, sorted: &'s [u32]) -> impl Iterator<Item = u32> + use<'s> {
        let (all, ends) = match (wanted(self.returns), sorted) {
            (Wanted::First, [first, ..]) => (&[][..], [Some(*first), None]),
            (Wanted::Last, [.., last]) => (&[][..], [None, Some(*last)]),
            (Wanted::FirstAndLast, [first, .., last]) => (&[][..], [Some(*first), Some(*last)]),
            _ => (sorted, [None, None]),
        };
        all.iter().copied().chain(ends.into_iter().flatten())
    }

    /// RFC 5256 §4
    pub(super) fn write_threads(&self, threads: &Threads, index: &Index, output: &mut Vec<u8>) {
        let marks = threads.marks().map(|mark| match mark {
            Mark::Open => ThreadMark::Open,
            Mark::Close => ThreadMark::Close,
            Mark::Message(number) => ThreadMark::Message(match self.numbering {
                Numbering::Sequence => number,
                Numbering::Uid => uid(number, index).map_or(0, |uid| uid.0),
            }),
        });
        Encoder::new(output, self.enabled.dialect()).thread(marks);
    }

    fn write_extended(&self, returns: SearchReturn, found: &Found, index: &Index, output: &mut Vec<u8>) {
        let all = match self.numbering {
            Numbering::Sequence => SequenceSet::from_ranges(found.numbers.ranges().iter().cloned()),
            Numbering::Uid => SequenceSet::from_sorted(found.uids(index).map(|uid| uid.0)),
        };
        let one = |number: Option<u32>| match self.numbering {
            Numbering::Sequence => number,
            Numbering::Uid => uid(number?, index).map(|uid| uid.0),
        };
        let ranges = found.numbers.ranges();
        let answer = Esearch {
            tag: &self.tag,
            numbering: self.numbering,
            min: one(ranges.first().map(|range| *range.start())).filter(|_| returns.min),
            max: one(ranges.last().map(|range| *range.end())).filter(|_| returns.max),
            all: returns.all.then_some(&all),
            count: returns.count.then_some(found.count),
            modseq: found.modseq.filter(|_| self.asks_modseq).map(|modseq| modseq.0),
        };
        Encoder::new(output, self.enabled.dialect()).esearch(&answer);
    }
}

/// The UID of a message number.
pub(super) fn uid(number: u32, index: &Index) -> Option<Uid> {
    index.get((number as usize).checked_sub(1)?).map(|entry| entry.uid)
}
