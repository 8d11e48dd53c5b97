//! The indexes of all accounts, in one directory.

use crate::account::AccountIndex;
use crate::segment::{Draft, Segment};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{AccountId, EmailId};

/// The indexes of so many accounts are open at the same time.
const OPEN_MAX: usize = 64;

/// How large indexes are.
#[derive(Clone, Copy, Debug)]
pub struct IndexLimits {
    /// All together, in octets; one segment more may be there.
    pub bytes_max: u64,
    /// So many messages are in a segment at most.
    pub segment_messages_max: usize,
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

/// Why an index was not made longer.
#[derive(Debug)]
pub enum NotIndexed {
    /// All indexes together have the size that they may have.
    Full,
    /// The disk says no.
    Failed(io::Error),
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
        if state.open.len() >= OPEN_MAX
            && let Some(oldest) = state.open.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id)
        {
            state.open.remove(&oldest);
        }
        state.open.insert(account, (uses, Arc::clone(&index)));
        index
    }

    /// Somebody searches in an account: from now on it has an index.
    pub fn want(&self, account: AccountId) {
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

    /// Adds a segment: of all messages above `after` up to `last`, as [`Self::next`] said. It is not flushed.
    ///
    /// # Errors
    /// [`NotIndexed`]; then the index is what it was.
    pub fn add(&self, account: AccountId, (after, last): (EmailId, EmailId), draft: &Draft) -> Result<(), NotIndexed> {
        if self.bytes() >= self.limits.bytes_max {
            return Err(NotIndexed::Full);
        }
        self.write(account, (after.0, last.0), draft).map_err(NotIndexed::Failed)?;
        let mut state = self.lock();
        state.open.remove(&account);
        state.wanted.insert(account, None);
        Ok(())
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
        let of = |account: &AccountId| {
            let files = files(&self.directory.join(account.0.to_string())).unwrap_or_default();
            files.iter().filter_map(|(path, _)| fs::metadata(path).ok()).map(|file| file.len()).sum::<u64>()
        };
        accounts_in(&self.directory).iter().map(of).sum()
    }

    fn read(&self, account: AccountId) -> AccountIndex {
        let mut found = files(&self.directory.join(account.0.to_string())).unwrap_or_default();
        // Of those that begin at the same message the longest counts.
        found.sort_by_key(|(_, (after, last))| (*after, u64::MAX - *last));
        let (mut segments, mut reached) = (Vec::new(), 0);
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
