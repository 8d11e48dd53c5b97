//! The index of one account, as it stood when it was opened.

use crate::Kind;
use crate::segment::{Answer, Segment};
use crate::words::Question;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use store::EmailId;

/// What was found out about texts that were asked for takes so much memory, for each account that is open; one text more.
const LEARNT_BYTES_MAX: usize = 1024 * 1024;

/// What is learnt of a text takes about so much beside the text, its pieces and what is known of each message.
const LEARNT_ENTRY_BYTES: usize = 512;

/// The segments of an account, one after the other.
#[derive(Debug, Default)]
pub struct AccountIndex {
    segments: Arc<Segments>,
    /// The numbers of all messages, ascending.
    emails: Vec<u64>,
    asked: Mutex<HashMap<(u8, String), Arc<Candidates>>>,
}

#[derive(Debug, Default)]
struct Segments {
    all: Vec<Segment>,
    /// The position of the first message of each.
    starts: Vec<usize>,
    is_damaged: AtomicBool,
    /// So many octets were read so far.
    read_bytes: AtomicU64,
}

/// What an index knows of a text, and what was found out since: a message never changes. Messages are known by their position
/// in the index. Each segment is asked when the first of its messages is asked for.
#[derive(Debug)]
pub struct Candidates {
    segments: Arc<Segments>,
    folded: String,
    questions: Vec<(Kind, Question)>,
    /// Which segments were asked.
    asked: Vec<OnceLock<()>>,
    /// Who has it, as far as that is known, else who may have it: a bit for each message.
    may: Vec<AtomicU64>,
    /// Of whom that is known.
    known: Vec<AtomicU64>,
}

impl AccountIndex {
    pub(crate) fn of(all: Vec<Segment>) -> Self {
        let emails = all.iter().flat_map(|segment| segment.emails.iter().copied()).collect();
        let mut next = 0;
        let mut start = |segment: &Segment| {
            let start = next;
            next += segment.emails.len();
            start
        };
        let starts = all.iter().map(&mut start).collect();
        let segments = Arc::new(Segments { all, starts, ..Segments::default() });
        Self { segments, emails, ..Self::default() }
    }

    /// What it holds in memory at most, in octets: the heads of its segments, and what may be learnt.
    pub(crate) fn memory_bytes(&self) -> usize {
        let segments: usize = self.segments.all.iter().map(Segment::memory_bytes).sum();
        segments + self.emails.len() * size_of::<u64>() + LEARNT_BYTES_MAX + self.emails.len() / 4
    }

    /// Messages above this number are not in it.
    #[must_use]
    pub fn reached(&self) -> EmailId {
        EmailId(self.segments.all.last().map_or(0, |segment| segment.last))
    }

    /// The last segment, unless it takes no more: from where on, and how many messages.
    pub(crate) fn tail(&self) -> Option<(u64, usize)> {
        self.segments.all.last().filter(|last| !last.is_full).map(|last| (last.after, last.emails.len()))
    }

    /// The position of a message. `hint` is the one before: who asks for messages in order is quick.
    #[must_use]
    #[inline]
    pub fn position(&self, email: EmailId, hint: &mut usize) -> Option<usize> {
        for next in [*hint + 1, *hint] {
            if self.emails.get(next) == Some(&email.0) {
                *hint = next;
                return Some(next);
            }
        }
        let found = self.emails.binary_search(&email.0).ok()?;
        *hint = found;
        Some(found)
    }

    /// Which messages may have `folded` in a text of these kinds. `None`: the index cannot say, because no part of the text
    /// is long enough to tell messages apart.
    #[must_use]
    pub fn look_up(&self, kinds: &[Kind], folded: &str) -> Option<Arc<Candidates>> {
        let asked = (kinds.iter().fold(0, |mask, kind| mask | 1 << *kind as u8), folded.to_owned());
        if let Some(known) = self.lock().get(&asked) {
            return Some(Arc::clone(known));
        }
        let questions: Vec<_> = kinds.iter().map(|kind| (*kind, Question::new(*kind, folded))).collect();
        if !questions.iter().all(|(_, question)| question.is_worth_asking()) {
            return None;
        }
        let nothing = || (0..self.emails.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let found = Arc::new(Candidates {
            segments: Arc::clone(&self.segments),
            folded: folded.to_owned(),
            questions,
            asked: self.segments.all.iter().map(|_| OnceLock::new()).collect(),
            may: nothing(),
            known: nothing(),
        });
        let mut others = self.lock();
        let bytes = self.emails.len() / 4 + self.segments.all.len() * size_of::<OnceLock<()>>() + 4 * folded.len();
        let bytes = bytes + LEARNT_ENTRY_BYTES;
        if (others.len() + 1).saturating_mul(bytes) > LEARNT_BYTES_MAX {
            others.clear();
        }
        others.insert(asked, Arc::clone(&found));
        Some(found)
    }

    /// How much look-ups have read so far, in octets.
    #[must_use]
    #[inline]
    pub fn read_bytes(&self) -> u64 {
        self.segments.read_bytes.load(Ordering::Relaxed)
    }

    /// Of how many texts something is known.
    #[cfg(test)]
    pub(crate) fn learnt(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.segments.is_damaged.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(u8, String), Arc<Candidates>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Candidates {
    /// Whether the message at a position has the text; `None`: it is to be looked into.
    #[must_use]
    #[inline]
    pub fn says(&self, position: usize) -> Option<bool> {
        if !is_set(&self.known, position) {
            let number = self.segments.starts.partition_point(|start| *start <= position).checked_sub(1)?;
            self.asked.get(number)?.get_or_init(|| {
                if self.ask(number).is_err() {
                    // Nothing is known, and all is read.
                    self.segments.is_damaged.store(true, Ordering::Relaxed);
                }
            });
        }
        is_set(&self.known, position).then(|| is_set(&self.may, position))
    }

    /// Somebody looked into the message at a position, because nothing was said of it.
    pub fn learn(&self, position: usize, has_it: bool) {
        let (Some(may), Some(known)) = (self.may.get(position / 64), self.known.get(position / 64)) else { return };
        let bit = 1 << (position % 64);
        if has_it {
            may.fetch_or(bit, Ordering::AcqRel);
        } else {
            may.fetch_and(!bit, Ordering::AcqRel);
        }
        known.fetch_or(bit, Ordering::AcqRel);
    }

    /// Asks a segment.
    fn ask(&self, number: usize) -> io::Result<()> {
        let asked = self.segments.all.get(number).zip(self.segments.starts.get(number));
        let Some((segment, start)) = asked else { return Ok(()) };
        let words = segment.emails.len().div_ceil(64);
        let mut answer = Answer { may: vec![0; words], does: vec![0; words] };
        for (kind, question) in &self.questions {
            let read = segment.ask(*kind, question, &self.folded, &mut answer)?;
            self.segments.read_bytes.fetch_add(read as u64, Ordering::Relaxed);
        }
        // Who has not all of it has it not.
        let mut known: Vec<u64> = answer.may.iter().zip(&answer.does).map(|(may, does)| !may | does).collect();
        let mut take = |at: usize, kept: u64| {
            if let Some(word) = known.get_mut(at / 64) {
                *word &= kept;
            }
        };
        segment.unread.iter().for_each(|position| take(*position as usize, !(1 << (position % 64))));
        // What is behind the last one is of the next segment.
        if !segment.emails.len().is_multiple_of(64) {
            take(segment.emails.len(), (1 << (segment.emails.len() % 64)) - 1);
        }
        add(&self.may, *start, &answer.may);
        add(&self.known, *start, &known);
        Ok(())
    }
}

fn is_set(bits: &[AtomicU64], at: usize) -> bool {
    bits.get(at / 64).is_some_and(|word| word.load(Ordering::Acquire) >> (at % 64) & 1 == 1)
}

/// Sets the bits that are set in `more`, from `start` on.
fn add(bits: &[AtomicU64], start: usize, more: &[u64]) {
    let set = |word: usize, more: u64| {
        if let Some(word) = bits.get(word).filter(|_| more != 0) {
            word.fetch_or(more, Ordering::AcqRel);
        }
    };
    for (word, more) in (start / 64..).zip(more) {
        set(word, more << (start % 64));
        // What does not fit.
        set(word + 1, more.checked_shr(64 - (start % 64) as u32).unwrap_or(0));
    }
}
