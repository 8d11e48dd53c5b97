//! Rows one behind the other, as their links say: what is told between them, and what was never there.

use crate::sum::Place;
use std::ops::ControlFlow;
use store::ids::AccountId;
use store::salvage::{Remnant, VisitRemnant};

/// So many rows wait for one that a link names.
const OPEN_MAX: usize = 1000;
/// So long values wait with them.
const OPEN_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A row on its way to the visitor.
pub(super) struct Link {
    pub(super) place: Place,
    pub(super) link: Option<i64>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) is_sound: bool,
    /// It is sound, and the page says that it is there.
    pub(super) is_sure: bool,
}

/// Rows in the order of keys: what a link proves not to be there is left out.
///
/// The link of a row covers the key of the next one. If it holds for a later one, nothing was between them: what is found there is of
/// another time, or a damaged row whose key is not its own. Where rows are of different moments, a link proves nothing.
pub(super) struct Chain<'a, 'b> {
    account: AccountId,
    is_torn: bool,
    /// The last row that was visited.
    last: Option<(Place, Option<i64>)>,
    /// Of that one.
    is_sure: bool,
    /// Rows behind it that its link does not name.
    open: Vec<Link>,
    bytes: usize,
    is_over: bool,
    /// A sure row was not there, by the link of another sure row: they are of two moments.
    contradicts: bool,
    visit: &'a mut VisitRemnant<'b>,
}

impl<'a, 'b> Chain<'a, 'b> {
    pub(super) fn new(account: AccountId, is_torn: bool, visit: &'a mut VisitRemnant<'b>) -> Self {
        let (open, bytes, is_over, contradicts) = (Vec::new(), 0, false, false);
        Self { account, is_torn, last: None, is_sure: false, open, bytes, is_over, contradicts, visit }
    }

    /// The visitor wants no more.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn take(&mut self, row: Link) {
        if self.follows(Some(&row.place)) && (self.open.is_empty() || self.proves()) {
            self.drop_open();
            self.give(row);
            return;
        }
        self.bytes += row.value.as_ref().map_or(0, Vec::len);
        self.open.push(row);
        if self.open.len() > OPEN_MAX || self.bytes > OPEN_BYTES_MAX {
            self.give_open();
        }
    }

    pub(super) fn end(&mut self) {
        if self.proves() && self.follows(None) {
            self.drop_open();
        }
        self.give_open();
        if !self.is_over {
            let _ended = tell_gap(self.account, self.last.as_ref(), None, self.visit);
        }
    }

    /// Whether sure rows are of two moments, as far as they were looked at.
    pub(super) fn contradicts(&self) -> bool {
        self.contradicts
    }

    fn drop_open(&mut self) {
        self.contradicts |= self.open.iter().any(|row| row.is_sure);
        self.open.clear();
        self.bytes = 0;
    }

    /// Whether what the link of the last row does not name was not there.
    fn proves(&self) -> bool {
        self.is_sure && !self.is_torn
    }

    /// Whether the last row says that this one is next.
    fn follows(&self, next: Option<&Place>) -> bool {
        match (&self.last, next) {
            (Some((place, Some(link))), next) => place.link(self.account, next.map(bytes).as_deref()) == *link,
            // Without checksums nobody knows.
            (Some((_, None)), _) => self.open.is_empty(),
            (None, Some(Place::Start)) => true,
            (None, _) => false,
        }
    }

    /// Nothing shows which of them were not there: where each one names the next, they were.
    fn give_open(&mut self) {
        self.bytes = 0;
        let mut open = std::mem::take(&mut self.open).into_iter();
        while let Some(row) = open.next() {
            self.give(row);
            if self.is_over {
                return;
            }
            // From the first of them on the links may lead over some.
            let rest: Vec<Link> = open.collect();
            let next = rest.iter().position(|row| self.follows(Some(&row.place)));
            open = rest.into_iter();
            if let Some(next) = next.filter(|_| self.proves()) {
                let dropped: Vec<Link> = open.by_ref().take(next).collect();
                self.contradicts |= dropped.iter().any(|row| row.is_sure);
            }
        }
    }

    fn give(&mut self, row: Link) {
        let Link { place, link, value, is_sound, is_sure } = row;
        // In format version 1 nothing stands before the first row.
        let is_first = self.last.is_none() && link.is_none();
        let gap = if is_first {
            ControlFlow::Continue(())
        } else {
            tell_gap(self.account, self.last.as_ref(), Some(&place), self.visit)
        };
        let visited = match (&place, &value) {
            _ if gap.is_break() => gap,
            (Place::Start, _) => gap,
            (Place::Key(key), Some(value)) if is_sound => (self.visit)(Remnant::Row { key, value }),
            (Place::Key(key), value) => (self.visit)(Remnant::Damaged { key, octets: value.as_deref() }),
        };
        self.is_over = visited.is_break();
        (self.last, self.is_sure) = (Some((place, link)), is_sure);
    }
}

fn bytes(place: &Place) -> Vec<u8> {
    match place {
        Place::Start => Vec::new(),
        Place::Key(key) => key.clone(),
    }
}

/// Tells that something is missing between two rows, if the link of the first does not say that nothing is.
fn tell_gap(
    account: AccountId,
    last: Option<&(Place, Option<i64>)>,
    next: Option<&Place>,
    visit: &mut VisitRemnant<'_>,
) -> ControlFlow<()> {
    let holds = match (last, next) {
        (None, Some(Place::Start)) => true,
        // Without checksums nobody knows.
        (Some((_, None)), _) => true,
        (Some((place, Some(link))), next) => place.link(account, next.map(bytes).as_deref()) == *link,
        (None, _) => false,
    };
    if holds {
        return ControlFlow::Continue(());
    }
    let (after, before) = (last.map(|(place, _)| bytes(place)).unwrap_or_default(), next.map(bytes));
    visit(Remnant::Gap { after: &after, before: before.as_deref() })
}
