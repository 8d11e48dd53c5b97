//! Messages in threads (RFC 5256 §3), slice by slice: what is known of each is read where no sheet has it, then the forest is made of it.

use crate::collate::casemap;
use crate::forest::{Forest, Member};
use crate::numbers::{Numbers, entries};
use crate::order::{Ordered, compared, sent, sent_at};
use crate::sheets::{Kind, Known, Sheets};
use message::refers::ids_in;
use message::{BaseSubject, Envelope, header};
use std::sync::Arc;
use store::{Account, EmailId, Entry, Error, Index, MailboxId, Reader};

pub use crate::forest::Mark;

/// A slice reads at most this many messages.
const READS_PER_SLICE_MAX: usize = 1000;
/// A slice reads at most about this much of headers.
const READ_BYTES_PER_SLICE_MAX: usize = 4 * 1024 * 1024;
/// A slice takes at most this many messages of which all is known; each step after that is about as many, or all there are.
const KNOWN_PER_SLICE_MAX: usize = 50_000;
/// A slice goes upwards in threads at most about so often.
const STEPS_PER_SLICE_MAX: usize = 5_000_000;
/// Beside what stands for a base subject: whether it is one of an answer or a forward.
const IS_ANSWER: u64 = 1;
/// Of those that a message refers to the last ones count.
const REFERENCES_MAX: usize = 200;
/// After so many messages that cannot be read it is given up: the disk is not well.
const UNREADABLE_MAX: u32 = 8;

/// How threads are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// By the base subject alone.
    OrderedSubject,
    /// By what messages refer to, then by the base subject.
    References,
    /// By what messages refer to alone; the thread with the latest message comes last.
    Refs,
}

/// Messages on their way into threads.
#[derive(Debug)]
pub struct Threads {
    algorithm: Algorithm,
    index: Index,
    /// Message numbers, ascending.
    numbers: Vec<u32>,
    /// So many of them are in the forest.
    taken: usize,
    sheets: Arc<Sheets>,
    mailbox: MailboxId,
    /// Once it has begun.
    known: Option<Known>,
    forest: Forest,
    /// So many of the [steps](Algorithm::steps) are done.
    done: usize,
    unreadable: u32,
}

impl Threads {
    /// Threads of the messages with these `numbers`, which are positions in `index` from 1.
    #[must_use]
    pub fn new(algorithm: Algorithm, index: Index, numbers: &Numbers) -> Self {
        Self {
            algorithm,
            index,
            numbers: numbers.iter().collect(),
            taken: 0,
            sheets: Arc::new(Sheets::new(0)),
            mailbox: MailboxId(0),
            known: None,
            forest: Forest::default(),
            done: 0,
            unreadable: 0,
        }
    }

    /// What is known of messages is looked up there first, and what is read is kept there. `mailbox`: whose index it is, as a whole.
    #[must_use]
    pub fn with_sheets(self, sheets: Arc<Sheets>, mailbox: MailboxId) -> Self {
        Self { sheets, mailbox, ..self }
    }

    /// Goes on until the slice's work or all is done. `account`: whose messages the index names.
    ///
    /// # Errors
    /// Nothing can be read, or too many messages cannot.
    pub fn go_on(&mut self, account: &Account) -> Result<Ordered, Error> {
        let steps = self.algorithm.steps();
        if self.taken < self.numbers.len() {
            self.take_in(account)?;
            if self.forest.is_full() {
                return Ok(Ordered::TooMuch);
            }
        } else {
            let mut gone_through = 0;
            while let Some(step) = steps.get(self.done).filter(|_| gone_through < KNOWN_PER_SLICE_MAX) {
                step(&mut self.forest);
                self.done += 1;
                gone_through += self.forest.len();
            }
        }
        Ok(if self.done == steps.len() { Ordered::Done } else { Ordered::More })
    }

    /// The threads, once they are done.
    pub fn marks(&self) -> impl Iterator<Item = Mark> {
        self.forest.walk()
    }

    /// How many messages could not be read: where they stand is not right.
    #[must_use]
    pub fn unreadable(&self) -> u32 {
        self.unreadable
    }

    fn take_in(&mut self, account: &Account) -> Result<(), Error> {
        let place = (account.id(), self.mailbox);
        let mut known = match self.known.take() {
            Some(known) => known,
            None => self.sheets.known(place, self.algorithm.kind(), self.index.len()),
        };
        let outcome = self.take_some(account, &mut known);
        if self.taken == self.numbers.len() {
            // Of what could not be read this time nothing is known.
            self.sheets.keep(place, &mut known);
        }
        self.known = Some(known);
        outcome
    }

    fn take_some(&mut self, account: &Account, known: &mut Known) -> Result<(), Error> {
        let (mut reader, mut reads, mut bytes) = (None, 0, 0);
        known.fold_much();
        self.forest.steps = 0;
        let next = self.numbers.get(self.taken..).unwrap_or_default();
        for (number, entry) in entries(&self.index, next.get(..next.len().min(KNOWN_PER_SLICE_MAX)).unwrap_or_default())
        {
            if reads >= READS_PER_SLICE_MAX
                || bytes >= READ_BYTES_PER_SLICE_MAX
                || self.forest.steps >= STEPS_PER_SLICE_MAX
                || self.forest.is_full()
            {
                break;
            }
            self.taken += 1;
            if let Some(facts) = known.find(entry.email) {
                add(&mut self.forest, number, entry, facts);
                continue;
            }
            reads += 1;
            let reader = match &reader {
                Some(reader) => reader,
                None => reader.insert(account.reader()?),
            };
            let facts = match read(self.algorithm, &self.sheets, reader, entry.email) {
                Ok((facts, octets)) => {
                    bytes += octets;
                    facts
                }
                // It has left retention: there is nothing in it any more.
                Err(Error::NoSuchMessage) => vec![0; 3],
                Err(error) => {
                    self.unreadable += 1;
                    if self.unreadable >= UNREADABLE_MAX {
                        return Err(error);
                    }
                    continue;
                }
            };
            add(&mut self.forest, number, entry, &facts);
            if self.sheets.has_room(known, facts.len()) {
                known.draft.add(entry.email, &facts);
            }
        }
        Ok(())
    }
}

impl Algorithm {
    /// What is done with the forest once all messages are in it, in a slice each where they are many.
    fn steps(self) -> &'static [fn(&mut Forest)] {
        match self {
            Self::OrderedSubject => &[Forest::by_subject],
            Self::References => {
                &[Forest::raise, Forest::let_go, Forest::date_missing, Forest::join_subjects, Forest::date_missing]
            }
            Self::Refs => &[Forest::raise, Forest::let_go, Forest::date_missing, Forest::by_latest],
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::OrderedSubject => Kind::Topic,
            Self::References | Self::Refs => Kind::References,
        }
    }
}

/// What a sheet has of a message: its sent date, its base subject with [`IS_ANSWER`], its id, and the ids that it refers to; and how many octets
/// were read, beside the envelope. The summary does not have `References`.
fn read(
    algorithm: Algorithm,
    sheets: &Sheets,
    reader: &Reader<'_>,
    email: EmailId,
) -> Result<(Vec<u64>, usize), Error> {
    let envelope = reader.envelope(email)?;
    let header = match algorithm {
        Algorithm::OrderedSubject => Vec::new(),
        Algorithm::References | Algorithm::Refs => reader.header(email)?,
    };
    let base = BaseSubject::of(envelope.subject.as_deref().unwrap_or_default());
    let subject = casemap(compared(&base.text));
    let subject = if subject.is_empty() { 0 } else { sheets.hash(subject.as_bytes()).max(2) & !IS_ANSWER };
    let id = |id: &[u8]| sheets.hash(&plain(id));
    let own = envelope.message_id.as_deref().and_then(|own| ids_in(own).next()).map_or(0, id);
    let mut facts = vec![sent(envelope.date.as_deref()), subject | u64::from(base.is_answer), own];
    if algorithm != Algorithm::OrderedSubject {
        let ids = references(&envelope, &header, &id);
        facts.extend(ids.iter().skip(ids.len().saturating_sub(REFERENCES_MAX)));
    }
    Ok((facts, header.len()))
}

fn references(envelope: &Envelope, header: &[u8], id: &dyn Fn(&[u8]) -> u64) -> Vec<u64> {
    let references = header::find(header, "references").map(|references| references.unfolded());
    let ids: Vec<u64> = references.iter().flat_map(|references| ids_in(references).map(id)).collect();
    if !ids.is_empty() {
        return ids;
    }
    // RFC 5256 §3, REFERENCES (1): else the first valid one of In-Reply-To.
    envelope.in_reply_to.as_deref().and_then(|answered| ids_in(answered).next()).map(id).into_iter().collect()
}

/// `facts`: of [`read`].
fn add(forest: &mut Forest, number: u32, entry: &Entry, facts: &[u64]) {
    let [date, subject, own, references @ ..] = facts else { return };
    let (subject, is_answer) = (*subject & !IS_ANSWER, *subject & IS_ANSWER != 0);
    let member = Member { number, date: sent_at(*date, entry), subject, is_answer };
    forest.add(member, Some(*own).filter(|own| *own != 0), references);
}

/// RFC 5256 §3, REFERENCES (1): an id is the same with its local part in quotes.
fn plain(id: &[u8]) -> Vec<u8> {
    id.iter().copied().filter(|octet| !matches!(octet, b'"' | b'\\')).collect()
}
