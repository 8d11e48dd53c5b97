//! The engine: its options, how it opens a directory, and which shard an account lives in.

use crate::batch::ShardWriter;
use crate::checkpoint::Checkpointer;
use crate::directory::{Directory, OpenError, SHARDS_MAX};
use crate::reader::Readers;
use crate::shard::{ShardFile, Unopened};
use std::collections::BTreeSet;
use std::path::Path;
use store::engine::{Commit, CommitError, Engine, EngineError, Inspect, Snapshot};
use store::group_commit::{Change, Flushes, Writer};
use store::ids::{AccountId, ModSeq};

/// SQLite before this version could lose committed transactions when a checkpoint met the start of a new log.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// How to open a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// The number of shard files, 1 to 64. Fixed when the directory is created: later the recorded number counts.
    pub shards: u8,
    /// At most this many snapshots of a shard are alive at a time; a caller that wants one more waits.
    pub readers_max: usize,
    /// Memory of each shard's writer for pages of the file, in KiB.
    pub cache_kib: u32,
    /// A shard file may not grow beyond this: then commits end with `Full`. The log beside it is not counted.
    pub shard_bytes_max: Option<u64>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { shards: 2, readers_max: 64, cache_kib: 32 << 10, shard_bytes_max: None }
    }
}

/// An [`Engine`] on a directory of SQLite files. Dropped, it finishes the commits that wait and closes the files.
#[derive(Debug)]
pub struct SqliteEngine {
    // Dropped in this order: the directory stays locked until all is closed.
    shards: Vec<Shard>,
    flushes: Flushes,
    _directory: Directory,
}

/// A file with the threads that work on it.
#[derive(Debug)]
enum Shard {
    Open(OpenShard),
    /// It could not be opened: only the accounts in it are concerned.
    Closed {
        why: String,
    },
}

#[derive(Debug)]
struct OpenShard {
    readers: Readers,
    writing: Writing,
}

#[derive(Debug)]
enum Writing {
    Runs {
        writer: Writer,
        _checkpointer: Checkpointer,
    },
    /// The disk takes nothing: as long as the process lives, because readers rely on it.
    Not {
        why: String,
    },
}

impl SqliteEngine {
    /// Opens the data directory, and creates it where there is none. A shard that cannot be opened is left closed: its
    /// accounts are [`EngineError::Damaged`], the others work. A shard that can only be read is read.
    ///
    /// # Errors
    /// When another process has it open, it has a foreign or newer format, or none of it can be read and written; the
    /// text is one sentence for the operator.
    pub fn open(directory: &Path, options: &SqliteOptions) -> Result<Self, OpenError> {
        check_version(rusqlite::version_number())?;
        let directory = Directory::lock(directory)?;
        let (shards, is_newest) = match directory.shards()? {
            Some(shards) => shards,
            None => (create(&directory, options)?, true),
        };
        let flushes = Flushes::default();
        let file = |number| shard_file(&directory, options, (number, shards));
        let open = |number| OpenShard::open(&directory, file(number), options, &flushes);
        let mut opened = Vec::new();
        let mut first_error = None;
        for number in 0..shards {
            opened.push(open(number).map_or_else(
                |error| {
                    tracing::error!("accounts cannot be used: {error}");
                    let why = error.what.clone();
                    first_error.get_or_insert(error);
                    Shard::Closed { why }
                },
                Shard::Open,
            ));
        }
        match first_error {
            Some(error) if opened.iter().all(Shard::is_closed) => return Err(error),
            // A shard that is closed may be of an earlier version still.
            Some(_) => {}
            None if is_newest || opened.iter().any(|shard| shard.why_read_only().is_some()) => {}
            None => directory.record_shards(shards)?,
        }
        Ok(Self { shards: opened, flushes, _directory: directory })
    }

    /// There is at least one shard (`directory` refuses 0), so that the remainder is the index of one.
    fn index(&self, account: AccountId) -> usize {
        account.0 as usize % self.shards.len()
    }

    fn shard(&self, account: AccountId) -> Result<&OpenShard, String> {
        match &self.shards[self.index(account)] {
            Shard::Open(shard) => Ok(shard),
            Shard::Closed { why } => Err(format!("account {account} cannot be read: {why}")),
        }
    }
}

impl Engine for SqliteEngine {
    fn flushes(&self) -> Option<&Flushes> {
        Some(&self.flushes)
    }

    fn snapshot(&self, account: AccountId) -> Result<Box<dyn Snapshot + '_>, EngineError> {
        let shard = self.shard(account).map_err(|what| EngineError::Damaged { what })?;
        Ok(Box::new(shard.readers.snapshot(account)?))
    }

    fn head(&self, account: AccountId) -> Result<ModSeq, EngineError> {
        self.shard(account).map_err(|what| EngineError::Damaged { what })?.readers.head(account)
    }

    fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        commit.check_limits().map_err(|what| CommitError::Failed { what })?;
        let shard = self.shard(commit.account).map_err(|what| CommitError::Damaged { what })?;
        shard.change(Change::Commit(commit))
    }

    fn accounts(&self) -> Result<Vec<AccountId>, EngineError> {
        let mut accounts = BTreeSet::new();
        for shard in &self.shards {
            if let Shard::Open(shard) = shard {
                accounts.append(&mut shard.readers.accounts()?);
            }
        }
        Ok(accounts.into_iter().collect())
    }

    fn remove_account(&self, account: AccountId) -> Result<(), CommitError> {
        let shard = self.shard(account).map_err(|what| CommitError::Damaged { what })?;
        shard.change(Change::Remove(account))
    }

    fn inspect(&self, account: AccountId, visit: &mut Inspect<'_>) -> Result<(), EngineError> {
        let shard = self.shard(account).map_err(|what| EngineError::Damaged { what })?;
        shard.readers.inspect(account, visit)
    }

    fn lie_apart(&self, one: AccountId, other: AccountId) -> bool {
        self.index(one) != self.index(other)
    }

    fn check_files(&self) -> Vec<String> {
        let check = |shard: &Shard| match shard {
            Shard::Open(shard) => shard.readers.check_file(),
            Shard::Closed { why } => vec![why.clone()],
        };
        self.shards.iter().flat_map(check).collect()
    }

    fn read_only(&self) -> Option<String> {
        self.shards.iter().find_map(Shard::why_read_only).map(str::to_owned)
    }

    fn reusable_bytes(&self) -> u64 {
        let shards = self.shards.iter().filter_map(|shard| match shard {
            Shard::Open(shard) => Some(shard.readers.reusable_bytes().unwrap_or_default()),
            Shard::Closed { .. } => None,
        });
        shards.sum()
    }

    fn closed(&self) -> Vec<String> {
        let why = |shard: &Shard| match shard {
            Shard::Open(_) => None,
            Shard::Closed { why } => Some(why.clone()),
        };
        self.shards.iter().filter_map(why).collect()
    }
}

impl Shard {
    fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    fn why_read_only(&self) -> Option<&str> {
        match self {
            Self::Open(OpenShard { writing: Writing::Not { why }, .. }) => Some(why),
            Self::Open(OpenShard { writing: Writing::Runs { .. }, .. }) | Self::Closed { .. } => None,
        }
    }
}

impl OpenShard {
    /// Twice where the first time does not end well: what fails for a moment must leave no account closed, or unwritten, for as
    /// long as the process lives.
    fn open(
        directory: &Directory,
        file: ShardFile,
        options: &SqliteOptions,
        flushes: &Flushes,
    ) -> Result<Self, OpenError> {
        let first = Self::open_once(directory, file.clone(), options, flushes);
        let problem = match &first {
            Ok(Self { writing: Writing::Runs { .. }, .. }) => return first,
            Ok(Self { writing: Writing::Not { why }, .. }) => why.clone(),
            Err(error) => error.what.clone(),
        };
        tracing::warn!("a part of the store is opened once more: {problem}");
        // What could be read the first time is read, whatever comes of the second. It has no connection yet.
        Self::open_once(directory, file, options, flushes).or(first)
    }

    fn open_once(
        directory: &Directory,
        file: ShardFile,
        options: &SqliteOptions,
        flushes: &Flushes,
    ) -> Result<Self, OpenError> {
        if !file.path.exists() {
            let what = format!("{} is missing; restore it from a backup", file.path.display());
            return Err(OpenError { what });
        }
        match Writing::start(&file, flushes) {
            Ok(writing) => {
                directory.sync()?;
                Ok(Self { readers: Readers::new(file, options.readers_max), writing })
            }
            Err(Unopened { what, is_unwritable: false }) => Err(OpenError { what }),
            Err(Unopened { what, is_unwritable: true }) => {
                let file = ShardFile { is_frozen: true, ..file };
                // The first sentence says what is wrong; the second, that what is there cannot be read either.
                file.check_frozen().map_err(|also| OpenError { what: format!("{what}; to read it: {also}") })?;
                Ok(Self { readers: Readers::new(file, options.readers_max), writing: Writing::Not { why: what } })
            }
        }
    }

    fn change(&self, change: Change) -> Result<(), CommitError> {
        match &self.writing {
            Writing::Runs { writer, .. } => writer.change(change),
            Writing::Not { why } => Err(CommitError::ReadOnly { what: why.clone() }),
        }
    }
}

impl Writing {
    fn start(file: &ShardFile, flushes: &Flushes) -> Result<Self, Unopened> {
        let thread = |error| Unopened::from(format!("cannot start a thread for {}: {error}", file.path.display()));
        let number = file.number;
        let (checkpointer, log) = Checkpointer::start(format!("copy-{number:02}"), file.clone()).map_err(thread)?;
        let shard = ShardWriter::open(file.clone(), log)?;
        let writer = Writer::start(format!("write-{number:02}"), shard, flushes.clone()).map_err(thread)?;
        Ok(Self::Runs { writer, _checkpointer: checkpointer })
    }
}

fn shard_file(directory: &Directory, options: &SqliteOptions, (number, shards): (u8, u8)) -> ShardFile {
    let SqliteOptions { cache_kib, shard_bytes_max: bytes_max, .. } = *options;
    ShardFile { path: directory.shard(number), number, shards, cache_kib, bytes_max, is_frozen: false }
}

/// Creates the shards of a directory that has no format file, which it gets when all of them are durable.
fn create(directory: &Directory, options: &SqliteOptions) -> Result<u8, OpenError> {
    let shards = options.shards;
    if !(1..=SHARDS_MAX).contains(&shards) {
        let what = format!("a store cannot have {shards} shards; choose 1 to {SHARDS_MAX}");
        return Err(OpenError { what });
    }
    // A crash while a directory is created leaves empty shards. Any other shard without a format file has lost it.
    for number in 0..SHARDS_MAX {
        let file = shard_file(directory, options, (number, shards));
        if file.path.exists() && file.is_used().map_err(|what| OpenError { what })? {
            let what =
                format!("{} holds mail but the file `format` beside it is missing; restore it", file.path.display());
            return Err(OpenError { what });
        }
    }
    for number in 0..shards {
        shard_file(directory, options, (number, shards)).create().map_err(|what| OpenError { what })?;
    }
    directory.sync()?;
    directory.record_shards(shards)?;
    Ok(shards)
}

fn check_version(version: i32) -> Result<(), OpenError> {
    if version >= SQLITE_VERSION_MIN {
        return Ok(());
    }
    let text = |version: i32| format!("{}.{}.{}", version / 1_000_000, version / 1000 % 1000, version % 1000);
    let what = format!(
        "this program was built with SQLite {}, which can lose mail; build it with {} or later",
        text(version),
        text(SQLITE_VERSION_MIN)
    );
    Err(OpenError { what })
}
