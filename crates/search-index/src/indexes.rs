//! The indexes of all accounts, in one directory.

use crate::account::AccountIndex;
use crate::draft::Draft;
use crate::segment::Segment;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{AccountId, EmailId};

/// The indexes of so many accounts are open at the same time.
const OPEN_MAX: usize = 64;

/// How large indexes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexLimits {
    /// All together, in octets; where there is no room for a segment, the largest of them gives way. 0: there are none.
    pub bytes_max: u64,
    /// Each of them, in octets; of a larger one the oldest messages go. One segment may be larger.
    pub account_bytes_max: u64,
    /// What is held in memory of those that are open, in octets; the one that was asked last may have more.
    pub memory_bytes_max: usize,
    /// So many messages are in a segment at most.
    pub segment_messages_max: usize,
}

impl Default for IndexLimits {
    /// As long as nothing else is configured.
    fn default() -> Self {
        Self {
            bytes_max: 16 << 30,
            account_bytes_max: 1 << 30,
            memory_bytes_max: 256 << 20,
            segment_messages_max: 4096,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Indexes {
    directory: PathBuf,
    limits: IndexLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: HashMap<AccountId, (u64, Arc<AccountIndex>)>,
    uses: u64,
    /// With what is known of the next segment.
    wanted: BTreeMap<AccountId, Option<Next>>,
}

/// Where an index goes on.
#[derive(Clone, Copy, Debug)]
pub struct Next {
    /// The next segment begins above this message. The last one is made anew as long as it is short.
    pub after: EmailId,
    /// So many messages of it are in the index already ...
    pub again: usize,
    /// ... up to this one.
    pub reached: EmailId,
}

impl State {
    /// Closes the indexes that nobody has asked for the longest time, until there is room for one more and the others hold at most
    /// `bytes_max`.
    fn make_room(&mut self, bytes_max: usize) {
        let mut held: usize = self.open.values().map(|(_, index)| index.memory_bytes()).sum();
        while (self.open.len() >= OPEN_MAX || held > bytes_max)
            && let Some(oldest) = self.open.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id)
        {
            held -= self.open.remove(&oldest).map_or(0, |(_, index)| index.memory_bytes()).min(held);
        }
    }
}

impl Indexes {
    /// The indexes in `directory`, which need not be there.
    #[must_use]
    pub fn open(directory: PathBuf, limits: IndexLimits) -> Self {
        let wanted = accounts_in(&directory).into_iter().map(|account| (account, None)).collect();
        Self { directory, limits, state: Mutex::new(State { wanted, ..State::default() }) }
    }

    /// How large they are.
    #[must_use]
    pub fn limits(&self) -> IndexLimits {
        self.limits
    }

    /// The index of an account, as far as it goes.
    #[must_use]
    pub fn of(&self, account: AccountId) -> Arc<AccountIndex> {
        let mut state = self.lock();
        state.uses += 1;
        let uses = state.uses;
        if let Some((used, index)) = state.open.get_mut(&account) {
            *used = uses;
            return Arc::clone(index);
        }
        drop(state);
        let index = Arc::new(self.read(account));
        let mut state = self.lock();
        state.make_room(self.limits.memory_bytes_max.saturating_sub(index.memory_bytes()));
        state.open.insert(account, (uses, Arc::clone(&index)));
        index
    }

    /// Somebody searches in an account: from now on it has an index, if there are any.
    pub fn want(&self, account: AccountId) {
        if self.limits.bytes_max == 0 {
            return;
        }
        self.lock().wanted.entry(account).or_default();
    }

    /// Whether a file of an account's index turned out not to be what it was written as.
    #[must_use]
    pub fn is_damaged(&self, account: AccountId) -> bool {
        self.lock().open.get(&account).is_some_and(|(_, index)| index.is_damaged())
    }

    /// The accounts that are to have an index.
    #[must_use]
    pub fn wanted(&self) -> Vec<AccountId> {
        self.lock().wanted.keys().copied().collect()
    }

    /// Where the index of an account goes on.
    #[must_use]
    pub fn next(&self, account: AccountId) -> Next {
        if let Some(Some(next)) = self.lock().wanted.get(&account) {
            return *next;
        }
        let index = self.of(account);
        let reached = index.reached();
        let next = match index.tail() {
            Some((after, again)) if again < self.limits.segment_messages_max => {
                Next { after: EmailId(after), again, reached }
            }
            Some(_) | None => Next { after: reached, again: 0, reached },
        };
        self.lock().wanted.insert(account, Some(next));
        next
    }

    /// Adds a segment: of all messages above `after` up to `last`, as [`Self::next`] said. It is not flushed. What is too much then
    /// goes, the oldest segments first: of this account, as long as it has more than its share, then of whoever has the most.
    ///
    /// # Errors
    /// The disk says no; then the index is what it was, or shorter.
    pub fn add(&self, account: AccountId, (after, last): (EmailId, EmailId), draft: &Draft) -> io::Result<()> {
        self.write(account, (after.0, last.0), draft)?;
        let mut sizes: BTreeMap<AccountId, u64> = accounts_in(&self.directory)
            .into_iter()
            .map(|account| (account, self.segments(account).iter().map(|(_, bytes)| bytes).sum()))
            .collect();
        while sizes.get(&account).is_some_and(|bytes| *bytes > self.limits.account_bytes_max)
            && self.shorten(account, &mut sizes, 1)?
        {}
        while sizes.values().sum::<u64>() > self.limits.bytes_max {
            // Of two of the same size the one that grows.
            let largest = sizes.iter().max_by_key(|(id, bytes)| (**bytes, **id == account)).map(|(id, _)| *id);
            let kept = usize::from(largest == Some(account));
            if !largest.map_or(Ok(false), |largest| self.shorten(largest, &mut sizes, kept))? {
                break;
            }
        }
        let mut state = self.lock();
        state.open.remove(&account);
        state.wanted.insert(account, None);
        Ok(())
    }

    /// Takes the oldest segment of an account away, if more than `kept` are left; whether it did.
    fn shorten(&self, account: AccountId, sizes: &mut BTreeMap<AccountId, u64>, kept: usize) -> io::Result<bool> {
        let segments = self.segments(account);
        let Some((path, bytes)) = segments.first().filter(|_| segments.len() > kept) else { return Ok(false) };
        fs::remove_file(path)?;
        let left = sizes.get(&account).copied().unwrap_or(0).saturating_sub(*bytes);
        sizes.insert(account, left);
        let mut state = self.lock();
        state.open.remove(&account);
        state.wanted.insert(account, None);
        drop(state);
        if segments.len() == 1 {
            // Nothing is left of it: it is made anew when somebody searches again.
            sizes.remove(&account);
            self.remove(account);
        }
        Ok(true)
    }

    /// The files of an account, the oldest first, and how long they are.
    pub(crate) fn segments(&self, account: AccountId) -> Vec<(PathBuf, u64)> {
        let mut found = files(&self.directory.join(account.0.to_string())).unwrap_or_default();
        found.sort_by_key(|(_, numbers)| *numbers);
        let length = |path: &PathBuf| fs::metadata(path).map_or(0, |file| file.len());
        found.into_iter().map(|(path, _)| (length(&path), path)).map(|(bytes, path)| (path, bytes)).collect()
    }

    fn write(&self, account: AccountId, (after, last): (u64, u64), draft: &Draft) -> io::Result<()> {
        let directory = self.directory.join(account.0.to_string());
        fs::create_dir_all(&directory)?;
        let new = directory.join("new");
        let mut file = BufWriter::new(File::create(&new)?);
        draft.write(after, last, &mut file)?;
        file.flush()?;
        let name = format!("{after:016x}-{last:016x}");
        fs::rename(&new, directory.join(&name))?;
        // What it takes the place of, and what came after that.
        for (path, other) in files(&directory)? {
            if other.0 >= after && (after, last) != other {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Removes the index of an account: it is wanted again when somebody searches.
    pub fn remove(&self, account: AccountId) {
        let mut state = self.lock();
        state.open.remove(&account);
        state.wanted.remove(&account);
        drop(state);
        // What is left of it is removed the next time.
        let _again = fs::remove_dir_all(self.directory.join(account.0.to_string()));
    }

    /// How long all files together are.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let of = |account| self.segments(account).iter().map(|(_, bytes)| bytes).sum::<u64>();
        accounts_in(&self.directory).into_iter().map(of).sum()
    }

    /// Those that are open, ascending.
    #[cfg(test)]
    pub(crate) fn open_accounts(&self) -> Vec<AccountId> {
        let mut open: Vec<AccountId> = self.lock().open.keys().copied().collect();
        open.sort_unstable();
        open
    }

    fn read(&self, account: AccountId) -> AccountIndex {
        let mut found = files(&self.directory.join(account.0.to_string())).unwrap_or_default();
        // Of those that begin at the same message the longest counts.
        found.sort_by_key(|(_, (after, last))| (*after, u64::MAX - *last));
        // The oldest may have gone; what is there of the oldest must be whole.
        let mut reached = found.first().map_or(0, |(_, (after, _))| *after);
        let mut segments = Vec::new();
        for (path, (after, last)) in found {
            if after != reached {
                continue;
            }
            let Ok(segment) = Segment::open(&path) else { continue };
            if (segment.after, segment.last) == (after, last) {
                reached = last;
                segments.push(segment);
            }
        }
        AccountIndex::of(segments)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accounts_in(directory: &std::path::Path) -> BTreeSet<AccountId> {
    let Ok(entries) = fs::read_dir(directory) else { return BTreeSet::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(AccountId)).collect()
}

type Files = Vec<(PathBuf, (u64, u64))>;

fn files(directory: &std::path::Path) -> io::Result<Files> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let numbers = name.to_str().and_then(|name| name.split_once('-'));
        let parsed = numbers.and_then(|(after, last)| {
            Some((u64::from_str_radix(after, 16).ok()?, u64::from_str_radix(last, 16).ok()?))
        });
        found.extend(parsed.map(|numbers| (entry.path(), numbers)));
    }
    Ok(found)
}
