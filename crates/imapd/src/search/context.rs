//! Contexts (RFC 5267 §4): searches of the selected mailbox whose results the client is kept up to date of.
//!
//! A context knows the messages as they were when its results were last right. After each look of `sync` those that changed or
//! came since are searched by themselves, slice by slice, and the difference is told. A context that cannot go on, because it
//! would hold too much or a message cannot be read, is given up by NOUPDATE; its search can be asked for again.
//!
//! Invariant: a client that applies every ADDTO and REMOVEFROM has what the search would find in the mailbox as it was told.

use super::compile;
use super::place::{Place, Whose};
use crate::enabled::Enabled;
use crate::selected::{Followed, Follows, Selected};
use crate::sync::{CONTEXT_RANGES_MAX, number_at, refuse_updates};
use ::search::{Criterion, Looked, Numbers, Order, Ordered, Search, SortKey, Wanted};
use imap_proto::command::SearchKey;
use imap_proto::{Encoder, MessageSet, Numbering, SequenceSet, Tag};
use std::collections::BTreeSet;
use store::{Account, Delta, Entry, Error, Index, Timestamp, Uid};

/// A connection has at most so many.
const CONTEXTS_MAX: usize = 8;
/// In an order at most so many results are kept: with each that comes, all are put in order again.
const SORTED_MAX: usize = 2_000;

/// A search that is kept up to date.
pub(crate) struct Kept {
    pub(super) tag: Tag,
    pub(super) numbering: Numbering,
    pub(super) whose: Option<Whose>,
    /// Without message numbers and `$`.
    pub(super) key: SearchKey,
    pub(super) now: Timestamp,
    /// The results come in this order.
    pub(super) criteria: Option<Vec<Criterion>>,
    /// The messages for which the results are right.
    pub(super) index: Index,
    /// UIDs, in their order.
    pub(super) results: Results,
    pub(super) catching_up: Option<Box<CatchingUp>>,
}

/// The UIDs that a search has found.
pub(super) enum Results {
    /// As in the mailbox.
    Set(Numbers),
    /// In an order, and as in the mailbox: whether a message is among them is asked of each that changed.
    List(Vec<u32>, Numbers),
}

/// What changed is being searched.
pub(super) struct CatchingUp {
    search: Search,
    /// UIDs that left the mailbox.
    gone: Vec<u32>,
    /// Where that leads.
    index: Index,
    order: Option<(Order, Index)>,
}

/// What becomes of results.
struct Change {
    removed: BTreeSet<u32>,
    added: BTreeSet<u32>,
    /// All results in their order, where something came.
    order: Option<Vec<u32>>,
}

/// Positions among the results, and what is there; position 0 is wherever it belongs.
type Placed = Vec<(u32, SequenceSet)>;

/// A context cannot go on.
struct GivenUp;

impl From<Error> for GivenUp {
    fn from(_: Error) -> Self {
        // Logged by the store.
        Self
    }
}

/// Keeps a search from now on, or says that it is not.
pub(super) fn keep(selected: &mut Selected, kept: Kept, enabled: Enabled, output: &mut Vec<u8>) {
    let contexts = &mut selected.contexts.get_or_insert_default().0;
    let ranges = contexts.iter().map(|context| context.ranges()).sum::<usize>().saturating_add(kept.ranges());
    // How well a message fits may change with those that come.
    let by_relevancy = kept.criteria.iter().flatten().any(|criterion| criterion.key == SortKey::Relevancy);
    let is_large = matches!(&kept.results, Results::List(list, _) if list.len() > SORTED_MAX);
    if contexts.len() >= CONTEXTS_MAX || ranges > CONTEXT_RANGES_MAX || is_large || by_relevancy {
        return refuse_updates(&kept.tag, enabled, output);
    }
    contexts.push(Box::new(kept));
}

/// RFC 5267 §4.3: numbers mean the messages that have them now, whatever becomes of the numbers.
pub(super) fn frozen(key: &SearchKey, place: &Place<'_>) -> SearchKey {
    let uids =
        |uids: &mut dyn Iterator<Item = u32>| SearchKey::Uid(MessageSet::Numbers(SequenceSet::from_sorted(uids)));
    match key {
        SearchKey::And(keys) => SearchKey::And(keys.iter().map(|key| frozen(key, place)).collect()),
        SearchKey::Or(one, other) => SearchKey::Or(Box::new(frozen(one, place)), Box::new(frozen(other, place))),
        SearchKey::Not(key) => SearchKey::Not(Box::new(frozen(key, place))),
        SearchKey::Fuzzy(key) => SearchKey::Fuzzy(Box::new(frozen(key, place))),
        SearchKey::Sequence(MessageSet::Saved) | SearchKey::Uid(MessageSet::Saved) => {
            uids(&mut place.saved.iter().map(|uid| uid.0))
        }
        SearchKey::Sequence(MessageSet::Numbers(set)) => {
            let ranges = set.resolve(place.exists());
            let positions =
                ranges.iter().map(|range| (*range.start() as usize).saturating_sub(1)..*range.end() as usize);
            uids(&mut positions.flat_map(|range| place.index.positions(range).map(|(_, entry)| entry.uid.0)))
        }
        other => other.clone(),
    }
}

impl Follows for Kept {
    fn tag(&self) -> &Tag {
        &self.tag
    }

    fn ranges(&self) -> usize {
        match &self.results {
            Results::Set(set) => set.ranges().len(),
            Results::List(list, _) => list.len(),
        }
    }

    /// RFC 5267 §4.3.4: message numbers are told before the messages that had them go; UIDs have time.
    fn before_expunge(&mut self, told: &Index, gone: &[(usize, Uid)], enabled: Enabled, output: &mut Vec<u8>) {
        if self.numbering(enabled) == Numbering::Sequence {
            let removed = gone.iter().map(|(_, uid)| uid.0).filter(|uid| self.results.contains(*uid)).collect();
            self.apply(&Change { removed, added: BTreeSet::new(), order: None }, told, enabled, output);
        }
    }

    fn catch_up(&mut self, selected: &Selected, enabled: Enabled, output: &mut Vec<u8>) -> Followed {
        if selected.must_be_readable().is_err() {
            return Followed::GivenUp;
        }
        let begun = self.catching_up.take().or_else(|| self.begin(selected));
        let Some(mut catching_up) = begun else { return Followed::UpToDate };
        let change = match catching_up.go_on(self, selected) {
            Err(GivenUp) => return Followed::GivenUp,
            Ok(None) => {
                self.catching_up = Some(catching_up);
                return Followed::More;
            }
            Ok(Some(change)) => change,
        };
        self.index = catching_up.index;
        self.apply(&change, &selected.told, enabled, output);
        // What changed meanwhile is looked at next.
        if selected.told.since(&self.index).is_empty() { Followed::UpToDate } else { Followed::More }
    }
}

impl Kept {
    /// RFC 9586 §3.2: once UIDONLY is on no message number is told, also where they were asked for before.
    fn numbering(&self, enabled: Enabled) -> Numbering {
        if enabled.uid_only { Numbering::Uid } else { self.numbering }
    }

    /// What changed since the results were right; none: nothing.
    fn begin(&mut self, selected: &Selected) -> Option<Box<CatchingUp>> {
        let Delta { vanished, mut changed, added } = selected.told.since(&self.index);
        if vanished.is_empty() && changed.is_empty() && added.is_empty() {
            self.index = selected.told.clone();
            return None;
        }
        changed.extend(added);
        changed.sort_unstable_by_key(|entry| entry.uid);
        let condition = compile::condition(&self.key, &Place::selected(selected), self.now);
        Some(Box::new(CatchingUp {
            search: Search::new(condition, index_of(changed), Wanted::Everything),
            gone: vanished.into_iter().map(|(_, uid)| uid.0).collect(),
            index: selected.told.clone(),
            order: None,
        }))
    }

    /// Changes the results and tells it; `told`: what the client knows.
    fn apply(&mut self, change: &Change, told: &Index, enabled: Enabled, output: &mut Vec<u8>) {
        let numbering = self.numbering(enabled);
        let one = |uid: &u32| match numbering {
            Numbering::Uid => Some(*uid),
            Numbering::Sequence => told.position(Uid(*uid)).ok().map(number_at),
        };
        let set = |uids: &[u32]| SequenceSet::from_sorted(uids.iter().filter_map(one));
        let anywhere = |uids: &BTreeSet<u32>| vec![(0, set(&uids.iter().copied().collect::<Vec<u32>>()))];
        let (mut removed, mut added): (Placed, Placed) = match &mut self.results {
            Results::Set(all) => {
                let left = all.iter().filter(|uid| !change.removed.contains(uid)).chain(change.added.iter().copied());
                let is_changed = !change.removed.is_empty() || !change.added.is_empty();
                if is_changed {
                    let mut left: Vec<u32> = left.collect();
                    left.sort_unstable();
                    *all = Numbers::from_sorted(left);
                }
                (anywhere(&change.removed), anywhere(&change.added))
            }
            Results::List(all, sorted) => {
                // From the last on, so that no position moves the next one.
                let mut removed = runs(all, &change.removed);
                removed.reverse();
                all.retain(|uid| !change.removed.contains(uid));
                if let Some(order) = &change.order {
                    all.clone_from(order);
                }
                *sorted = sorted_numbers(all);
                // From the first on: each position is the one that it has in the end.
                let added = runs(all, &change.added);
                let placed = |runs: Vec<(u32, Vec<u32>)>| runs.iter().map(|(at, uids)| (*at, set(uids))).collect();
                (placed(removed), placed(added))
            }
        };
        removed.retain(|(_, set)| !set.is_empty());
        added.retain(|(_, set)| !set.is_empty());
        if !removed.is_empty() || !added.is_empty() {
            let whose = self.whose.as_ref().map(|whose| (&whose.name, whose.uidvalidity));
            Encoder::new(output, enabled.dialect()).esearch_update((&self.tag, whose), numbering, &removed, &added);
        }
    }
}

impl CatchingUp {
    /// The next slice; what becomes of the results, once that is known.
    fn go_on(&mut self, kept: &Kept, selected: &Selected) -> Result<Option<Change>, GivenUp> {
        let account = &selected.account;
        if self.order.is_none() && self.search.look(account)? == Looked::More {
            return Ok(None);
        }
        if self.search.unreadable() > 0 {
            return Err(GivenUp);
        }
        // What went meanwhile was not there.
        let is_there = |uid: &u32| selected.told.position(Uid(*uid)).is_ok();
        let found = self.search.found().uids(self.search.index()).map(|uid| uid.0).filter(is_there);
        let found: BTreeSet<u32> = found.collect();
        let looked_at = self.search.index().iter().map(|entry| entry.uid.0).filter(|uid| !found.contains(uid));
        let removed = self.gone.iter().copied().chain(looked_at).filter(|uid| kept.results.contains(*uid));
        let removed: BTreeSet<u32> = removed.collect();
        let added: BTreeSet<u32> = found.into_iter().filter(|uid| !kept.results.contains(*uid)).collect();
        let (Some(criteria), Results::List(list, _), false) = (&kept.criteria, &kept.results, added.is_empty()) else {
            return Ok(Some(Change { removed, added, order: None }));
        };
        let all = list.iter().filter(|uid| !removed.contains(*uid)).chain(&added).copied();
        let all: BTreeSet<u32> = all.filter(is_there).collect();
        if all.len() > SORTED_MAX {
            return Err(GivenUp);
        }
        if !self.put_in_order(criteria, &all, selected, account)? {
            return Ok(None);
        }
        let order =
            self.order.iter().flat_map(|(order, index)| order.numbers().filter_map(move |number| uid(number, index)));
        let order: Vec<u32> = order.filter(|uid| all.contains(uid)).collect();
        // Others came before these were in order.
        if order.len() != all.len() {
            self.order = None;
            return Ok(None);
        }
        Ok(Some(Change { removed, added, order: Some(order) }))
    }

    /// Whether they are.
    fn put_in_order(
        &mut self,
        criteria: &[Criterion],
        all: &BTreeSet<u32>,
        selected: &Selected,
        account: &Account,
    ) -> Result<bool, GivenUp> {
        let (order, _) = self.order.get_or_insert_with(|| {
            let entries = all.iter().filter_map(|uid| selected.told.find(Uid(*uid)).copied());
            let index = index_of(entries.collect());
            let numbers = Numbers::from_sorted(1..=u32::try_from(index.len()).unwrap_or(u32::MAX));
            (Order::new(criteria, index.clone(), &numbers), index)
        });
        match order.go_on(account)? {
            Ordered::More => Ok(false),
            Ordered::Done if order.unreadable() == 0 => Ok(true),
            Ordered::Done | Ordered::TooMuch => Err(GivenUp),
        }
    }
}

impl Results {
    /// In this order.
    pub(super) fn in_order(list: Vec<u32>) -> Self {
        let sorted = sorted_numbers(&list);
        Self::List(list, sorted)
    }

    fn contains(&self, uid: u32) -> bool {
        match self {
            Self::Set(set) | Self::List(_, set) => set.contains(uid),
        }
    }
}

fn sorted_numbers(list: &[u32]) -> Numbers {
    let mut sorted = list.to_vec();
    sorted.sort_unstable();
    Numbers::from_sorted(sorted)
}

/// Those of `some` that stand one behind the other, with the position of the first, from 1.
fn runs(all: &[u32], some: &BTreeSet<u32>) -> Vec<(u32, Vec<u32>)> {
    let mut runs: Vec<(u32, Vec<u32>)> = Vec::new();
    let mut follows = false;
    for (position, uid) in (1..).zip(all) {
        let is_one = some.contains(uid);
        match runs.last_mut().filter(|_| follows) {
            Some((_, run)) if is_one => run.push(*uid),
            Some(_) | None if is_one => runs.push((position, vec![*uid])),
            Some(_) | None => {}
        }
        follows = is_one;
    }
    runs
}

/// Entries that ascend by UID.
fn index_of(entries: Vec<Entry>) -> Index {
    Index::default().with_expunges_held_back(&Delta { added: entries, ..Delta::default() })
}

/// The UID of a message number.
fn uid(number: u32, index: &Index) -> Option<u32> {
    index.get((number as usize).checked_sub(1)?).map(|entry| entry.uid.0)
}
