//! What a SEARCH is to find, what it found, and how that is told: SEARCH or ESEARCH, and `$`.

use crate::enabled::Enabled;
use crate::numbers::Numbers;
use imap_proto::command::SearchReturn;
use imap_proto::response::Esearch;
use imap_proto::{Encoder, Numbering, SequenceSet, Tag};
use std::ops::Range;
use store::{Entry, Index, ModSeq, Uid};

/// How much of what matches has to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Everything,
    First,
    Last,
    /// The first; then, from the other end, the last.
    FirstAndLast,
}

/// The messages that still have to be looked at. Who asks for MIN or MAX only waits for no other message.
#[derive(Debug)]
pub(super) struct Hunt {
    remaining: Range<usize>,
    goal: Goal,
}

impl Hunt {
    pub(super) fn new(returns: Option<SearchReturn>, messages: usize) -> Self {
        Self { remaining: 0..messages, goal: Goal::of(returns) }
    }

    /// The position to look at next.
    pub(super) fn next(&mut self) -> Option<usize> {
        match self.goal {
            Goal::Everything | Goal::First | Goal::FirstAndLast => self.remaining.next(),
            Goal::Last => self.remaining.next_back(),
        }
    }

    /// The last position given matches.
    pub(super) fn found(&mut self) {
        match self.goal {
            Goal::Everything => {}
            Goal::FirstAndLast => self.goal = Goal::Last,
            Goal::First | Goal::Last => self.remaining = 0..0,
        }
    }
}

impl Goal {
    /// RFC 9051 §6.4.4.1: SAVE keeps all that is found, or, next to MIN and MAX alone, only those.
    fn of(returns: Option<SearchReturn>) -> Self {
        match returns {
            Some(SearchReturn { all: false, count: false, min, max, save: _ }) => match (min, max) {
                (true, true) => Self::FirstAndLast,
                (true, false) => Self::First,
                (false, true) => Self::Last,
                (false, false) => Self::Everything,
            },
            Some(_) | None => Self::Everything,
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Message numbers.
    numbers: Numbers,
    count: u32,
    /// RFC 7162 §3.1.10: the highest mod-sequence among them.
    modseq: Option<ModSeq>,
}

impl Found {
    /// `number` is above all before.
    pub(super) fn add(&mut self, number: u32, entry: &Entry) {
        self.numbers.push(number);
        self.count += 1;
        self.modseq = self.modseq.max(Some(entry.modseq));
    }

    /// Their UIDs, ascending.
    pub(super) fn uids(&self, index: &Index) -> impl Iterator<Item = Uid> {
        self.numbers.ranges().iter().flat_map(|range| {
            let positions = (*range.start() as usize).saturating_sub(1)..*range.end() as usize;
            index.positions(positions).map(|(_, entry)| entry.uid)
        })
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

    fn write_extended(&self, returns: SearchReturn, found: &Found, index: &Index, output: &mut Vec<u8>) {
        let all = match self.numbering {
            Numbering::Sequence => found.numbers.to_set(),
            Numbering::Uid => SequenceSet::from_sorted(found.uids(index).map(|uid| uid.0)),
        };
        let one = |number: Option<u32>| match self.numbering {
            Numbering::Sequence => number,
            Numbering::Uid => index.get((number? as usize).checked_sub(1)?).map(|entry| entry.uid.0),
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
