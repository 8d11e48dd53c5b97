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
    known: Vec<OnceLock<Known>>,
}

/// What is known of the messages of a segment, a bit for each.
#[derive(Debug)]
struct Known {
    /// Who has it, as far as that is known, else who may have it.
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
    pub fn position(&self, email: EmailId, hint: &mut usize) -> Option<usize> {
        if self.emails.get(*hint + 1) == Some(&email.0) {
            *hint += 1;
            return Some(*hint);
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
        let known = self.segments.all.iter().map(|_| OnceLock::new()).collect();
        let segments = Arc::clone(&self.segments);
        let found = Arc::new(Candidates { segments, folded: folded.to_owned(), questions, known });
        let mut others = self.lock();
        let bytes = self.emails.len() / 4 + self.segments.all.len() * size_of::<OnceLock<Known>>() + folded.len() + 1;
        if (others.len() + 1).saturating_mul(bytes) > LEARNT_BYTES_MAX {
            others.clear();
        }
        others.insert(asked, Arc::clone(&found));
        Some(found)
    }

    /// How much look-ups have read so far, in octets.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.segments.read_bytes.load(Ordering::Relaxed)
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
    pub fn says(&self, position: usize) -> Option<bool> {
        let (known, at) = self.known_of(position)?;
        is_set(&known.known, at).then(|| is_set(&known.may, at))
    }

    /// Somebody looked into the message at a position.
    pub fn learn(&self, position: usize, has_it: bool) {
        let Some((known, at)) = self.known_of(position) else { return };
        let (Some(may), Some(known)) = (known.may.get(at / 64), known.known.get(at / 64)) else { return };
        let bit = 1 << (at % 64);
        if has_it {
            may.fetch_or(bit, Ordering::AcqRel);
        } else {
            may.fetch_and(!bit, Ordering::AcqRel);
        }
        known.fetch_or(bit, Ordering::AcqRel);
    }

    /// What is known of the segment of a message, and where the message is in it.
    fn known_of(&self, position: usize) -> Option<(&Known, usize)> {
        let number = self.segments.starts.partition_point(|start| *start <= position).checked_sub(1)?;
        let known = self.known.get(number)?;
        let known = known.get_or_init(|| {
            self.ask(number).unwrap_or_else(|_| {
                self.segments.is_damaged.store(true, Ordering::Relaxed);
                let messages = self.segments.all.get(number).map_or(0, |segment| segment.emails.len());
                // Nothing is known, and all is read.
                let nothing = || (0..messages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
                Known { may: nothing(), known: nothing() }
            })
        });
        Some((known, position - self.segments.starts.get(number)?))
    }

    fn ask(&self, number: usize) -> io::Result<Known> {
        let Some(segment) = self.segments.all.get(number) else {
            return Ok(Known { may: Vec::new(), known: Vec::new() });
        };
        let words = segment.emails.len().div_ceil(64);
        let mut answer = Answer { may: vec![0; words], does: vec![0; words] };
        for (kind, question) in &self.questions {
            let read = segment.ask(*kind, question, &self.folded, &mut answer)?;
            self.segments.read_bytes.fetch_add(read as u64, Ordering::Relaxed);
        }
        // Who has not all of it has it not.
        let mut known: Vec<u64> = answer.may.iter().zip(&answer.does).map(|(may, does)| !may | does).collect();
        for position in &segment.unread {
            if let Some(word) = known.get_mut(*position as usize / 64) {
                *word &= !(1 << (position % 64));
            }
        }
        let shared = |bits: Vec<u64>| bits.into_iter().map(AtomicU64::new).collect();
        Ok(Known { may: shared(answer.may), known: shared(known) })
    }
}

fn is_set(bits: &[AtomicU64], at: usize) -> bool {
    bits.get(at / 64).is_some_and(|word| word.load(Ordering::Acquire) >> (at % 64) & 1 == 1)
}
