//! Which messages a FETCH is about: ranges of positions.

use crate::resync;
use crate::selected::{NoSuchNumber, Selected};
use imap_proto::command::{ChangedSince, Fetch, PartialRange};
use imap_proto::{MessageSet, Numbering, SequenceSet};
use std::ops::Range;
use std::vec::IntoIter;
use store::{Index, ModSeq, Uid};

/// Positions in the index that the client knows, each once: ascending, with CHANGEDSINCE, unless a page of them is asked for, in
/// the order of the changes.
#[derive(Debug)]
pub(super) struct Targets {
    /// Not empty, unless all are behind us.
    next: Range<usize>,
    rest: IntoIter<Range<usize>>,
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
        let mut targets = Self { next: 0..0, rest: ranges.into_iter() };
        targets.go_on_at(0);
        Ok(targets)
    }

    /// The positions up to the next gap; empty when all are behind us.
    pub(super) fn stretch(&self) -> Range<usize> {
        self.next.clone()
    }

    /// Goes on at a position of the stretch, or past it.
    pub(super) fn go_on_at(&mut self, position: usize) {
        self.next.start = position.max(self.next.start);
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
        let position = self.next.start;
        if self.next.is_empty() {
            return None;
        }
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

/// RFC 9051 §6.4.9: `*` is the highest UID there is; UIDs that are not there are passed over.
fn of_uids(set: &SequenceSet, told: &Index) -> Vec<Range<usize>> {
    let Some(last) = told.last() else { return Vec::new() };
    let positions = |first: u32, last: u32| {
        let start = told.position(Uid(first)).unwrap_or_else(|at| at);
        let end = told.position(Uid(last)).map_or_else(|at| at, |at| at + 1);
        start..end
    };
    let ranges = set.resolve(last.uid.0);
    ranges.iter().map(|range| positions(*range.start(), *range.end())).filter(|range| !range.is_empty()).collect()
}

/// RFC 9051 §6.4.4.1: what is gone is left out of `$`.
fn of_saved(saved: &[Uid], told: &Index) -> Vec<Range<usize>> {
    joined(saved.iter().filter_map(|uid| told.position(*uid).ok()))
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

fn joined(positions: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for position in positions {
        match ranges.last_mut() {
            Some(range) if range.end == position => range.end = position + 1,
            Some(_) | None => ranges.push(position..position + 1),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Mailbox, request_fetch};

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
