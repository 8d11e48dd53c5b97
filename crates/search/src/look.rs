//! The search itself, slice by slice.

use crate::answers::Answers;
use crate::condition::{Condition, Program};
use crate::evaluate::{Facts, Text};
use crate::found::{Found, Hunt, Wanted};
use crate::fuzzy::Tally;
use crate::large::Large;
use crate::narrow::narrow;
use crate::relevancy::{Evidence, Relevancy};
use message::Structure;
use search_index::{AccountIndex, Indexes};
use std::sync::Arc;
use store::{Account, Body, Error, Index, Reader};

/// A slice goes through at most about this much of bodies, once for each condition that does: other work waits so long.
const READ_BYTES_PER_SLICE_MAX: usize = 4 * 1024 * 1024;
/// A slice reads at most this many messages.
const READS_PER_SLICE_MAX: usize = 1000;
/// A slice asks at most about this many tests of the index.
const TESTS_PER_SLICE_MAX: usize = 2_000_000;
/// After so many that an index rules out the next ones are passed over.
const IN_A_ROW: usize = 16;
/// So many are passed over, before it is looked how much that has read.
const PASSED_AT_ONCE_MAX: usize = 4096;
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
    /// A large message that takes more than a slice, at this position.
    unfinished: Option<(usize, Box<Unfinished>)>,
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

/// A large message, and what was found in it so far.
#[derive(Debug)]
struct Unfinished {
    large: Large,
    answers: Answers,
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
    /// Boxed: hardly any message has one, and it would be moved for each.
    unfinished: Option<Box<Unfinished>>,
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
            unfinished: None,
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
        let (read_before, mut in_a_row) = (self.looked_up_bytes(), 0);
        while !slice.is_full() && self.looked_up_bytes() - read_before < READ_BYTES_PER_SLICE_MAX as u64 {
            if in_a_row >= IN_A_ROW {
                slice.tests += pass_over(&self.index, &mut self.texts, &mut self.hunt, &self.program.condition);
                ahead = self.index.positions(self.hunt.remaining());
                in_a_row = 0;
            }
            let unfinished = self.unfinished.take();
            let Some(position) = unfinished.as_ref().map(|(at, _)| *at).or_else(|| self.hunt.next()) else {
                return Ok(Looked::Done);
            };
            let next = if unfinished.is_some() { None } else { ahead.next().filter(|(at, _)| *at == position) };
            let Some(entry) = next.map(|(_, entry)| entry).or_else(|| self.index.get(position)) else { continue };
            let number = u32::try_from(position).unwrap_or(u32::MAX).saturating_add(1);
            let indexed = match &mut self.texts {
                Texts::Known(index, hint) => index.position(entry.email, hint),
                Texts::Read | Texts::LookUp(_) => None,
            };
            if indexed.is_some_and(|at| self.program.condition.is_ruled_out(at)) {
                slice.tests += 1;
                in_a_row += 1;
                continue;
            }
            in_a_row = 0;
            let facts = Facts { number, entry, indexed, saved: None, summary: None, header: None, body: None };
            let mut tally = self.evidence.as_ref().map(|_| Tally::default());
            slice.unfinished = unfinished.map(|(_, unfinished)| unfinished);
            match slice.matches(&self.program, facts, account, tally.as_mut()) {
                Ok(Some(true)) => {
                    self.found.add(number, entry);
                    if let (Some(evidence), Some(tally)) = (&mut self.evidence, tally) {
                        evidence.add(number, &tally);
                    }
                    self.hunt.found();
                }
                Ok(Some(false)) => {}
                Ok(None) => {
                    self.unfinished = slice.unfinished.take().map(|unfinished| (position, unfinished));
                    return Ok(Looked::More);
                }
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

/// Passes over the next ones, as long as the index of texts rules them out: all but a few, as a rule, so that this takes a few
/// nanoseconds for each. Gives how many they were.
fn pass_over(index: &Index, texts: &mut Texts, hunt: &mut Hunt, condition: &Condition) -> usize {
    let Texts::Known(texts, hint) = texts else { return 0 };
    if hunt.is_backwards() {
        return 0;
    }
    let mut passed = 0;
    'all: for (_, entries) in index.stretches(hunt.remaining()) {
        for entry in entries {
            let is_ruled_out = texts.position(entry.email, hint).is_some_and(|at| condition.is_ruled_out(at));
            if !is_ruled_out || passed >= PASSED_AT_ONCE_MAX {
                break 'all;
            }
            passed += 1;
        }
    }
    hunt.pass_over(passed);
    passed
}

impl<'s> Slice<'s> {
    fn is_full(&self) -> bool {
        self.tests >= TESTS_PER_SLICE_MAX
            || self.reads >= READS_PER_SLICE_MAX
            || self.read_bytes >= READ_BYTES_PER_SLICE_MAX
    }

    /// Whether a message matches, or `None` where the slice ends before that is known; reads as much of it as that takes. `tally`: how
    /// well it does, if that is asked for.
    fn matches(
        &mut self,
        program: &Program,
        facts: Facts<'_>,
        account: &'s Account,
        mut tally: Option<&mut Tally>,
    ) -> Result<Option<bool>, Error> {
        self.tests += program.tests;
        let (is_ranked, unfinished) = (tally.is_some(), self.unfinished.take());
        let mut holds = |facts: Facts<'_>| {
            let holds = program.condition.holds(facts);
            if let (Some(true), Some(tally)) = (holds, &mut tally) {
                program.condition.weigh(facts, tally);
            }
            holds
        };
        let entry = facts.entry;
        if let Some(holds) = holds(facts) {
            return Ok(Some(holds));
        }
        self.reads += 1;
        let reader = match &self.reader {
            Some(reader) => reader,
            None => self.reader.insert(account.reader()?),
        };
        let saved = match program.saved_in {
            // RFC 8514 §4.3: the internal date where there is no other.
            Some(mailbox) => Some(reader.saved_at(entry.email, (mailbox, entry.uid))?.unwrap_or(entry.internal_date)),
            None => None,
        };
        let facts = Facts { saved, ..facts };
        if saved.is_some()
            && let Some(holds) = holds(facts)
        {
            return Ok(Some(holds));
        }
        let summary = if program.needs_summary { Some(reader.summary(entry.email)?) } else { None };
        let facts = Facts { summary: summary.as_ref(), ..facts };
        if let Some(holds) = holds(facts) {
            return Ok(Some(holds));
        }
        let header = if program.needs_header { Some(reader.header(entry.email)?) } else { None };
        self.read_bytes += header.as_ref().map_or(0, Vec::len);
        let facts = Facts { header: header.as_deref(), ..facts };
        if let Some(holds) = holds(facts) {
            return Ok(Some(holds));
        }
        let mut unfinished = match unfinished {
            Some(unfinished) => unfinished,
            None => {
                let body = reader.open(entry.email, None)?;
                // Nothing is unknown of a message that was read.
                if let Some(whole) = body.whole() {
                    self.read_bytes = self.read_bytes.saturating_add(body.len().saturating_mul(program.texts));
                    return Ok(Some(holds(Facts { body: Some(Text::Whole(whole)), ..facts }).unwrap_or(false)));
                }
                Box::new(Unfinished::new(body, &program.condition))
            }
        };
        let Some(summary) = &summary else { return Ok(Some(false)) };
        let bytes_max = READ_BYTES_PER_SLICE_MAX.saturating_sub(self.read_bytes) / program.texts.max(1);
        let mut holds = |answers: &Answers| holds(Facts { body: Some(Text::Large(answers)), ..facts });
        let (answer, read) = unfinished.look((&summary.structure, bytes_max), is_ranked, &mut holds)?;
        self.read_bytes = self.read_bytes.saturating_add(read.saturating_mul(program.texts));
        if answer.is_none() {
            self.unfinished = Some(unfinished);
        }
        Ok(answer)
    }
}

impl Unfinished {
    fn new(body: Body, condition: &Condition) -> Self {
        let answers = Answers::to(condition);
        Self { large: Large::new(body, answers.overlap()), answers }
    }

    /// Looks on, at about `bytes_max` octets; whether it `holds`, as soon as that is known, or where all is to be counted at the end; and
    /// how much was read.
    fn look(
        &mut self,
        (structure, bytes_max): (&Structure, usize),
        is_ranked: bool,
        holds: &mut dyn FnMut(&Answers) -> Option<bool>,
    ) -> Result<(Option<bool>, usize), Error> {
        let mut read = 0;
        loop {
            let (answers, mut is_news) = (&mut self.answers, false);
            let is_end = self.large.read(structure, &mut |piece| {
                read += piece.octets();
                is_news |= answers.take(&piece) && !is_ranked;
                !is_news && read < bytes_max
            })?;
            if is_end {
                self.answers.end();
                return Ok((Some(holds(&self.answers).unwrap_or(false)), read));
            }
            let answer = if is_news { holds(&self.answers) } else { None };
            if answer.is_some() || !is_news || read >= bytes_max {
                return Ok((answer, read));
            }
        }
    }
}
