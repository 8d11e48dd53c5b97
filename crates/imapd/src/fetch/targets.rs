//! Which messages a FETCH is about: ranges of positions.

use crate::positions::{joined, of_saved, of_uids};
use crate::resync;
use crate::selected::{NoSuchNumber, Selected};
use imap_proto::command::{ChangedSince, Fetch, PartialRange};
use imap_proto::{MessageSet, Numbering, SequenceSet};
use std::ops::Range;
use std::vec::IntoIter;
use store::{Index, ModSeq};

/// Positions in the index that the client knows, each once: ascending, with CHANGEDSINCE, unless a page of them is asked for, in
/// the order of the changes; descending where only the last ones are left.
#[derive(Debug)]
pub(super) struct Targets {
    /// Not empty, unless all are behind us.
    next: Range<usize>,
    rest: IntoIter<Range<usize>>,
    /// From the last of each range on.
    descend: bool,
}

impl Targets {
    /// The messages that the client asks for and knows.
    pub(super) fn of(request: &Fetch, selected: &Selected) -> Result<Self, NoSuchNumber> {
        let ranges = match (&request.set, request.numbering) {
            (MessageSet::Saved, Numbering::Sequence | Numbering::Uid) => of_saved(&selected.saved, &selected.told),
            (MessageSet::Numbers(set), Numbering::Sequence) => of_numbers(set, selected.exists())?,
            (MessageSet::Numbers(set), Numbering::Uid) => of_uids(set, &selected.told),
        };
        let ranges = match &request.changed_since {
            Some(since) => changed_since(&ranges, since, &selected.told),
            None => ranges,
        };
        let ranges = match request.partial {
            Some(partial) => page(ranges, partial),
            None => ranges,
        };
        let mut targets = Self { next: 0..0, rest: ranges.into_iter(), descend: false };
        targets.skip_empty();
        Ok(targets)
    }

    /// How many there are still.
    pub(super) fn left(&self) -> usize {
        self.next.len() + self.rest.as_slice().iter().map(ExactSizeIterator::len).sum::<usize>()
    }

    /// Leaves the `max` highest ones, from the highest on (RFC 9738 §3.1); the lowest of them.
    pub(super) fn keep_last(&mut self, max: usize) -> Option<usize> {
        let mut ranges = vec![self.next.clone()];
        ranges.extend_from_slice(self.rest.as_slice());
        ranges.sort_unstable_by_key(|range| range.start);
        let (mut last, mut left): (Vec<Range<usize>>, usize) = (Vec::new(), max);
        for range in ranges.into_iter().rev().filter(|range| !range.is_empty()) {
            let start = range.start.max(range.end.saturating_sub(left));
            left -= range.end - start;
            last.extend((start < range.end).then_some(start..range.end));
        }
        let lowest = last.last().map(|range| range.start);
        *self = Self { next: 0..0, rest: last.into_iter(), descend: true };
        self.skip_empty();
        lowest
    }

    /// The positions up to the next gap; empty when all are behind us.
    pub(super) fn stretch(&self) -> Range<usize> {
        let start = if self.descend { self.next.end.saturating_sub(1) } else { self.next.start };
        start.max(self.next.start)..self.next.end
    }

    /// Goes on at a position of the stretch, or past it.
    pub(super) fn go_on_at(&mut self, position: usize) {
        if !self.descend {
            self.next.start = position.max(self.next.start);
        } else if position >= self.next.end {
            self.next.end = self.stretch().start;
        }
        self.skip_empty();
    }

    fn skip_empty(&mut self) {
        while self.next.is_empty() {
            match self.rest.next() {
                Some(range) => self.next = range,
                None => return,
            }
        }
    }
}

impl Iterator for Targets {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let position = self.stretch().next()?;
        self.go_on_at(position + 1);
        Some(position)
    }
}

/// RFC 9051 §9: a number above EXISTS is an error. `n:*` is not: clients ask so for what may have come since.
fn of_numbers(set: &SequenceSet, exists: u32) -> Result<Vec<Range<usize>>, NoSuchNumber> {
    if set.exceeds(exists) && !set.has_star() {
        return Err(NoSuchNumber);
    }
    let position = |number: u32| number.saturating_sub(1) as usize;
    Ok(set.resolve(exists).iter().map(|range| position(*range.start())..*range.end() as usize).collect())
}

/// RFC 7162 §3.1.4.1
fn changed_since(ranges: &[Range<usize>], since: &ChangedSince, told: &Index) -> Vec<Range<usize>> {
    let entries = ranges.iter().flat_map(|range| told.positions(range.clone()));
    // Only who comes back asks for what vanished.
    let same_max = if since.vanished { resync::SAME_MODSEQ_MAX } else { 0 };
    joined(resync::changed_since(entries, ModSeq(since.modseq), same_max))
}

/// RFC 9394 §3.3: results count from the lowest UID, or from the highest down.
fn page(mut ranges: Vec<Range<usize>>, partial: PartialRange) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let page = partial.of(ranges.iter().map(ExactSizeIterator::len).sum());
    let mut before = 0;
    for range in &mut ranges {
        let (start, end) = (page.start.saturating_sub(before), page.end.saturating_sub(before));
        before += range.len();
        *range = range.start + start.min(range.len())..range.start + end.min(range.len());
    }
    ranges.retain(|range| !range.is_empty());
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Mailbox, request_fetch};
    use store::Uid;

    fn check(set: &str, numbering: Numbering, expected: Result<&[usize], NoSuchNumber>) {
        // UIDs 1, 2, 4, 6, 7.
        let mut mailbox = Mailbox::with_messages(7);
        mailbox.expunge(&[3, 5]);
        let mut selected = mailbox.select();
        selected.saved = vec![Uid(2), Uid(3), Uid(4), Uid(7)];
        let set = match set {
            "$" => MessageSet::Saved,
            set => MessageSet::Numbers(SequenceSet::parse(set.as_bytes(), 9).unwrap()),
        };
        let request = Fetch { set: set.clone(), numbering, items: Vec::new(), changed_since: None, partial: None };
        let targets = Targets::of(&request, &selected).map(Iterator::collect::<Vec<usize>>);
        assert_eq!(targets.as_deref(), expected.as_ref().map(|positions| *positions), "{set} {numbering:?}");
    }

    #[test]
    fn sets_become_positions() {
        check("1:*", Numbering::Sequence, Ok(&[0, 1, 2, 3, 4]));
        check("5,2:3,2", Numbering::Sequence, Ok(&[1, 2, 4]));
        check("9:*", Numbering::Sequence, Ok(&[4]));
        check("5:6", Numbering::Sequence, Err(NoSuchNumber));
        check("1:*", Numbering::Uid, Ok(&[0, 1, 2, 3, 4]));
        check("3:5,7,100", Numbering::Uid, Ok(&[2, 4]));
        check("3,5", Numbering::Uid, Ok(&[]));
        check("100:*", Numbering::Uid, Ok(&[4]));
        check("$", Numbering::Sequence, Ok(&[1, 2, 4]));
        check("$", Numbering::Uid, Ok(&[1, 2, 4]));
    }

    #[test]
    fn the_last_positions_come_from_the_highest_on() {
        let mut mailbox = Mailbox::with_messages(7);
        mailbox.flag(&[5], &["\\Seen"]);
        mailbox.flag(&[2], &["\\Seen"]);
        let selected = mailbox.select();
        let check = |command: &str, max: usize, expected: &[usize]| {
            let mut targets = Targets::of(&request_fetch(command), &selected).unwrap();
            assert!(targets.left() > max, "{command}");
            assert_eq!(targets.keep_last(max), expected.last().copied());
            assert_eq!((targets.left(), targets.collect::<Vec<usize>>()), (expected.len(), expected.to_vec()));
        };
        check("FETCH 1:* UID", 3, &[6, 5, 4]);
        check("FETCH 1:3,6 UID", 2, &[5, 2]);
        let since = selected.view.mailbox().highest_modseq.0 - 2;
        check(&format!("UID FETCH 1:* UID (CHANGEDSINCE {since})"), 1, &[4]);
    }

    #[test]
    fn a_page_of_positions() {
        let mut mailbox = Mailbox::with_messages(9);
        mailbox.expunge(&[3, 5]);
        mailbox.flag(&[7], &["\\Seen"]);
        let since = mailbox.account.view(mailbox.id).unwrap().mailbox().highest_modseq.0;
        mailbox.flag(&[6], &["\\Seen"]);
        mailbox.flag(&[2], &["\\Seen"]);
        mailbox.flag(&[9], &["\\Seen"]);
        let selected = mailbox.select();
        let check = |command: &str, expected: &[usize]| {
            let targets = Targets::of(&request_fetch(command), &selected).unwrap();
            assert_eq!(targets.collect::<Vec<usize>>(), expected, "{command}");
        };
        // UIDs 1, 2, 4, 6, 7, 8, 9.
        check("UID FETCH 1:* UID (PARTIAL 1:3)", &[0, 1, 2]);
        check("UID FETCH 1:* UID (PARTIAL -3:-1)", &[4, 5, 6]);
        check("UID FETCH 1:4,7:* UID (PARTIAL 3:4)", &[2, 4]);
        check("UID FETCH 1:4,7:* UID (PARTIAL -4:-9)", &[0, 1, 2]);
        check("UID FETCH 1:* UID (PARTIAL 8:9)", &[]);
        check(&format!("UID FETCH 1:* UID (PARTIAL 1:2 CHANGEDSINCE {since})"), &[1, 3]);
        check(&format!("UID FETCH 1:* UID (CHANGEDSINCE {since} PARTIAL -1:-2)"), &[3, 6]);
    }
}
