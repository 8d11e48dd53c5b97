//! Snapshots: read transactions, each on a connection of its own out of a bounded pool.
//!
//! A transaction that stays open keeps the write-ahead log from starting over: a snapshot is for one step of a session,
//! not for its life.

use crate::shard::{ShardFile, head};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;
use store::engine::{EngineError, Snapshot, Visit};
use store::ids::{AccountId, ModSeq};

/// How long a caller waits for a connection when all are in use. Longer means that they are not given back.
const WAIT: Duration = Duration::from_secs(10);

/// The connections for reading a shard.
#[derive(Debug)]
pub(crate) struct Readers {
    file: ShardFile,
    connections_max: usize,
    pool: Mutex<Pool>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Connection>,
    /// Idle and in use.
    open: usize,
}

impl Readers {
    /// None is open yet.
    pub fn new(file: ShardFile, connections_max: usize) -> Self {
        Self { file, connections_max: connections_max.max(1), pool: Mutex::default(), freed: Condvar::new() }
    }

    /// A view of the account as it is now.
    pub fn snapshot(&self, account: AccountId) -> Result<SqliteSnapshot<'_>, EngineError> {
        let mut reader = self.take()?;
        let head = reader.begin(account).map_err(|error| {
            reader.broken = true;
            self.failed(account, &error)
        })?;
        Ok(SqliteSnapshot { reader, account, head })
    }

    /// Every account of the shard, ascending.
    pub fn accounts(&self) -> Result<Vec<AccountId>, EngineError> {
        let reader = self.take()?;
        let accounts = || {
            let mut statement = reader.connection()?.prepare_cached("SELECT account FROM heads ORDER BY account")?;
            let accounts = statement.query_map([], |row| row.get(0).map(AccountId))?;
            accounts.collect::<rusqlite::Result<Vec<_>>>()
        };
        accounts().map_err(|error| EngineError { what: self.file.cannot("list the accounts of", &error) })
    }

    fn take(&self) -> Result<Reader<'_>, EngineError> {
        let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let all_in_use = |pool: &mut Pool| pool.idle.is_empty() && pool.open >= self.connections_max;
        let (mut pool, waited) =
            self.freed.wait_timeout_while(pool, WAIT, all_in_use).unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(EngineError {
                what: format!(
                    "cannot read {}: all {} read connections have been in use for {} s",
                    self.file.path.display(),
                    self.connections_max,
                    WAIT.as_secs()
                ),
            });
        }
        if let Some(connection) = pool.idle.pop() {
            return Ok(Reader { readers: self, connection: Some(connection), broken: false });
        }
        pool.open += 1;
        drop(pool);
        // From here on dropping the reader frees its place.
        let mut reader = Reader { readers: self, connection: None, broken: false };
        let opened = self.file.reader();
        reader.connection = Some(opened.map_err(|error| EngineError { what: self.file.cannot("open", &error) })?);
        Ok(reader)
    }

    fn failed(&self, account: AccountId, error: &rusqlite::Error) -> EngineError {
        EngineError { what: self.file.cannot(&format!("read account {account} in"), error) }
    }

    fn damaged(&self, account: AccountId) -> EngineError {
        EngineError {
            what: format!(
                "{} is damaged: a record of account {account} has lost its value; restore the file from a backup",
                self.file.path.display()
            ),
        }
    }
}

/// A connection out of the pool; dropped, it ends its transaction and goes back.
struct Reader<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
    broken: bool,
}

impl Reader<'_> {
    fn connection(&self) -> rusqlite::Result<&Connection> {
        self.connection.as_ref().ok_or(rusqlite::Error::InvalidQuery)
    }

    /// The first read fixes what the transaction sees.
    fn begin(&self, account: AccountId) -> rusqlite::Result<ModSeq> {
        let connection = self.connection()?;
        connection.prepare_cached("BEGIN")?.execute([])?;
        head(connection, account)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let end = |connection: &Connection| {
            connection.is_autocommit()
                || connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])).is_ok()
        };
        let sound = self.connection.take().filter(|connection| end(connection) && !self.broken);
        let mut pool = self.readers.pool.lock().unwrap_or_else(PoisonError::into_inner);
        match sound {
            Some(connection) => pool.idle.push(connection),
            None => pool.open -= 1,
        }
        drop(pool);
        self.readers.freed.notify_one();
    }
}

/// A read transaction on one account.
pub(crate) struct SqliteSnapshot<'a> {
    reader: Reader<'a>,
    account: AccountId,
    head: ModSeq,
}

impl SqliteSnapshot<'_> {
    fn find(&self, key: &[u8]) -> rusqlite::Result<Option<Found>> {
        let mut statement =
            self.reader.connection()?.prepare_cached("SELECT value FROM records WHERE account = ?1 AND key = ?2")?;
        let mut rows = statement.query(params![self.account.0, key])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        Ok(Some(match row.get_ref(0)? {
            ValueRef::Blob(value) => Found::Inline(value.to_vec()),
            ValueRef::Integer(number) => Found::Large(number),
            _ => Found::Damaged,
        }))
    }

    /// The value that a record keeps elsewhere; `None` if it is not there, which is damage.
    fn large(&self, number: i64) -> rusqlite::Result<Option<Vec<u8>>> {
        let mut statement = self.reader.connection()?.prepare_cached("SELECT value FROM large WHERE number = ?1")?;
        statement.query_row([number], |row| row.get(0)).optional()
    }

    fn walk(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> rusqlite::Result<Walk> {
        let mut statement = self.reader.connection()?.prepare_cached(
            "SELECT key, value FROM records WHERE account = ?1 AND key >= ?2 AND key < ?3 ORDER BY key",
        )?;
        let mut rows = statement.query(params![self.account.0, from, to])?;
        while let Some(row) = rows.next()? {
            let ValueRef::Blob(key) = row.get_ref(0)? else {
                return Ok(Walk::Damaged);
            };
            let flow = match row.get_ref(1)? {
                ValueRef::Blob(value) => visit(key, value),
                ValueRef::Integer(number) => match self.large(number)? {
                    Some(value) => visit(key, &value),
                    None => return Ok(Walk::Damaged),
                },
                _ => return Ok(Walk::Damaged),
            };
            if flow == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(Walk::Done)
    }

    fn failed(&self, error: &rusqlite::Error) -> EngineError {
        self.reader.readers.failed(self.account, error)
    }

    fn damaged(&self) -> EngineError {
        self.reader.readers.damaged(self.account)
    }
}

enum Found {
    Inline(Vec<u8>),
    Large(i64),
    Damaged,
}

enum Walk {
    Done,
    Damaged,
}

impl Snapshot for SqliteSnapshot<'_> {
    fn head(&self) -> ModSeq {
        self.head
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        match self.find(key).map_err(|error| self.failed(&error))? {
            None => Ok(None),
            Some(Found::Inline(value)) => Ok(Some(value)),
            Some(Found::Large(number)) => {
                let value = self.large(number).map_err(|error| self.failed(&error))?;
                value.map(Some).ok_or_else(|| self.damaged())
            }
            Some(Found::Damaged) => Err(self.damaged()),
        }
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        match self.walk(from, to, visit).map_err(|error| self.failed(&error))? {
            Walk::Done => Ok(()),
            Walk::Damaged => Err(self.damaged()),
        }
    }
}
