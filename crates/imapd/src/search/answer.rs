//! What a SEARCH is to find, and how what it found is told: SEARCH, SORT or ESEARCH, and `$`.

use super::place::Whose;
use crate::enabled::Enabled;
use imap_proto::command::SearchReturn;
use imap_proto::response::{Esearch, ThreadMark};
use imap_proto::{Encoder, MailboxName, Numbering, SequenceSet, Tag};
use search::{Found, Mark, Relevancy, Threads, Wanted};
use std::borrow::Cow;
use store::{Index, Uid};

/// RFC 9051 §6.4.4.1: SAVE keeps all that is found, or, next to MIN and MAX alone, only those.
pub(super) fn wanted(returns: Option<SearchReturn>) -> Wanted {
    match returns {
        Some(SearchReturn {
            all: false,
            count: false,
            partial: None,
            relevancy: false,
            update: false,
            min,
            max,
            save: _,
        }) => match (min, max) {
            (true, true) => Wanted::FirstAndLast,
            (true, false) => Wanted::First,
            (false, true) => Wanted::Last,
            (false, false) => Wanted::Everything,
        },
        Some(_) | None => Wanted::Everything,
    }
}

/// RFC 9051 §6.4.4: SAVE alone suppresses the response.
fn is_silent(returns: SearchReturn) -> bool {
    SearchReturn { update: false, ..returns } == SearchReturn { save: true, ..SearchReturn::default() }
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
    /// Where there may be several.
    pub(super) whose: Option<Whose>,
}

impl Answer {
    /// Whether the result is kept as `$`.
    pub(super) fn saves(&self) -> bool {
        self.returns.is_some_and(|returns| returns.save)
    }

    fn mailbox(&self) -> Option<(&MailboxName, u32)> {
        self.whose.as_ref().map(|whose| (&whose.name, whose.uidvalidity))
    }

    pub(super) fn write(&self, (found, relevancy): (&Found, &Relevancy), index: &Index, output: &mut Vec<u8>) {
        // What is on a page is found as what is in an order.
        if self.returns.is_some_and(|returns| returns.partial.is_some() || returns.relevancy) {
            return self.write_sorted((&found.numbers.iter().collect::<Vec<u32>>(), relevancy), index, output);
        }
        let modseq = found.modseq.filter(|_| self.asks_modseq).map(|modseq| modseq.0);
        let mut encoder = Encoder::new(output, self.enabled.dialect());
        match self.returns {
            // RFC 9051 §6.4.4: IMAP4rev2 has no SEARCH response.
            None if !self.enabled.rev2 => match self.numbering {
                Numbering::Sequence => encoder.search(found.numbers.iter(), modseq),
                Numbering::Uid => encoder.search(found.uids(index).map(|uid| uid.0), modseq),
            },
            None => self.write_extended(SearchReturn { all: true, ..SearchReturn::default() }, found, index, output),
            Some(returns) if is_silent(returns) => {}
            Some(returns) => self.write_extended(returns, found, index, output),
        }
    }

    /// The same for message numbers that were put in order (RFC 5256 §4, RFC 5267 §3.1), or of which a page is told.
    pub(super) fn write_sorted(&self, (sorted, relevancy): (&[u32], &Relevancy), index: &Index, output: &mut Vec<u8>) {
        let one = |number: u32| match self.numbering {
            Numbering::Sequence => Some(number),
            Numbering::Uid => uid(number, index).map(|uid| uid.0),
        };
        let kept = if self.asks_modseq { self.kept(sorted) } else { Cow::default() };
        let entries = kept.iter().filter_map(|number| index.get((*number as usize).checked_sub(1)?));
        let modseq = entries.map(|entry| entry.modseq.0).max();
        let numbers = sorted.iter().filter_map(|number| one(*number));
        let mut encoder = Encoder::new(output, self.enabled.dialect());
        let returns = match self.returns {
            None => return encoder.sort(numbers, modseq),
            Some(returns) if is_silent(returns) => return,
            Some(returns) => returns,
        };
        let all = returns.all.then(|| SequenceSet::from_sorted(numbers));
        let page = returns.partial.map(|range| (range, self.page(sorted).iter().filter_map(|number| one(*number))));
        let page = page.map(|(range, numbers)| (range, SequenceSet::from_sorted(numbers)));
        let told = if returns.partial.is_some() { self.page(sorted) } else { sorted };
        let scores = told.iter().filter(|_| returns.relevancy).map(|number| relevancy.of(*number));
        encoder.esearch(&Esearch {
            tag: &self.tag,
            mailbox: self.mailbox(),
            numbering: self.numbering,
            min: sorted.first().and_then(|number| one(*number)).filter(|_| returns.min),
            max: sorted.last().and_then(|number| one(*number)).filter(|_| returns.max),
            all: all.as_ref(),
            partial: page.as_ref().map(|(range, page)| (*range, page)),
            relevancy: &scores.collect::<Vec<u8>>(),
            count: returns.count.then(|| u32::try_from(sorted.len()).unwrap_or(u32::MAX)),
            modseq,
        });
    }

    /// What is kept as `$`.
    pub(super) fn saved(&self, found: &Found, index: &Index) -> Vec<Uid> {
        match self.returns {
            Some(returns) if returns.partial.is_some() => {
                self.saved_of_sorted(&found.numbers.iter().collect::<Vec<u32>>(), index)
            }
            Some(_) | None => found.uids(index).collect(),
        }
    }

    /// What is kept as `$` of what was put in order.
    pub(super) fn saved_of_sorted(&self, sorted: &[u32], index: &Index) -> Vec<Uid> {
        let mut saved: Vec<Uid> = self.kept(sorted).iter().filter_map(|number| uid(*number, index)).collect();
        saved.sort_unstable();
        saved.dedup();
        saved
    }

    /// What is kept as `$`, and has the mod-sequence that is told: next to MIN, MAX and PARTIAL alone only those
    /// (RFC 9051 §6.4.4.1, RFC 7162 §3.1.10, RFC 9394 §3.2). Some may come twice.
    fn kept<'s>(&self, sorted: &'s [u32]) -> Cow<'s, [u32]> {
        match self.returns {
            Some(SearchReturn { all: false, count: false, min, max, partial, relevancy: _, save: _, update: _ })
                if min || max || partial.is_some() =>
            {
                let first = sorted.first().filter(|_| min);
                let last = sorted.last().filter(|_| max);
                Cow::Owned(first.into_iter().chain(self.page(sorted)).chain(last).copied().collect())
            }
            Some(_) | None => Cow::Borrowed(sorted),
        }
    }

    /// RFC 9394 §3.1: what is on the page that was asked for.
    fn page<'s>(&self, sorted: &'s [u32]) -> &'s [u32] {
        let partial = self.returns.and_then(|returns| returns.partial);
        partial.and_then(|range| sorted.get(range.of(sorted.len()))).unwrap_or_default()
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
            mailbox: self.mailbox(),
            numbering: self.numbering,
            min: one(ranges.first().map(|range| *range.start())).filter(|_| returns.min),
            max: one(ranges.last().map(|range| *range.end())).filter(|_| returns.max),
            all: returns.all.then_some(&all),
            partial: None,
            relevancy: &[],
            count: returns.count.then_some(found.count),
            modseq: found.modseq.filter(|_| self.asks_modseq).map(|modseq| modseq.0),
        };
        Encoder::new(output, self.enabled.dialect()).esearch(&answer);
    }
}

/// The UID of a message number.
fn uid(number: u32, index: &Index) -> Option<Uid> {
    index.get((number as usize).checked_sub(1)?).map(|entry| entry.uid)
}
