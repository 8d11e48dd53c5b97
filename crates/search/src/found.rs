//! What a search is to find, and what it found.

use crate::numbers::Numbers;
use std::ops::Range;
use store::{Entry, Index, ModSeq, Uid};

/// How much of what matches has to be found. Who needs the first or the last only waits for no other message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Everything,
    /// The first.
    First,
    /// The last.
    Last,
    /// The first; then, from the other end, the last.
    FirstAndLast,
}

/// The messages that still have to be looked at.
#[derive(Debug)]
pub(crate) struct Hunt {
    remaining: Range<usize>,
    wanted: Wanted,
}

impl Hunt {
    pub(crate) fn new(wanted: Wanted, messages: usize) -> Self {
        Self { remaining: 0..messages, wanted }
    }

    /// Where the rest is.
    pub(crate) fn remaining(&self) -> Range<usize> {
        self.remaining.clone()
    }

    /// Whether the next one is the one in front.
    pub(crate) fn is_backwards(&self) -> bool {
        self.wanted == Wanted::Last
    }

    /// So many of those that are next do not match.
    pub(crate) fn pass_over(&mut self, count: usize) {
        self.remaining.start = self.remaining.start.saturating_add(count).min(self.remaining.end);
    }

    /// The position to look at next.
    pub(crate) fn next(&mut self) -> Option<usize> {
        match self.wanted {
            Wanted::Everything | Wanted::First | Wanted::FirstAndLast => self.remaining.next(),
            Wanted::Last => self.remaining.next_back(),
        }
    }

    /// The last position given matches.
    pub(crate) fn found(&mut self) {
        match self.wanted {
            Wanted::Everything => {}
            Wanted::FirstAndLast => self.wanted = Wanted::Last,
            Wanted::First | Wanted::Last => self.remaining = 0..0,
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Message numbers: positions in the index, from 1.
    pub numbers: Numbers,
    /// How many.
    pub count: u32,
    /// The highest mod-sequence among them (RFC 7162 §3.1.10).
    pub modseq: Option<ModSeq>,
}

impl Found {
    /// `number` is above all before.
    pub(crate) fn add(&mut self, number: u32, entry: &Entry) {
        self.numbers.push(number);
        self.count += 1;
        self.modseq = self.modseq.max(Some(entry.modseq));
    }

    /// Their UIDs, ascending; `index` is the one that was looked through.
    pub fn uids(&self, index: &Index) -> impl Iterator<Item = Uid> {
        self.numbers.ranges().iter().flat_map(|range| {
            let positions = (*range.start() as usize).saturating_sub(1)..*range.end() as usize;
            index.positions(positions).map(|(_, entry)| entry.uid)
        })
    }
}
