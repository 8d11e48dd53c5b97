//! The index of one account, as it stood when it was opened.

use crate::Kind;
use crate::segment::Segment;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use store::EmailId;

/// Of so many places in a text a look-up asks at most: they narrow it down well enough.
const PLACES_MAX: usize = 12;
/// What was found out about texts that were asked for takes so much memory, for each account that is open; one text more.
const LEARNT_BYTES_MAX: usize = 1024 * 1024;

/// The segments of an account, one after the other.
#[derive(Debug, Default)]
pub struct AccountIndex {
    segments: Vec<Segment>,
    /// The numbers of all messages, ascending.
    emails: Vec<u64>,
    asked: Mutex<HashMap<(u8, String), Arc<Candidates>>>,
    is_damaged: AtomicBool,
}

/// What an index knows of a text, and what was found out since: a message never changes. Messages are known by their position
/// in the index.
#[derive(Debug)]
pub struct Candidates {
    /// Who has it, as far as that is known, else who may have it.
    may: Vec<AtomicU64>,
    /// Of whom that is known.
    known: Vec<AtomicU64>,
}

impl AccountIndex {
    pub(crate) fn of(segments: Vec<Segment>) -> Self {
        let emails = segments.iter().flat_map(|segment| segment.emails.iter().copied()).collect();
        Self { segments, emails, ..Self::default() }
    }

    /// What it holds in memory at most, in octets: the heads of its segments, and what may be learnt.
    pub(crate) fn memory_bytes(&self) -> usize {
        let segments: usize = self.segments.iter().map(Segment::memory_bytes).sum();
        segments + self.emails.len() * size_of::<u64>() + LEARNT_BYTES_MAX + self.emails.len() / 4
    }

    /// Messages above this number are not in it.
    #[must_use]
    pub fn reached(&self) -> EmailId {
        EmailId(self.segments.last().map_or(0, |segment| segment.last))
    }

    /// The last segment, unless it takes no more: from where on, and how many messages.
    pub(crate) fn tail(&self) -> Option<(u64, usize)> {
        self.segments.last().filter(|last| !last.is_full).map(|last| (last.after, last.emails.len()))
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

    /// Which messages may have `folded` in a text of these kinds. `None`: the index cannot say, because the text is shorter
    /// than two octets or a file is damaged.
    #[must_use]
    pub fn look_up(&self, kinds: &[Kind], folded: &str) -> Option<Arc<Candidates>> {
        if folded.len() < 2 {
            return None;
        }
        let asked = (kinds.iter().fold(0, |mask, kind| mask | 1 << *kind as u8), folded.to_owned());
        if let Some(known) = self.lock().get(&asked) {
            return Some(Arc::clone(known));
        }
        let found = match self.find(kinds, folded.as_bytes()) {
            Ok(found) => Arc::new(found),
            Err(_) => {
                self.is_damaged.store(true, Ordering::Relaxed);
                return None;
            }
        };
        let mut others = self.lock();
        let bytes = self.emails.len() / 4 + 1;
        if (others.len() + 1).saturating_mul(bytes) > LEARNT_BYTES_MAX {
            others.clear();
        }
        others.insert(asked, Arc::clone(&found));
        Some(found)
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Relaxed)
    }

    fn find(&self, kinds: &[Kind], octets: &[u8]) -> io::Result<Candidates> {
        let words = self.emails.len().div_ceil(64);
        let (mut may, mut unread) = (vec![0; words], vec![0; words]);
        let mut start = 0;
        for segment in &self.segments {
            segment.unread(&mut |at| set(&mut unread, start + at))?;
            for kind in kinds {
                candidates(segment, *kind, octets, &mut |at| set(&mut may, start + at))?;
            }
            start += segment.emails.len();
        }
        let known = may.iter().zip(&unread).map(|(may, unread)| {
            // Who has not all of it has it not; where it is exact, who may have it has it.
            AtomicU64::new(!unread & if is_exact(octets) { u64::MAX } else { !may })
        });
        let known = known.collect();
        Ok(Candidates { may: may.into_iter().map(AtomicU64::new).collect(), known })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(u8, String), Arc<Candidates>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Candidates {
    /// Whether the message at a position has the text; `None`: it is to be looked into.
    #[must_use]
    pub fn says(&self, position: usize) -> Option<bool> {
        let is = |bits: &[AtomicU64]| {
            bits.get(position / 64).is_some_and(|word| word.load(Ordering::Acquire) >> (position % 64) & 1 == 1)
        };
        is(&self.known).then(|| is(&self.may))
    }

    /// Somebody looked into the message at a position.
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
}

fn set(bits: &mut [u64], at: usize) {
    if let Some(word) = bits.get_mut(at / 64) {
        *word |= 1 << (at % 64);
    }
}

/// What has at most three octets stands wherever they stand; but an octet 0 may be the end of a text.
fn is_exact(octets: &[u8]) -> bool {
    octets.len() <= 3 && !octets.contains(&0)
}

/// Which messages of a segment have all of these octets, three at a time, in texts of a kind.
fn candidates(segment: &Segment, kind: Kind, octets: &[u8], found: &mut impl FnMut(usize)) -> io::Result<()> {
    if let [one, two] = *octets {
        return segment.look_up(kind.key([one, two, 0]), kind.key([one, two, 0xff]), found);
    }
    // Places spread over the text, each once.
    let step = octets.len().saturating_sub(2).div_ceil(PLACES_MAX).max(1);
    let places = octets.windows(3).step_by(step);
    let mut keys: Vec<u32> = places.map(|three| kind.key([three[0], three[1], three[2]])).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut times = vec![0usize; segment.emails.len()];
    for (before, key) in keys.iter().enumerate() {
        let mut is_any = false;
        segment.look_up(*key, *key, &mut |at| {
            if let Some(times) = times.get_mut(at).filter(|times| **times == before) {
                *times += 1;
                is_any = true;
            }
        })?;
        if !is_any {
            return Ok(());
        }
    }
    times.iter().enumerate().filter(|(_, times)| **times == keys.len()).for_each(|(at, _)| found(at));
    Ok(())
}
