//! The engine: how it opens a database, and which writer commits for an account.

use std::collections::HashMap;
use std::sync::Arc;

use futures::executor::block_on;
use store::TableId;
use store::engine::{Commit, CommitError, Engine, EngineError, Snapshot};
use store::group_commit::{Change, Flushes, Writer};
use store::ids::{AccountId, ModSeq};

use crate::connection::Database;
use crate::options::{OpenError, PostgresOptions};
use crate::reader::{PostgresSnapshot, Readers};
use crate::statements::ACCOUNTS;
use crate::writer::ConnectionWriter;

/// Connections for reading the table of servers at the same time.
const BEAT_READERS_MAX: usize = 4;

/// The storage engine over the PostgreSQL protocol. Dropped, it finishes the commits that wait.
#[derive(Debug)]
pub struct PostgresEngine {
    // Before the database: the threads of its connections end last.
    writers: Vec<Writer>,
    /// Where there are several servers, for the table in which they show that they are alive: what keeps accounts waiting (a lock, a large
    /// one that is removed, many that read) must make nobody dead.
    beats: Option<(Writer, Readers)>,
    readers: Readers,
    database: Arc<Database>,
    flushes: Flushes,
}

impl PostgresEngine {
    /// Opens the database, and makes its tables at the first start.
    ///
    /// # Errors
    /// A database that is not there, does not promise to keep what it acknowledged, is written to by another server, or is
    /// of a later format: [`OpenError`].
    pub fn open(options: &PostgresOptions) -> Result<Self, OpenError> {
        let database = Arc::new(Database::new(options)?);
        database.create().map_err(|what| OpenError { what })?;
        let flushes = Flushes::default();
        let writer = |number: u8| {
            let connection = ConnectionWriter::open(Arc::clone(&database), number)?;
            Writer::start(format!("commit-{number:02}"), connection, flushes.clone())
                .map_err(|error| format!("cannot start a thread for {}: {error}", database.place))
        };
        let count = options.writers.max(1);
        let writers: Result<Vec<Writer>, String> = (0..count).map(writer).collect();
        let writers = writers.map_err(|what| OpenError { what })?;
        let beats = |_: &String| Ok((writer(count)?, Readers::new(Arc::clone(&database), BEAT_READERS_MAX)));
        let beats = options.node.as_ref().map(beats).transpose().map_err(|what| OpenError { what })?;
        let readers = Readers::new(Arc::clone(&database), options.readers_max);
        Ok(Self { writers, beats, readers, database, flushes })
    }

    fn beats_of(&self, account: AccountId) -> Option<&(Writer, Readers)> {
        self.beats.as_ref().filter(|_| account == TableId::Nodes.keyspace())
    }

    fn change(&self, account: AccountId, change: Change) -> Result<(), CommitError> {
        if let Some((writer, _)) = self.beats_of(account) {
            return writer.change(change);
        }
        // One account, one writer: its commits stay in their order and never wait for each other's locks.
        let writers = u32::try_from(self.writers.len()).unwrap_or(1);
        let index = usize::try_from(account.0 % writers).unwrap_or_default();
        self.writers[index].change(change)
    }
}

impl Engine for PostgresEngine {
    fn flushes(&self) -> Option<&Flushes> {
        Some(&self.flushes)
    }

    fn snapshot(&self, account: AccountId) -> Result<Box<dyn Snapshot + '_>, EngineError> {
        let readers = self.beats_of(account).map_or(&self.readers, |(_, readers)| readers);
        let snapshot: PostgresSnapshot<'_> = readers.snapshot(account)?;
        Ok(Box::new(snapshot))
    }

    fn head(&self, account: AccountId) -> Result<ModSeq, EngineError> {
        let readers = self.beats_of(account).map_or(&self.readers, |(_, readers)| readers);
        readers.head(account)
    }

    fn heads(&self, accounts: &[AccountId]) -> Result<Vec<ModSeq>, EngineError> {
        let reader = self.readers.take()?;
        let asked: Vec<i64> = accounts.iter().map(|account| account.0.into()).collect();
        let connection = reader.connection()?;
        let rows =
            block_on(connection.client.query(&connection.heads, &[&asked])).map_err(|error| reader.fault(error))?;
        let heads: HashMap<i64, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let head = |account: &i64| ModSeq(heads.get(account).copied().unwrap_or_default().unsigned_abs());
        Ok(asked.iter().map(head).collect())
    }

    fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        commit.check_limits().map_err(|what| CommitError::Failed { what })?;
        self.change(commit.account, Change::Commit(commit))
    }

    fn accounts(&self) -> Result<Vec<AccountId>, EngineError> {
        let reader = self.readers.take()?;
        let account = |row: &tokio_postgres::Row| {
            let account: i64 = row.get(0);
            u32::try_from(account).map(AccountId).map_err(|_| EngineError::Damaged {
                what: format!(
                    "{} has an account {account}, which cannot be; somebody else wrote it",
                    self.database.place
                ),
            })
        };
        let rows = block_on(reader.connection()?.client.query(ACCOUNTS, &[]));
        rows.map_err(|error| reader.fault(error))?.iter().map(account).collect()
    }

    fn remove_account(&self, account: AccountId) -> Result<(), CommitError> {
        self.change(account, Change::Remove(account))
    }
}
