//! Messages in threads (RFC 5256 §3), slice by slice: what is known of each is read, then the forest is made of it.

use crate::collate::casemap;
use crate::forest::{Forest, Member};
use crate::numbers::Numbers;
use crate::order::{Ordered, compared, sent};
use message::refers::ids_in;
use message::{BaseSubject, Envelope, header};
use store::{Account, Entry, Error, Index, Reader};

pub use crate::forest::Mark;

/// A slice reads at most this many messages.
const READS_PER_SLICE_MAX: usize = 1000;
/// A slice reads at most about this much of headers.
const READ_BYTES_PER_SLICE_MAX: usize = 4 * 1024 * 1024;
/// A slice goes upwards in threads at most about so often.
const STEPS_PER_SLICE_MAX: usize = 5_000_000;
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
    /// Message numbers, descending: the next one is the last.
    rest: Vec<u32>,
    forest: Forest,
    stage: Stage,
    unreadable: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Read,
    Prune,
    Join,
    Done,
}

impl Threads {
    /// Threads of the messages with these `numbers`, which are positions in `index` from 1.
    #[must_use]
    pub fn new(algorithm: Algorithm, index: Index, numbers: &Numbers) -> Self {
        let mut rest: Vec<u32> = numbers.iter().collect();
        rest.reverse();
        Self { algorithm, index, rest, forest: Forest::default(), stage: Stage::Read, unreadable: 0 }
    }

    /// Goes on until the slice's work or all is done. `account`: whose messages the index names.
    ///
    /// # Errors
    /// Nothing can be read, or too many messages cannot.
    pub fn go_on(&mut self, account: &Account) -> Result<Ordered, Error> {
        match (self.stage, self.algorithm) {
            (Stage::Read, algorithm) => {
                self.take_in(account)?;
                if self.forest.is_full() {
                    return Ok(Ordered::TooMuch);
                }
                if self.rest.is_empty() && algorithm == Algorithm::OrderedSubject {
                    self.forest.by_subject();
                    self.stage = Stage::Done;
                } else if self.rest.is_empty() {
                    self.stage = Stage::Prune;
                }
            }
            (Stage::Prune, _) => {
                self.forest.prune();
                self.stage = Stage::Join;
            }
            (Stage::Join, _) => {
                match self.algorithm {
                    Algorithm::Refs => self.forest.by_latest(),
                    Algorithm::References | Algorithm::OrderedSubject => self.forest.join_subjects(),
                }
                self.stage = Stage::Done;
            }
            (Stage::Done, _) => {}
        }
        Ok(if self.stage == Stage::Done { Ordered::Done } else { Ordered::More })
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
        let reader = account.reader()?;
        let mut bytes = 0;
        self.forest.steps = 0;
        for _ in 0..READS_PER_SLICE_MAX {
            if bytes >= READ_BYTES_PER_SLICE_MAX || self.forest.steps >= STEPS_PER_SLICE_MAX || self.forest.is_full() {
                break;
            }
            let Some(number) = self.rest.pop() else { break };
            let Some(entry) = self.index.get((number as usize).saturating_sub(1)).copied() else { continue };
            match self.read(&reader, &entry) {
                Ok((envelope, header)) => {
                    bytes += header.len();
                    self.add(number, &entry, &envelope, &header);
                }
                // It has left retention: there is nothing in it any more.
                Err(Error::NoSuchMessage) => self.add(number, &entry, &Envelope::default(), b""),
                Err(error) => {
                    self.unreadable += 1;
                    if self.unreadable >= UNREADABLE_MAX {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// The envelope, and the header where it is needed: the summary does not have `References`.
    fn read(&self, reader: &Reader<'_>, entry: &Entry) -> Result<(Envelope, Vec<u8>), Error> {
        let envelope = reader.envelope(entry.email)?;
        let header = match self.algorithm {
            Algorithm::OrderedSubject => Vec::new(),
            Algorithm::References | Algorithm::Refs => reader.header(entry.email)?,
        };
        Ok((envelope, header))
    }

    fn add(&mut self, number: u32, entry: &Entry, envelope: &Envelope, header: &[u8]) {
        let base = BaseSubject::of(envelope.subject.as_deref().unwrap_or_default());
        let subject = casemap(compared(&base.text));
        let date = sent(entry, envelope);
        let member = Member { number, date, subject: &subject, is_answer: base.is_answer };
        let mut ids: Vec<Vec<u8>> = Vec::new();
        if let Some(references) = header::find(header, "references") {
            ids.extend(ids_in(&references.unfolded()).map(plain));
        }
        // RFC 5256 §3, REFERENCES (1): else the first valid one of In-Reply-To.
        if ids.is_empty()
            && let Some(answered) = &envelope.in_reply_to
        {
            ids.extend(ids_in(answered).next().map(plain));
        }
        let references: Vec<&[u8]> =
            ids.iter().skip(ids.len().saturating_sub(REFERENCES_MAX)).map(Vec::as_slice).collect();
        let own = envelope.message_id.as_deref().and_then(|id| ids_in(id).next()).map(plain);
        self.forest.add(&member, own.as_deref(), &references);
    }
}

/// RFC 5256 §3, REFERENCES (1): an id is the same with its local part in quotes.
fn plain(id: &[u8]) -> Vec<u8> {
    id.iter().copied().filter(|octet| !matches!(octet, b'"' | b'\\')).collect()
}
