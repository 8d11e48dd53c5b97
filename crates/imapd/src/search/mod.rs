//! SEARCH and UID SEARCH (RFC 9051 §6.4.4) with ESEARCH, SEARCHRES, CONDSTORE, WITHIN and OBJECTID.
//!
//! A search looks through the index that the client knows, as it stood when the command came. Only for messages whose
//! index entry does not decide it reads the summary, only where that does not either the header, and the body last. It works in slices,
//! each with one snapshot of the store at most.
//!
//! Invariant: a message that could not be read is never silently "not found": the command then ends with NO.

mod answer;
mod evaluate;
mod program;

use crate::enabled::Enabled;
use crate::progress::Progress;
use crate::selected::Selected;
use crate::sync::number_at;
use crate::tagged::Tagged;
use answer::{Answer, Found, Hunt};
use evaluate::Facts;
use imap_proto::command::Search as Request;
use imap_proto::{Code, Tag};
use program::Program;
use store::{Entry, Error, Index, Reader, Timestamp};

/// At most so many keys look into whole messages: each goes through all of them.
const TEXTS_MAX: usize = 32;
/// A slice goes through at most about this much of bodies, once for each key that does: other work waits so long.
const READ_BYTES_PER_SLICE_MAX: usize = 4 * 1024 * 1024;
/// A slice reads at most this many messages.
const READS_PER_SLICE_MAX: usize = 1000;
/// A slice asks at most about this many tests of the index.
const TESTS_PER_SLICE_MAX: usize = 2_000_000;
/// After so many messages that cannot be read the command gives up: the disk is not well.
const UNREADABLE_MAX: u32 = 8;

/// A SEARCH on its way.
#[derive(Debug)]
pub(crate) struct Search {
    program: Program,
    answer: Answer,
    /// What the client knew when it asked.
    index: Index,
    hunt: Hunt,
    found: Found,
    unreadable: u32,
}

/// What a slice did, and what it reads from.
#[derive(Default)]
struct Slice<'s> {
    reader: Option<Reader<'s>>,
    tests: usize,
    reads: usize,
    read_bytes: usize,
}

/// RFC 7162 §3.1: whether the command switches CONDSTORE on.
pub(crate) fn enables_condstore(request: &Request) -> bool {
    program::asks_modseq(&request.key)
}

impl Search {
    /// A search of what `selected` has told the client; `tag` is the command's, `now` for OLDER and YOUNGER.
    pub(crate) fn new(request: &Request, tag: Tag, enabled: Enabled, selected: &Selected, now: Timestamp) -> Self {
        let asks_modseq = program::asks_modseq(&request.key);
        let Request { numbering, returns, key } = request;
        Self {
            program: Program::new(key, selected, now),
            answer: Answer { tag, numbering: *numbering, returns: *returns, enabled, asks_modseq },
            index: selected.told.clone(),
            hunt: Hunt::new(*returns, selected.told.len()),
            found: Found::default(),
            unreadable: 0,
        }
    }

    /// Whether it asks more than one command may.
    pub(crate) fn asks_too_much(&self) -> bool {
        self.program.texts > TEXTS_MAX
    }

    /// Whether it may go through whole messages, which takes its time.
    pub(crate) fn takes_long(&self) -> bool {
        self.program.texts > 0
    }

    /// Looks on until the slice's work is done or the command is over; then writes the answer and sets `$`.
    pub(crate) fn run(&mut self, selected: &mut Selected, output: &mut Vec<u8>) -> Progress {
        let result = match self.look(selected) {
            Ok(Progress::More) => return Progress::More,
            Ok(Progress::Done(tagged)) => {
                self.answer.write(&self.found, &self.index, output);
                tagged
            }
            Err(error) => error.into(),
        };
        if self.answer.saves() {
            // RFC 9051 §6.4.4.1: after NO it is the empty set.
            let complete = result.status == imap_proto::Status::Ok;
            selected.saved = if complete { self.found.uids(&self.index).collect() } else { Vec::new() };
        }
        Progress::Done(result)
    }

    fn look(&mut self, selected: &Selected) -> Result<Progress, Error> {
        let mut slice = Slice::default();
        while !slice.is_full() {
            let Some(position) = self.hunt.next() else { return Ok(Progress::Done(self.conclusion())) };
            let Some(entry) = self.index.get(position) else { continue };
            let number = number_at(position);
            match slice.matches(&self.program, number, entry, selected) {
                Ok(true) => {
                    self.found.add(number, entry);
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
                }
            }
        }
        Ok(Progress::More)
    }

    fn conclusion(&self) -> Tagged {
        if self.unreadable > 0 {
            Tagged::refused(Code::Unavailable, "Some messages could not be read")
        } else {
            Tagged::ok("SEARCH done")
        }
    }
}

impl<'s> Slice<'s> {
    fn is_full(&self) -> bool {
        self.tests >= TESTS_PER_SLICE_MAX
            || self.reads >= READS_PER_SLICE_MAX
            || self.read_bytes >= READ_BYTES_PER_SLICE_MAX
    }

    /// Whether a message matches; reads as much of it as that takes.
    fn matches(
        &mut self,
        program: &Program,
        number: u32,
        entry: &Entry,
        selected: &'s Selected,
    ) -> Result<bool, Error> {
        self.tests += program.tests;
        let facts = Facts { number, entry, summary: None, header: None, body: None };
        if let Some(holds) = program.test.holds(facts) {
            return Ok(holds);
        }
        self.reads += 1;
        let reader = match &self.reader {
            Some(reader) => reader,
            None => self.reader.insert(selected.account.reader()?),
        };
        let summary = if program.needs_summary { Some(reader.summary(entry.email)?) } else { None };
        let facts = Facts { summary: summary.as_ref(), ..facts };
        if let Some(holds) = program.test.holds(facts) {
            return Ok(holds);
        }
        let header = if program.needs_header { Some(reader.header(entry.email)?) } else { None };
        self.read_bytes += header.as_ref().map_or(0, Vec::len);
        let facts = Facts { header: header.as_deref(), ..facts };
        if let Some(holds) = program.test.holds(facts) {
            return Ok(holds);
        }
        let body = reader.body(entry.email)?;
        self.read_bytes = self.read_bytes.saturating_add(body.len().saturating_mul(program.texts));
        let facts = Facts { body: Some(&body), ..facts };
        // Nothing is unknown of a message that was read.
        Ok(program.test.holds(facts).unwrap_or(false))
    }
}

#[cfg(test)]
mod tests;
