//! The search itself, slice by slice.

use crate::condition::{Condition, Program};
use crate::evaluate::{Facts, Text};
use crate::found::{Found, Hunt, Wanted};
use crate::fuzzy::Tally;
use crate::large::Large;
use crate::narrow::narrow;
use crate::relevancy::{Evidence, Relevancy};
use search_index::{AccountIndex, Indexes};
use std::sync::Arc;
use store::{Account, Error, Index, Reader};

/// A slice goes through at most about this much of bodies, once for each condition that does: other work waits so long.
const READ_BYTES_PER_SLICE_MAX: usize = 4 * 1024 * 1024;
/// A slice reads at most this many messages.
const READS_PER_SLICE_MAX: usize = 1000;
/// A slice asks at most about this many tests of the index.
const TESTS_PER_SLICE_MAX: usize = 2_000_000;
/// After so many messages that cannot be read the search gives up: the disk is not well.
const UNREADABLE_MAX: u32 = 8;

/// A search on its way.
#[derive(Debug)]
pub struct Search {
    program: Program,
    index: Index,
    hunt: Hunt,
    found: Found,
    unreadable: u32,
    texts: Texts,
    /// What tells how well each message fits, if that is asked for.
    evidence: Option<Evidence>,
}

/// Whether texts are looked up in an index.
#[derive(Debug)]
enum Texts {
    /// Not.
    Read,
    /// As soon as the search begins.
    LookUp(Arc<Indexes>),
    /// In this one; the message before was there.
    Known(Arc<AccountIndex>, usize),
}

/// How far a slice came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// There is more to look at.
    More,
    /// All that is wanted was looked for.
    Done,
}

/// What a slice did, and what it reads from.
#[derive(Default)]
struct Slice<'s> {
    reader: Option<Reader<'s>>,
    tests: usize,
    reads: usize,
    read_bytes: usize,
}

impl Search {
    /// A search for `wanted` of what is in `index` as it stands now.
    #[must_use]
    pub fn new(condition: Condition, index: Index, wanted: Wanted) -> Self {
        let hunt = Hunt::new(wanted, index.len());
        Self {
            program: Program::new(condition),
            index,
            hunt,
            found: Found::default(),
            unreadable: 0,
            texts: Texts::Read,
            evidence: None,
        }
    }

    /// Looks for all that matches, whatever was wanted.
    #[must_use]
    pub fn for_everything(self) -> Self {
        Self { hunt: Hunt::new(Wanted::Everything, self.index.len()), ..self }
    }

    /// Looks texts up in the account's index first, if there is one; from now on there is to be one.
    #[must_use]
    pub fn with_indexes(mut self, indexes: Option<Arc<Indexes>>) -> Self {
        if let Some(indexes) = indexes.filter(|_| self.program.needs_summary) {
            self.texts = Texts::LookUp(indexes);
        }
        self
    }

    /// Notes how well each message fits.
    #[must_use]
    pub fn ranked(self) -> Self {
        Self { evidence: Some(Evidence::new(self.program.terms)), ..self }
    }

    /// How well what was found so far fits, if that was asked for.
    #[must_use]
    pub fn relevancy(&self) -> Option<Relevancy> {
        self.evidence.as_ref().map(|evidence| evidence.relevancy(self.index.len()))
    }

    /// How many conditions look into whole messages: each goes through all of them, which takes its time.
    #[must_use]
    pub fn texts(&self) -> usize {
        self.program.texts
    }

    /// Looks on until the slice's work or the search is done. `account`: whose messages the index names.
    ///
    /// # Errors
    /// Nothing can be read, or too many messages cannot.
    pub fn look(&mut self, account: &Account) -> Result<Looked, Error> {
        self.begin(account);
        let mut slice = Slice::default();
        // As a rule the next one is the one behind.
        let mut ahead = self.index.positions(self.hunt.remaining());
        let read_before = self.looked_up_bytes();
        while !slice.is_full() && self.looked_up_bytes() - read_before < READ_BYTES_PER_SLICE_MAX as u64 {
            let Some(position) = self.hunt.next() else { return Ok(Looked::Done) };
            let next = ahead.next().filter(|(at, _)| *at == position);
            let Some(entry) = next.map(|(_, entry)| entry).or_else(|| self.index.get(position)) else { continue };
            let number = u32::try_from(position).unwrap_or(u32::MAX).saturating_add(1);
            let indexed = match &mut self.texts {
                Texts::Known(index, hint) => index.position(entry.email, hint),
                Texts::Read | Texts::LookUp(_) => None,
            };
            if indexed.is_some_and(|at| self.program.condition.is_ruled_out(at)) {
                slice.tests += 1;
                continue;
            }
            let facts = Facts { number, entry, indexed, summary: None, header: None, body: None };
            let mut tally = self.evidence.as_ref().map(|_| Tally::default());
            match slice.matches(&self.program, facts, account, tally.as_mut()) {
                Ok(true) => {
                    self.found.add(number, entry);
                    if let (Some(evidence), Some(tally)) = (&mut self.evidence, tally) {
                        evidence.add(number, &tally);
                    }
                    self.hunt.found();
                }
                Ok(false) => {}
                // It has left retention: there is nothing in it any more.
                Err(Error::NoSuchMessage) => {}
                Err(error) => {
                    self.unreadable += 1;
                    if self.unreadable >= UNREADABLE_MAX {
                        return Err(error);
                    }
                    // That it cannot be read may have taken long: others have their turn.
                    return Ok(Looked::More);
                }
            }
        }
        Ok(Looked::More)
    }

    fn begin(&mut self, account: &Account) {
        let Texts::LookUp(indexes) = &self.texts else { return };
        indexes.want(account.id());
        let index = indexes.of(account.id());
        let condition = std::mem::replace(&mut self.program.condition, Condition::Always(false));
        self.program.condition = narrow(condition, &index);
        self.texts = Texts::Known(index, 0);
    }

    /// How much look-ups have read so far: each segment of an index is asked when the search comes to it.
    fn looked_up_bytes(&self) -> u64 {
        match &self.texts {
            Texts::Known(index, _) => index.read_bytes(),
            Texts::Read | Texts::LookUp(_) => 0,
        }
    }

    /// What was found so far.
    #[must_use]
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// What is looked through.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// How many messages could not be read: whether they match is not known.
    #[must_use]
    pub fn unreadable(&self) -> u32 {
        self.unreadable
    }
}

impl<'s> Slice<'s> {
    fn is_full(&self) -> bool {
        self.tests >= TESTS_PER_SLICE_MAX
            || self.reads >= READS_PER_SLICE_MAX
            || self.read_bytes >= READ_BYTES_PER_SLICE_MAX
    }

    /// Whether a message matches; reads as much of it as that takes. `tally`: how well it does, if that is asked for.
    fn matches(
        &mut self,
        program: &Program,
        facts: Facts<'_>,
        account: &'s Account,
        mut tally: Option<&mut Tally>,
    ) -> Result<bool, Error> {
        self.tests += program.tests;
        let mut holds = |facts: Facts<'_>| {
            let holds = program.condition.holds(facts);
            if let (Some(true), Some(tally)) = (holds, &mut tally) {
                program.condition.weigh(facts, tally);
            }
            holds
        };
        let entry = facts.entry;
        if let Some(holds) = holds(facts) {
            return Ok(holds);
        }
        self.reads += 1;
        let reader = match &self.reader {
            Some(reader) => reader,
            None => self.reader.insert(account.reader()?),
        };
        let summary = if program.needs_summary { Some(reader.summary(entry.email)?) } else { None };
        let facts = Facts { summary: summary.as_ref(), ..facts };
        if let Some(holds) = holds(facts) {
            return Ok(holds);
        }
        let header = if program.needs_header { Some(reader.header(entry.email)?) } else { None };
        self.read_bytes += header.as_ref().map_or(0, Vec::len);
        let facts = Facts { header: header.as_deref(), ..facts };
        if let Some(holds) = holds(facts) {
            return Ok(holds);
        }
        let body = reader.open(entry.email, None)?;
        self.read_bytes = self.read_bytes.saturating_add(body.len().saturating_mul(program.texts));
        // Nothing is unknown of a message that was read.
        if let Some(whole) = body.whole() {
            return Ok(holds(Facts { body: Some(Text::Whole(whole)), ..facts }).unwrap_or(false));
        }
        let large = Large::new(body);
        let holds = holds(Facts { body: Some(Text::Large(&large)), ..facts });
        large.into_error().map_or(Ok(holds.unwrap_or(false)), Err)
    }
}
